/* SPDX-License-Identifier: Apache-2.0 */
/* look.c: see look.h. A reply goes with its callback, so its texts are copied, all into one block. */
#include "push/look.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "fanout/op.h"
#include "fanout/store.h"
#include "fanout/words.h"
#include "push/plan.h"

/* Where the parts of a look stand in the reply: lua/push.lua, push_look(). */
enum { LOOK_NOW = 1, LOOK_EPOCH, LOOK_BASE, LOOK_HEAD, LOOK_LIVE, LOOK_PUSH, LOOK_DEVICES, LOOK_PREFS, LOOK_CONVS, LOOK_EVENTS, LOOK_NOTICES };

struct look *look_ref(struct look *look) {
        look->refs++;
        return look;
}

struct look *look_unref(struct look *look) {
        if (!look || --look->refs)
                return NULL;
        free(look->devices);
        free(look->events);
        free(look->notices);
        free(look->escalations);
        free(look->memory);
        free(look->entries);
        free(look);
        return NULL;
}

static size_t look_bytes(const struct redisReply *reply) {
        size_t bytes = store_text(reply).len;
        for (size_t i = 0; i < store_count(reply); i++)
                bytes += look_bytes(store_item(reply, i));
        return bytes;
}

/* The value of a field in a flat list of fields and values. */
static struct slice look_value(const struct redisReply *flat, const char *kind, struct slice name) {
        size_t kind_len = strlen(kind);
        for (size_t i = 0; i + 1 < store_count(flat); i += 2) {
                struct slice field = store_text(store_item(flat, i));
                if (field.len == kind_len + name.len && memcmp(field.ptr, kind, kind_len) == 0 &&
                    memcmp(field.ptr + kind_len, name.ptr, name.len) == 0)
                        return store_text(store_item(flat, i + 1));
        }
        return SLICE("");
}

/* What stands behind kind in the name of a field; false: it is of another kind. */
static bool look_is(const struct redisReply *flat, size_t i, const char *kind, struct slice *ret_name) {
        struct slice field = store_text(store_item(flat, i));
        size_t len = strlen(kind);
        if (field.len < len || memcmp(field.ptr, kind, len) != 0)
                return false;
        *ret_name = (struct slice){ field.ptr + len, field.len - len };
        return true;
}

static bool look_has_session(struct slice live, struct slice device) {
        while (live.len) {
                struct slice line = words_take(&live, '\n');
                if (slice_equal(words_take(&line, ' '), device))
                        return true;
        }
        return false;
}

static int look_minute(struct slice text) {
        return text.len == 5 ? (text.ptr[0] - '0') * 600 + (text.ptr[1] - '0') * 60 + (text.ptr[3] - '0') * 10 + text.ptr[4] - '0' : -1;
}

static void look_take_devices(struct look *look, const struct redisReply *reply, char **text) {
        const struct redisReply *push = store_item(reply, LOOK_PUSH), *devices = store_item(reply, LOOK_DEVICES);
        struct slice live = store_text(store_item(reply, LOOK_LIVE)), name;
        look->online = live.len != 0;
        for (size_t i = 0; i + 1 < store_count(push); i += 2) {
                if (!look_is(push, i, "g:", &name))
                        continue;
                struct look_device *device = &look->devices[look->devices_count];
                *device = (struct look_device){ .device = slice_copy(text, name) };
                device->packed = slice_copy(text, store_text(store_item(push, i + 1)));
                device->ledger = slice_copy(text, look_value(push, "d:", name));
                device->registration = registration_parse(device->packed);
                device->connected = look_has_session(live, name);
                struct slice seen = look_value(devices, "", name);
                device->cursor = words_uint(words_take(&seen, ' '));
                device->seen_ms = (int64_t)words_uint(seen);
                if (job_provider_parse(device->registration.provider, &device->provider) == 0)
                        look->devices_count++;
        }
}

