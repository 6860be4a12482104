/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tend.h: walks over all that is stored and lets go of what grew old (lua/tend.lua, lua/erase.lua).
 *
 *      walk -> some keys -> each user:          devices, inbox, sessions of nodes that are gone
 *                        -> each conversation:  log by age; texts of deleted messages; what everyone has
 *
 * 1. One call is under way at a time, and a tick begins no more than TEND_CALLS: a walk over millions of keys takes hours, and
 *    about 2 % of Redis.
 * 2. Nothing is locked: two workers that walk at the same time do no harm, and one that ends in between loses nothing, as where the
 *    walk stands is in the store, and what a call missed the next walk finds.
 * 3. The ages are those of the tick: they may change at any time.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/slice.h"

struct fanout;
struct tend;

struct tend_options {
        void *context;
        /* Does this node, named in a user's sessions or watchers, live? If not it is taken out there … */
        bool (*is_alive)(void *context, struct slice node);
        /* … and, at the walk's end, forgotten. */
        void (*forget)(void *context, struct slice node);
};

struct tend_ages {
        int64_t device_ms;
        int64_t inbox_ms, log_ms, delivered_ms; /* 0: no limit */
        int64_t walk_ms;                        /* a walk begins so long after the one before at the earliest */
};

/* NULL without memory. */
struct tend *tend_new(struct fanout *fanout, const struct tend_options *options);
struct tend *tend_free(struct tend *tend); /* after the store has closed: no call is under way */

/* Call it ten times a second on one worker; now_ms is monotonic. */
void tend_tick(struct tend *tend, const struct tend_ages *ages, uint64_t now_ms);

/* Takes a key apart: true if it is one of a user ('u') or conversation ('c'), of this prefix and in its partition. */
bool tend_parse_key(struct slice key, const char *prefix, char *ret_letter, struct slice *ret_id);
