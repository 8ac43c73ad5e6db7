/* SPDX-License-Identifier: MIT */
/* suggest: the known word nearest to a mistyped one, for commands, options and configuration keys.
 */
#ifndef KITH_TOOLS_SUGGEST_H
#define KITH_TOOLS_SUGGEST_H

#include <stddef.h>

enum {
    SUGGEST_DISTANCE_MAX = 2, /* two slips of the finger; more and the guess is noise */
    SUGGEST_WORD_MAX = 40,    /* longer words are never near a known one */
};

/* Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b`; a large
 * number when either is longer than SUGGEST_WORD_MAX. */
unsigned suggest_distance(const char *a, const char *b);

struct suggest {
    const char *word;
    const char *best; /* NULL: nothing near enough */
    unsigned distance;
};

/* Start with suggest_init(), offer every known word, read `best`. */
void suggest_init(struct suggest *suggest, const char *word);
void suggest_offer(struct suggest *suggest, const char *known);

#endif
