/* SPDX-License-Identifier: Apache-2.0 */
/* typings.c: see typings.h. A typist lives as long as a row names it, or a caller; a row until nothing of it needs to be remembered. */
#include "fanout/typings.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/buf.h"
#include "base/frame.h"
#include "base/limits.h"
#include "base/metrics.h"
#include "base/wheel.h"
#include "fanout/typing.h"

enum {
        TYPINGS_SLACK_MS = 100, /* a session says so every 2 s, of which the way may have taken some */
        TYPINGS_FRAME_BYTES = 4096,
};

struct typings {
        struct typings_options options;
        struct typing_rules rules;
        struct typings_typist *typists;
};

struct typings_typist {
        UT_hash_handle hh; /* by name */
        struct typings *typings;
        unsigned refs;
        struct frame *frames[2]; /* off, on; made when first needed */
        char session[LIMIT_ID_BYTES]; /* the latest that typed */
        size_t session_len, conv_len, name_len;
        char name[]; /* conversation and user, with a space between */
};

struct typings_row {
        struct typings_row *next; /* of the ear */
        struct wheel_timer timer;
        struct typings_ear *ear;
        struct typings_typist *typist; /* with a reference */
        struct typing typing;
};

struct typings *typings_new(const struct typings_options *options) {
        struct typings *typings = calloc(1, sizeof(*typings));
        if (!typings)
                return NULL;
        typings->options = *options;
        /* Its session may have heard more of it up to TYPING_THROTTLE_MS after this, and says when it ends. */
        typings->rules = (struct typing_rules){ .ttl_ms = options->ttl_ms + TYPING_THROTTLE_MS, .slack_ms = TYPINGS_SLACK_MS };
        return typings;
}

struct typings *typings_free(struct typings *typings) {
        free(typings);
        return NULL;
}

/* ---- typists ---- */

struct slice typings_conv(const struct typings_typist *typist) {
        return (struct slice){ typist->name, typist->conv_len };
}

struct slice typings_user(const struct typings_typist *typist) {
        return (struct slice){ typist->name + typist->conv_len + 1, typist->name_len - typist->conv_len - 1 };
}

struct frame *typings_frame(struct typings_typist *typist, bool active) {
        struct frame **frame = &typist->frames[active];
        if (*frame)
                return *frame;
        _cleanup_buf_ struct buf text = BUF_INIT(TYPINGS_FRAME_BYTES);
        buf_add_text(&text, "{\"type\":\"typing\",\"conv\":");
        buf_add_json(&text, typings_conv(typist));
        buf_add_text(&text, ",\"user\":");
        buf_add_json(&text, typings_user(typist));
        buf_add_text(&text, active ? ",\"active\":true,\"ttl_ms\":" : ",\"active\":false,\"ttl_ms\":");
        buf_add_int(&text, typist->typings->options.ttl_ms);
        buf_add_char(&text, '}');
        *frame = buf_failed(&text) ? NULL : frame_new(buf_slice(&text));
        return *frame;
}

struct typings_typist *typings_unref(struct typings_typist *typist) {
        if (!typist || --typist->refs)
                return NULL;
        HASH_DEL(typist->typings->typists, typist);
        frame_unref(typist->frames[0]);
        frame_unref(typist->frames[1]);
        free(typist);
        return NULL;
}

/* Without a reference. */
static struct typings_typist *typings_look_up(struct typings *typings, struct slice conv, struct slice user) {
        char name[2 * LIMIT_ID_BYTES + 1];
        struct typings_typist *typist = NULL;
        if (!typings->typists || conv.len + 1 + user.len > sizeof(name))
                return NULL;
        char *text = name;
        slice_copy(&text, conv);
        *text++ = ' ';
        slice_copy(&text, user);
        HASH_FIND(hh, typings->typists, name, (size_t)(text - name), typist);
        return typist;
}

struct typings_typist *typings_find(struct typings *typings, struct slice conv, struct slice user) {
        struct typings_typist *typist = typings_look_up(typings, conv, user);
        if (typist)
                typist->refs++;
        return typist;
}

