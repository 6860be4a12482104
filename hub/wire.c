/* SPDX-License-Identifier: Apache-2.0 */
/* wire.c: see wire.h. Each type has a row that says which fields it needs and which it may have. */
#include "hub/wire.h"

#include <stddef.h>
#include <string.h>

#include "base/section.h"
#include "fanout/due.h"
#include "fanout/prefs.h"
#include "hub/auth.h"
#include "push/ece.h"
#include "push/plan.h"
#include "push/webpush.h"
#include "push/zone.h"

#define WIRE_TIME_MAX_MS INT64_C(253402300799999) /* the end of the year 9999 */

enum wire_field {
        F_TOKEN = 1 << 0,
        F_DEVICE = 1 << 1,
        F_CURSOR = 1 << 2,
        F_CONV = 1 << 3,
        F_OP = 1 << 4,
        F_BODY = 1 << 5,
        F_KIND = 1 << 6,
        F_REF = 1 << 7,
        F_N = 1 << 8,
        F_SEQ = 1 << 9,
        F_ACTIVE = 1 << 10,
        F_PAGE = 1 << 11,      /* before, after, limit, versions */
        F_CONV_PAGE = 1 << 12, /* after (a conv), limit */
        F_USERS = 1 << 13,
        F_STATUS = 1 << 14,
        F_PREFS = 1 << 15,     /* mute, quiet_hours */
        F_SINCE = 1 << 16,     /* since */
        F_PUSH = 1 << 17,      /* push */
        F_REGISTER = 1 << 18,  /* provider, app, token or subscription, env */
        F_PROVIDER = 1 << 19,
        F_REPORT = 1 << 20,    /* counters, samples */
};

static const struct {
        const char *text;
        unsigned needs, takes;
} wire_types[REQUEST_TYPES] = {
        [REQUEST_HELLO] = { "hello", 0, F_TOKEN | F_DEVICE | F_CURSOR },
        [REQUEST_SEND] = { "send", F_CONV | F_OP, F_BODY | F_KIND | F_REF | F_PUSH },
        [REQUEST_ACK] = { "ack", 0, F_N | F_CONV | F_SEQ },
        [REQUEST_READ] = { "read", 0, F_CONV | F_SEQ | F_OP },
        [REQUEST_TYPING] = { "typing", F_CONV | F_ACTIVE, 0 },
        [REQUEST_SIGNAL] = { "signal", F_CONV | F_BODY, 0 },
        [REQUEST_HISTORY] = { "history", F_CONV, F_PAGE },
        [REQUEST_CONVERSATIONS] = { "conversations", 0, F_CONV_PAGE },
        [REQUEST_MEMBERS] = { "members", F_CONV, 0 },
        [REQUEST_SUBSCRIBE] = { "subscribe", F_CONV, F_SINCE },
        [REQUEST_UNSUBSCRIBE] = { "unsubscribe", F_CONV, 0 },
        [REQUEST_WATCH] = { "watch", F_USERS, 0 },
        [REQUEST_UNWATCH] = { "unwatch", F_USERS, 0 },
        [REQUEST_STATUS] = { "status", F_STATUS, 0 },
        [REQUEST_PUSH_REGISTER] = { "push_register", F_REGISTER, 0 },
        [REQUEST_PUSH_UNREGISTER] = { "push_unregister", 0, F_PROVIDER },
        [REQUEST_PREFS] = { "prefs", F_PREFS, 0 },
        [REQUEST_REPORT] = { "report", F_REPORT, 0 },
        [REQUEST_AUTH] = { "auth", F_TOKEN, 0 },
        [REQUEST_PING] = { "ping", 0, 0 },
};

const char *wire_type_text(enum request_type type) {
        return wire_types[type].text;
}

static int wire_refuse(struct request *request, const char *error) {
        request->error = error;
        return WIRE_E_INVALID;
}

/* A string without escapes is taken where it stands. */
static int wire_take(struct request *request, const struct scan_value *value, struct slice *ret) {
        if (value->type != SCAN_STRING)
                return -1;
        if (!memchr(value->raw.ptr, '\\', value->raw.len)) {
                *ret = (struct slice){ value->raw.ptr + 1, value->raw.len - 2 };
                return 0;
        }
        size_t len;
        char *out = request->scratch + request->scratch_len;
        if (scan_string(value->raw, out, sizeof(request->scratch) - request->scratch_len, &len))
                return -1;
        request->scratch_len += len + 1;
        *ret = (struct slice){ out, len };
        return 0;
}

