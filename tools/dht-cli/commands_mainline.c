/* SPDX-License-Identifier: MIT */
/*
 * The public BitTorrent DHT in its own terms: info-hashes and BEP 44 targets of 40 hex digits,
 * magnet links that name a key (BEP 46). The jobs are those of the other commands, in the other
 * swarm; where they differ, it is in how the place is written.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/text.h"

#include "request.h"
#include "show.h"

enum {
    TARGET_DIGITS = 40,
    KEY_DIGITS = 64,
    LINK_PART_MAX = 2 * KITH_SALT_MAX,
};

/* ---- where: a target, a key, or a link ---- */

struct place {
    bool is_key;
    char text[KITH_KEY_TEXT_SIZE]; /* a key, or a target */
    bool has_salt;                 /* of a link */
    uint8_t salt[KITH_SALT_MAX];
    size_t salt_size;
};

static bool is_hex(const char *text) {
    return *text && text[strspn(text, "0123456789abcdefABCDEF")] == '\0';
}

/* The value behind `name` in a link's query, or NULL: `part` holds LINK_PART_MAX + 1 bytes. */
static const char *link_part(const char *link, const char *name, char *part) {
    const char *at = strchr(link, '?');
    size_t length = strlen(name);

    while (at) {
        at++;
        if (strncmp(at, name, length) == 0) {
            size_t size = strcspn(at + length, "&");
            if (size > LINK_PART_MAX)
                return NULL;
            memcpy(part, at + length, size);
            part[size] = '\0';
            return part;
        }
        at = strchr(at, '&');
    }
    return NULL;
}

static int read_link(const char *link, struct place *place) {
    char part[LINK_PART_MAX + 1];
    struct kith_key key;
    const char *text = link_part(link, "xs=urn:btpk:", part);

    if (!text || strlen(text) != KEY_DIGITS || kith_key_parse(text, &key, NULL) < 0) {
        cli_complain("magnet link: expected magnet:?xs=urn:btpk: and the 64 hex digits of a key");
        return CLI_USAGE;
    }
    place->is_key = true;
    kith_key_format(&key, place->text);
    text = link_part(link, "&s=", part);
    if (!text)
        text = link_part(link, "s=", part);
    if (!text && !strstr(link, "&s=") && !strstr(link, "?s="))
        return CLI_OK;
    place->has_salt = true;
    place->salt_size = text ? strlen(text) / 2 : 0;
    if (!text || kith_hex_decode(text, strlen(text), place->salt, place->salt_size) != 0) {
        cli_complain("magnet link: s= takes a salt of at most %d bytes in hex digits",
                     KITH_SALT_MAX);
        return CLI_USAGE;
    }
    return CLI_OK;
}

static int read_place(const char *argument, struct place *place) {
    struct kith_key key;
    size_t length = strlen(argument);

    if (strncmp(argument, "magnet:", 7) == 0)
        return read_link(argument, place);
    if (is_hex(argument) && length != KEY_DIGITS && length != KITH_KEY_TEXT_SIZE - 1) {
        if (length != TARGET_DIGITS) {
            cli_complain(
                "TARGET|KEY: expected 40 hex digits of a target, or a key of 64 hex digits "
                "or 52 characters; got %zu hex digits",
                length);
            return CLI_USAGE;
        }
        memcpy(place->text, argument, TARGET_DIGITS + 1);
        return CLI_OK;
    }
    place->is_key = true;
    return request_key(argument, &key, place->text);
}

static int check_salt(const struct cli *cli, const struct place *place) {
    if (cli->salt && place->has_salt) {
        cli_complain("--salt: the link names one already");
        return CLI_USAGE;
    }
    return CLI_OK;
}

/* ---- items ---- */

int cmd_mainline_get(struct cli *cli) {
    struct place place = {0};
    struct client_reply reply;
    struct client_args args;
    int status = read_place(cli->args[0], &place);

    if (status == CLI_OK)
        status = check_salt(cli, &place);
    if (status)
        return status;
    cli->swarm = "mainline";
    client_args_init(&args);
    client_args_text(&args, place.is_key ? "key" : "target", place.text);
    if (place.has_salt)
        client_args_bytes(&args, "salt", place.salt, place.salt_size);
    if (cli->all)
        client_args_bool(&args, "all", true);
    request_options(cli, &args);
    status = request_run(cli, "get", &args, NULL, NULL, &reply);
    if (status == CLI_OK)
        status = cli_finish_get(cli, &reply);
    client_reply_deinit(&reply);
    return status;
}

int cmd_mainline_put(struct cli *cli) {
    cli->swarm = "mainline";
    return cmd_put(cli);
}

int cmd_mainline_trace(struct cli *cli) {
    struct place place = {0};
    int status = read_place(cli->args[0], &place);

    if (status)
        return status;
    cli->swarm = "mainline";
    return cli_trace(cli, place.is_key ? "key" : "target", place.text);
}

