/* SPDX-License-Identifier: MIT */
/* netwatch where there is no rtnetlink: nobody tells, and every address is taken to be there. */
#include "shell/netwatch.h"

int kith_netwatch_open(struct kith_netwatch **ret, const struct kith_netwatch_config *config,
                       const char **ret_why) {
    (void)ret;
    (void)config;
    *ret_why = "not known how on this system";
    return KITH_EUNSUPPORTED;
}

void kith_netwatch_close(struct kith_netwatch *watch, void (*done)(void *context),
                         void *done_context) {
    (void)watch;
    done(done_context);
}

bool kith_netwatch_has_address(const struct kith_endpoint *endpoint) {
    (void)endpoint;
    return true;
}
