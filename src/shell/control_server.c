/* SPDX-License-Identifier: MIT */
/*
 * control_server: the control protocol on a Unix stream socket.
 *
 * Who may open the socket may drive the node, so the file system is the access control: a directory
 * of mode 0700, a socket of mode 0600. The mode is set between bind and listen, when connecting is
 * still refused, so there is no moment at which others get in.
 *
 * A daemon that died leaves its socket behind. Connecting tells the difference: refused means
 * nobody listens, and the name is taken over; accepted means a live daemon, which is left alone.
 * Between bind and listen a live one looks like a dead one, so the directory is locked meanwhile.
 * At the end the name is removed if it is still that of our socket.
 *
 * What a client is owed is bounded: answers go out at once while the client reads, wait in
 * libuv's queue while it does not, and over KITH_CONTROL_BACKLOG_MAX the client is disconnected. A
 * client may die inside its own call (an answer overflows, or the method `stop` closes the server),
 * so its control is freed only where none of its code is running.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "shell/control_internal.h"
#include "shell/control_server.h"
#include "shell/refuse.h"

enum {
    PATH_LENGTH_MAX = sizeof(((struct sockaddr_un *)0)->sun_path) - 1,
    LISTEN_BACKLOG = 32,
    READ_SIZE = 64 * 1024,
    LOCK_TRIES = 100, /* whoever holds the lock for a second is no starting daemon */
    LOCK_STEP_NS = 10 * 1000 * 1000,
};

struct client {
    struct kith_list link;
    struct kith_control_server *server;
    struct kith_control *control;
    uv_pipe_t pipe;
    size_t owed;  /* memory of the answers that wait for the client */
    bool busy;    /* inside kith_control_receive() */
    bool closing; /* nothing is read or written any more */
    bool drains;  /* is closed when what was written has gone out */
};

struct kith_control_server {
    uv_loop_t *loop;
    struct kith_node *node;
    uv_pipe_t pipe;
    char path[PATH_LENGTH_MAX + 1]; /* empty: no name was taken */
    dev_t device;                   /* of our socket's name */
    ino_t inode;
    struct kith_list clients;
    unsigned n_clients;
    unsigned n_open;      /* handles: the server is freed with the last one */
    struct client *spare; /* to take a connection with, and close it, when there is no memory */
    bool owes_accept;     /* one was not even taken: libuv hears of no other until it is */
    bool closing;
    void (*on_stop)(void *context);
    void *stop_context;
    char read_buffer[READ_SIZE]; /* shared: libuv fills and hands it over in one go */
};

struct pending_write {
    uv_write_t request;
    size_t size; /* of all this: an answer of a few bytes costs more than them */
    char bytes[];
};

/* ---- clients ---- */

static void on_connection(uv_stream_t *stream, int status);

static void one_closed(struct kith_control_server *server) {
    if (--server->n_open == 0) {
        free(server->spare);
        free(server);
    }
}

static void on_client_closed(uv_handle_t *handle) {
    struct client *client = handle->data;
    struct kith_control_server *server = client->server;
    kith_control_free(client->control);
    if (server->spare == NULL) {
        server->spare = client;
    } else {
        free(client);
    }
    if (server->owes_accept && !server->closing) {
        server->owes_accept = false;
        on_connection((uv_stream_t *)&server->pipe, 0);
    }
    one_closed(server);
}

static void close_client(struct client *client) {
    if (client->closing) {
        return;
    }
    client->closing = true;
    kith_list_remove(&client->link);
    client->server->n_clients--;
    uv_close((uv_handle_t *)&client->pipe, on_client_closed);
}

static void on_written(uv_write_t *request, int status) {
    struct client *client = request->data;
    struct pending_write *pending = kith_container_of(request, struct pending_write, request);
    client->owed -= pending->size;
    free(pending);
    if (client->closing) {
        return;
    }
    bool is_empty = uv_stream_get_write_queue_size((uv_stream_t *)&client->pipe) == 0;
    if (status < 0 || (client->drains && is_empty)) {
        close_client(client);
    }
}

static void queue_write(struct client *client, const uint8_t *bytes, size_t size) {
    struct pending_write *pending = malloc(sizeof(*pending) + size);
    if (pending == NULL) {
        close_client(client);
        return;
    }
    pending->size = sizeof(*pending) + size;
    memcpy(pending->bytes, bytes, size);
    pending->request.data = client;
    uv_buf_t buffer = uv_buf_init(pending->bytes, (unsigned)size);
    if (uv_write(&pending->request, (uv_stream_t *)&client->pipe, &buffer, 1, on_written) != 0) {
        free(pending);
        close_client(client);
        return;
    }
    client->owed += pending->size;
}

