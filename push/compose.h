/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compose.h: what is pushed of an event, and the job that does it.
 *
 *   compose#1  The id of a push is made of what it is about, never of chance: who composes it again after a crash makes the same.
 *   compose#2  A message of which its sender says nothing is pushed as its conversation's template says, else as a wake-up; a notification as what it is, unless its push says otherwise.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "push/job.h"
#include "push/ledger.h"
#include "push/plan.h"
#include "push/policy.h"

struct config_push;
struct look;
struct look_device;
struct look_event;
struct zone_cache;

struct compose {
        struct plan plan;       /* of the push, where there is one */
        struct plan content;    /* title and text of a notification */
        bool visible;
        enum push_priority priority;
        int64_t expires_ms;
        struct slice title, text, data, collapse;
        struct slice escalate;  /* JSON of a notification's steps; "" */
        struct buf memory;
};

/* 0 or -ENOMEM; compose_deinit() in any case. */
__attribute__((warn_unused_result)) int compose_read(const struct look_event *event, struct compose *compose);
void compose_deinit(struct compose *compose);

/* When the user's quiet hours that are now end, spread by the user's name; 0: there are none now. */
int64_t compose_quiet_end(const struct look *look, struct zone_cache *zones, struct slice user);

/* section may be NULL: an app that is not configured. */
struct policy_device compose_device(const struct look *look, const struct look_device *device, const struct ledger *ledger, int64_t delay_ms,
                                    const struct config_push *section);
struct policy_event compose_event(const struct look_event *event, const struct compose *compose, bool again);

/* device NULL: an escalation to a webhook; then app is its section and to what its step says. step: 0, or which of an escalation from 1 on. */
struct push_job compose_job(const struct look *look, struct slice user, const struct look_device *device, const struct look_event *event,
                            const struct compose *compose, enum push_kind kind, unsigned step);
