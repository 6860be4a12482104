/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registration.h: where a device can be pushed to. The caller's side of lua/push.lua.
 *
 * Functions that ask return 0, FANOUT_E_UNAVAILABLE or -ENOMEM; unless 0, done does not come.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/slice.h"

struct buf;
struct fanout;

struct registration {
        struct slice provider, app, env; /* env: production or sandbox */
        struct slice token;              /* what the provider knows the device by; of webpush the subscription, JSON; of webhook any text or "". Kept in one spelling. */
        int64_t at_ms;                   /* when it was registered; not looked at by registration_set() */
};

/* NULL, or what is wrong with it, for its author. */
const char *registration_check(const struct registration *registration);

typedef void (*registration_done_fn)(void *arg, int answer);
/* answer: 0, FANOUT_E_CONFLICT (too many devices) or FANOUT_E_UNAVAILABLE. registration passed the check. */
__attribute__((warn_unused_result)) int registration_set(struct fanout *fanout, struct slice user, struct slice device,
                                                         const struct registration *registration, registration_done_fn done, void *arg);
/* provider "": whichever it is. answer: 0, FANOUT_E_NOT_FOUND or FANOUT_E_UNAVAILABLE. */
__attribute__((warn_unused_result)) int registration_remove(struct fanout *fanout, struct slice user, struct slice device, struct slice provider,
                                                            registration_done_fn done, void *arg);

/* As the store packs it; slices of packed. */
struct registration registration_parse(struct slice packed);
/* {provider, app, env, registered_at, token}: of the token only its end, or the host of a subscription. */
void registration_add_json(struct buf *out, struct slice packed);
