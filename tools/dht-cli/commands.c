/* SPDX-License-Identifier: MIT */
/*
 * The main jobs. Each command is: check the arguments, fill in the args of docs/control.md, run,
 * print. With
 * --json the daemon's result is printed as it is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json_msgpack.h"
#include "request.h"
#include "show.h"

enum {
    VALUE_BYTES_MAX =
        KITH_VALUE_MAX - 4,    /* "996:" of the bencoded string comes out of BEP 44's 1,000 */
    JSON_TEXT_MAX = 64 * 1024, /* JSON is wordier than the msgpack it becomes */
};

/* ---- lookup ---- */

static void print_lookup(struct cli *cli, json_t *result) {
    json_t *capabilities = json_object_get(result, "capabilities");
    char *text = json_object_size(capabilities) ? json_dumps(capabilities, 0) : NULL;

    show_fact(cli, "key", "%s", show_text(result, "key"));
    show_fact(cli, "endpoints", "%s",
              show_list(json_object_get(result, "endpoints"), "none published"));
    if (text)
        show_fact(cli, "capabilities", "%s", text);
    if (json_is_number(json_object_get(result, "age_s")))
        show_fact(cli, "published", "%s ago", show_age(show_number(result, "age_s")));
    show_fact(cli, "found by", "%s", show_list(json_object_get(result, "sources"), "-"));
    if (json_is_number(json_object_get(result, "first_ms")))
        show_fact(cli, "time", "%s to the first answer; %s",
                  show_ms(show_number(result, "first_ms")), show_walk(result));
    free(text);
}

static int finish_search(struct cli *cli, json_t *result, const char *what,
                         void (*print)(struct cli *cli, json_t *result)) {
    bool found = show_bool(result, "found");

    if (cli->json)
        show_json(result);
    else if (found)
        print(cli, result);
    else
        cli_complain("not found: %s (%s)", what, show_walk(result));
    return found ? CLI_OK : CLI_NOT_FOUND;
}

int cmd_lookup(struct cli *cli) {
    char text[KITH_KEY_TEXT_SIZE];
    struct client_reply reply;
    struct client_args args;
    struct kith_key key;
    int status = request_key(cli->args[0], &key, text);

    if (status)
        return status;
    client_args_init(&args);
    client_args_text(&args, "key", text);
    request_options(cli, &args);
    status = request_run(cli, "lookup", &args, NULL, NULL, &reply);
    if (status == CLI_OK)
        status = finish_search(cli, reply.result, "no peer record of this key", print_lookup);
    client_reply_deinit(&reply);
    return status;
}

/* ---- get ---- */

/* --raw: the bytes inside the value, exactly as they were put. */
static void print_raw(const struct client_reply *reply) {
    const uint8_t *bytes;
    size_t size;

    kith_value_unwrap(reply->value, reply->value_size, &bytes, &size);
    fwrite(bytes, 1, size, stdout);
}

/* As in a zone file. */
static void print_dns(json_t *records) {
    for (size_t i = 0; i < json_array_size(records); i++) {
        json_t *record = json_array_get(records, i);
        printf("%s\t%.0f\t%s\t%s\n", show_text(record, "name"), show_number(record, "ttl"),
               show_text(record, "type"), show_text(record, "data"));
    }
}

static void print_record(struct cli *cli, json_t *record) {
    if (json_object_get(record, "dns"))
        print_dns(json_object_get(record, "dns"));
    else if (json_object_get(record, "infohash"))
        show_fact(cli, "info-hash", "%s", show_text(record, "infohash"));
    else
        show_value(record);
    if (!cli->quiet && json_is_string(json_object_get(record, "key")) &&
        json_object_get(record, "seq"))
        fprintf(stderr, "seq %" JSON_INTEGER_FORMAT ", %s, found by %s; %s\n",
                show_integer(record, "seq"), show_count(record, "holders", "holder"),
                show_list(json_object_get(record, "sources"), "-"), show_walk(record));
}

int cli_finish_get(struct cli *cli, struct client_reply *reply) {
    if (!cli->raw || !show_bool(reply->result, "found"))
        return finish_search(cli, reply->result, "no such record", print_record);
    print_raw(reply);
    return CLI_OK;
}

static int run_get(struct cli *cli, const char *name, const char *text,
                   struct client_reply *reply) {
    struct client_args args;

    client_args_init(&args);
    client_args_text(&args, name, text);
    if (cli->all)
        client_args_bool(&args, "all", true);
    request_options(cli, &args);
    return request_run(cli, "get", &args, NULL, NULL, reply);
}

static bool is_hex64(const char *text) {
    return strlen(text) == 64 && strspn(text, "0123456789abcdefABCDEF") == 64;
}

/*
 * 64 hex digits are the hash of an immutable value or a key in hex. Both answers prove themselves
 * (hash, signature), so trying one after the other cannot give a wrong one. --salt and --immutable
 * decide it.
 */
