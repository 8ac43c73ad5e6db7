/* SPDX-License-Identifier: MIT */
#include "shell/away.h"

#include <time.h>
#include <uv.h>

#include "util/timer.h"

/* `awake` last: a process that is stopped between the two has slept too little, not too long. */
struct kith_away_clocks kith_away_read(void) {
    struct kith_away_clocks clocks = {0};
#ifdef CLOCK_BOOTTIME
    struct timespec t;
    if (clock_gettime(CLOCK_BOOTTIME, &t) == 0) {
        clocks.always = (uint64_t)t.tv_sec * KITH_NS_PER_S + (uint64_t)t.tv_nsec;
    }
#endif
    clocks.awake = uv_hrtime();
    return clocks;
}

static uint64_t ahead(const struct kith_away_clocks *clocks) {
    return clocks->always > clocks->awake ? clocks->always - clocks->awake : 0;
}

void kith_away_init(struct kith_away *away, const struct kith_away_clocks *clocks) {
    *away = (struct kith_away){.seen = clocks->awake, .ahead = ahead(clocks)};
}

uint64_t kith_away_look(struct kith_away *away, const struct kith_away_clocks *clocks) {
    const uint64_t late = KITH_AWAY_LOOK_MS * KITH_NS_PER_MS + KITH_AWAY_S * KITH_NS_PER_S;
    uint64_t passed = clocks->awake - away->seen;
    uint64_t slept = ahead(clocks) > away->ahead ? ahead(clocks) - away->ahead : 0;
    uint64_t more = slept > away->slept ? slept - away->slept : 0;
    away->seen = clocks->awake;
    if (more < KITH_NS_PER_S) { /* the clocks are not read at the same moment */
        return passed > late ? passed : 0;
    }
    away->slept = slept;
    return passed + more;
}