static struct typings_typist *typings_new_typist(struct typings *typings, struct slice conv, struct slice user) {
        struct typings_typist *typist = calloc(1, sizeof(*typist) + conv.len + 1 + user.len);
        if (!typist)
                return NULL;
        char *text = typist->name;
        slice_copy(&text, conv);
        *text++ = ' ';
        slice_copy(&text, user);
        typist->typings = typings;
        typist->refs = 1;
        typist->conv_len = conv.len;
        typist->name_len = (size_t)(text - typist->name);
        HASH_ADD_KEYPTR(hh, typings->typists, typist->name, typist->name_len, typist);
        return typist;
}

struct typings_typist *typings_begin(struct typings *typings, struct slice conv, struct slice user, struct slice session) {
        struct typings_typist *typist = typings_find(typings, conv, user);
        if (!typist)
                typist = typings_new_typist(typings, conv, user);
        if (!typist)
                return NULL;
        typist->session_len = session.len <= sizeof(typist->session) ? session.len : 0;
        memcpy(typist->session, session.ptr, typist->session_len);
        return typist;
}

bool typings_ends(const struct typings_typist *typist, struct slice session) {
        return slice_equal((struct slice){ typist->session, typist->session_len }, session);
}

/* ---- ears ---- */

void typings_ear_init(struct typings_ear *ear) {
        ear->rows = NULL;
}

static void typings_free_row(struct typings_row *row) {
        struct typings_row **at = &row->ear->rows;
        while (*at != row)
                at = &(*at)->next;
        *at = row->next;
        wheel_stop(&row->timer);
        typings_unref(row->typist);
        free(row);
}

void typings_ear_deinit(struct typings_ear *ear) {
        while (ear->rows)
                typings_free_row(ear->rows);
}

static void typings_do(struct typings_row *row, enum typing_action action, struct slice session) {
        if (action != TYPING_NOTHING)
                row->typist->typings->options.on_said(row->ear, row->typist, action == TYPING_SAY_ON, session);
}

static void typings_wait(struct typings_row *row) {
        wheel_start(row->typist->typings->options.wheel, &row->timer, (uint64_t)typing_due_ms(&row->typing));
}

static void typings_on_due(struct wheel_timer *timer, uint64_t now_ms) {
        struct typings_row *row = LIST_CONTAINER(timer, struct typings_row, timer);
        typings_do(row, typing_on_due(&row->typing, (int64_t)now_ms), SLICE(""));
        if (typing_is_over(&row->typing, (int64_t)now_ms))
                typings_free_row(row);
        else
                typings_wait(row);
}

static struct typings_row *typings_find_row(const struct typings_typist *typist, const struct typings_ear *ear) {
        struct typings_row *row = ear->rows;
        while (row && row->typist != typist)
                row = row->next;
        return row;
}

static unsigned typings_count(const struct typings_ear *ear) {
        unsigned count = 0;
        for (const struct typings_row *row = ear->rows; row; row = row->next)
                count++;
        return count;
}

static struct typings_row *typings_new_row(struct typings_typist *typist, struct typings_ear *ear) {
        struct typings_row *row = typings_count(ear) < LIMIT_TYPISTS ? calloc(1, sizeof(*row)) : NULL;
        if (!row) {
                metrics_add(EPHEMERAL_DROPPED, 1);
                return NULL;
        }
        typist->refs++;
        row->typist = typist;
        row->ear = ear;
        wheel_timer_init(&row->timer, typings_on_due);
        row->next = ear->rows;
        ear->rows = row;
        return row;
}

void typings_step(struct typings_typist *typist, struct typings_ear *ear, bool active, struct slice session, uint64_t now_ms) {
        struct typings_row *row = typings_find_row(typist, ear);
        if (!row && active)
                row = typings_new_row(typist, ear);
        if (!row)
                return;
        typings_do(row, typing_step(&row->typing, active, &typist->typings->rules, (int64_t)now_ms), session);
        typings_wait(row);
}
