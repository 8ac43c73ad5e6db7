/* SPDX-License-Identifier: MIT */
/*
 * lan_probe: a LAN source on its own, for test_lan.py. Prints what it is told, a line each:
 *
 *     state waiting|running|off TEXT
 *     peer INSTANCE KEY|- ENDPOINT...
 *     gone INSTANCE
 *     closed MILLISECONDS IGNORED BLOCKED
 *
 * the last when the source is gone: how long that took, and the longest that the loop stood still
 * meanwhile.
 *
 * Reads "refresh INSTANCE" and "close" from its standard input; its end is "close". With -w it
 * stays until the end of its input after a close, so that a LAN thread left behind can come to its
 * end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium/core.h>
#include <uv.h>

#include "shell/lan.h"
#include "shell/lan_internal.h"
#include "unit/testing.h"

enum { PATTERNS_MAX = 8, LINE_MAX_SIZE = 256, NS_PER_MS = 1000000, PULSE_MS = 2 };

struct probe {
    uv_loop_t loop;
    uv_poll_t input;
    char line[LINE_MAX_SIZE];
    size_t n_line;
    struct kith_lan *lan;
    uint64_t ignored;
    bool closed;
    uint64_t closed_at;
    uv_timer_t pulse; /* while closing */
    uint64_t pulsed_at;
    uint64_t blocked; /* the longest time between two pulses */
};

static void on_peer(void *context, const struct kith_lan_peer *peer, bool present) {
    const struct probe *probe = context;
    char text[KITH_ENDPOINT_TEXT_SIZE];
    char key[KITH_KEY_TEXT_SIZE] = "-";

    if (probe->closed) {
        printf("late\n"); /* the test fails on it */
    }
    if (!present) {
        printf("gone %s\n", peer->instance);
        return;
    }
    if (peer->has_key) {
        kith_key_format(&peer->key, key);
    }
    printf("peer %s %s", peer->instance, key);
    for (uint32_t i = 0; i < peer->n_endpoints; i++) {
        kith_endpoint_format(&peer->endpoints[i], text);
        printf(" %s", text);
    }
    printf("\n");
}

static void on_state(void *context, enum kith_lan_state state, const char *text) {
    static const char *const NAMES[] = {"off", "waiting", "running"};

    printf("state %s %s\n", NAMES[state], text);
}

static void on_pulse(uv_timer_t *pulse) {
    struct probe *probe = pulse->data;
    uint64_t now = uv_hrtime();

    if (now - probe->pulsed_at > probe->blocked) {
        probe->blocked = now - probe->pulsed_at;
    }
    probe->pulsed_at = now;
}

static void on_gone(void *context) {
    struct probe *probe = context;

    on_pulse(&probe->pulse);
    printf("closed %llu %llu %llu\n",
           (unsigned long long)((uv_hrtime() - probe->closed_at) / NS_PER_MS),
           (unsigned long long)probe->ignored, (unsigned long long)(probe->blocked / NS_PER_MS));
    uv_close((uv_handle_t *)&probe->pulse, NULL);
}

static void probe_close(struct probe *probe) {
    probe->closed_at = uv_hrtime();
    probe->pulsed_at = probe->closed_at;
    for (int why = 0; why < KITH_LAN_DROPS; why++) {
        probe->ignored += kith_lan_n_dropped(probe->lan, (enum kith_lan_drop)why);
    }
    probe->closed = true;
    uv_timer_start(&probe->pulse, on_pulse, PULSE_MS, PULSE_MS);
    kith_lan_close(probe->lan, on_gone, probe);
    uv_close((uv_handle_t *)&probe->input, NULL);
}

static void probe_command(struct probe *probe, const char *line) {
    static const char REFRESH[] = "refresh ";

    if (strncmp(line, REFRESH, sizeof(REFRESH) - 1) == 0) {
        kith_lan_refresh(probe->lan, line + sizeof(REFRESH) - 1);
    } else if (strcmp(line, "close") == 0) {
        probe_close(probe);
    }
}

static void on_input(uv_poll_t *handle, int status, int events) {
    struct probe *probe = handle->data;
    char c;

    if (read(STDIN_FILENO, &c, 1) != 1) {
        probe_close(probe);
    } else if (c != '\n' && probe->n_line < sizeof(probe->line) - 1) {
        probe->line[probe->n_line++] = c;
    } else {
        probe->line[probe->n_line] = '\0';
        probe->n_line = 0;
        probe_command(probe, probe->line);
    }
}

static void usage(void) {
    fprintf(stderr, "lan_probe [-b] [-k] [-w] [-6 PORT] [-n NAME] [-a PATTERN]... [-d PATTERN]... "
                    "SEED-BYTE PORT NETWORK\n");
    exit(2);
}

int main(int argc, char **argv) {
    const char *allow[PATTERNS_MAX];
    const char *deny[PATTERNS_MAX];
    const char *name = NULL;
    struct probe probe = {.n_line = 0};
    struct kith_identity id;
    struct kith_lan_config config = {.publish = true, .allow = allow, .deny = deny};
    bool linger = false;
    int option;

    while ((option = getopt(argc, argv, "bkw6:n:a:d:")) != -1) {
        if (option == 'b') {
            config.publish = false;
        } else if (option == 'k') {
            config.hide_key = true;
        } else if (option == 'w') {
            linger = true;
        } else if (option == '6') {
            config.port_v6 = (uint16_t)atoi(optarg);
        } else if (option == 'n') {
            name = optarg;
        } else if (option == 'a' && config.n_allow < PATTERNS_MAX) {
            allow[config.n_allow++] = optarg;
        } else if (option == 'd' && config.n_deny < PATTERNS_MAX) {
            deny[config.n_deny++] = optarg;
        } else {
            usage();
        }
    }
    if (argc - optind != 3 || sodium_init() < 0) {
        usage();
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    kith_test_identity(&id, (uint8_t)atoi(argv[optind]));
    config.key = id.key;
    config.port = (uint16_t)atoi(argv[optind + 1]);
    config.network = argv[optind + 2];
    config.loop = &probe.loop;
    config.on_peer = on_peer;
    config.on_state = on_state;
    config.context = &probe;
    if (uv_loop_init(&probe.loop) != 0 || kith_lan_open_as(&probe.lan, &config, name) != 0 ||
        uv_poll_init(&probe.loop, &probe.input, STDIN_FILENO) != 0) {
        return 1;
    }
    probe.input.data = &probe;
    uv_timer_init(&probe.loop, &probe.pulse);
    probe.pulse.data = &probe;
    uv_poll_start(&probe.input, UV_READABLE, on_input);
    uv_run(&probe.loop, UV_RUN_DEFAULT);
    int status = uv_loop_close(&probe.loop);
    while (linger && read(STDIN_FILENO, probe.line, sizeof(probe.line)) > 0) {
    }
    return status == 0 ? 0 : 1;
}
