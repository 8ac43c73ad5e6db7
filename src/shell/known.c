/* SPDX-License-Identifier: MIT */
#include "shell/known.h"

#include "core/base/endpoint.h"

enum {
    FORMAT = 1,
    IP_V4 = 4,
    IP_V6 = 16,
    PORT_SIZE = 2,
};

static size_t ip_size(uint8_t family) {
    return family == 6 ? IP_V6 : IP_V4;
}

static bool is_among(const struct kith_known *known, const struct kith_endpoint *endpoint) {
    for (size_t i = 0; i < known->n; i++) {
        if (kith_endpoint_equal(&known->endpoints[i], endpoint)) {
            return true;
        }
    }
    return false;
}

size_t kith_known_encode(const struct kith_known *known, uint8_t *bytes) {
    struct kith_writer w = kith_writer(bytes, KITH_KNOWN_BYTES_MAX);
    kith_write_u8(&w, FORMAT);
    for (size_t i = 0; i < known->n; i++) {
        kith_write_bytes(&w, known->endpoints[i].ip, ip_size(known->family));
        kith_write_u16(&w, known->endpoints[i].port);
    }
    return kith_writer_size(&w);
}

void kith_known_decode(struct kith_known *known, struct kith_span bytes) {
    struct kith_reader r = kith_reader(bytes);
    if (kith_read_u8(&r) != FORMAT) {
        return;
    }
    while (known->n < KITH_KNOWN_MAX &&
           kith_reader_left(&r) >= ip_size(known->family) + PORT_SIZE) {
        struct kith_endpoint endpoint = {.family = known->family};
        kith_read_copy(&r, endpoint.ip, ip_size(known->family));
        endpoint.port = kith_read_u16(&r);
        if (kith_endpoint_usable(&endpoint) && !is_among(known, &endpoint)) {
            known->endpoints[known->n++] = endpoint;
        }
    }
}
