/* SPDX-License-Identifier: MIT */
/* lan_none: the LAN source of a build without Avahi: says so once, from the loop, and finds nobody.
 */
#include "shell/lan.h"

#include <stdlib.h>

struct kith_lan {
    uv_timer_t timer;
    void (*on_state)(void *context, enum kith_lan_state state, const char *text);
    void *context;
    void (*done)(void *context);
    void *done_context;
};

static void on_timer(uv_timer_t *timer) {
    struct kith_lan *lan = timer->data;

    lan->on_state(lan->context, KITH_LAN_OFF, "built without Avahi");
}

static void on_closed(uv_handle_t *handle) {
    struct kith_lan *lan = handle->data;

    if (lan->done != NULL) {
        lan->done(lan->done_context);
    }
    free(lan);
}

int kith_lan_open(struct kith_lan **ret, const struct kith_lan_config *config) {
    struct kith_lan *lan = calloc(1, sizeof(*lan));

    if (lan == NULL) {
        return KITH_ENOMEM;
    }
    lan->on_state = config->on_state;
    lan->context = config->context;
    (void)uv_timer_init(config->loop, &lan->timer); /* cannot fail, nor a start with a function */
    lan->timer.data = lan;
    (void)uv_timer_start(&lan->timer, on_timer, 0, 0);
    *ret = lan;
    return 0;
}

void kith_lan_refresh(struct kith_lan *lan, const char *instance) {
}

uint64_t kith_lan_n_dropped(const struct kith_lan *lan, enum kith_lan_drop why) {
    return 0;
}

void kith_lan_close(struct kith_lan *lan, void (*done)(void *context), void *context) {
    lan->done = done;
    lan->done_context = context;
    uv_close((uv_handle_t *)&lan->timer, on_closed);
}
