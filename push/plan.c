/* SPDX-License-Identifier: Apache-2.0 */
/* plan.c: see plan.h. */
#include "push/plan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/limits.h"
#include "fanout/due.h"

enum { PLAN_FIELDS = LIMIT_JSON_FIELDS, PLAN_COLLAPSE_BYTES = LIMIT_OP_BYTES, PLAN_TTL_MAX_S = LIMIT_NOTICE_AGE_S };

static const struct scan_value *plan_find(const struct scan_field *fields, size_t count, const char *name) {
        const struct scan_value *value = scan_find(fields, count, name);
        return value && value->type != SCAN_NULL ? value : NULL;
}

/* Absent, or a string of at most max bytes once it is decoded; out has room for them and a NUL. */
static bool plan_short(const struct scan_value *value, char *out, size_t max) {
        size_t len = 0;
        out[0] = '\0';
        return !value || (value->type == SCAN_STRING && scan_string(value->raw, out, max + 1, &len) == 0 && strlen(out) == len);
}

static bool plan_is(const struct scan_value *value, enum scan_type type) {
        return !value || value->type == type;
}

bool plan_is_push(const struct scan_value *push) {
        struct scan_field fields[PLAN_FIELDS];
        char priority[16], collapse[PLAN_COLLAPSE_BYTES + 1];
        size_t count;
        if (!push)
                return true;
        if (push->type != SCAN_OBJECT || push->raw.len > LIMIT_PUSH_PLAN_BYTES || scan_object(push->raw, fields, PLAN_FIELDS, &count))
                return false;
        const struct scan_value *ttl = plan_find(fields, count, "ttl_s");
        if (!plan_is(plan_find(fields, count, "title"), SCAN_STRING) || !plan_is(plan_find(fields, count, "text"), SCAN_STRING) ||
            !plan_short(plan_find(fields, count, "priority"), priority, sizeof(priority) - 1) ||
            !plan_short(plan_find(fields, count, "collapse"), collapse, PLAN_COLLAPSE_BYTES))
                return false;
        for (const char *c = collapse; *c; c++)
                if (*c < 0x20 || *c > 0x7e)
                        return false;
        return (!priority[0] || strcmp(priority, "high") == 0 || strcmp(priority, "normal") == 0 || strcmp(priority, "silent") == 0) &&
               (!ttl || (ttl->type == SCAN_INT && ttl->integer >= 1 && ttl->integer <= PLAN_TTL_MAX_S));
}

int plan_class(const struct scan_value *push, int absent) {
        struct scan_field fields[PLAN_FIELDS];
        size_t count;
        if (!push || push->type != SCAN_OBJECT || scan_object(push->raw, fields, PLAN_FIELDS, &count))
                return absent;
        const struct scan_value *priority = plan_find(fields, count, "priority");
        if (priority && slice_is(priority->raw, "\"high\""))
                return DUE_HIGH;
        return priority && slice_is(priority->raw, "\"silent\"") ? DUE_LOW : DUE_NORMAL;
}

/* ---- steps ---- */

static bool plan_is_via(const char *via) {
        if (strcmp(via, "push") == 0)
                return true;
        if (strncmp(via, "webhook:", 8) != 0 || !via[8])
                return false;
        for (const char *c = via + 8; *c; c++)
                if (*c <= 0x20 || *c > 0x7e)
                        return false;
        return true;
}

static bool plan_read_step(const struct scan_value *step, int64_t *ret_after_s, char *via, char *to) {
        struct scan_field fields[PLAN_FIELDS];
        size_t count;
        if (step->type != SCAN_OBJECT || scan_object(step->raw, fields, PLAN_FIELDS, &count))
                return false;
        const struct scan_value *after = plan_find(fields, count, "after_s");
        if (!after || after->type != SCAN_INT || after->integer < 0 || after->integer > PLAN_TTL_MAX_S)
                return false;
        *ret_after_s = after->integer;
        if (!plan_short(plan_find(fields, count, "via"), via, PLAN_VIA_BYTES - 1))
                return false;
        if (!via[0])
                memcpy(via, "push", sizeof("push"));
        return plan_is_via(via) &&
               plan_short(plan_find(fields, count, "to"), to, PLAN_TO_BYTES - 1);
}

