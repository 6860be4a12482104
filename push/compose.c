/* SPDX-License-Identifier: Apache-2.0 */
/* compose.c: see compose.h. */
#include "push/compose.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/config.h"
#include "base/limits.h"
#include "push/look.h"
#include "push/template.h"
#include "push/trim.h"
#include "push/zone.h"

enum {
        COMPOSE_BYTES = 1 << 20, /* a template that asks for the longest value as often as it can */
        COMPOSE_NAME_BYTES = 3 * LIMIT_ID_BYTES + 128,
};

/* The longest that FCM keeps a message, and Apple about as long. A wake-up is worth less: the device syncs when it is opened, too. */
static const int64_t compose_ttl_ms = INT64_C(28) * 86400 * 1000, compose_wake_ttl_ms = INT64_C(86400) * 1000;

/* content and plan of a notification are fields without braces. */
static int compose_read_notice(const struct look_event *event, struct compose *compose, struct slice *ret_push) {
        struct scan_field fields[LIMIT_JSON_FIELDS];
        size_t count = 0;
        struct buf *memory = &compose->memory;
        buf_add_char(memory, '{');
        buf_add_slice(memory, event->notice.content);
        if (event->notice.plan.len)
                buf_add_char(memory, ',');
        buf_add_slice(memory, event->notice.plan);
        buf_add_char(memory, '}');
        if (buf_failed(memory))
                return -ENOMEM;
        struct slice whole = buf_slice(memory);
        if (scan_object(whole, fields, LIMIT_JSON_FIELDS, &count))
                count = 0;
        const struct scan_value *push = scan_find(fields, count, "push"), *escalate = scan_find(fields, count, "escalate");
        const struct scan_value *data = scan_find(fields, count, "data");
        *ret_push = push && push->type == SCAN_OBJECT ? push->raw : SLICE("");
        compose->escalate = escalate && escalate->type == SCAN_ARRAY ? escalate->raw : SLICE("");
        if (plan_parse(whole, &compose->content) < 0)
                return -ENOMEM;
        compose->content.data = data && data->type != SCAN_NULL ? data->raw : SLICE("");
        return 0;
}

/* The texts of a template, with what the message says. */
static int compose_fill(const struct look_event *event, struct plan *plan, struct buf *memory) {
        const struct template_about about = { .from = event->from, .conv = event->conv, .body = event->body };
        template_fill(plan->title, &about, memory);
        size_t title_len = memory->len;
        template_fill(plan->text, &about, memory);
        if (buf_failed(memory))
                return -ENOMEM;
        plan->title = (struct slice){ memory->ptr, title_len };
        plan->text = (struct slice){ memory->ptr + title_len, memory->len - title_len };
        trim_both(&plan->title, &plan->text, LIMIT_NOTICE_BYTES); /* providers take less, but it waits for them in memory */
        return 0;
}

static struct slice compose_either(struct slice first, struct slice second) {
        return first.len ? first : second;
}

static int64_t compose_expiry(const struct look_event *event, const struct compose *compose) {
        int64_t ttl_ms = compose->plan.ttl_ms ? compose->plan.ttl_ms : compose->visible ? compose_ttl_ms : compose_wake_ttl_ms;
        int64_t expires_ms = event->at_ms + (ttl_ms < compose_ttl_ms ? ttl_ms : compose_ttl_ms);
        return event->is_notice && event->state.until && event->state.until < expires_ms ? event->state.until : expires_ms;
}

int compose_read(const struct look_event *event, struct compose *compose) {
        bool is_template = !event->is_notice && !event->plan.len && event->template.len;
        struct slice push = is_template ? event->template : event->plan;
        *compose = (struct compose){ .priority = PUSH_NORMAL };
        buf_init(&compose->memory, COMPOSE_BYTES);
        if (event->is_notice && compose_read_notice(event, compose, &push) < 0)
                return -ENOMEM;
        if (push.len && plan_parse(push, &compose->plan) < 0)
                return -ENOMEM;
        if (is_template && compose_fill(event, &compose->plan, &compose->memory) < 0)
                return -ENOMEM;
        const struct plan *plan = &compose->plan, *content = &compose->content;
        bool silent = push.len ? plan->silent : !event->is_notice;
        compose->priority = plan->has_priority || !event->is_notice ? plan->priority : plan_priority(event->notice.priority);
        if (event->is_notice && !plan->has_priority)
                silent = slice_is(event->notice.priority, "silent");
        if (event->is_notice && slice_is(event->notice.priority, "critical"))
                compose->priority = PUSH_CRITICAL;
        compose->title = compose_either(plan->title, content->title);
        compose->text = compose_either(plan->text, content->text);
        compose->data = compose_either(plan->data, content->data);
        compose->collapse = compose_either(plan->collapse, event->is_notice ? event->notice.collapse : SLICE(""));
        compose->visible = !silent && (compose->title.len || compose->text.len);
        if (!compose->visible)
                compose->priority = PUSH_LOW; /* policy#3 */
        compose->expires_ms = compose_expiry(event, compose);
        return 0;
}

