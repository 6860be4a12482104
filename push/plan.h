/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan.h: what a sender wants to be pushed (PROTOCOL section 6), and the steps of a notification's escalation: checked where they come
 * in, read where they are carried out.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/limits.h"
#include "base/scan.h"
#include "push/job.h"

struct buf;

enum { PLAN_STEPS = LIMIT_ESCALATION_STEPS, PLAN_VIA_BYTES = 48, PLAN_TO_BYTES = 256 };

/* {title, text, priority, ttl_s, collapse, data}: are its fields of their types? NULL is fine. */
bool plan_is_push(const struct scan_value *push);
/* How urgent such a push is: enum due_class of fanout/due.h; of NULL what absent says. */
int plan_class(const struct scan_value *push, int absent);

/* [{after_s, via: "push" (the default) | "webhook:NAME", to}]: NULL, or what is wrong with it. */
const char *plan_check_steps(const struct scan_value *steps);
/* Checked steps as a ledger packs them (ledger.h); *ret_first_ms: when the first is due, from now. */
void plan_pack_steps(const struct scan_value *steps, struct buf *out, int64_t *ret_first_ms);
/* to of step index in an array that passed; "" if it has none. out: PLAN_TO_BYTES. */
void plan_find_to(struct slice steps, unsigned index, char *out);

struct plan {
        bool silent;          /* nothing is to be shown */
        bool has_priority;
        enum push_priority priority;
        struct slice title, text, collapse; /* decoded */
        struct slice data;    /* JSON; "" none */
        int64_t ttl_ms;       /* 0: not said */
        char *memory;
};

/* push passed plan_is_push(). 0 or -ENOMEM; plan_deinit() after 0. data is a slice of push. */
__attribute__((warn_unused_result)) int plan_parse(struct slice push, struct plan *ret_plan);
void plan_deinit(struct plan *plan);
/* low, normal, high or critical; normal for all else. */
enum push_priority plan_priority(struct slice text);
