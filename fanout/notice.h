/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notice.h: notifications: from the backend to one user, without a conversation. The caller's side of lua/notice.lua.
 *
 * Functions that ask return 0, FANOUT_E_UNAVAILABLE or -ENOMEM; unless 0, done does not come.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/slice.h"

struct fanout;
struct frame;

/* All of it checked; content and plan are fields of a JSON object, without braces. */
struct notice_post {
        struct slice user, op, priority;
        struct slice collapse; /* "": replaces nothing */
        int64_t ttl_ms;        /* 0: never expires */
        struct slice content;  /* "title":…,"text":…,"data":…  what devices get */
        struct slice plan;     /* "push":…,"escalate":…  for the push worker; "" */
        int push_class;        /* enum due_class */
        int64_t first_ms;      /* of the steps of its escalation, as a ledger has them (push/ledger.h): the first is due after so long */
        struct slice steps;    /* "" none */
};

struct notice_posted {
        int answer; /* 0 or FANOUT_E_UNAVAILABLE */
        uint64_t n;
        int64_t at;
        bool duplicate;
};

typedef void (*notice_posted_fn)(void *arg, const struct notice_posted *result);
__attribute__((warn_unused_result)) int notice_post(struct fanout *fanout, const struct notice_post *post, notice_posted_fn done, void *arg);

typedef void (*notice_done_fn)(void *arg, int answer);
/* The user has read it. */
__attribute__((warn_unused_result)) int notice_read(struct fanout *fanout, struct slice user, struct slice op, notice_done_fn done, void *arg);

/* fields: JSON as query_done_fn has it: op, state, queued_at, …, steps, and what was posted. */
typedef void (*notice_fields_fn)(void *arg, int answer, struct slice fields);
__attribute__((warn_unused_result)) int notice_get(struct fanout *fanout, struct slice user, struct slice op, notice_fields_fn done, void *arg);

/* A state and a notice as lua/notice.lua packs them: slices of the packed text. */
struct notice_state {
        uint64_t n;
        int64_t at, until, delivered, read; /* 0: not yet; until 0: never */
        struct slice replaced_by;           /* "": by none */
};

struct notice {
        int64_t at, until;
        struct slice priority, collapse, content, plan;
};

struct notice_state notice_parse_state(struct slice packed);
struct notice notice_parse(struct slice packed);
/* queued, pushed, delivered, read or expired (replaced by a later one, too). */
const char *notice_state_text(const struct notice_state *state, bool pushed, int64_t now_ms);