int wire_string(struct request *request, const struct scan_field *fields, size_t count, const char *name, struct slice *ret) {
        const struct scan_value *value = scan_find(fields, count, name);
        if (!value || value->type == SCAN_NULL)
                return 1;
        return wire_take(request, value, ret);
}

bool wire_is_op(struct slice op) {
        if (op.len == 0 || op.len > LIMIT_OP_BYTES)
                return false;
        for (size_t i = 0; i < op.len; i++)
                if (op.ptr[i] < 0x20 || op.ptr[i] > 0x7e)
                        return false;
        return true;
}

bool wire_is_kind(struct slice kind) {
        return slice_is(kind, "message") || slice_is(kind, "edit") || slice_is(kind, "delete") || slice_is(kind, "react");
}

/* An integer in [min, max], or absent (then *ret stays). */
static bool wire_uint(const struct scan_field *fields, size_t count, const char *name, int64_t min, int64_t max, uint64_t *ret, bool *ret_given) {
        const struct scan_value *value = scan_find(fields, count, name);
        if (!value || value->type == SCAN_NULL)
                return true;
        if (value->type != SCAN_INT || value->integer < min || value->integer > max)
                return false;
        *ret = (uint64_t)value->integer;
        if (ret_given)
                *ret_given = true;
        return true;
}

static bool wire_bool(const struct scan_field *fields, size_t count, const char *name, bool *ret, bool *ret_given) {
        const struct scan_value *value = scan_find(fields, count, name);
        if (!value || value->type == SCAN_NULL)
                return true;
        if (value->type != SCAN_BOOL)
                return false;
        *ret = value->integer != 0;
        if (ret_given)
                *ret_given = true;
        return true;
}

static int wire_cursor(struct request *request, const struct scan_field *fields, size_t count) {
        const struct scan_value *value = scan_find(fields, count, "cursor");
        struct scan_field inner[LIMIT_JSON_FIELDS];
        size_t inner_count;
        if (!value || value->type == SCAN_NULL)
                return 0;
        if (value->type != SCAN_OBJECT || scan_object(value->raw, inner, LIMIT_JSON_FIELDS, &inner_count))
                return wire_refuse(request, "cursor is {epoch, n}");
        if (wire_string(request, inner, inner_count, "epoch", &request->epoch) ||
            !wire_uint(inner, inner_count, "n", 0, INT64_MAX / 2, &request->cursor, &request->has_cursor) || !request->has_cursor)
                return wire_refuse(request, "cursor is {epoch, n}");
        if (request->epoch.len == 0 || request->epoch.len > LIMIT_OP_BYTES || memchr(request->epoch.ptr, ' ', request->epoch.len))
                return wire_refuse(request, "cursor.epoch is the text that welcome gave");
        return 0;
}

static int wire_since(struct request *request, const struct scan_field *fields, size_t count) {
        static const char sentence[] = "since is {epoch, seq}, as subscribed and the entries gave them";
        const struct scan_value *value = scan_find(fields, count, "since");
        struct scan_field inner[LIMIT_JSON_FIELDS];
        size_t inner_count;
        if (!value || value->type == SCAN_NULL)
                return 0;
        if (value->type != SCAN_OBJECT || scan_object(value->raw, inner, LIMIT_JSON_FIELDS, &inner_count) ||
            wire_string(request, inner, inner_count, "epoch", &request->epoch) ||
            !wire_uint(inner, inner_count, "seq", 0, INT64_MAX / 2, &request->seq, &request->has_since) || !request->has_since)
                return wire_refuse(request, sentence);
        return 0;
}

static int wire_users(struct request *request, const struct scan_field *fields, size_t count) {
        const struct scan_value *value = scan_find(fields, count, "users");
        struct scan_value item;
        size_t position = 0;
        if (!value || value->type != SCAN_ARRAY)
                return wire_refuse(request, "users is a list of user ids");
        while (scan_array(value->raw, &position, &item)) {
                if (request->users_count == LIMIT_LIST_ITEMS)
                        return wire_refuse(request, "at most 200 users at a time");
                struct slice *user = &request->users[request->users_count++];
                if (wire_take(request, &item, user) || !auth_is_id(*user))
                        return wire_refuse(request, "users is a list of user ids");
        }
        return 0;
}

