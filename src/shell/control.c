/* SPDX-License-Identifier: MIT */
/*
 * control: one client of the control protocol (docs/control.md), written against the public API
 * only.
 *
 * The stream is collected in one buffer of at most KITH_CONTROL_REQUEST_MAX bytes until a request
 * is complete (control_frame), decoded by msgpack-c into a zone that lives for the one request, and
 * looked up in a table of methods. A method either answers at once from what the node is
 * (control_lists) or starts one op, whose results become events and whose end becomes the answer
 * (control_results).
 *
 * A stream that is not msgpack, or whose values are not requests, cannot be followed any further:
 * it gets one error with id 0 and is to be closed. A request that is well formed but wrong gets an
 * error of its own and the stream goes on.
 *
 * A running op holds its request, not the client: when the client goes, its requests are cut off
 * from it and canceled, and each frees itself at its last result.
 */
#include <stdlib.h>
#include <string.h>

#include "shell/control_internal.h"

enum {
    MESSAGE_REQUEST = 0,
    MESSAGE_RESULT = 1,
    MESSAGE_FAILURE = 2,
    MESSAGE_EVENT = 3,
    METHOD_NAME_MAX = 32,
    BUFFER_FIRST = 1024,  /* nearly every request fits */
    LIST_PAGE_MAX = 8192, /* entries of one answer: 2.5 MB, below what a slow reader may be owed */
};

struct kith_control {
    struct kith_node *node;
    void (*write)(void *context, struct kith_span bytes);
    void *context;
    void (*on_stop)(void *context);
    void *stop_context;
    struct kith_list requests;
    unsigned n_requests;
    bool broken; /* the stream is beyond repair: the rest is ignored */
    uint8_t *buffer;
    size_t capacity;
    size_t size;
    struct kith_frame frame;
};

/* One method: `fill` answers at once, `edit` changes the node and answers at once, `prepare` fills
 * the query of an op. None of them: runs until canceled. */
struct kith_control_method {
    const char *name;
    kith_control_fill_fn fill;
    enum kith_query_kind kind;
    kith_control_prepare_fn prepare;
    kith_control_edit_fn edit;
};

/* ---- answers ---- */

/* Sends and frees. Without memory for the message the client at least learns that. */
static void send_out(struct kith_control *control, struct kith_out *out, uint64_t id) {
    if (!out->failed) {
        control->write(control->context, kith_span(out->buffer.data, out->buffer.size));
    } else {
        uint8_t bytes[] = {0x95, MESSAGE_FAILURE, 0xcf, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xa0, 0x80};
        struct kith_writer w = kith_writer(bytes + 3, 8);
        kith_write_u64(&w, id);
        control->write(control->context, kith_span(bytes, sizeof(bytes)));
    }
    kith_out_deinit(out);
}

static void begin_failure(struct kith_out *out, uint64_t id, int code, const char *text) {
    kith_out_init(out);
    kith_out_header(out, 5, MESSAGE_FAILURE, id);
    kith_out_int(out, NULL, code);
    kith_out_text(out, NULL, text != NULL && text[0] != '\0' ? text : kith_strerror(code));
}

static void send_failure(struct kith_control *control, uint64_t id, int code, const char *text) {
    struct kith_out out;
    begin_failure(&out, id, code, text);
    kith_out_end(&out, kith_out_map(&out, NULL));
    send_out(control, &out, id);
}

static void send_empty(struct kith_control *control, uint64_t id) {
    struct kith_out out;
    kith_out_init(&out);
    kith_out_header(&out, 3, MESSAGE_RESULT, id);
    kith_out_end(&out, kith_out_map(&out, NULL));
    send_out(control, &out, id);
}

/* ---- running requests ---- */

static struct kith_control_request *find_request(struct kith_control *control, uint64_t id) {
    struct kith_list *link = kith_list_first(&control->requests);
    for (; link != NULL; link = kith_list_next(&control->requests, link)) {
        struct kith_control_request *request =
            kith_container_of(link, struct kith_control_request, link);
        if (request->id == id) {
            return request;
        }
    }
    return NULL;
}

