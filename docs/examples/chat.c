/* SPDX-License-Identifier: MIT */
/*
 * chat: small messages between two peers that know nothing of each other but their keys.
 *
 *     cc chat.c -o chat $(pkg-config --cflags --libs kith libuv)
 *     ./chat serve ADDR:PORT [PEER...]     prints KEY@ADDR:PORT, answers each message with its echo
 *     ./chat say KEY TEXT PEER...          sends TEXT to the peer with this key, prints its answer
 *
 * PEER is a node to join through, "HOST:PORT" or "KEY@HOST:PORT". Ctrl-C ends the server.
 */
#include <kith/kith.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const char protocol[] = "echo";

struct chat {
    uv_loop_t loop;
    uv_signal_t interrupt;
    struct kith_node *node;
    int status;
};

static int on_talk(struct kith_node *node, const struct kith_key *from, const void *bytes,
                   size_t size, void *answer, void *user) {
    char key[KITH_KEY_TEXT_SIZE];
    kith_key_format(from, key);
    printf("%s: %.*s\n", key, (int)size, (const char *)bytes);
    fflush(stdout);
    memcpy(answer, bytes, size); /* a question is never longer than an answer may be */
    return (int)size;
}

static void on_answer(struct kith_node *node, const struct kith_result *result, void *user) {
    struct chat *chat = user;
    if (result->kind != KITH_RESULT_DONE) {
        return;
    }
    chat->status = result->status;
    if (result->status < 0) {
        fprintf(stderr, "chat: %s\n", result->text ? result->text : kith_strerror(result->status));
    } else {
        printf("%.*s\n", (int)result->bytes_size, (const char *)result->bytes);
    }
    kith_node_close(node, NULL, NULL);
}

static void on_interrupt(uv_signal_t *signal, int number) {
    struct chat *chat = signal->data;
    kith_node_close(chat->node, NULL, NULL);
    uv_close((uv_handle_t *)signal, NULL);
}

static int open_node(struct chat *chat, const char *listen, char **peers, int n_peers) {
    struct kith_error_info error;
    struct kith_options options;
    kith_options_init(&options);
    options.listen = &listen;
    options.n_listen = 1;
    options.peers = (const char *const *)peers;
    options.n_peers = (size_t)n_peers;
    int r = kith_node_open(&chat->node, &chat->loop, &options, &error);
    if (r < 0) {
        fprintf(stderr, "chat: %s\n", error.message);
    }
    return r;
}

static int serve(struct chat *chat, const char *listen, char **peers, int n_peers) {
    struct kith_status status;
    char key[KITH_KEY_TEXT_SIZE];
    char bound[KITH_ENDPOINT_TEXT_SIZE];
    int r = open_node(chat, listen, peers, n_peers);
    if (r < 0) {
        return r;
    }
    r = kith_talk_handle(chat->node, protocol, on_talk, chat);
    if (r < 0) {
        kith_node_close(chat->node, NULL, NULL);
        return r;
    }
    uv_signal_init(&chat->loop, &chat->interrupt);
    chat->interrupt.data = chat;
    uv_signal_start(&chat->interrupt, on_interrupt, SIGINT);
    kith_node_status(chat->node, &status);
    kith_key_format(&status.key, key);
    kith_endpoint_format(&status.bound[0],
                         bound); /* the port, where ADDR:0 let the system choose */
    printf("%s@%s\n", key, bound);
    fflush(stdout);
    return 0;
}

static int say(struct chat *chat, const char *key_text, const char *text, char **peers,
               int n_peers) {
    struct kith_error_info error;
    struct kith_key key;
    int r = kith_key_parse(key_text, &key, &error);
    if (r < 0) {
        fprintf(stderr, "chat: key: %s\n", error.message);
        return r;
    }
    r = open_node(chat, "0.0.0.0:0", peers, n_peers);
    if (r < 0) {
        return r;
    }
    r = kith_talk(chat->node, &key, protocol, text, strlen(text), on_answer, chat, NULL);
    if (r < 0) {
        fprintf(stderr, "chat: %s\n", kith_strerror(r));
        kith_node_close(chat->node, NULL, NULL);
    }
    return r;
}

int main(int argc, char **argv) {
    static const char usage[] =
        "usage: chat serve ADDR:PORT [PEER...] | chat say KEY TEXT PEER...\n";
    static struct chat chat;
    int r;

    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    uv_loop_init(&chat.loop);
    if (argc >= 3 && strcmp(argv[1], "serve") == 0) {
        r = serve(&chat, argv[2], argv + 3, argc - 3);
    } else if (argc >= 5 && strcmp(argv[1], "say") == 0) {
        r = say(&chat, argv[2], argv[3], argv + 4, argc - 4);
    } else {
        fputs(usage, stderr);
        uv_loop_close(&chat.loop);
        return 2;
    }
    uv_run(&chat.loop, UV_RUN_DEFAULT); /* also after a failure: what was half open closes */
    uv_loop_close(&chat.loop);
    return r < 0 || chat.status < 0 ? 1 : 0;
}