int cmd_get(struct cli *cli) {
    bool in_kith = !cli->swarm || strcmp(cli->swarm, "kith") == 0; /* hashes are of it alone */
    bool try_key = !cli->immutable;
    bool try_hash = is_hex64(cli->args[0]) && !cli->salt && (in_kith || !try_key);
    char text[KITH_KEY_TEXT_SIZE];
    struct client_reply reply = {0};
    struct kith_key key;
    int status = CLI_OK;

    if (try_key && !try_hash)
        status = request_key(cli->args[0], &key, text);
    if (!try_hash && !try_key) {
        cli_complain("HASH: expected 64 hex digits, got '%s'", cli->args[0]);
        status = CLI_USAGE;
    }
    if (status)
        return status;
    if (try_hash)
        status = run_get(cli, "point", cli->args[0], &reply);
    if (try_key && (!try_hash || (status == CLI_OK && !show_bool(reply.result, "found")))) {
        client_reply_deinit(&reply);
        if (kith_key_parse(cli->args[0], &key, NULL) < 0)
            return CLI_USAGE;
        kith_key_format(&key, text);
        status = run_get(cli, "key", text, &reply);
    }
    if (status == CLI_OK)
        status = cli_finish_get(cli, &reply);
    client_reply_deinit(&reply);
    return status;
}

/* ---- put ---- */

/* JSON text to msgpack. Returns 0 or an exit status. */
static int pack_json(const char *text, size_t size, msgpack_sbuffer *packed) {
    json_error_t where;
    json_t *json = json_loadb(text, size, JSON_DECODE_ANY, &where);
    int r;

    if (!json) {
        cli_complain("VALUE: JSON, line %d, column %d: %s", where.line, where.column, where.text);
        return CLI_USAGE;
    }
    r = json_to_msgpack(json, packed);
    json_decref(json);
    if (r < 0)
        cli_complain("VALUE: JSON nested deeper than %d, or no memory for it",
                     JSON_MSGPACK_DEPTH_MAX);
    return r < 0 ? CLI_USAGE : CLI_OK;
}

/* The bencoded value. Returns 0 or an exit status. */
static int make_value(const struct cli *cli, uint8_t value[KITH_VALUE_MAX], uint16_t *ret_size) {
    msgpack_sbuffer packed;
    char *bytes = NULL;
    size_t size;
    int status = request_value(cli->args[0], cli->json_value ? JSON_TEXT_MAX : VALUE_BYTES_MAX,
                               &bytes, &size);

    if (status)
        return status;
    msgpack_sbuffer_init(&packed);
    if (cli->json_value) {
        status = pack_json(bytes, size, &packed);
    } else if (msgpack_sbuffer_write(&packed, bytes, size) < 0) {
        cli_complain("%s", kith_strerror(KITH_ENOMEM));
        status = CLI_INTERNAL;
    }
    if (status == CLI_OK && kith_value_wrap(packed.data, packed.size, value, ret_size) < 0) {
        cli_complain("value too large: %zu bytes, at most %d fit", packed.size, VALUE_BYTES_MAX);
        status = CLI_USAGE;
    }
    msgpack_sbuffer_destroy(&packed);
    free(bytes);
    return status;
}

static int check_put(const struct cli *cli) {
    if (cli->immutable && (cli->salt || cli->has_seq || cli->has_cas)) {
        cli_complain("--immutable: such a value has no %s",
                     cli->salt ? "--salt" : (cli->has_seq ? "--seq" : "--cas"));
        return CLI_USAGE;
    }
    return CLI_OK;
}

static void print_put(struct cli *cli, json_t *result) {
    const char *salt = show_text(result, "salt");
    double acks = show_number(result, "acks"), quorum = show_number(result, "quorum");

    /* A put ends with its quorum; the daemon goes on with the others. */
    show_fact(cli, "stored", "on %.0f of %.0f nodes in %s%s", acks, show_number(result, "asked"),
              show_ms(show_number(result, "total_ms")),
              acks == quorum && acks < show_number(result, "asked") ? ", the others follow" : "");
    if (json_is_number(json_object_get(result, "mainline_acks")))
        show_fact(cli, "in Mainline", "on %.0f of %.0f nodes", show_number(result, "mainline_acks"),
                  show_number(result, "mainline_asked"));
    if (strcmp(show_text(result, "swarm"), "mainline") != 0)
        show_fact(cli, "point", "%s", show_text(result, "point"));
    if (json_is_string(json_object_get(result, "target")))
        show_fact(cli, "target", "%s", show_text(result, "target"));
    if (json_is_string(json_object_get(result, "key"))) {
        show_fact(cli, "key", "%s", show_text(result, "key"));
        if (*salt)
            show_fact(cli, "salt", "%s", salt);
        show_fact(cli, "seq", "%" JSON_INTEGER_FORMAT, show_integer(result, "seq"));
    }
}

