/* SPDX-License-Identifier: MIT */
/*
 * What `stats` and `status` say in the text format of Prometheus (version 0.0.4), for a collector
 * that reads files: names and base units by its rules, every counter of kith/stats.h by itself, no
 * label that strangers could multiply.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "kith/stats.h"

#include "request.h"
#include "show.h"

static void head(const char *name, const char *help, const char *type) {
    printf("# HELP %s %c%s\n# TYPE %s %s\n", name, toupper((unsigned char)help[0]), help + 1, name,
           type);
}

/* ---- counters ---- */

static void print_counters(json_t *stats) {
    static const struct {
        const char *name, *help;
    } counters[] = {
#define COUNTER(name, help) {#name, help},
        KITH_COUNTER_MAP(COUNTER)
#undef COUNTER
    };
    char name[64];

    for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
        json_t *value = json_object_get(stats, counters[i].name);
        if (!json_is_integer(value))
            continue; /* an older daemon */
        snprintf(name, sizeof(name), "kith_%s_total", counters[i].name);
        head(name, counters[i].help, "counter");
        printf("%s %" JSON_INTEGER_FORMAT "\n", name, json_integer_value(value));
    }
}

/* ---- what is now ---- */

/* A value at the end of a path of names; null and what is missing print nothing. */
struct sample {
    const char *name;
    const char *labels; /* "" or "{...}" */
    const char *path[4];
    double unit;
    const char *help; /* NULL: the same metric as before */
};

static const struct sample samples[] = {
    {"kith_uptime_seconds", "", {"uptime_s"}, 1, "time since the start"},
    {"kith_ready", "", {"ready"}, 1, "whether the node has joined its network"},
    {"kith_contacts",
     "{swarm=\"kith\",family=\"ipv4\"}",
     {"nodes", "kith", "v4"},
     1,
     "live contacts in the routing tables"},
    {"kith_contacts", "{swarm=\"kith\",family=\"ipv6\"}", {"nodes", "kith", "v6"}, 1, NULL},
    {"kith_contacts", "{swarm=\"mainline\",family=\"ipv4\"}", {"nodes", "mainline", "v4"}, 1, NULL},
    {"kith_contacts", "{swarm=\"mainline\",family=\"ipv6\"}", {"nodes", "mainline", "v6"}, 1, NULL},
    {"kith_lan_peers", "", {"lan_peers"}, 1, "peers that answer on the local network"},
    {"kith_book_entries", "{table=\"new\"}", {"book", "new"}, 1, "contacts in the address book"},
    {"kith_book_entries", "{table=\"tried\"}", {"book", "tried"}, 1, NULL},
    {"kith_book_entries", "{table=\"pinned\"}", {"book", "pinned"}, 1, NULL},
    {"kith_bans", "", {"book", "banned"}, 1, "keys and address prefixes that are banned"},
    {"kith_records", "{owner=\"others\"}", {"records"}, 1, "records held"},
    {"kith_records", "{owner=\"self\"}", {"own_records"}, 1, NULL},
    {"kith_sessions", "", {"sessions"}, 1, "encrypted sessions"},
    {"kith_ops", "", {"ops"}, 1, "operations of this node that are running"},
    {"kith_rtt_seconds", "", {"rtt_ms"}, 1e-3, "smoothed round-trip time over all peers"},
    {"kith_network_nodes", "", {"size_estimate"}, 1, "estimated size of the network"},
};

static json_t *at(json_t *object, const char *const path[4]) {
    for (unsigned i = 0; i < 4 && path[i]; i++)
        object = json_object_get(object, path[i]);
    return object;
}

static void print_samples(json_t *status) {
    const char *announced = "";

    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        const struct sample *sample = &samples[i];
        json_t *value = at(status, sample->path);
        if (!json_is_number(value) && !json_is_boolean(value))
            continue;
        if (sample->help && strcmp(announced, sample->name) != 0) {
            head(sample->name, sample->help, "gauge");
            announced = sample->name;
        }
        printf("%s%s %.15g\n", sample->name, sample->labels,
               json_is_true(value) ? 1 : json_number_value(value) * sample->unit);
    }
}

int cmd_metrics(struct cli *cli) {
    struct client_reply stats, status = {0};
    struct client_args args;
    int r;

    client_args_init(&args);
    r = request_run(cli, "stats", &args, NULL, NULL, &stats);
    client_args_init(&args);
    if (r == CLI_OK)
        r = request_run(cli, "status", &args, NULL, NULL, &status);
    else
        client_args_deinit(&args);
    if (r == CLI_OK) {
        print_samples(status.result);
        print_counters(stats.result);
    }
    client_reply_deinit(&stats);
    client_reply_deinit(&status);
    return r;
}