static void write_to_client(void *context, struct kith_span bytes) {
    struct client *client = context;
    uv_stream_t *stream = (uv_stream_t *)&client->pipe;
    if (client->closing) {
        return;
    }
    if (bytes.size > KITH_CONTROL_BACKLOG_MAX ||
        client->owed > KITH_CONTROL_BACKLOG_MAX - bytes.size) {
        close_client(client);
        return;
    }
    if (uv_stream_get_write_queue_size(stream) == 0) {
        uv_buf_t buffer = uv_buf_init((char *)(uintptr_t)bytes.data, (unsigned)bytes.size);
        int n = uv_try_write(stream, &buffer, 1);
        size_t sent = n > 0 ? (size_t)n : 0;
        bytes = kith_span(bytes.data + sent, bytes.size - sent);
    }
    if (bytes.size > 0) {
        queue_write(client, bytes.data, bytes.size);
    }
}

/* Closes when the last error has been read, without hearing any more of the client. */
static void drain_client(struct client *client) {
    client->drains = true;
    uv_read_stop((uv_stream_t *)&client->pipe);
    if (uv_stream_get_write_queue_size((uv_stream_t *)&client->pipe) == 0) {
        close_client(client);
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
    struct client *client = handle->data;
    *buffer = uv_buf_init(client->server->read_buffer, READ_SIZE);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer) {
    struct client *client = stream->data;
    if (n < 0) {
        close_client(client);
    }
    if (n <= 0 || client->closing) {
        return;
    }
    client->busy = true;
    int r = kith_control_receive(client->control, kith_span(buffer->base, (size_t)n));
    client->busy = false;
    if (client->closing) {
        /* At once: the node may be gone when the handle's turn comes. */
        client->control = kith_control_free(client->control);
    } else if (r < 0) {
        drain_client(client);
    }
}

static void on_client_stop(void *context) {
    struct kith_control_server *server = context;
    if (server->on_stop != NULL) {
        server->on_stop(server->stop_context);
    }
}

/* Without memory: [2, 0, KITH_ENOMEM, "", {}]. */
static void turn_away(struct client *client) {
    static const uint8_t failure[] = {0x95, 2, 0, 0x100 + KITH_ENOMEM, 0xa0, 0x80};
    write_to_client(client, kith_span(failure, sizeof(failure)));
    close_client(client);
}

/* Takes the connection. NULL: it could not be taken, or is closed at once. */
static struct client *accept_client(struct kith_control_server *server) {
    struct client *client = calloc(1, sizeof(*client));
    bool is_spare = client == NULL;
    if (is_spare) {
        client = server->spare;
        server->spare = NULL;
    }
    if (client == NULL) {
        server->owes_accept = true;
        return NULL;
    }
    (void)uv_pipe_init(server->loop, &client->pipe, 0); /* cannot fail */
    client->server = server;
    client->control = NULL;
    client->owed = 0;
    client->busy = client->closing = client->drains = false;
    client->pipe.data = client;
    server->n_open++;
    server->n_clients++;
    kith_list_append(&server->clients, &client->link);
    if (uv_accept((uv_stream_t *)&server->pipe, (uv_stream_t *)&client->pipe) != 0) {
        close_client(client);
        return NULL;
    }
    if (is_spare) {
        turn_away(client);
        return NULL;
    }
    return client;
}

static void refuse_client(struct client *client) {
    struct kith_out out;
    kith_out_init(&out);
    kith_out_header(&out, 5, 2, 0);
    kith_out_int(&out, NULL, KITH_EFULL);
    kith_out_text(&out, NULL, "too many clients are connected");
    kith_out_end(&out, kith_out_map(&out, NULL));
    if (!out.failed) {
        write_to_client(client, kith_span(out.buffer.data, out.buffer.size));
    }
    kith_out_deinit(&out);
    close_client(client);
}

static void on_connection(uv_stream_t *stream, int status) {
    struct kith_control_server *server = stream->data;
    struct client *client = status < 0 ? NULL : accept_client(server);
    if (client == NULL) {
        return;
    }
    if (server->n_clients > KITH_CONTROL_CLIENTS_MAX) {
        refuse_client(client);
        return;
    }
    if (kith_control_new(&client->control, server->node, write_to_client, client) < 0 ||
        uv_read_start((uv_stream_t *)&client->pipe, on_alloc, on_read) != 0) {
        turn_away(client);
        return;
    }
    if (server->on_stop != NULL) {
        kith_control_on_stop(client->control, on_client_stop, server);
    }
}

/* ---- the socket ---- */

/* The directory that `path` lies in, made 0700 if missing. One that is another user's could have
 * its socket exchanged by that user. */
static int check_directory(const char *path, struct kith_error_info *info) {
    char directory[PATH_LENGTH_MAX + 1];
    const char *slash = strrchr(path, '/');
    struct stat st;
    if (slash == NULL || slash == path) {
        return 0; /* the working directory, or the root */
    }
    (void)snprintf(directory, sizeof(directory), "%.*s", (int)(slash - path), path);
    if (mkdir(directory, 0700) != 0 && errno != EEXIST) {
        int number = errno;
        return kith_refuse(info, kith_error_of_errno(number), "control directory '%s': %s",
                           directory, strerror(number));
    }
    if (stat(directory, &st) != 0) {
        int number = errno;
        return kith_refuse(info, kith_error_of_errno(number), "control directory '%s': %s",
                           directory, strerror(number));
    }
    if (!S_ISDIR(st.st_mode)) {
        return kith_refuse(info, KITH_EEXISTS, "'%s' is not a directory", directory);
    }
    if (st.st_uid != geteuid() && st.st_uid != 0) {
        return kith_refuse(
            info, KITH_EPERMISSION,
            "control directory '%s' belongs to another user: choose another control path",
            directory);
    }
    return 0;
}

/* 0: nobody listens on the socket at `path`, and the name was removed. */
static int remove_stale(const char *path, struct kith_error_info *info) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat st;
    if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode)) {
        return kith_refuse(info, KITH_EEXISTS, "'%s' exists and is not a socket", path);
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return kith_refuse(info, kith_error_of_errno(errno), "control socket: %s", strerror(errno));
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    int r = connect(fd, (const struct sockaddr *)&address, sizeof(address));
    int number = r == 0 ? 0 : errno;
    (void)close(fd);
    if (number == 0 || number == EAGAIN) { /* EAGAIN: listening, and its queue is full */
        return kith_refuse(info, KITH_ELOCKED, "another daemon listens on '%s'", path);
    }
    if (number != ECONNREFUSED && number != ENOENT) {
        return kith_refuse(info, kith_error_of_errno(number), "control socket '%s': %s", path,
                           strerror(number));
    }
    if (unlink(path) != 0 && errno != ENOENT) {
        number = errno;
        return kith_refuse(info, kith_error_of_errno(number), "stale control socket '%s': %s", path,
                           strerror(number));
    }
    return 0;
}

