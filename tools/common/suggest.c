/* SPDX-License-Identifier: MIT */
/*
 * Damerau-Levenshtein distance in its "optimal string alignment" form: three rows of the usual
 * dynamic program, because a swap of neighbours looks two rows back. O(|a| * |b|) on words of at
 * most SUGGEST_WORD_MAX letters, no allocation. A word shorter than the allowed distance would be
 * near everything, so the distance must also stay below half the word's length.
 */
#include "suggest.h"

#include <string.h>

enum { ROW = SUGGEST_WORD_MAX + 1, FAR = 1000 };

static unsigned smaller(unsigned a, unsigned b) {
    return a < b ? a : b;
}

unsigned suggest_distance(const char *a, const char *b) {
    unsigned rows[3][ROW];
    unsigned *before = rows[0], *above = rows[1], *row = rows[2];
    size_t n = strlen(a), m = strlen(b);

    if (n > SUGGEST_WORD_MAX || m > SUGGEST_WORD_MAX)
        return FAR;
    for (size_t j = 0; j <= m; j++)
        above[j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            unsigned cost = a[i - 1] == b[j - 1] ? 0 : 1;
            row[j] = smaller(smaller(above[j] + 1, row[j - 1] + 1), above[j - 1] + cost);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = smaller(row[j], before[j - 2] + 1);
        }
        unsigned *spare = before;
        before = above;
        above = row;
        row = spare;
    }
    return above[m];
}

void suggest_init(struct suggest *suggest, const char *word) {
    *suggest = (struct suggest){.word = word, .distance = SUGGEST_DISTANCE_MAX + 1};
}

void suggest_offer(struct suggest *suggest, const char *known) {
    unsigned distance = suggest_distance(suggest->word, known);

    if (distance < suggest->distance && 2 * distance < strlen(known)) {
        suggest->distance = distance;
        suggest->best = known;
    }
}
