/* SPDX-License-Identifier: MIT */
/* Encoders get no context, so the liar that is being called is kept here. One thread, one world. */
#include "sim/sim_liar.h"

#include <string.h>

enum {
    LIES_PPM = 500000,  /* of what it says */
    PROXY_PPM = 200000, /* of its answers, that are another's */
    OTHER_PPM = 200000, /* of the records it sees, that it keeps to misuse */
};

enum lie { LIE_FORGE, LIE_OTHER, LIE_MOVE, LIE_INVENT, LIE_YOU, LIE_NOTHING, LIES };

static struct kith_sim_liar *speaker;

void kith_sim_liar_enter(struct kith_sim_liar *liar) {
    speaker = liar;
}

static bool lies_now(void) {
    return speaker != NULL && kith_sim_random_chance(speaker->random, LIES_PPM);
}

static void note_other(const struct kith_record_view *view) {
    if (view->is_mutable && kith_sim_random_chance(speaker->random, OTHER_PPM)) {
        kith_record_copy(&speaker->other, view);
        speaker->has_other = true;
    }
}

/* The contacts with each other's endpoints. */
static void move_contacts(struct kith_response *response) {
    struct kith_endpoint first = response->contacts[0].endpoint;
    for (uint32_t i = 0; i + 1 < response->n_contacts; i++) {
        response->contacts[i].endpoint = response->contacts[i + 1].endpoint;
    }
    response->contacts[response->n_contacts - 1].endpoint = first;
}

/* Keys that nobody has, where others live. */
static void invent_contacts(struct kith_response *response) {
    for (uint32_t i = 0; i < response->n_contacts; i++) {
        kith_sim_random_fill(speaker->random, response->contacts[i].key.bytes, KITH_KEY_SIZE);
    }
}

static void forge(struct kith_record_view *view) {
    view->seq |= KITH_SIM_FORGED_SEQ;
}

/* Returns whether the response is another now. */
static bool bend(struct kith_response *response) {
    switch ((enum lie)kith_sim_random_below(speaker->random, LIES)) {
    case LIE_FORGE:
        if (response->has_record) {
            forge(&response->record);
        }
        for (uint32_t i = 0; i < response->n_records; i++) {
            forge(&response->records[i]);
        }
        return response->has_record || response->n_records > 0;
    case LIE_OTHER:
        if (speaker->has_other) {
            kith_record_view(&speaker->other, &response->record);
            response->has_record = true;
        }
        return speaker->has_other;
    case LIE_MOVE:
        if (response->n_contacts > 1) {
            move_contacts(response);
        }
        return response->n_contacts > 1;
    case LIE_INVENT:
        invent_contacts(response);
        return response->n_contacts > 0;
    case LIE_YOU:
        response->you.port ^= 1;
        return response->has_you;
    case LIE_NOTHING:
        response->has_record = false;
        response->n_records = 0;
        response->n_contacts = 0;
        return true;
    case LIES:
        break;
    }
    return false;
}

/* What is encoded instead of `said`, if another liar was asked something by the same host and left
 * it to us; else perhaps this question is left to another. */
static bool answer_for_another(const struct kith_response *said, struct kith_txn *txn,
                               struct kith_response *ret) {
    struct kith_sim_proxies *proxies = speaker->proxies;
    if (proxies == NULL || said->n_contacts == 0) {
        return false;
    }
    unsigned at = proxies->asker % KITH_SIM_PROXIES;
    bool left = proxies->open[at].asked != NULL && proxies->open[at].asker == proxies->asker;
    *ret = *said;
    if (left && proxies->open[at].asked != speaker) {
        *txn = proxies->open[at].txn;
        kith_sim_random_fill(speaker->random, ret->contacts[0].key.bytes, KITH_KEY_SIZE);
        ret->contacts[0].endpoint = proxies->trap;
        ret->n_contacts = 1;
        proxies->open[at].asked = NULL;
        ++*proxies->count;
    } else {
        proxies->open[at].asked = speaker;
        proxies->open[at].asker = proxies->asker;
        proxies->open[at].txn = *txn;
        txn->bytes[0] ^= 0xff; /* nobody waits for this one */
    }
    return true;
}

static int encode_response(const struct kith_sender *from, const struct kith_txn *txn,
                           const struct kith_response *response, uint8_t *out, size_t max,
                           size_t *ret_size) {
    static struct kith_response bent;
    const struct kith_response *said = response;
    struct kith_txn told = *txn;
    if (speaker != NULL && kith_sim_random_chance(speaker->random, PROXY_PPM) &&
        answer_for_another(response, &told, &bent)) {
        return kith_dialect_kith.encode_response(from, &told, &bent, out, max, ret_size);
    }
    if (lies_now()) {
        bent = *response;
        if (response->has_record) {
            note_other(&response->record);
        }
        if (bend(&bent)) {
            ++*speaker->count;
            said = &bent;
        }
    }
    int r = kith_dialect_kith.encode_response(from, txn, said, out, max, ret_size);
    /* A lie too large for the place is not told. */
    return r == 0 || said == response
               ? r
               : kith_dialect_kith.encode_response(from, txn, response, out, max, ret_size);
}

/* Writes are forged. Reads ask for more than there is room for in an answer as long as they are: an
 * initiation is padded for what was really wanted. */
static int encode_request(const struct kith_sender *from, const struct kith_txn *txn,
                          const struct kith_request *request, uint8_t *out, size_t max,
                          size_t *ret_size) {
    bool writes = request->method == KITH_METHOD_PUT || request->method == KITH_METHOD_ANNOUNCE;
    struct kith_request bent = *request;
    if (writes && lies_now()) {
        ++*speaker->count;
        forge(&bent.record);
    } else if (request->method == KITH_METHOD_FIND && lies_now()) {
        ++*speaker->count;
        bent.n = kith_dialect_kith.k;
    }
    return kith_dialect_kith.encode_request(from, txn, &bent, out, max, ret_size);
}

static int encode_push(const struct kith_request *push, uint8_t *out, size_t max,
                       size_t *ret_size) {
    struct kith_request bent = *push;
    if (lies_now()) {
        ++*speaker->count;
        forge(&bent.record);
    }
    return kith_dialect_kith.encode_push(&bent, out, max, ret_size);
}

const struct kith_dialect *kith_sim_liar_dialect(void) {
    static struct kith_dialect dialect;
    dialect = kith_dialect_kith;
    dialect.encode_request = encode_request;
    dialect.encode_response = encode_response;
    dialect.encode_push = encode_push;
    return &dialect;
}
