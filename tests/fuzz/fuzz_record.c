/* SPDX-License-Identifier: MIT */
/*
 * Any bytes cut up into a record: flags, salt size, seq, then key, signature, salt and value. Bad
 * ones are refused, and what we sign verifies.
 */
#include <string.h>

#include "core/record/record.h"
#include "fuzz.h"

static void check_signed(struct kith_span salt, int64_t seq, struct kith_span value) {
    static const uint8_t seed[KITH_SEED_SIZE] = {1};
    struct kith_identity identity;
    struct kith_record record;
    struct kith_record_view view;
    struct kith_point point;
    kith_identity_from_seed(&identity, &kith_curve_sodium, seed);
    if (kith_record_sign(&record, &identity, &kith_curve_sodium, salt, seq, value) == 0) {
        kith_record_view(&record, &view);
        kith_record_point(&view, &point);
        FUZZ_REQUIRE(kith_record_verify(&view, &kith_curve_sodium, &point) == 0);
        FUZZ_REQUIRE(kith_span_equal(view.salt, salt) && kith_span_equal(view.value, value));
        FUZZ_REQUIRE(kith_record_compare(&view, &view) == 0);
    }
    kith_identity_wipe(&identity);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct kith_reader r = kith_reader(kith_span(data, size));
    bool is_mutable = (kith_read_u8(&r) & 1) != 0;
    size_t salt_size = kith_read_u8(&r);
    int64_t seq = (int64_t)kith_read_u64(&r);
    const uint8_t *key = is_mutable ? kith_read_bytes(&r, KITH_KEY_SIZE) : NULL;
    const uint8_t *signature = is_mutable ? kith_read_bytes(&r, KITH_SIGNATURE_SIZE) : NULL;
    const uint8_t *salt = kith_read_bytes(&r, salt_size);
    if (r.failed) {
        return 0;
    }
    struct kith_record_view view = {.is_mutable = is_mutable,
                                    .key = key,
                                    .signature = signature,
                                    .salt = kith_span(salt, salt_size),
                                    .seq = seq,
                                    .value = kith_span(r.at, kith_reader_left(&r))};
    int checked = kith_record_check(&view);
    int verified = kith_record_verify(&view, &kith_curve_sodium, NULL);
    FUZZ_REQUIRE(checked < 0 ? verified == checked : verified == 0 || verified == KITH_EVERIFY);
    if (checked == 0) {
        struct kith_record record;
        struct kith_record_view copy;
        kith_record_copy(&record, &view);
        kith_record_view(&record, &copy);
        FUZZ_REQUIRE(kith_record_compare(&view, &copy) == 0);
        check_signed(view.salt, view.seq, view.value);
    }
    return 0;
}