static int wire_page(struct request *request, const struct scan_field *fields, size_t count) {
        uint64_t after = 0;
        bool after_given = false;
        if (!wire_uint(fields, count, "before", 1, INT64_MAX / 2, &request->before, NULL) ||
            !wire_uint(fields, count, "after", 0, INT64_MAX / 2, &after, &after_given))
                return wire_refuse(request, "before and after are seqs");
        if (!wire_bool(fields, count, "versions", &request->versions, NULL))
                return wire_refuse(request, "versions is true or false");
        if (request->before && after_given)
                return wire_refuse(request, "before or after, not both");
        request->after = after_given ? (int64_t)after : -1;
        return 0;
}

static int wire_mute(struct request *request, const struct scan_value *value) {
        static const char error[] = "mute is {conv, until_ms}, the time until which, or 0";
        struct scan_field inner[LIMIT_JSON_FIELDS];
        size_t count;
        if (value->type != SCAN_OBJECT || scan_object(value->raw, inner, LIMIT_JSON_FIELDS, &count) ||
            wire_string(request, inner, count, "conv", &request->mute_conv) || !auth_is_id(request->mute_conv) ||
            !wire_uint(inner, count, "until_ms", 0, WIRE_TIME_MAX_MS, &request->mute_until_ms, &request->has_mute) || !request->has_mute)
                return wire_refuse(request, error);
        return 0;
}

static int wire_quiet(struct request *request, const struct scan_value *value) {
        struct scan_field inner[LIMIT_JSON_FIELDS];
        size_t count;
        request->has_quiet = true;
        if (value->type == SCAN_NULL)
                return 0;
        if (value->type != SCAN_OBJECT || scan_object(value->raw, inner, LIMIT_JSON_FIELDS, &count) ||
            wire_string(request, inner, count, "from", &request->quiet_from) || wire_string(request, inner, count, "to", &request->quiet_to) ||
            wire_string(request, inner, count, "zone", &request->quiet_zone) || !prefs_is_time(request->quiet_from) ||
            !prefs_is_time(request->quiet_to) || slice_equal(request->quiet_from, request->quiet_to) || !prefs_is_zone(request->quiet_zone))
                return wire_refuse(request, "quiet_hours is {from, to, zone}: two times HH:MM that differ, and an IANA zone; or null");
        if (!zone_is_known(ZONE_FOLDER, request->quiet_zone)) /* it would silently be no quiet hours at all */
                return wire_refuse(request, "quiet_hours has a zone that the IANA time zone database lacks");
        return 0;
}

static int wire_prefs(struct request *request, const struct scan_field *fields, size_t count) {
        const struct scan_value *mute = scan_find(fields, count, "mute"), *quiet = scan_find(fields, count, "quiet_hours");
        request->has_mute = request->has_quiet = false;
        request->mute_conv = request->quiet_from = request->quiet_to = request->quiet_zone = SLICE("");
        request->mute_until_ms = 0;
        if (mute && mute->type == SCAN_NULL)
                mute = NULL;
        if (!mute && !quiet)
                return wire_refuse(request, "prefs needs mute or quiet_hours");
        if (mute && wire_mute(request, mute))
                return WIRE_E_INVALID;
        return quiet ? wire_quiet(request, quiet) : 0;
}

/* Could a push be encrypted to it? Asked where the client hears of it: at the first push it would be too late. */
static bool wire_is_subscription(struct slice token) {
        char endpoint[LIMIT_PUSH_ENDPOINT_BYTES + 1];
        struct ece_keys keys;
        return webpush_parse(token, endpoint, sizeof(endpoint), &keys) == 0;
}

int wire_parse_registration(const struct scan_field *fields, size_t count, struct request *request) {
        struct registration *registration = &request->registration;
        const struct scan_value *subscription = scan_find(fields, count, "subscription");
        *registration = (struct registration){ SLICE(""), SLICE(""), SLICE(""), SLICE(""), 0 };
        if (wire_string(request, fields, count, "provider", &registration->provider) < 0 ||
            wire_string(request, fields, count, "app", &registration->app) < 0 || wire_string(request, fields, count, "env", &registration->env) < 0 ||
            wire_string(request, fields, count, "token", &registration->token) < 0)
                return wire_refuse(request, "provider, app, env and token are strings");
        if (subscription && subscription->type != SCAN_NULL) {
                if (registration->token.len || subscription->type != SCAN_OBJECT)
                        return wire_refuse(request, "subscription is an object, instead of a token");
                registration->token = subscription->raw;
        }
        const char *error = registration_check(registration);
        if (!error && slice_is(registration->provider, "webpush") && !wire_is_subscription(registration->token))
                error = "of a subscription p256dh is a point of P-256, auth has 16 bytes, both in base64url, and the endpoint at most 2,048";
        return error ? wire_refuse(request, error) : 0;
}

