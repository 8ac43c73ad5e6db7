/* SPDX-License-Identifier: MIT */
/* stats: samples with percentiles, and the summary a run ends with, as a table or as JSON. */
#ifndef KITH_SIM_STATS_H
#define KITH_SIM_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kith_sim_samples {
    uint64_t *values;
    size_t n;
    size_t capacity;
    bool sorted;
};

void kith_sim_samples_add(struct kith_sim_samples *samples, uint64_t value);
void kith_sim_samples_deinit(struct kith_sim_samples *samples);
double kith_sim_samples_mean(const struct kith_sim_samples *samples);
/* The smallest sample that at least `percent` of all samples do not exceed; 0 without samples. */
uint64_t kith_sim_samples_percentile(struct kith_sim_samples *samples, unsigned percent);
uint64_t kith_sim_samples_max(struct kith_sim_samples *samples);

enum { KITH_SIM_REPORT_MAX = 96 };

struct kith_sim_line {
    const char *name; /* borrowed: a literal */
    char value[40];
    bool is_text;
};

struct kith_sim_report {
    struct kith_sim_line lines[KITH_SIM_REPORT_MAX];
    size_t n;
};

void kith_sim_report_number(struct kith_sim_report *report, const char *name, double value,
                            unsigned decimals);
void kith_sim_report_text(struct kith_sim_report *report, const char *name, const char *value);
/* Milliseconds of a latency: NAME p50 and p99. Names are literals. */
void kith_sim_report_latency(struct kith_sim_report *report, const char *name_p50,
                             const char *name_p99, struct kith_sim_samples *samples);
/* To stdout, in the order of reporting. */
void kith_sim_report_print(const struct kith_sim_report *report, bool json);

#endif
