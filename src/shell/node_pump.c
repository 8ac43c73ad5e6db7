/* SPDX-License-Identifier: MIT */
/*
 * node_pump: the core on a libuv loop.
 *
 * The core is asked three things after every call into it: what to send, what to tell, when to call
 * again. Datagrams and the deadline drive it from the loop. A call of the application only wakes
 * the pump: an idle handle makes the loop come round at once, so no callback is ever made from
 * inside the call that caused it, and calls made in a row share one batch of datagrams.
 *
 * Callbacks may start and cancel ops and close the node. The pump therefore keeps nothing of the
 * core across a callback (results are copied out first), looks at `closing` after each one, and
 * never nests. One run tells at most EVENTS_PER_RUN events: an application that starts an op in
 * each callback cannot keep the loop from its other handles.
 */
#include <stdio.h>

#include "shell/node_internal.h"

enum { EVENTS_PER_RUN = 1024 };

static void on_deadline(uv_timer_t *timer);

static void send_datagrams(struct kith_node *node) {
    struct kith_datagram datagram;
    while (kith_core_next_datagram(node->core, &datagram)) {
        kith_udp_send(node->udp, &datagram.to, datagram.bytes, datagram.size);
    }
}

/*
 * The loop's clock is uv_hrtime() in whole milliseconds, taken at the start of the iteration and
 * perhaps behind; counting from it to the deadline rounded up can fire late by a millisecond, never
 * early. The core's clock has gone on while the host slept, the loop's has not.
 */
static void arm_deadline(struct kith_node *node) {
    uint64_t deadline = kith_core_deadline(node->core);
    if (deadline == node->armed) {
        return;
    }
    node->armed = deadline;
    if (deadline == KITH_NEVER) {
        uv_timer_stop(&node->deadline);
        return;
    }
    deadline -= deadline < node->away.slept ? deadline : node->away.slept;
    uint64_t deadline_ms = deadline / KITH_NS_PER_MS + (deadline % KITH_NS_PER_MS != 0);
    uint64_t now_ms = uv_now(node->loop);
    uint64_t wait_ms = deadline_ms > now_ms ? deadline_ms - now_ms : 0;
    (void)uv_timer_start(&node->deadline, on_deadline, wait_ms, 0);
}

static void settle(struct kith_node *node) {
    kith_udp_flush(node->udp);
    arm_deadline(node);
}

static void tell_event(struct kith_node *node, const struct kith_event *event) {
    if (event->kind == KITH_EVENT_READY) {
        kith_node_book_save_soon(node);
        kith_node_names_joined(node);
    } else if (event->kind == KITH_EVENT_LOST) {
        kith_node_names_lost(node);
    } else if (event->kind == KITH_EVENT_MAINLINE) {
        kith_node_names_mainline(node); /* asks anew for what is not joined */
    }
    if (node->on_event != NULL && !node->closing) {
        char text[sizeof(((struct kith_node_result *)0)->text)] = "";
        struct kith_event copy = *event;
        if (event->text != NULL) {
            (void)snprintf(text, sizeof(text), "%s", event->text);
            copy.text = text;
        }
        node->on_event(node, &copy, node->user);
    }
}

static void dispatch(struct kith_node *node, const struct kith_core_event *event) {
    switch (event->kind) {
    case KITH_CORE_NODE:
        tell_event(node, &event->node);
        break;
    case KITH_CORE_RESULT:
        kith_node_op_result(node, &event->result);
        break;
    case KITH_CORE_TALK:
        kith_node_talk(node, &event->talk);
        break;
    case KITH_CORE_LOCAL:
        kith_node_lan_refresh(node, event->local);
        break;
    case KITH_CORE_NETWORK:
        kith_node_names_retry(node);
        break;
    case KITH_CORE_SAVE:
        kith_node_disk_save(node, &event->saved);
        break;
    case KITH_CORE_FORGET:
        kith_node_disk_forget(node, &event->saved);
        break;
    }
}

void kith_node_pump(struct kith_node *node) {
    if (node->pumping) {
        return;
    }
    node->pumping = true;
    bool closing = node->closing; /* while closing, the ends of all ops are still told */
    struct kith_core_event event;
    unsigned n = 0;
    send_datagrams(node);
    while (n < EVENTS_PER_RUN && node->closing == closing &&
           kith_core_next_event(node->core, &event)) {
        n++;
        dispatch(node, &event);
        send_datagrams(node);
    }
    if (n == EVENTS_PER_RUN) {
        kith_node_wake(node);
    }
    if (node->closing == closing) {
        kith_node_ops_tell_finished(node);
    }
    node->pumping = false;
}

static void on_deadline(uv_timer_t *timer) {
    struct kith_node *node = timer->data;
    node->armed = KITH_NEVER;
    if (node->closing) {
        return;
    }
    kith_node_look_away(node);
    kith_core_tick(node->core, kith_node_now(node));
    kith_node_pump(node);
    settle(node);
}

static void on_wake(uv_idle_t *idle) {
    struct kith_node *node = idle->data;
    uv_idle_stop(idle);
    if (node->closing) {
        kith_node_shut(node);
        return;
    }
    kith_node_pump(node);
    settle(node);
}

/* Keeps sequence numbers right when the wall clock is set; once a minute is often enough for them.
 */
static void on_minute(uv_timer_t *timer) {
    struct kith_node *node = timer->data;
    kith_core_set_clock(node->core, kith_node_wall_us(), kith_node_now(node));
    kith_node_wake(node);
}

void kith_node_pump_init(struct kith_node *node) {
    node->armed = KITH_NEVER;
    (void)uv_timer_start(&node->minute, on_minute, 60 * 1000, 60 * 1000);
    kith_node_wake(node);
}

void kith_node_wake(struct kith_node *node) {
    (void)uv_idle_start(&node->wake, on_wake);
}

void kith_node_on_datagram(void *context, const struct kith_endpoint *from, const uint8_t *bytes,
                           size_t size) {
    struct kith_node *node = context;
    if (node->closing) {
        return;
    }
    kith_core_receive(node->core, from, bytes, size, kith_node_now(node));
    kith_node_pump(node);
}

void kith_node_on_batch(void *context) {
    struct kith_node *node = context;
    if (!node->closing) {
        settle(node);
    }
}