static void look_take_notices(struct look *look, const struct redisReply *list, char **text) {
        for (size_t i = 0; i + 2 < store_count(list); i += 3) {
                struct look_event *event = &look->notices[look->notices_count++];
                struct slice state = slice_copy(text, store_text(store_item(list, i + 1)));
                struct slice notice = slice_copy(text, store_text(store_item(list, i + 2)));
                *event = (struct look_event){ .is_notice = true, .op = slice_copy(text, store_text(store_item(list, i))) };
                event->known = state.len && notice.len;
                event->state = notice_parse_state(state);
                event->notice = notice_parse(notice);
                event->at_ms = event->state.at;
                event->read = event->state.read != 0;
                event->deleted = event->state.replaced_by.len != 0;
        }
}

static struct look_event *look_find_notice(struct look *look, struct slice op) {
        for (size_t i = 0; i < look->notices_count; i++)
                if (slice_equal(look->notices[i].op, op))
                        return &look->notices[i];
        return NULL;
}

/* m <seq> <conv>, or x <at> <op>. A notification whose op was used again is another one: its at differs. */
static void look_take_event(struct look *look, uint64_t n, struct slice pointer, const struct redisReply *prefs) {
        struct look_event *event = &look->events[look->events_count++];
        struct slice letter = words_take(&pointer, ' ');
        uint64_t number = words_uint(words_take(&pointer, ' '));
        if (slice_is(letter, "x")) {
                struct look_event *notice = look_find_notice(look, pointer);
                *event = notice ? *notice : (struct look_event){ .is_notice = true };
                event->known &= event->at_ms == (int64_t)number;
                event->n = n;
                if (notice && event->known)
                        notice->n = n;
                return;
        }
        *event = (struct look_event){ .n = n, .seq = number, .conv = pointer };
        struct slice until = look_value(prefs, "m:", pointer);
        event->muted = (int64_t)words_uint(until) > look->now_ms;
}

static int look_compare(const void *a, const void *b) {
        const struct look_event *x = a, *y = b;
        return x->n < y->n ? -1 : x->n > y->n;
}

static void look_take_events(struct look *look, const struct redisReply *reply, char **text) {
        const struct redisReply *events = store_item(reply, LOOK_EVENTS);
        for (size_t i = 0; i + 1 < store_count(events); i += 2)
                look_take_event(look, (uint64_t)store_int(store_item(events, i)), slice_copy(text, store_text(store_item(events, i + 1))),
                                store_item(reply, LOOK_PREFS));
        if (look->events_count > 1)
                qsort(look->events, look->events_count, sizeof(look->events[0]), look_compare);
}

static void look_take_escalations(struct look *look, const struct redisReply *push, char **text) {
        struct slice op;
        for (size_t i = 0; i + 1 < store_count(push); i += 2) {
                if (!look_is(push, i, "e:", &op))
                        continue;
                struct look_escalation *escalation = &look->escalations[look->escalations_count++];
                struct look_event *notice = look_find_notice(look, op);
                *escalation = (struct look_escalation){ .op = slice_copy(text, op), .event = notice && notice->known ? notice : NULL };
                escalation->ledger = slice_copy(text, store_text(store_item(push, i + 1)));
        }
}

static void look_take_prefs(struct look *look, const struct redisReply *prefs, char **text) {
        struct slice quiet = slice_copy(text, look_value(prefs, "quiet", SLICE("")));
        look->quiet_from = look_minute(words_take(&quiet, ' '));
        look->quiet_to = look_minute(words_take(&quiet, ' '));
        look->zone = quiet;
        if (look->quiet_to < 0)
                look->quiet_from = -1;
}