static void count_ping(struct kith_control_request *request, const struct kith_result *result) {
    request->pings_sent++;
    if (result->status != 0) {
        return;
    }
    uint64_t rtt = result->rtt_ns;
    request->rtt_min_ns =
        request->pings_received == 0 || rtt < request->rtt_min_ns ? rtt : request->rtt_min_ns;
    request->rtt_max_ns = rtt > request->rtt_max_ns ? rtt : request->rtt_max_ns;
    request->rtt_sum_ns += rtt;
    request->pings_received++;
}

static void begin_event(struct kith_out *out, const struct kith_control_request *request,
                        const char *event) {
    kith_out_init(out);
    kith_out_header(out, 4, MESSAGE_EVENT, request->id);
    kith_out_text(out, NULL, event);
}

static void send_event(struct kith_control *control, struct kith_control_request *request,
                       const struct kith_result *result) {
    const char *event = kith_control_event_name(request, result);
    if (event == NULL) {
        return;
    }
    struct kith_out out;
    begin_event(&out, request, event);
    struct kith_out_level level = kith_out_map(&out, NULL);
    kith_control_encode_event(&out, request, result);
    kith_out_end(&out, level);
    send_out(control, &out, request->id);
}

static void send_end(struct kith_control *control, const struct kith_control_request *request,
                     const struct kith_result *result) {
    struct kith_out out;
    if (kith_control_is_answer(request->query.kind, result->status)) {
        kith_out_init(&out);
        kith_out_header(&out, 3, MESSAGE_RESULT, request->id);
    } else {
        begin_failure(&out, request->id, result->status, result->text);
    }
    struct kith_out_level level = kith_out_map(&out, NULL);
    kith_control_encode_end(&out, control->node, request, result);
    kith_out_end(&out, level);
    send_out(control, &out, request->id);
}

static void on_result(struct kith_node *node, const struct kith_result *result, void *user) {
    struct kith_control_request *request = user;
    struct kith_control *control = request->control;
    if (result->kind == KITH_RESULT_PONG) {
        count_ping(request, result);
    }
    if (result->kind != KITH_RESULT_DONE) {
        if (control != NULL) {
            send_event(control, request, result);
        }
        return;
    }
    if (control != NULL) {
        kith_list_remove(&request->link);
        control->n_requests--;
        send_end(control, request, result);
    }
    free(request);
}

/* ---- methods that start an op ---- */

static const struct kith_control_method method_table[] = {
    {.name = "version", .fill = kith_control_fill_version},
    {.name = "id", .fill = kith_control_fill_id},
    {.name = "status", .fill = kith_control_fill_status},
    {.name = "stats", .fill = kith_control_fill_stats},
    {.name = "peers", .fill = kith_control_fill_peers},
    {.name = "table", .fill = kith_control_fill_table},
    {.name = "records", .fill = kith_control_fill_records},
    {.name = "sessions", .fill = kith_control_fill_sessions},
    {.name = "lan", .fill = kith_control_fill_lan},
    {.name = "book", .fill = kith_control_fill_book},
    {.name = "bans", .fill = kith_control_fill_bans},
    {.name = "add", .edit = kith_control_edit_add},
    {.name = "ban", .edit = kith_control_edit_ban},
    {.name = "unban", .edit = kith_control_edit_unban},
    {.name = "lookup", .kind = KITH_QUERY_LOOKUP, .prepare = kith_control_prepare_lookup},
    {.name = "get", .kind = KITH_QUERY_GET, .prepare = kith_control_prepare_get},
    {.name = "put", .kind = KITH_QUERY_PUT, .prepare = kith_control_prepare_put},
    {.name = "announce", .kind = KITH_QUERY_ANNOUNCE, .prepare = kith_control_prepare_topic},
    {.name = "unannounce", .kind = KITH_QUERY_UNANNOUNCE, .prepare = kith_control_prepare_topic},
    {.name = "find", .kind = KITH_QUERY_FIND, .prepare = kith_control_prepare_find},
    {.name = "ping", .kind = KITH_QUERY_PING, .prepare = kith_control_prepare_ping},
    {.name = "trace", .kind = KITH_QUERY_TRACE, .prepare = kith_control_prepare_trace},
    {.name = "watch", .kind = KITH_QUERY_WATCH, .prepare = kith_control_prepare_watch},
    {.name = "talk", .kind = KITH_QUERY_TALK, .prepare = kith_control_prepare_talk},
    {.name = "mainline_peers", .kind = KITH_QUERY_PEERS, .prepare = kith_control_prepare_peers},
    {.name = "mainline_announce",
     .kind = KITH_QUERY_ANNOUNCE_PEER,
     .prepare = kith_control_prepare_announce_peer},
    {.name = "mainline_sample", .kind = KITH_QUERY_SAMPLE, .prepare = kith_control_prepare_sample},
    {.name = "events"},
};