int cmd_put(struct cli *cli) {
    uint8_t value[KITH_VALUE_MAX];
    struct client_args args;
    uint16_t size = 0;
    int status = check_put(cli);

    if (status == CLI_OK)
        status = make_value(cli, value, &size);
    if (status)
        return status;
    client_args_init(&args);
    client_args_bytes(&args, "value", value, size);
    if (cli->has_seq)
        client_args_int(&args, "seq", cli->seq);
    if (cli->has_cas)
        client_args_int(&args, "cas", cli->cas);
    if (cli->immutable)
        client_args_bool(&args, "immutable", true);
    request_options(cli, &args);
    return request_show(cli, "put", &args, print_put);
}

/* ---- topics ---- */

static int run_topic(struct cli *cli, const char *method, void (*print)(struct cli *, json_t *)) {
    char topic[65];
    struct client_args args;
    int status = request_topic(cli->args[0], topic);

    if (status)
        return status;
    client_args_init(&args);
    client_args_text(&args, "topic", topic);
    request_options(cli, &args);
    return request_show(cli, method, &args, print);
}

static void print_announce(struct cli *cli, json_t *result) {
    show_fact(cli, "announced", "on %.0f of %.0f nodes in %s", show_number(result, "acks"),
              show_number(result, "asked"), show_ms(show_number(result, "total_ms")));
    show_fact(cli, "topic", "%s", show_text(result, "topic"));
}

static void print_unannounce(struct cli *cli, json_t *result) {
    show_fact(cli, "topic", "%s", show_text(result, "topic"));
}

int cmd_announce(struct cli *cli) {
    return run_topic(cli, "announce", print_announce);
}

int cmd_unannounce(struct cli *cli) {
    return run_topic(cli, "unannounce", print_unannounce);
}

/* Collects the peers for JSON, prints them at once for people. */
struct finding {
    struct cli *cli;
    json_t *peers;
};

static void on_found(const char *event, json_t *fields, void *user) {
    struct finding *finding = user;

    if (strcmp(event, "record") != 0)
        return;
    if (finding->cli->json) {
        json_array_append(finding->peers, fields);
        return;
    }
    printf("%s  %s\n", show_text(fields, "key"),
           show_list(json_object_get(fields, "endpoints"), "-"));
    show_flush();
}

int cmd_find(struct cli *cli) {
    struct finding finding = {.cli = cli};
    char topic[65];
    struct client_reply reply;
    struct client_args args;
    int status = request_topic(cli->args[0], topic);

    if (status)
        return status;
    finding.peers = json_array();
    client_args_init(&args);
    client_args_text(&args, "topic", topic);
    if (cli->count)
        client_args_int(&args, "n", cli->count);
    request_options(cli, &args);
    status = request_run(cli, "find", &args, on_found, &finding, &reply);
    if (status == CLI_OK) {
        double found = show_number(reply.result, "found");
        if (cli->json) {
            json_object_set(reply.result, "peers", finding.peers);
            show_json(reply.result);
        } else if (found == 0) {
            cli_complain("not found: nobody has announced this topic (%s)",
                         show_walk(reply.result));
        }
        status = found > 0 ? CLI_OK : CLI_NOT_FOUND;
    }
    json_decref(finding.peers);
    client_reply_deinit(&reply);
    return status;
}

/* ---- watch ---- */

struct watching {
    struct cli *cli;
    unsigned n_records;
};

static void on_record(const char *event, json_t *fields, void *user) {
    struct watching *watching = user;

    if (strcmp(event, "record") != 0)
        return;
    watching->n_records++;
    if (watching->cli->json) {
        show_json(fields);
    } else {
        printf("%" JSON_INTEGER_FORMAT "\t", show_integer(fields, "seq"));
        show_value(fields);
        show_flush();
    }
}

/* Ends by signal, or after --timeout: then it is a success if anything was seen. */
int cmd_watch(struct cli *cli) {
    struct watching watching = {.cli = cli};
    char text[KITH_KEY_TEXT_SIZE];
    struct client_reply reply;
    struct client_args args;
    struct kith_key key;
    uint64_t timeout_ms = cli->timeout_s > 0 ? (uint64_t)(cli->timeout_s * 1e3) : 0;
    int status = request_key(cli->args[0], &key, text);

    if (status == CLI_OK)
        status = cli_open(cli);
    if (status)
        return status;
    client_args_init(&args);
    client_args_text(&args, "key", text);
    if (cli->salt)
        client_args_bytes(&args, "salt", cli->salt, strlen(cli->salt));
    if (cli->swarm)
        client_args_text(&args, "swarm", cli->swarm);
    client_call(cli->client, "watch", &args, timeout_ms, on_record, &watching, &reply);
    client_args_deinit(&args);
    status = reply.code == 0 ? CLI_OK : cli_exit_of(reply.code);
    if (reply.code == KITH_ETIMEOUT && watching.n_records)
        status = CLI_OK;
    else if (reply.code == KITH_ETIMEOUT)
        snprintf(reply.text, sizeof(reply.text), "no record within %g s", cli->timeout_s);
    if (status != CLI_OK && reply.code != KITH_ECANCELED)
        request_explain(cli, &reply);
    client_reply_deinit(&reply);
    return status;
}
