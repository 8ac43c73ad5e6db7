/* SPDX-License-Identifier: MIT */
/*
 * away: notices that the process has not run for long, because the host was suspended or the
 * process stopped. Looked at every few seconds.
 *
 * The monotonic clock stands still while the host sleeps; the world does not. So the time slept is
 * kept, and added to what the core takes for the time: its sessions and records age as its peers
 * see them age.
 */
#ifndef KITH_SHELL_AWAY_H
#define KITH_SHELL_AWAY_H

#include <stdbool.h>
#include <stdint.h>

enum {
    KITH_AWAY_LOOK_MS = 2000, /* how often to look */
    KITH_AWAY_S = 5,          /* later than that by so much: the process was stopped */
};

/* Nanoseconds of the clock that stands still during a suspend, and of the one that goes on (equal
 * where the system has no such clock). */
struct kith_away_clocks {
    uint64_t awake;
    uint64_t always;
};

struct kith_away {
    uint64_t seen;  /* `awake` of the last look */
    uint64_t ahead; /* `always` over `awake` at the start */
    uint64_t slept; /* suspended since the start, never less than before */
};

struct kith_away_clocks kith_away_read(void);
void kith_away_init(struct kith_away *away, const struct kith_away_clocks *clocks);
/* Returns how long the process was away since the last look, or 0. */
uint64_t kith_away_look(struct kith_away *away, const struct kith_away_clocks *clocks);

#endif
