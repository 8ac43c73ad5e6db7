/* SPDX-License-Identifier: MIT */
/* stats: all samples are kept, so percentiles are exact; a run has thousands, not millions. */
#include "sim/stats.h"

#include <stdio.h>
#include <stdlib.h>

#include "sim/memory.h"

void kith_sim_samples_add(struct kith_sim_samples *samples, uint64_t value) {
    if (samples->n == samples->capacity) {
        samples->capacity = samples->capacity == 0 ? 64 : samples->capacity * 2;
        samples->values =
            kith_sim_resize(samples->values, samples->capacity * sizeof(*samples->values));
    }
    samples->values[samples->n++] = value;
    samples->sorted = false;
}

void kith_sim_samples_deinit(struct kith_sim_samples *samples) {
    free(samples->values);
    *samples = (struct kith_sim_samples){0};
}

double kith_sim_samples_mean(const struct kith_sim_samples *samples) {
    double sum = 0;
    for (size_t i = 0; i < samples->n; i++) {
        sum += (double)samples->values[i];
    }
    return samples->n == 0 ? 0 : sum / (double)samples->n;
}

static int compare_u64(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

uint64_t kith_sim_samples_percentile(struct kith_sim_samples *samples, unsigned percent) {
    if (samples->n == 0) {
        return 0;
    }
    if (!samples->sorted) {
        qsort(samples->values, samples->n, sizeof(*samples->values), compare_u64);
        samples->sorted = true;
    }
    size_t rank = (samples->n * percent + 99) / 100;
    return samples->values[rank == 0 ? 0 : rank - 1];
}

uint64_t kith_sim_samples_max(struct kith_sim_samples *samples) {
    return kith_sim_samples_percentile(samples, 100);
}

static struct kith_sim_line *new_line(struct kith_sim_report *report, const char *name) {
    if (report->n == KITH_SIM_REPORT_MAX) {
        kith_sim_panic("too many lines in the report");
    }
    report->lines[report->n].name = name;
    return &report->lines[report->n++];
}

void kith_sim_report_number(struct kith_sim_report *report, const char *name, double value,
                            unsigned decimals) {
    struct kith_sim_line *line = new_line(report, name);
    line->is_text = false;
    snprintf(line->value, sizeof(line->value), "%.*f", (int)decimals, value);
}

void kith_sim_report_text(struct kith_sim_report *report, const char *name, const char *value) {
    struct kith_sim_line *line = new_line(report, name);
    line->is_text = true;
    snprintf(line->value, sizeof(line->value), "%s", value);
}

void kith_sim_report_latency(struct kith_sim_report *report, const char *name_p50,
                             const char *name_p99, struct kith_sim_samples *samples) {
    kith_sim_report_number(report, name_p50, (double)kith_sim_samples_percentile(samples, 50) / 1e6,
                           1);
    kith_sim_report_number(report, name_p99, (double)kith_sim_samples_percentile(samples, 99) / 1e6,
                           1);
}

void kith_sim_report_print(const struct kith_sim_report *report, bool json) {
    for (size_t i = 0; i < report->n; i++) {
        const struct kith_sim_line *line = &report->lines[i];
        const char *quote = line->is_text ? "\"" : "";
        if (json) {
            printf("%s\"%s\": %s%s%s", i == 0 ? "{" : ", ", line->name, quote, line->value, quote);
        } else {
            printf("  %-26s %s\n", line->name, line->value);
        }
    }
    if (json) {
        printf("%s\n", report->n == 0 ? "{}" : "}");
    }
}