/* What a send says of pushing: a message wakes who is away, the other kinds only if that is asked for. */
static int wire_push(struct request *request, const struct scan_field *fields, size_t count) {
        const struct scan_value *push = scan_find(fields, count, "push");
        bool message = request->kind.len == 0 || slice_is(request->kind, "message");
        if (push && push->type == SCAN_NULL)
                push = NULL;
        if (!plan_is_push(push))
                return wire_refuse(request, "push is {title, text, priority, ttl_s, collapse, data}, of at most 8 KiB");
        request->push = push ? push->raw : SLICE("");
        request->push_class = plan_class(push, message ? DUE_LOW : DUE_NONE);
        return 0;
}

static int wire_fields(struct request *request, const struct scan_field *fields, size_t count, unsigned takes) {
        bool active_given = false;
        if (takes & F_CONV && (wire_string(request, fields, count, "conv", &request->conv) < 0 ||
                               (request->conv.len && !auth_is_id(request->conv))))
                return wire_refuse(request, "conv is an id of 1 to 128 bytes without controls, spaces or '/'");
        if (takes & F_TOKEN && wire_string(request, fields, count, "token", &request->token) < 0)
                return wire_refuse(request, "token is a string");
        if (takes & F_DEVICE && (wire_string(request, fields, count, "device", &request->device) < 0 ||
                                 (request->device.len && !auth_is_id(request->device))))
                return wire_refuse(request, "device is an id of 1 to 128 bytes without controls, spaces or '/'");
        if (takes & F_CURSOR && (wire_cursor(request, fields, count) || !wire_bool(fields, count, "background", &request->background, NULL)))
                return request->error ? WIRE_E_INVALID : wire_refuse(request, "background is true or false");
        if (takes & F_OP && (wire_string(request, fields, count, "op", &request->op) < 0 || (request->op.len && !wire_is_op(request->op))))
                return wire_refuse(request, "op is 1 to 64 printable ASCII bytes");
        if (takes & F_KIND && (wire_string(request, fields, count, "kind", &request->kind) < 0 ||
                               (request->kind.len && !wire_is_kind(request->kind))))
                return wire_refuse(request, "kind is message, edit, delete or react");
        if (takes & F_REF && !wire_uint(fields, count, "ref", 1, INT64_MAX / 2, &request->ref, NULL))
                return wire_refuse(request, "ref is a seq");
        if (takes & F_N && !wire_uint(fields, count, "n", 0, INT64_MAX / 2, &request->n, &request->has_n))
                return wire_refuse(request, "n is a whole number");
        if (takes & F_SEQ && !wire_uint(fields, count, "seq", 0, INT64_MAX / 2, &request->seq, NULL))
                return wire_refuse(request, "seq is a whole number");
        if (takes & F_ACTIVE && (!wire_bool(fields, count, "active", &request->active, &active_given) || !active_given))
                return wire_refuse(request, "active is true or false");
        if (takes & F_STATUS && (wire_string(request, fields, count, "status", &request->status) ||
                                 (!slice_is(request->status, "online") && !slice_is(request->status, "away") &&
                                  !slice_is(request->status, "invisible"))))
                return wire_refuse(request, "status is online, away or invisible");
        if (takes & (F_PAGE | F_CONV_PAGE) && !wire_uint(fields, count, "limit", 1, LIMIT_LIST_ITEMS, &request->limit, NULL))
                return wire_refuse(request, "limit is 1 to 200");
        if (takes & F_PAGE && wire_page(request, fields, count))
                return WIRE_E_INVALID;
        if (takes & F_CONV_PAGE && wire_string(request, fields, count, "after", &request->after_conv) < 0)
                return wire_refuse(request, "after is what next said");
        if (takes & F_PREFS && wire_prefs(request, fields, count))
                return WIRE_E_INVALID;
        if (takes & F_SINCE && wire_since(request, fields, count))
                return WIRE_E_INVALID;
        if (takes & F_USERS && wire_users(request, fields, count))
                return WIRE_E_INVALID;
        if (takes & F_PUSH && wire_push(request, fields, count))
                return WIRE_E_INVALID;
        if (takes & F_REGISTER && wire_parse_registration(fields, count, request))
                return WIRE_E_INVALID;
        const char *wrong = takes & F_REPORT ? report_parse(fields, count, &request->report) : NULL;
        if (wrong)
                return wire_refuse(request, wrong);
        struct slice *provider = &request->registration.provider;
        if (takes & F_PROVIDER && (wire_string(request, fields, count, "provider", provider) < 0 ||
                                   (provider->len && !section_is_provider(*provider))))
                return wire_refuse(request, "provider is apns, fcm, webpush or webhook; whichever it is if there is none");
        const struct scan_value *body = takes & F_BODY ? scan_find(fields, count, "body") : NULL;
        if (body)
                request->body = body->raw;
        return 0;
}