void compose_deinit(struct compose *compose) {
        plan_deinit(&compose->plan);
        plan_deinit(&compose->content);
        buf_deinit(&compose->memory);
}

int64_t compose_quiet_end(const struct look *look, struct zone_cache *zones, struct slice user) {
        const struct zone *zone = look->quiet_from >= 0 ? zone_cache_find(zones, look->zone) : NULL;
        int minutes = zone ? policy_quiet_minutes(look->quiet_from, look->quiet_to, zone_minute(zone, look->now_ms)) : 0;
        if (minutes == 0)
                return 0;
        unsigned spread = 0;
        for (size_t i = 0; i < user.len; i++)
                spread = spread * 31 + (unsigned char)user.ptr[i];
        return (look->now_ms / 60000 + minutes) * 60000 + spread % POLICY_QUIET_SPREAD_MS;
}

struct policy_device compose_device(const struct look *look, const struct look_device *device, const struct ledger *ledger, int64_t delay_ms,
                                    const struct config_push *section) {
        return (struct policy_device){
                .cursor = device->cursor,
                .connected = device->connected,
                .user_online = look->online,
                .seen_ms = device->seen_ms,
                .woken_ms = ledger->woken_ms,
                .used_milli = ledger->used_milli,
                .used_ms = ledger->used_ms,
                .delay_ms = delay_ms,
                .critical_skips_quiet = section && section->critical,
                .wakes_freely = device->provider == PUSH_WEBHOOK,
        };
}

struct policy_event compose_event(const struct look_event *event, const struct compose *compose, bool again) {
        return (struct policy_event){
                .n = event->n,
                .at_ms = event->at_ms,
                .expires_ms = compose->expires_ms,
                .visible = compose->visible,
                .priority = compose->priority,
                .read = event->read,
                .muted = event->muted,
                .deleted = event->deleted || !event->known,
                .again = again,
        };
}

/* compose#1: a UUID of version 8 (RFC 9562 section 5.8). */
static void compose_id(const struct look *look, struct slice user, struct slice device, uint64_t n, unsigned step, char *out) {
        char name[COMPOSE_NAME_BYTES + LIMIT_OP_BYTES];
        unsigned char digest[EVP_MAX_MD_SIZE] = { 0 };
        int len = snprintf(name, sizeof(name), "%.*s\n%.*s\n%.*s\n%" PRIu64 "\n%u", (int)look->epoch.len, look->epoch.ptr, (int)user.len, user.ptr,
                           (int)device.len, device.ptr, n, step);
        if (len < 0 || (size_t)len >= sizeof(name) || !EVP_Digest(name, (size_t)len, digest, NULL, EVP_sha256(), NULL))
                abort(); /* ids are short, and SHA-256 is always there */
        digest[6] = (unsigned char)((digest[6] & 0x0f) | 0x80);
        digest[8] = (unsigned char)((digest[8] & 0x3f) | 0x80);
        for (size_t i = 0, at = 0; i < 16; i++) {
                if (i == 4 || i == 6 || i == 8 || i == 10)
                        out[at++] = '-';
                snprintf(out + at, 3, "%02x", digest[i]);
                at += 2;
        }
}

struct push_job compose_job(const struct look *look, struct slice user, const struct look_device *device, const struct look_event *event,
                            const struct compose *compose, enum push_kind kind, unsigned step) {
        bool shown = kind != PUSH_BACKGROUND;
        /* A device that is woken asks for all that is new, whatever it was; a webhook is a server of the app's own. */
        bool named = shown || !device || device->provider == PUSH_WEBHOOK;
        uint64_t n = event->is_notice ? event->state.n : event->n;
        struct push_job job = {
                .user = user,
                .device = device ? device->device : SLICE(""),
                .app = device ? device->registration.app : SLICE(""),
                .provider = device ? device->provider : PUSH_WEBHOOK,
                .sandbox = device && slice_is(device->registration.env, "sandbox"),
                .token = device ? device->registration.token : SLICE(""),
                .kind = kind,
                .priority = shown ? compose->priority : PUSH_LOW,
                .title = shown ? compose->title : SLICE(""),
                .text = shown ? compose->text : SLICE(""),
                .data = shown ? compose->data : compose->plan.data,
                .conv = named ? event->conv : SLICE(""),
                .op = named ? event->op : SLICE(""),
                .at_ms = event->at_ms,
                .badge = shown ? look->badge : -1,
                .expires_ms = compose->expires_ms,
                .collapse = shown ? compose->collapse : SLICE("belfry-sync"),
                .head = look->head,
        };
        compose_id(look, user, device ? device->device : SLICE(""), n, step, job.id);
        return job;
}