const char *plan_check_steps(const struct scan_value *steps) {
        struct scan_value step;
        size_t position = 0, count = 0;
        int64_t after_s = 0, before_s = 0;
        char via[PLAN_VIA_BYTES], to[PLAN_TO_BYTES];
        if (!steps)
                return NULL;
        if (steps->type != SCAN_ARRAY)
                return "escalate is a list of steps";
        while (scan_array(steps->raw, &position, &step)) {
                if (++count > PLAN_STEPS)
                        return "escalate has at most 8 steps";
                if (!plan_read_step(&step, &after_s, via, to))
                        return "a step of escalate is {after_s, via, to}: seconds after posting, push or webhook:NAME, and a text for it";
                if (after_s < before_s)
                        return "the steps of escalate are in the order of their after_s";
                before_s = after_s;
        }
        return NULL;
}

void plan_pack_steps(const struct scan_value *steps, struct buf *out, int64_t *ret_first_ms) {
        struct scan_value step;
        size_t position = 0;
        int64_t after_s = 0;
        char via[PLAN_VIA_BYTES], to[PLAN_TO_BYTES];
        *ret_first_ms = 0;
        while (steps && scan_array(steps->raw, &position, &step)) {
                if (!plan_read_step(&step, &after_s, via, to))
                        continue; /* it was checked */
                if (out->len == 0)
                        *ret_first_ms = after_s * 1000;
                buf_printf(out, "%s%" PRId64 " waiting 0 %s", out->len ? "\n" : "", after_s * 1000, via);
        }
}

void plan_find_to(struct slice steps, unsigned index, char *out) {
        struct scan_value step;
        size_t position = 0;
        int64_t after_s;
        char via[PLAN_VIA_BYTES];
        out[0] = '\0';
        for (unsigned i = 0; steps.len && scan_array(steps, &position, &step); i++) {
                if (i == index && !plan_read_step(&step, &after_s, via, out))
                        out[0] = '\0';
        }
}

/* ---- what is pushed ---- */

enum push_priority plan_priority(struct slice text) {
        if (slice_is(text, "critical"))
                return PUSH_CRITICAL;
        if (slice_is(text, "high"))
                return PUSH_HIGH;
        return slice_is(text, "low") || slice_is(text, "silent") ? PUSH_LOW : PUSH_NORMAL;
}

static struct slice plan_decode(const struct scan_value *value, char **at, const char *end) {
        size_t len = 0;
        if (!value || value->type != SCAN_STRING || scan_string(value->raw, *at, (size_t)(end - *at), &len))
                return SLICE("");
        struct slice text = { *at, len };
        *at += len + 1;
        return text;
}

int plan_parse(struct slice push, struct plan *ret_plan) {
        struct scan_field fields[PLAN_FIELDS];
        size_t count = 0;
        if (scan_object(push, fields, PLAN_FIELDS, &count))
                count = 0;
        size_t room = push.len + 4;
        char *memory = malloc(room), *at = memory;
        if (!memory)
                return -ENOMEM;
        const struct scan_value *priority = plan_find(fields, count, "priority"), *ttl = plan_find(fields, count, "ttl_s");
        const struct scan_value *data = plan_find(fields, count, "data");
        struct slice word = plan_decode(priority, &at, memory + room);
        *ret_plan = (struct plan){
                .memory = memory,
                .silent = slice_is(word, "silent"),
                .has_priority = word.len != 0,
                .priority = plan_priority(word),
                .data = data ? data->raw : SLICE(""),
                .ttl_ms = ttl && ttl->type == SCAN_INT ? ttl->integer * 1000 : 0,
        };
        ret_plan->title = plan_decode(plan_find(fields, count, "title"), &at, memory + room);
        ret_plan->text = plan_decode(plan_find(fields, count, "text"), &at, memory + room);
        ret_plan->collapse = plan_decode(plan_find(fields, count, "collapse"), &at, memory + room);
        return 0;
}

void plan_deinit(struct plan *plan) {
        free(plan->memory);
        plan->memory = NULL;
}
