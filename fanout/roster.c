/* SPDX-License-Identifier: Apache-2.0 */
/* roster.c: member lists by conversation, in a hash that is also in order of use (uthash keeps insertion order). */
#include "fanout/roster.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/limits.h"
#include "fanout/store.h"

struct roster_row {
        UT_hash_handle hh;
        struct roster *roster;
        size_t conv_len;
        char conv[];
};

struct roster_cache {
        struct roster_row *rows; /* in order of use, the oldest first */
};

struct roster *roster_ref(struct roster *roster) {
        roster->refs++;
        return roster;
}

struct roster *roster_unref(struct roster *roster) {
        if (roster && --roster->refs == 0) {
                free(roster->names);
                free(roster);
        }
        return NULL;
}

/* One block holds the slices and, behind them, the text they point into. */
static struct roster *roster_new(struct slice version, const struct redisReply *names) {
        size_t count = store_count(names), bytes = 0;
        for (size_t i = 0; i < count; i++)
                bytes += store_text(store_item(names, i)).len;
        struct roster *roster = calloc(1, sizeof(*roster));
        struct slice *slices = malloc(count * sizeof(*slices) + bytes + 1);
        if (!roster || !slices || version.len >= sizeof(roster->version)) {
                free(roster);
                free(slices);
                return NULL;
        }
        char *text = (char *)(slices + count);
        for (size_t i = 0; i < count; i++)
                slices[i] = slice_copy(&text, store_text(store_item(names, i)));
        roster->refs = 1;
        roster->count = (uint32_t)count;
        roster->names = slices;
        memcpy(roster->version, version.ptr, version.len);
        return roster;
}

struct roster_cache *roster_cache_new(void) {
        return calloc(1, sizeof(struct roster_cache));
}

static void roster_drop(struct roster_cache *rosters, struct roster_row *row) {
        HASH_DEL(rosters->rows, row);
        roster_unref(row->roster);
        free(row);
}

struct roster_cache *roster_cache_free(struct roster_cache *rosters) {
        if (!rosters)
                return NULL;
        while (rosters->rows)
                roster_drop(rosters, rosters->rows);
        free(rosters);
        return NULL;
}

static struct roster_row *roster_row(struct roster_cache *rosters, struct slice conv) {
        struct roster_row *row = NULL;
        HASH_FIND(hh, rosters->rows, conv.ptr, conv.len, row);
        if (row) {
                /* to the end of the order of use */
                HASH_DEL(rosters->rows, row);
                HASH_ADD_KEYPTR(hh, rosters->rows, row->conv, row->conv_len, row);
        }
        return row;
}

struct roster *roster_find(struct roster_cache *rosters, struct slice conv) {
        struct roster_row *row = roster_row(rosters, conv);
        return row ? row->roster : NULL;
}

int roster_update(struct roster_cache *rosters, struct slice conv, struct slice version, const struct redisReply *names) {
        struct roster *roster = roster_new(version, names);
        if (!roster)
                return -ENOMEM;
        struct roster_row *row = roster_row(rosters, conv);
        if (row) {
                roster_unref(row->roster);
                row->roster = roster;
                return 0;
        }
        row = calloc(1, sizeof(*row) + conv.len);
        if (!row) {
                roster_unref(roster);
                return -ENOMEM;
        }
        row->roster = roster;
        row->conv_len = conv.len;
        memcpy(row->conv, conv.ptr, conv.len);
        HASH_ADD_KEYPTR(hh, rosters->rows, row->conv, row->conv_len, row);
        if (HASH_COUNT(rosters->rows) > LIMIT_MEMBER_CACHE)
                roster_drop(rosters, rosters->rows);
        return 0;
}

void roster_forget(struct roster_cache *rosters, struct slice conv) {
        struct roster_row *row = NULL;
        HASH_FIND(hh, rosters->rows, conv.ptr, conv.len, row);
        if (row)
                roster_drop(rosters, row);
}

size_t roster_take(const struct roster *roster, const struct store *store, unsigned owner, uint32_t *position, struct slice *names, size_t max) {
        size_t count = 0;
        while (*position < roster->count && count < max) {
                struct slice name = roster->names[(*position)++];
                if (store_owner(store, partition_of(name)) == owner)
                        names[count++] = name;
        }
        return count;
}
