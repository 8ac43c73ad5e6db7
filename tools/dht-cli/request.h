/* SPDX-License-Identifier: MIT */
/* request: one request of a command, from its args to its exit status. */
#ifndef DHT_CLI_REQUEST_H
#define DHT_CLI_REQUEST_H

#include "cli.h"
#include "client.h"

/* Reads a KEY argument; complains and returns CLI_USAGE, else 0. `text` is canonical afterwards
 * (KITH_KEY_TEXT_SIZE). */
int request_key(const char *argument, struct kith_key *ret_key, char *text);
enum { REQUEST_PEER_SIZE = KITH_KEY_TEXT_SIZE + 1 + KITH_ENDPOINT_TEXT_SIZE };
/* The same for an info-hash or target, 40 hex digits. */
int request_target(const char *what, const char *argument);
/* The same for PEER: a key, or a contact whose host name is resolved here, to its first address.
 * Complains and returns CLI_USAGE or CLI_NO_NETWORK, else 0 and the PEER for the node in `text`
 * (REQUEST_PEER_SIZE). */
int request_peer(const char *argument, char *text);
/* The same for a topic: the 64 hex digits of its point (65 bytes). */
int request_topic(const char *argument, char *text);
/* Reads VALUE, @FILE or - (at most `max` bytes). Complains and returns an exit status, else 0. Free
 * `ret_bytes`. */
int request_value(const char *argument, size_t max, char **ret_bytes, size_t *ret_size);

/* Adds --salt, --swarm and --timeout where given. */
void request_options(const struct cli *cli, struct client_args *args);

/* Says on standard error why a request failed, with --json also as an object on standard output. */
void request_explain(const struct cli *cli, const struct client_reply *reply);

/* Connects where needed, runs it, with the progress line, and releases `args`. `on_event` (may be
 * NULL) gets all events but "progress". A failure is explained. Returns the exit status; `reply` is
 * to be released in any case. */
int request_run(struct cli *cli, const char *method, struct client_args *args,
                client_event_fn on_event, void *user, struct client_reply *reply);

/* The same, and what came is printed: with --json as it is, else by `print`, also if a put stays
 * below its quorum. Returns the exit status. */
int request_show(struct cli *cli, const char *method, struct client_args *args,
                 void (*print)(struct cli *cli, json_t *result));

#endif