static int wire_check_needs(struct request *request, unsigned needs) {
        if (needs & F_CONV && request->conv.len == 0)
                return wire_refuse(request, "conv is missing");
        if (needs & F_OP && request->op.len == 0)
                return wire_refuse(request, "op is missing");
        if (needs & F_SEQ && request->seq == 0)
                return wire_refuse(request, "seq is missing");
        if (needs & F_TOKEN && request->token.len == 0)
                return wire_refuse(request, "token is missing");
        if (needs & F_BODY && request->body.len == 0)
                return wire_refuse(request, "body is missing");
        if (request->type == REQUEST_SEND) {
                bool message = request->kind.len == 0 || slice_is(request->kind, "message");
                if (!message && request->ref == 0)
                        return wire_refuse(request, "ref is missing: the seq that an edit, delete or reaction is about");
                if (request->body.len == 0 && !slice_is(request->kind, "delete"))
                        return wire_refuse(request, "body is missing");
        }
        if (request->type == REQUEST_READ && (request->conv.len == 0 || request->seq == 0) && (request->conv.len || request->seq || request->op.len == 0))
                return wire_refuse(request, "read needs conv and seq, or the op of a notification");
        if (request->type == REQUEST_ACK && !request->has_n && (request->conv.len == 0 || request->seq == 0))
                return wire_refuse(request, "ack needs n, or conv and seq");
        return 0;
}

int wire_parse(struct slice object, struct request *request) {
        struct scan_field fields[LIMIT_JSON_FIELDS];
        size_t count;
        request->type = REQUEST_TYPES;
        request->has_id = false;
        request->scratch_len = 0;
        request->users_count = 0;
        request->error = NULL;
        request->token = request->device = request->conv = request->op = request->kind = request->status = request->body = request->epoch =
                request->after_conv = (struct slice){ "", 0 };
        request->n = request->seq = request->ref = request->before = request->cursor = 0;
        request->push = request->registration.provider = SLICE("");
        request->push_class = DUE_NONE;
        request->after = -1;
        request->limit = LIMIT_LIST_ITEMS / 4;
        request->background = request->active = request->has_cursor = request->has_n = request->has_since = request->versions = false;
        int r = scan_object(object, fields, LIMIT_JSON_FIELDS, &count);
        const struct scan_value *id = scan_find(fields, count, "id"); /* for the error, too */
        if (id && id->type == SCAN_INT) {
                request->has_id = true;
                request->id = id->integer;
        } else if (id && id->type != SCAN_NULL) {
                return wire_refuse(request, "id is a whole number");
        }
        if (r)
                return wire_refuse(request, r == SCAN_E_MANY ? "too many fields" : "a field is there twice");
        struct slice type;
        if (wire_string(request, fields, count, "type", &type))
                return wire_refuse(request, "type is missing");
        for (int i = 0; i < REQUEST_TYPES; i++) {
                if (!slice_is(type, wire_types[i].text))
                        continue;
                request->type = (enum request_type)i;
                if (wire_fields(request, fields, count, wire_types[i].needs | wire_types[i].takes))
                        return WIRE_E_INVALID;
                return wire_check_needs(request, wire_types[i].needs);
        }
        return wire_refuse(request, "type is unknown");
}

int wire_parse_sync(const struct scan_field *fields, size_t count, struct request *request) {
        memset(request, 0, offsetof(struct request, scratch));
        request->device = request->epoch = SLICE("");
        request->limit = LIMIT_PAGE_EVENTS;
        if (wire_string(request, fields, count, "device", &request->device) < 0 || (request->device.len && !auth_is_id(request->device)))
                return wire_refuse(request, "device is an id of 1 to 128 bytes without controls, spaces or '/'");
        if (wire_cursor(request, fields, count))
                return WIRE_E_INVALID;
        if (!wire_uint(fields, count, "ack", 0, INT64_MAX / 2, &request->n, &request->has_n))
                return wire_refuse(request, "ack is the n of an event");
        if (!wire_uint(fields, count, "limit", 1, INT64_MAX / 2, &request->limit, NULL))
                return wire_refuse(request, "limit is 1 or more");
        if (request->limit > LIMIT_PAGE_EVENTS)
                request->limit = LIMIT_PAGE_EVENTS;
        return 0;
}
