/* SPDX-License-Identifier: MIT */
#include "sim/sim_fault.h"

#include <string.h>

enum { QUIET_SHARE = 3 }; /* one in so many classes is drawn to nothing */

/* Nothing, or up to `most` with small amounts likelier than large ones. */
static uint32_t draw_rate(struct kith_sim_random *random, uint32_t most) {
    bool none = kith_sim_random_below(random, QUIET_SHARE) == 0;
    uint64_t part = kith_sim_random_below(random, 1000);
    return none ? 0 : (uint32_t)(most * part * part / 1000000);
}

/* Whether `name` is one of `names`, which commas separate. */
static bool is_one_of(const char *name, const char *names) {
    size_t size = strlen(name);
    for (const char *at = names; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, name, size) == 0 && (at[size] == ',' || at[size] == '\0')) {
            return true;
        }
    }
    return false;
}

bool kith_sim_fault_known(const char *names) {
    unsigned n = 1;
    unsigned known = 0;
    for (const char *at = names; *at != '\0'; at++) {
        n += *at == ',';
    }
#define COUNT(name, help, most) known += is_one_of(#name, names);
    KITH_SIM_FAULT_MAP(COUNT)
#undef COUNT
    return known == n;
}

void kith_sim_fault_draw(struct kith_sim_fault_rates *ret, struct kith_sim_random *random,
                         const char *without) {
#define DRAW(name, help, most) ret->name = draw_rate(random, most);
    KITH_SIM_FAULT_MAP(DRAW)
#undef DRAW
#define FORGO(name, help, most) ret->name = is_one_of(#name, without) ? 0 : ret->name;
    KITH_SIM_FAULT_MAP(FORGO)
#undef FORGO
}
