/* SPDX-License-Identifier: Apache-2.0 */
/* notify.c: see notify.h. Texts and data stay the slices of JSON they were; they are joined and never rebuilt. */
#include "hub/notify.h"

#include <string.h>

#include "base/limits.h"
#include "fanout/due.h"
#include "hub/wire.h"
#include "push/plan.h"

enum { NOTIFY_TTL_MAX_S = LIMIT_NOTICE_AGE_S };

static int notify_refuse(struct notify *notify, const char *error) {
        notify->error = error;
        return NOTIFY_E_INVALID;
}

static const struct scan_value *notify_find(const struct scan_field *fields, size_t count, const char *name) {
        const struct scan_value *value = scan_find(fields, count, name);
        return value && value->type != SCAN_NULL ? value : NULL;
}

/* A short string, decoded. Absent: "". */
static bool notify_text(const struct scan_field *fields, size_t count, const char *name, char *out, size_t size) {
        const struct scan_value *value = notify_find(fields, count, name);
        size_t len;
        out[0] = '\0';
        return !value || (value->type == SCAN_STRING && scan_string(value->raw, out, size, &len) == 0 && strlen(out) == len);
}

static bool notify_is(const struct scan_value *value, enum scan_type type) {
        return !value || value->type == type;
}

/* From critical to low it orders the work; what is silent is never shown. */
static bool notify_is_priority(const char *text) {
        static const char *const texts[] = { "critical", "high", "normal", "low", "silent" };
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
                if (strcmp(text, texts[i]) == 0)
                        return true;
        return false;
}

static bool notify_is_ttl(const struct scan_value *value) {
        return !value || (value->type == SCAN_INT && value->integer >= 1 && value->integer <= NOTIFY_TTL_MAX_S);
}

/* How urgently somebody is to look whether this must be pushed. */
static int notify_class(const struct notify *notify, const struct scan_value *push) {
        static const char *const texts[] = { [DUE_CRITICAL] = "critical", [DUE_HIGH] = "high", [DUE_NORMAL] = "normal" };
        for (int class = DUE_CRITICAL; class <= DUE_NORMAL; class++)
                if (strcmp(notify->priority[0] ? notify->priority : "normal", texts[class]) == 0)
                        return plan_class(push, class) < class ? plan_class(push, class) : class;
        return plan_class(push, DUE_LOW);
}

static void notify_add(struct buf *out, const char *name, const struct scan_value *value, const char *absent) {
        if (!value && !absent)
                return;
        buf_printf(out, "%s\"%s\":", out->len ? "," : "", name);
        if (value)
                buf_add_slice(out, value->raw);
        else
                buf_add_text(out, absent);
}

int notify_parse(const struct scan_field *fields, size_t count, struct notify *notify) {
        const struct scan_value *title = notify_find(fields, count, "title"), *text = notify_find(fields, count, "text");
        const struct scan_value *data = notify_find(fields, count, "data"), *ttl = notify_find(fields, count, "ttl_s");
        const struct scan_value *push = notify_find(fields, count, "push"), *escalate = notify_find(fields, count, "escalate");
        const struct scan_value *priority = notify_find(fields, count, "priority"), *collapse = notify_find(fields, count, "collapse");
        *notify = (struct notify){ .error = NULL };
        buf_init(&notify->content, LIMIT_NOTICE_BYTES);
        buf_init(&notify->plan, LIMIT_NOTICE_BYTES);
        buf_init(&notify->steps, LIMIT_NOTICE_BYTES);
        if (!notify_text(fields, count, "op", notify->op, sizeof(notify->op)) || !wire_is_op(slice_of(notify->op)))
                return notify_refuse(notify, "op (1 to 64 printable ASCII bytes) is needed");
        if (!notify_is(title, SCAN_STRING) || !notify_is(text, SCAN_STRING))
                return notify_refuse(notify, "title and text are strings");
        if (!title && !text && !data)
                return notify_refuse(notify, "one of title, text and data is needed");
        if (!notify_text(fields, count, "priority", notify->priority, sizeof(notify->priority)) ||
            (priority && !notify_is_priority(notify->priority)))
                return notify_refuse(notify, "priority is critical, high, normal, low or silent");
        if (!notify_text(fields, count, "collapse", notify->collapse, sizeof(notify->collapse)) ||
            (collapse && !wire_is_op(slice_of(notify->collapse))))
                return notify_refuse(notify, "collapse is 1 to 64 printable ASCII bytes");
        if (!notify_is_ttl(ttl))
                return notify_refuse(notify, "ttl_s is 1 to 2592000, 30 days");
        if (!plan_is_push(push))
                return notify_refuse(notify, "push is {title, text, priority, ttl_s, collapse, data}");
        const char *wrong = plan_check_steps(escalate);
        if (wrong)
                return notify_refuse(notify, wrong);
        notify_add(&notify->content, "title", title, "\"\"");
        notify_add(&notify->content, "text", text, "\"\"");
        notify_add(&notify->content, "data", data, "null");
        notify_add(&notify->plan, "push", push, NULL);
        notify_add(&notify->plan, "escalate", escalate, NULL);
        int64_t first_ms;
        plan_pack_steps(escalate, &notify->steps, &first_ms);
        if (buf_failed(&notify->steps) || buf_failed(&notify->content) || buf_failed(&notify->plan) || notify->content.len + notify->plan.len > LIMIT_NOTICE_BYTES)
                return NOTIFY_E_LARGE;
        notify->post = (struct notice_post){
                .op = slice_of(notify->op),
                .priority = notify->priority[0] ? slice_of(notify->priority) : SLICE("normal"),
                .collapse = slice_of(notify->collapse),
                .ttl_ms = ttl ? ttl->integer * 1000 : 0,
                .content = buf_slice(&notify->content),
                .plan = buf_slice(&notify->plan),
                .push_class = notify_class(notify, push),
                .first_ms = first_ms,
                .steps = buf_slice(&notify->steps),
        };
        return 0;
}

void notify_deinit(struct notify *notify) {
        buf_deinit(&notify->content);
        buf_deinit(&notify->plan);
        buf_deinit(&notify->steps);
}
