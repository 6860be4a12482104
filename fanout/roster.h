/* SPDX-License-Identifier: Apache-2.0 */
/*
 * roster.h: the member lists this worker remembers.
 *
 * A call to the store must name the keys of all inboxes it writes, so the caller needs the members beforehand. A remembered
 * list may be old: each call carries its version, and a function that knows a newer one writes nothing and answers with it.
 *
 * 1. A roster is frozen; it lives until the last roster_unref().
 * 2. The cache keeps at most LIMIT_MEMBER_CACHE rosters and forgets the one used longest ago.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/slice.h"

struct redisReply;
struct roster_cache;
struct store;

struct roster {
        uint32_t refs;
        uint32_t count;
        char version[24]; /* mv, as the store writes it */
        struct slice *names;
};

struct roster_cache *roster_cache_new(void);
struct roster_cache *roster_cache_free(struct roster_cache *rosters);

/* Borrowed until the next call here; NULL if unknown. */
struct roster *roster_find(struct roster_cache *rosters, struct slice conv);
/* Remembers what the store answered: its version, and an array of names. 0 or -ENOMEM. */
__attribute__((warn_unused_result)) int roster_update(struct roster_cache *rosters, struct slice conv, struct slice version,
                                                       const struct redisReply *names);
void roster_forget(struct roster_cache *rosters, struct slice conv);

/*
 * Names whose inboxes one call may hold: from *position on those with this owner, at most max. Returns how many; *position is
 * where to go on, roster->count at the end.
 */
size_t roster_take(const struct roster *roster, const struct store *store, unsigned owner, uint32_t *position, struct slice *names, size_t max);

struct roster *roster_ref(struct roster *roster);
struct roster *roster_unref(struct roster *roster); /* NULL is fine; returns NULL */