struct look *look_new(const struct redisReply *reply) {
        struct look *look = calloc(1, sizeof(*look));
        if (!look)
                return NULL;
        const struct redisReply *push = store_item(reply, LOOK_PUSH), *events = store_item(reply, LOOK_EVENTS);
        const struct redisReply *notices = store_item(reply, LOOK_NOTICES);
        look->refs = 1;
        look->memory = malloc(3 * look_bytes(reply) + 1); /* some texts are copied for each device */
        look->devices = calloc(store_count(push) / 2 + 1, sizeof(*look->devices));
        look->escalations = calloc(store_count(push) / 2 + 1, sizeof(*look->escalations));
        look->events = calloc(store_count(events) / 2 + 1, sizeof(*look->events));
        look->notices = calloc(store_count(notices) / 3 + 1, sizeof(*look->notices));
        if (!look->memory || !look->devices || !look->escalations || !look->events || !look->notices)
                return look_unref(look);
        char *text = look->memory;
        look->now_ms = store_int(store_item(reply, LOOK_NOW));
        look->epoch = slice_copy(&text, store_text(store_item(reply, LOOK_EPOCH)));
        look->head = (uint64_t)store_int(store_item(reply, LOOK_HEAD));
        look->convs = slice_copy(&text, store_text(store_item(reply, LOOK_CONVS)));
        look->badge = -1;
        look_take_prefs(look, store_item(reply, LOOK_PREFS), &text);
        look_take_devices(look, reply, &text);
        look_take_notices(look, notices, &text);
        look_take_events(look, reply, &text);
        look_take_escalations(look, push, &text);
        return look;
}

/* ---- messages ---- */

void look_add_fetch(const struct look *look, struct call *call, struct slice user, bool badge) {
        size_t count = 0;
        store_call_key(call, KEY_NOTICES, user);
        store_call_key(call, KEY_NOTICE_TIMES, user);
        for (size_t i = 0; i < look->events_count; i++) {
                const struct look_event *event = &look->events[i];
                if (event->is_notice)
                        continue;
                store_call_key(call, KEY_LOG, event->conv);
                store_call_key(call, KEY_STATES, event->conv);
                store_call_key(call, KEY_MEMBERS, event->conv);
                store_call_key(call, KEY_CONV, event->conv);
                count++;
        }
        for (struct slice rest = look->convs; badge && rest.len;) {
                struct slice conv = words_take(&rest, ' ');
                store_call_key(call, KEY_CONV, conv);
                store_call_key(call, KEY_LOG, conv);
                store_call_key(call, KEY_MEMBERS, conv);
        }
        store_call_arg(call, user);
        store_call_arg_int(call, badge ? LIMIT_PUSH_BADGE_ENTRIES : 0);
        store_call_arg_int(call, (int64_t)count);
        for (size_t i = 0; i < look->events_count; i++)
                if (!look->events[i].is_notice)
                        store_call_arg_int(call, (int64_t)look->events[i].seq);
}

/* <at> <kind> <ref> <from> <device> <op> */
static void look_take_entry(struct look_event *event, struct slice header, char **text) {
        event->known = header.len != 0;
        event->at_ms = (int64_t)words_uint(words_take(&header, ' '));
        words_take(&header, ' ');
        words_take(&header, ' ');
        event->from = slice_copy(text, words_take(&header, ' '));
        words_take(&header, ' ');
        char op[OP_PACKED_BYTES];
        event->op = slice_copy(text, op_unpack(header, op));
}

int look_add_entries(struct look *look, const struct redisReply *reply, bool badge) {
        char *more = malloc(look_bytes(reply) + look->events_count * OP_PACKED_BYTES + 1), *text = more;
        size_t k = 1;
        if (!more)
                return -ENOMEM;
        for (size_t i = 0; i < look->events_count; i++) {
                struct look_event *event = &look->events[i];
                if (event->is_notice)
                        continue;
                look_take_entry(event, store_text(store_item(reply, k)), &text);
                event->plan = slice_copy(&text, store_text(store_item(reply, k + 1)));
                event->deleted = store_int(store_item(reply, k + 2)) != 0;
                event->read = event->seq <= (uint64_t)store_int(store_item(reply, k + 3));
                event->template = slice_copy(&text, store_text(store_item(reply, k + 4)));
                event->body = slice_copy(&text, store_text(store_item(reply, k + 5)));
                k += 6;
        }
        look->badge = badge ? store_int(store_item(reply, 0)) : -1;
        free(look->entries); /* of a fetch without a badge */
        look->entries = more;
        return 0;
}