static bool has_op(const struct kith_control_request *request) {
    return request->method->prepare != NULL;
}

static void forget_pointers(struct kith_query *query) {
    query->value = NULL;
    query->value_size = 0;
    query->protocol = NULL;
    query->record = NULL;
}

/* Asking in a swarm that this node has no part in is answered before it begins. */
static int check_mainline(const struct kith_control *control, const struct kith_query *query,
                          struct kith_args *args) {
    struct kith_status status;
    if ((query->swarms & KITH_SWARM_MAINLINE) == 0) {
        return 0;
    }
    kith_node_status(control->node, &status);
    if (status.mainline.on) {
        return 0;
    }
    (void)kith_args_fail(args, "this node takes no part in Mainline: start it with --mainline, or "
                               "with enabled = yes in [mainline]");
    return KITH_ENO_NETWORK;
}

/* -> what kith_start() returns; `args` says what was wrong, or nothing. */
static int start_request(struct kith_control *control, struct kith_control_request *request,
                         struct kith_args *args) {
    int r = 0;
    if (has_op(request)) {
        request->query.kind = request->method->kind;
        r = request->method->prepare(args, request);
        r = r == 0 ? check_mainline(control, &request->query, args) : r;
    }
    if (r == 0 && has_op(request)) {
        r = kith_start(control->node, &request->query, on_result, request, &request->op);
    }
    if (r < 0) {
        return r;
    }
    forget_pointers(&request->query);
    request->control = control;
    kith_list_append(&control->requests, &request->link);
    control->n_requests++;
    return 0;
}

static void call_op(struct kith_control *control, uint64_t id,
                    const struct kith_control_method *method, struct kith_args *args) {
    if (control->n_requests >= KITH_CONTROL_OPS_MAX) {
        send_failure(control, id, KITH_EFULL, "too many requests of this client are running");
        return;
    }
    if (find_request(control, id) != NULL) {
        send_failure(control, id, KITH_EEXISTS, "a request with this id is running");
        return;
    }
    struct kith_control_request *request = calloc(1, sizeof(*request));
    if (request == NULL) {
        send_failure(control, id, KITH_ENOMEM, NULL);
        return;
    }
    request->method = method;
    request->id = id;
    int r = start_request(control, request, args);
    if (r < 0) {
        free(request);
        send_failure(control, id, r, args->error);
    }
}

/* ---- methods that answer at once ---- */

static int read_page(struct kith_args *args, struct kith_page *page) {
    int r = 0;
    *page = (struct kith_page){.limit = LIST_PAGE_MAX};
    if (kith_args_has(args, "offset")) {
        r = kith_args_uint(args, "offset", UINT32_MAX, &page->offset);
    }
    if (r == 0 && kith_args_has(args, "limit")) {
        r = kith_args_uint(args, "limit", LIST_PAGE_MAX, &page->limit);
    }
    return r;
}

static void call_fill(struct kith_control *control, uint64_t id, kith_control_fill_fn fill,
                      struct kith_args *args) {
    struct kith_page page;
    int r = read_page(args, &page);
    if (r < 0) {
        send_failure(control, id, r, args->error);
        return;
    }
    struct kith_out out;
    kith_out_init(&out);
    kith_out_header(&out, 3, MESSAGE_RESULT, id);
    struct kith_out_level level = kith_out_map(&out, NULL);
    fill(&out, control->node, &page);
    kith_out_end(&out, level);
    send_out(control, &out, id);
}