/* A descriptor that holds the lock until it is closed. Negative: not to be had, and what it guards
 * against is unlikely enough to go on. */
static int lock_directory(const char *path) {
    char directory[PATH_LENGTH_MAX + 1];
    const struct timespec step = {.tv_nsec = LOCK_STEP_NS};
    const char *slash = strrchr(path, '/');
    (void)snprintf(directory, sizeof(directory), "%.*s",
                   slash == NULL ? 1 : (int)(slash - path + 1), slash == NULL ? "." : path);
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (unsigned i = 0; fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0; i++) {
        if (errno != EWOULDBLOCK || i == LOCK_TRIES) {
            (void)close(fd);
            return -1;
        }
        (void)nanosleep(&step, NULL);
    }
    return fd;
}

/* libuv would unlink whatever has the name in the end, so the socket is made without it. -> errno
 */
static int bind_to(struct kith_control_server *server, int fd, const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat st;
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        return errno;
    }
    if (lstat(path, &st) != 0) {
        return errno;
    }
    memcpy(server->path, path, strlen(path) + 1);
    server->device = st.st_dev;
    server->inode = st.st_ino;
    return chmod(path, 0600) != 0 ? errno : 0;
}

static int take_name(struct kith_control_server *server, const char *path,
                     struct kith_error_info *info) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int number = fd < 0 ? errno : bind_to(server, fd, path);
    if (number == EADDRINUSE) {
        int r = remove_stale(path, info);
        if (r < 0) {
            (void)close(fd);
            return r;
        }
        number = bind_to(server, fd, path);
    }
    int r = number == 0 ? uv_pipe_open(&server->pipe, fd) : uv_translate_sys_error(number);
    if (r != 0 && fd >= 0) {
        (void)close(fd);
    }
    if (r == 0) {
        r = uv_listen((uv_stream_t *)&server->pipe, LISTEN_BACKLOG, on_connection);
    }
    if (r != 0) {
        int code = r == UV_EADDRINUSE ? KITH_ELOCKED : kith_error_of_errno(-r);
        return kith_refuse(info, code, "control socket '%s': %s", path, uv_strerror(r));
    }
    return 0;
}