int cmd_mainline_ping(struct cli *cli) {
    if (strchr(cli->args[0], '@') || !strchr(cli->args[0], ':')) {
        cli_complain("HOST:PORT expected, got '%s': nodes of Mainline have no keys", cli->args[0]);
        return CLI_USAGE;
    }
    cli->swarm = "mainline";
    return cmd_ping(cli);
}

/* ---- peers of torrents ---- */

/* Collects for JSON what is printed at once for people. */
struct gathering {
    struct cli *cli;
    json_t *peers;      /* endpoints */
    json_t *infohashes; /* each once, as the keys of an object */
    json_t *nodes;
};

static void on_peer(const char *event, json_t *fields, void *user) {
    struct gathering *gathering = user;

    if (strcmp(event, "peer") != 0)
        return;
    if (gathering->cli->json) {
        json_array_append(gathering->peers, json_object_get(fields, "endpoint"));
        return;
    }
    printf("%s\n", show_text(fields, "endpoint"));
    show_flush();
}

int cmd_mainline_peers(struct cli *cli) {
    struct gathering gathering = {.cli = cli};
    struct client_reply reply;
    struct client_args args;
    int status = request_target("INFOHASH", cli->args[0]);

    if (status)
        return status;
    gathering.peers = json_array();
    client_args_init(&args);
    client_args_text(&args, "infohash", cli->args[0]);
    if (cli->count)
        client_args_int(&args, "n", cli->count);
    request_options(cli, &args);
    status = request_run(cli, "mainline_peers", &args, on_peer, &gathering, &reply);
    if (status == CLI_OK) {
        double found = show_number(reply.result, "found");
        if (cli->json) {
            json_object_set(reply.result, "peers", gathering.peers);
            show_json(reply.result);
        } else if (found == 0) {
            cli_complain("not found: nobody has announced this info-hash (%s)",
                         show_walk(reply.result));
        }
        status = found > 0 ? CLI_OK : CLI_NOT_FOUND;
    }
    json_decref(gathering.peers);
    client_reply_deinit(&reply);
    return status;
}

static void print_announced(struct cli *cli, json_t *result) {
    show_fact(cli, "announced", "on %.0f of %.0f nodes in %s", show_number(result, "acks"),
              show_number(result, "asked"), show_ms(show_number(result, "total_ms")));
    show_fact(cli, "info-hash", "%s", show_text(result, "infohash"));
}

int cmd_mainline_announce(struct cli *cli) {
    struct client_args args;
    int status = request_target("INFOHASH", cli->args[0]);

    if (status)
        return status;
    client_args_init(&args);
    client_args_text(&args, "infohash", cli->args[0]);
    if (cli->port)
        client_args_int(&args, "port", cli->port);
    request_options(cli, &args);
    return request_show(cli, "mainline_announce", &args, print_announced);
}

/* ---- sampling ---- */

static void on_sample(const char *event, json_t *fields, void *user) {
    struct gathering *gathering = user;
    json_t *list = json_object_get(fields, "infohashes");

    if (strcmp(event, "sample") != 0)
        return;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *infohash = json_string_value(json_array_get(list, i));
        if (!infohash || json_object_get(gathering->infohashes, infohash))
            continue;
        json_object_set_new(gathering->infohashes, infohash, json_true());
        if (!gathering->cli->json)
            printf("%s\n", infohash);
    }
    show_flush();
    json_object_del(fields, "infohashes");
    json_array_append(gathering->nodes, fields);
}

static json_t *keys_of(json_t *object) {
    json_t *list = json_array(), *value;
    const char *key;

    json_object_foreach(object, key, value) json_array_append_new(list, json_string(key));
    return list;
}

int cmd_mainline_sample(struct cli *cli) {
    struct gathering gathering = {.cli = cli};
    struct client_reply reply;
    struct client_args args;
    int status = cli->n_args ? request_target("TARGET", cli->args[0]) : CLI_OK;

    if (status)
        return status;
    gathering.infohashes = json_object();
    gathering.nodes = json_array();
    client_args_init(&args);
    if (cli->n_args)
        client_args_text(&args, "target", cli->args[0]);
    request_options(cli, &args);
    status = request_run(cli, "mainline_sample", &args, on_sample, &gathering, &reply);
    if (status == CLI_OK) {
        bool found = json_object_size(gathering.infohashes) > 0;
        if (cli->json) {
            json_object_set_new(reply.result, "infohashes", keys_of(gathering.infohashes));
            json_object_set(reply.result, "nodes", gathering.nodes);
            show_json(reply.result);
        } else if (!found) {
            cli_complain("not found: no node told an info-hash (%s)", show_walk(reply.result));
        }
        status = found ? CLI_OK : CLI_NOT_FOUND;
    }
    json_decref(gathering.infohashes);
    json_decref(gathering.nodes);
    client_reply_deinit(&reply);
    return status;
}