static void call_edit(struct kith_control *control, uint64_t id, kith_control_edit_fn edit,
                      struct kith_args *args) {
    struct kith_out out;
    kith_out_init(&out);
    kith_out_header(&out, 3, MESSAGE_RESULT, id);
    struct kith_out_level level = kith_out_map(&out, NULL);
    int r = edit(&out, control->node, args);
    kith_out_end(&out, level);
    if (r < 0) {
        kith_out_deinit(&out);
        send_failure(control, id, r, args->error);
        return;
    }
    send_out(control, &out, id);
}

/* ---- what the node tells ---- */

void kith_control_tell(struct kith_control *control, const struct kith_event *event) {
    struct kith_list *link = kith_list_first(&control->requests);
    for (; link != NULL; link = kith_list_next(&control->requests, link)) {
        const struct kith_control_request *request =
            kith_container_of(link, struct kith_control_request, link);
        if (has_op(request)) {
            continue;
        }
        struct kith_out out;
        begin_event(&out, request, kith_control_news_name(event->kind));
        struct kith_out_level level = kith_out_map(&out, NULL);
        kith_control_encode_news(&out, event);
        kith_out_end(&out, level);
        send_out(control, &out, request->id);
    }
}

static void end_news(struct kith_control *control, struct kith_control_request *request) {
    uint64_t id = request->id;
    kith_list_remove(&request->link);
    control->n_requests--;
    free(request);
    send_failure(control, id, KITH_ECANCELED, NULL);
}

static void call_cancel(struct kith_control *control, uint64_t id, struct kith_args *args) {
    uint64_t target;
    int r = kith_args_uint(args, "id", UINT64_MAX, &target);
    if (r < 0) {
        send_failure(control, id, r, args->error);
        return;
    }
    struct kith_control_request *request = find_request(control, target);
    if (request != NULL && has_op(request)) {
        kith_cancel(control->node, request->op); /* its end comes from the loop */
    } else if (request != NULL) {
        end_news(control, request);
    }
    send_empty(control, id);
}

static void call_stop(struct kith_control *control, uint64_t id) {
    if (control->on_stop == NULL) {
        send_failure(control, id, KITH_EUNSUPPORTED, "this node cannot be stopped from here");
        return;
    }
    send_empty(control, id);
    control->on_stop(control->stop_context);
}

static void call(struct kith_control *control, uint64_t id, const char *name,
                 struct kith_args *args) {
    for (size_t i = 0; i < sizeof(method_table) / sizeof(method_table[0]); i++) {
        const struct kith_control_method *method = &method_table[i];
        if (strcmp(method->name, name) == 0) {
            if (method->fill != NULL) {
                call_fill(control, id, method->fill, args);
            } else if (method->edit != NULL) {
                call_edit(control, id, method->edit, args);
            } else {
                call_op(control, id, method, args);
            }
            return;
        }
    }
    if (strcmp(name, "cancel") == 0) {
        call_cancel(control, id, args);
    } else if (strcmp(name, "stop") == 0) {
        call_stop(control, id);
    } else {
        send_failure(control, id, KITH_EINVALID, "unknown method");
    }
}

/* ---- the stream ---- */

/* [0, id, method] or [0, id, method, {args}]. -> KITH_ESYNTAX */
static int handle_request(struct kith_control *control, const msgpack_object *object) {
    struct kith_args args = {0};
    char name[METHOD_NAME_MAX + 1];
    if (object->type != MSGPACK_OBJECT_ARRAY || object->via.array.size < 3 ||
        object->via.array.size > 4) {
        return KITH_ESYNTAX;
    }
    const msgpack_object *at = object->via.array.ptr;
    if (at[0].type != MSGPACK_OBJECT_POSITIVE_INTEGER || at[0].via.u64 != MESSAGE_REQUEST ||
        at[1].type != MSGPACK_OBJECT_POSITIVE_INTEGER || at[2].type != MSGPACK_OBJECT_STR) {
        return KITH_ESYNTAX;
    }
    if (object->via.array.size == 4 && at[3].type != MSGPACK_OBJECT_MAP) {
        return KITH_ESYNTAX;
    }
    args.map = object->via.array.size == 4 ? &at[3].via.map : NULL;
    size_t length = at[2].via.str.size < METHOD_NAME_MAX ? at[2].via.str.size : METHOD_NAME_MAX;
    if (length > 0) { /* else there is no pointer */
        memcpy(name, at[2].via.str.ptr, length);
    }
    name[length] = '\0';
    call(control, at[1].via.u64, name, &args);
    return 0;
}

