/* SPDX-License-Identifier: MIT */
/*
 * Roaming: a session follows its peer to a new endpoint, once a ping sent there came back from
 * there. Without the ping, whoever can replay one captured datagram first could steer our answers
 * to a victim. Whoever has a session can name any source, so the pings are few: one per session and
 * second, eight per second in all. And the ping is all that the new endpoint gets for what came
 * from there, if that was as large: a question is not answered besides, its asker repeats it.
 */
#include "core/core_internal.h"

enum { ROAM_AGAIN_S = 1 };

static bool is_answer(const struct kith_core *core, const struct kith_delivery *delivery,
                      const struct kith_roam *roam) {
    struct kith_message message;
    if (roam->session != delivery->session || !kith_endpoint_equal(&roam->to, &delivery->from) ||
        delivery->payload.size == 0 ||
        core->swarm.dialect->decode(core->env.codec, delivery->from.family, delivery->payload,
                                    &message) != 0 ||
        message.kind != KITH_MESSAGE_RESPONSE || message.txn.size != sizeof(roam->txn)) {
        return false;
    }
    return memcmp(message.txn.bytes, &roam->txn, sizeof(roam->txn)) == 0;
}

static bool is_recent(const struct kith_roam *roam, uint64_t now) {
    return roam->session != 0 && now - roam->sent < ROAM_AGAIN_S * KITH_NS_PER_S;
}

static bool may_probe(const struct kith_core *core, kith_session_ref session, uint64_t now) {
    for (unsigned i = 0; i < KITH_ROAM_MAX; i++) {
        if (core->roams[i].session == session && is_recent(&core->roams[i], now)) {
            return false;
        }
    }
    return !is_recent(&core->roams[core->next_roam], now);
}

/* Returns whether it was sent. */
static bool probe(struct kith_core *core, const struct kith_delivery *delivery, uint64_t now) {
    struct kith_roam *roam = &core->roams[core->next_roam];
    core->next_roam = (core->next_roam + 1) % KITH_ROAM_MAX;
    *roam = (struct kith_roam){.session = delivery->session, .to = delivery->from, .sent = now};
    kith_random_secure(&core->env.random, &roam->txn, sizeof(roam->txn));
    struct kith_txn txn = {.size = sizeof(roam->txn)};
    memcpy(txn.bytes, &roam->txn, sizeof(roam->txn));
    struct kith_request ping = kith_swarm_request(&core->swarm, KITH_METHOD_PING);
    uint8_t payload[64];
    size_t size;
    if (core->swarm.dialect->encode_request(NULL, &txn, &ping, payload, sizeof(payload), &size) <
            0 ||
        size + KITH_SESSION_DATA_OVERHEAD > delivery->allowance.question_size ||
        kith_sessions_probe(core->sessions, delivery->session, &delivery->from,
                            kith_span(payload, size), now) < 0) {
        roam->session = 0;
    }
    return roam->session != 0;
}

bool kith_roam_receive(struct kith_core *core, struct kith_delivery *delivery, uint64_t now) {
    for (unsigned i = 0; i < KITH_ROAM_MAX; i++) {
        struct kith_roam *roam = &core->roams[i];
        if (is_answer(core, delivery, roam)) {
            roam->session = 0;
            kith_sessions_move(core->sessions, delivery->session, &delivery->from);
            return true;
        }
    }
    if (may_probe(core, delivery->session, now) && probe(core, delivery, now)) {
        delivery->answer_max = 0;
    }
    return false;
}
