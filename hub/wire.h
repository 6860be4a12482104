/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire.h: client requests as types. The edge where hostile text ends: what comes out of here is well formed.
 *
 * 1. Ids are valid ids, numbers are in range, bodies are JSON; a request with a missing or wrongly typed field is refused whole.
 * 2. Slices point into the frame, or into the request's own scratch where escapes had to be decoded.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/limits.h"
#include "base/scan.h"
#include "base/slice.h"
#include "fanout/registration.h"
#include "hub/report.h"

enum request_type {
#define REQUEST_ROW(name, text, fields, reply, sentence) REQUEST_##name,
#include "contract/frames.def"
#undef REQUEST_ROW
        REQUEST_TYPES,
};

enum {
        WIRE_E_INVALID = 1, /* request->error is a sentence for the client */
};

struct request {
        enum request_type type;
        bool has_id;
        int64_t id;
        struct slice token, device, conv, op, kind, status;
        struct slice body;            /* verbatim JSON */
        struct slice push;            /* what to push, verbatim JSON; "" */
        int push_class;               /* how urgent that is: enum due_class */
        struct registration registration; /* of push_register; of push_unregister its provider only */
        struct report report;
        struct slice epoch;           /* of cursor or since; the seq of since is in seq */
        uint64_t n, seq, ref, before; /* 0: absent */
        int64_t after;                /* -1: absent */
        struct slice after_conv;
        uint64_t limit;               /* default LIMIT_LIST_ITEMS / 4 */
        bool background, active, has_cursor, has_n, has_since, versions;
        uint64_t cursor;
        bool has_mute, has_quiet;     /* of prefs */
        struct slice mute_conv, quiet_from, quiet_to, quiet_zone; /* "": no quiet hours any more */
        uint64_t mute_until_ms;
        struct slice users[LIMIT_LIST_ITEMS];
        size_t users_count;
        const char *error;
        size_t scratch_len;
        char scratch[8192];           /* decoded strings; more is refused */
};

/* Takes apart one object that passed scan_text(): 0 or WIRE_E_INVALID (id is set if it could be read). */
__attribute__((warn_unused_result)) int wire_parse(struct slice object, struct request *request);

/* The fields of a sync: device, cursor, ack (as n), limit (LIMIT_PAGE_EVENTS at most, also the default). 0 or WIRE_E_INVALID. */
__attribute__((warn_unused_result)) int wire_parse_sync(const struct scan_field *fields, size_t count, struct request *request);

/* The fields of a push registration; it passes registration_check(). 0 or WIRE_E_INVALID. */
__attribute__((warn_unused_result)) int wire_parse_registration(const struct scan_field *fields, size_t count, struct request *request);

const char *wire_type_text(enum request_type type);

/* For the HTTP API, which has the same fields: a string field decoded into scratch; 1 if absent, 0 and *ret, or -1 if no string. */
int wire_string(struct request *request, const struct scan_field *fields, size_t count, const char *name, struct slice *ret);
bool wire_is_op(struct slice op);
bool wire_is_kind(struct slice kind);
