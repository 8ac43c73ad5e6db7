/* SPDX-License-Identifier: MIT */
/*
 * lookup: finds out where a peer is, from nothing but its key.
 *
 *     cc lookup.c -o lookup $(pkg-config --cflags --libs kith libuv)
 *     ./lookup KEY PEER...          PEER: "HOST:PORT" or "KEY@HOST:PORT", to join through
 *
 * The node is a client that leaves no trace: a throwaway identity, any free port, no files.
 */
#include <kith/kith.h>
#include <stdio.h>
#include <string.h>

struct lookup {
    struct kith_key key;
    int status;
};

static void print_peer(const struct kith_peer *peer) {
    char text[KITH_ENDPOINT_TEXT_SIZE];
    for (uint32_t i = 0; i < peer->n_endpoints; i++) {
        kith_endpoint_format(&peer->endpoints[i], text);
        printf("%s\n", text);
    }
}

static void on_result(struct kith_node *node, const struct kith_result *result, void *user) {
    struct lookup *lookup = user;
    if (result->kind != KITH_RESULT_DONE) {
        return; /* progress */
    }
    lookup->status = result->status;
    if (result->status < 0) {
        fprintf(stderr, "lookup: %s\n",
                result->text ? result->text : kith_strerror(result->status));
    } else if (result->peer != NULL) {
        print_peer(result->peer);
    }
    kith_node_close(node, NULL, NULL); /* with its last handle gone, the loop ends */
}

int main(int argc, char **argv) {
    struct lookup lookup = {.status = KITH_EINTERNAL};
    struct kith_error_info error;
    struct kith_options options;
    struct kith_node *node;
    const char *const listen[] = {"0.0.0.0:0"};
    static const char usage[] = "usage: lookup KEY PEER...\n";
    uv_loop_t loop;

    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    if (argc < 3) {
        fputs(usage, stderr);
        return 2;
    }
    if (kith_key_parse(argv[1], &lookup.key, &error) < 0) {
        fprintf(stderr, "lookup: key: %s\n", error.message);
        return 2;
    }
    kith_options_init(&options);
    options.client = true;
    options.listen = listen;
    options.n_listen = 1;
    options.peers = (const char *const *)argv + 2;
    options.n_peers = (size_t)argc - 2;
    uv_loop_init(&loop);
    if (kith_node_open(&node, &loop, &options, &error) < 0) {
        fprintf(stderr, "lookup: %s\n", error.message);
        uv_run(&loop, UV_RUN_DEFAULT); /* what was half open closes */
        uv_loop_close(&loop);
        return 1;
    }
    /* No need to wait until the node has joined: the op waits for its first contact by itself. */
    int r = kith_lookup(node, &lookup.key, on_result, &lookup, NULL);
    if (r < 0) {
        fprintf(stderr, "lookup: %s\n", kith_strerror(r));
        kith_node_close(node, NULL, NULL);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return lookup.status == 0 ? 0 : 1;
}