static int handle_frame(struct kith_control *control, size_t size) {
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    msgpack_unpack_return r =
        msgpack_unpack_next(&unpacked, (const char *)control->buffer, size, NULL);
    int status = KITH_ESYNTAX;
    if (r == MSGPACK_UNPACK_NOMEM_ERROR) {
        status = KITH_ENOMEM;
    } else if (r == MSGPACK_UNPACK_SUCCESS || r == MSGPACK_UNPACK_EXTRA_BYTES) {
        status = handle_request(control, &unpacked.data);
    }
    msgpack_unpacked_destroy(&unpacked);
    return status;
}

/* Room for at least one more byte. */
static int grow(struct kith_control *control) {
    if (control->size < control->capacity) {
        return 0;
    }
    if (control->capacity == KITH_CONTROL_REQUEST_MAX) {
        return KITH_ETOO_LARGE;
    }
    size_t capacity = control->capacity == 0 ? BUFFER_FIRST : 2 * control->capacity;
    uint8_t *buffer = realloc(control->buffer, capacity);
    if (buffer == NULL) {
        return KITH_ENOMEM;
    }
    control->buffer = buffer;
    control->capacity = capacity;
    return 0;
}

/* Handles every complete request in the buffer and moves the rest to its front. */
static int handle_buffer(struct kith_control *control) {
    size_t size;
    int r;
    while ((r = kith_frame_scan(&control->frame, kith_span(control->buffer, control->size),
                                &size)) == 0) {
        control->frame = (struct kith_frame){0};
        r = handle_frame(control, size);
        control->size -= size;
        memmove(control->buffer, control->buffer + size, control->size);
        if (r < 0) {
            return r;
        }
    }
    return r < 0 ? r : 0;
}

static int receive_piece(struct kith_control *control, struct kith_span *rest) {
    int r = grow(control);
    if (r < 0) {
        return r;
    }
    size_t room = control->capacity - control->size;
    size_t n = rest->size < room ? rest->size : room;
    memcpy(control->buffer + control->size, rest->data, n);
    control->size += n;
    *rest = kith_span(rest->data + n, rest->size - n);
    return handle_buffer(control);
}

int kith_control_new(struct kith_control **ret, struct kith_node *node,
                     void (*write)(void *context, struct kith_span bytes), void *context) {
    if (ret == NULL || node == NULL || write == NULL) {
        return KITH_EINVALID;
    }
    struct kith_control *control = calloc(1, sizeof(*control));
    if (control == NULL) {
        return KITH_ENOMEM;
    }
    control->node = node;
    control->write = write;
    control->context = context;
    kith_list_init(&control->requests);
    *ret = control;
    return 0;
}

int kith_control_receive(struct kith_control *control, struct kith_span bytes) {
    if (control->broken) {
        return KITH_ESYNTAX;
    }
    while (bytes.size > 0) {
        int r = receive_piece(control, &bytes);
        if (r < 0) {
            control->broken = true;
            send_failure(control, 0, r,
                         r == KITH_ESYNTAX      ? "not a request: [0, id, method, {args}] expected"
                         : r == KITH_ETOO_LARGE ? "a request over the limits of size or nesting"
                                                : NULL);
            return r;
        }
    }
    return 0;
}

void kith_control_on_stop(struct kith_control *control, void (*on_stop)(void *context),
                          void *context) {
    control->on_stop = on_stop;
    control->stop_context = context;
}

struct kith_control *kith_control_free(struct kith_control *control) {
    if (control == NULL) {
        return NULL;
    }
    struct kith_list *link;
    while ((link = kith_list_first(&control->requests)) != NULL) {
        struct kith_control_request *request =
            kith_container_of(link, struct kith_control_request, link);
        kith_list_remove(link);
        request->control = NULL;
        if (has_op(request)) {
            kith_cancel(control->node, request->op);
        } else {
            free(request);
        }
    }
    free(control->buffer);
    free(control);
    return NULL;
}
