/* SPDX-License-Identifier: Apache-2.0 */
/* keeper.c: see keeper.h. */
#include "hub/keeper.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/config.h"
#include "base/link.h"
#include "base/log.h"
#include "fanout/store.h"

enum {
        KEEPER_TAIL_BYTES = 256 << 20, /* of the log, before it is rewritten: restart time grows with it */
        KEEPER_TAIL_S = 10,
        KEEPER_ERASED_S = 5,
        KEEPER_AGAIN_S = 5,            /* a Redis that was started again has its own ideas of its limits */
};

struct keeper {
        struct store *store;
        unsigned seconds;
        bool tail_asked, erased_asked, limit_asked;
        bool tight;
        uint64_t limit_set; /* maxmemory as Redis has it */
        uint64_t limit_sent;
        bool limit_known;
};

struct keeper *keeper_new(struct store *store) {
        struct keeper *keeper = calloc(1, sizeof(*keeper));
        if (keeper)
                keeper->store = store;
        return keeper;
}

struct keeper *keeper_free(struct keeper *keeper) {
        free(keeper);
        return NULL;
}

/* ---- the length of the log ---- */

static uint64_t keeper_value(struct slice text, const char *name) {
        size_t len = strlen(name);
        for (size_t i = 0; i + len < text.len; i++)
                if ((i == 0 || text.ptr[i - 1] == '\n') && strncmp(text.ptr + i, name, len) == 0)
                        return strtoull(text.ptr + i + len, NULL, 10);
        return 0;
}

static void keeper_on_persistence(struct link *link, struct redisReply *reply, void *arg) {
        struct keeper *keeper = arg;
        keeper->tail_asked = false;
        if (!reply)
                return;
        struct slice text = store_text(reply);
        uint64_t current = keeper_value(text, "aof_current_size:"), base = keeper_value(text, "aof_base_size:");
        struct slice rewrite[] = { SLICE("BGREWRITEAOF") };
        if (!keeper->tight && current > base + KEEPER_TAIL_BYTES && !keeper_value(text, "aof_rewrite_in_progress:") &&
            link_command(link, 1, rewrite, NULL, NULL) == 0)
                log_info("The store's log is rewritten. tail_bytes=%" PRIu64, current - base);
}

static void keeper_check_tail(struct keeper *keeper) {
        struct slice info[] = { SLICE("INFO"), SLICE("persistence") };
        if (!keeper->tail_asked && keeper->seconds % KEEPER_TAIL_S == 0)
                keeper->tail_asked = link_command(store_link(keeper->store), 2, info, keeper_on_persistence, keeper) == 0;
}

/* ---- what was erased is in the log still, until that is rewritten ---- */

/* age_ms -1: something is erased now. */
static bool keeper_ask_erased(struct keeper *keeper, int64_t age_ms, store_reply_fn on_erased) {
        struct call *call = store_call(keeper->store, "erased");
        store_call_key_in(call, KEY_STORE, 0, SLICE("store"));
        store_call_arg_int(call, age_ms);
        return store_call_send(call, on_erased, keeper) == 0;
}

static void keeper_on_rewriting(struct link *link, struct redisReply *reply, void *arg) {
        /* It is being rewritten already, but since when? Then once more. */
        if (reply && reply->type == REDIS_REPLY_ERROR && !keeper_ask_erased(arg, -1, NULL))
                log_warning("The store's log could not be rewritten without the texts of deleted messages; the next rewrite will.");
}

static void keeper_on_erased(void *arg, const struct redisReply *reply) {
        struct keeper *keeper = arg;
        struct slice rewrite[] = { SLICE("BGREWRITEAOF") };
        keeper->erased_asked = false;
        if (reply && store_int(reply) == 1 && link_command(store_link(keeper->store), 1, rewrite, keeper_on_rewriting, keeper) == 0)
                log_info("The store's log is rewritten, without the texts of deleted messages.");
}

static void keeper_check_erased(struct keeper *keeper, int64_t erase_ms) {
        if (!keeper->erased_asked && !keeper->tight && keeper->seconds % KEEPER_ERASED_S == 0)
                keeper->erased_asked = keeper_ask_erased(keeper, erase_ms, keeper_on_erased);
}

/* ---- room ---- */

bool keeper_is_tight(bool was, uint64_t free_bytes, uint64_t reserve_bytes) {
        return free_bytes < (was ? reserve_bytes + reserve_bytes / 4 : reserve_bytes);
}

static void keeper_look(struct keeper *keeper, const struct config *config) {
        struct statvfs disk;
        if (statvfs(config->data, &disk) != 0)
                return;
        uint64_t free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
        bool tight = keeper_is_tight(keeper->tight, free_bytes, (uint64_t)config->disk_reserve_mb << 20);
        if (tight && !keeper->tight)
                log_error("The disk has less room than disk_reserve_mb: the store takes nothing new. free_mb=%" PRIu64, free_bytes >> 20);
        else if (!tight && keeper->tight)
                log_info("The disk has room again. free_mb=%" PRIu64, free_bytes >> 20);
        keeper->tight = tight;
}

static void keeper_on_limit(struct link *link, struct redisReply *reply, void *arg) {
        struct keeper *keeper = arg;
        keeper->limit_asked = false;
        keeper->limit_known = reply && reply->type != REDIS_REPLY_ERROR;
        keeper->limit_set = keeper->limit_sent;
}

/* Full is what a limit of one byte makes it. Rewriting its log would take room, too, before it gave some. */
static void keeper_set_limit(struct keeper *keeper, int64_t max_mb) {
        uint64_t limit = keeper->tight ? 1 : (uint64_t)max_mb << 20;
        if (keeper->limit_asked || (keeper->limit_known && keeper->limit_set == limit && keeper->seconds % KEEPER_AGAIN_S != 0))
                return;
        char text[24];
        snprintf(text, sizeof(text), "%" PRIu64, limit);
        struct slice set[] = { SLICE("CONFIG"), SLICE("SET"), SLICE("maxmemory"), slice_of(text), SLICE("auto-aof-rewrite-percentage"),
                               keeper->tight ? SLICE("0") : SLICE("100") };
        keeper->limit_sent = limit;
        keeper->limit_asked = link_command(store_link(keeper->store), 6, set, keeper_on_limit, keeper) == 0;
}

void keeper_second(struct keeper *keeper, const struct config *config) {
        keeper->seconds++;
        keeper_look(keeper, config);
        if (!store_is_up(keeper->store)) {
                keeper->limit_known = false;
                return;
        }
        keeper_set_limit(keeper, config->store_max_mb);
        keeper_check_tail(keeper);
        keeper_check_erased(keeper, config->erase_ms);
}