static int listen_on(struct kith_control_server *server, const char *path,
                     struct kith_error_info *info) {
    int lock = lock_directory(path);
    int r = take_name(server, path, info);
    if (lock >= 0) {
        (void)close(lock);
    }
    return r;
}

static void remove_name(const struct kith_control_server *server) {
    struct stat st;
    if (server->path[0] != '\0' && lstat(server->path, &st) == 0 && st.st_dev == server->device &&
        st.st_ino == server->inode) {
        (void)unlink(server->path);
    }
}

static void on_server_closed(uv_handle_t *handle) {
    one_closed(handle->data);
}

int kith_control_server_open(struct kith_control_server **ret, uv_loop_t *loop,
                             struct kith_node *node, const char *path,
                             struct kith_error_info *info) {
    if (ret == NULL || loop == NULL || node == NULL || path == NULL || path[0] == '\0') {
        return kith_refuse(info, KITH_EINVALID, "no control path");
    }
    if (strlen(path) > PATH_LENGTH_MAX) {
        return kith_refuse(
            info, KITH_ETOO_LARGE,
            "the control path has %zu bytes, a socket address holds %d: choose a shorter "
            "one, for example under /run",
            strlen(path), (int)PATH_LENGTH_MAX);
    }
    int r = check_directory(path, info);
    if (r < 0) {
        return r;
    }
    struct kith_control_server *server = calloc(1, sizeof(*server));
    struct client *spare = calloc(1, sizeof(*spare));
    if (server == NULL || spare == NULL) {
        free(server);
        free(spare);
        return kith_refuse(info, KITH_ENOMEM, "%s", kith_strerror(KITH_ENOMEM));
    }
    server->spare = spare;
    server->loop = loop;
    server->node = node;
    kith_list_init(&server->clients);
    (void)uv_pipe_init(loop, &server->pipe, 0); /* cannot fail */
    server->pipe.data = server;
    server->n_open = 1;
    r = listen_on(server, path, info);
    if (r < 0) {
        kith_control_server_close(server);
        return r;
    }
    *ret = server;
    return 0;
}

void kith_control_server_on_stop(struct kith_control_server *server, void (*on_stop)(void *context),
                                 void *context) {
    server->on_stop = on_stop;
    server->stop_context = context;
    struct kith_list *link = kith_list_first(&server->clients);
    for (; link != NULL; link = kith_list_next(&server->clients, link)) {
        struct client *client = kith_container_of(link, struct client, link);
        kith_control_on_stop(client->control, on_stop == NULL ? NULL : on_client_stop, server);
    }
}

void kith_control_server_tell(struct kith_control_server *server, const struct kith_event *event) {
    struct kith_list *link = kith_list_first(&server->clients);
    while (link != NULL) {
        struct client *client = kith_container_of(link, struct client, link);
        link = kith_list_next(&server->clients, link); /* the client may be closed for it */
        if (client->control != NULL) {
            kith_control_tell(client->control, event);
        }
    }
}

void kith_control_server_close(struct kith_control_server *server) {
    struct kith_list *link;
    if (server == NULL || server->closing) {
        return;
    }
    server->closing = true;
    while ((link = kith_list_first(&server->clients)) != NULL) {
        struct client *client = kith_container_of(link, struct client, link);
        close_client(client);
        if (!client->busy) {
            client->control = kith_control_free(client->control);
        }
    }
    remove_name(server);
    uv_close((uv_handle_t *)&server->pipe, on_server_closed);
}

int kith_control_default_path(char *path, size_t size) {
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    int n;
    if (geteuid() == 0) {
        n = snprintf(path, size, "/run/kith/control");
    } else if (runtime != NULL && runtime[0] == '/') {
        n = snprintf(path, size, "%s/kith/control", runtime);
    } else {
        n = snprintf(path, size, "/tmp/kith-%u/control", (unsigned)geteuid());
    }
    return n < 0 || (size_t)n >= size ? KITH_ETOO_LARGE : 0;
}
