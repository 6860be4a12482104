/* SPDX-License-Identifier: Apache-2.0 */
/*
 * change.h: the backend creates, changes and deletes conversations.
 *
 * What changes is worked out here against the members as they are; the store refuses it if they changed meanwhile, and it is
 * worked out anew.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/slice.h"

struct fanout;

enum change_mode {
        CHANGE_REPLACE, /* members is the whole list (or none is given: unchanged); creates the conversation */
        CHANGE_ADD,     /* adds, or changes the roles of, members */
        CHANGE_REMOVE,
        CHANGE_DELETE,  /* the conversation itself */
};

struct change_member {
        struct slice user, role; /* role "": member */
};

struct change {
        enum change_mode mode;
        struct slice conv;
        struct slice kind;   /* "": as it is, or group */
        int is_public;       /* -1: as it is */
        struct slice template; /* what to push of messages that do not say: <class> <JSON>; "-" nothing; "" as it is */
        bool create_missing; /* CHANGE_ADD: create the conversation (a group) if there is none */
        bool members_given;
        size_t count;
        const struct change_member *members;
};

struct change_result {
        int answer;  /* 0 or FANOUT_E_…; BAD_REQUEST: a direct conversation without two members */
        bool created;
        size_t changes;
};

typedef void (*change_done_fn)(void *arg, const struct change_result *result);

/* Copies change. 0, FANOUT_E_UNAVAILABLE or -ENOMEM; unless 0, done does not come. */
__attribute__((warn_unused_result)) int change_start(struct fanout *fanout, const struct change *change, change_done_fn done, void *arg);
