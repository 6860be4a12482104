/* SPDX-License-Identifier: Apache-2.0 */
/* sweep.c: pending set -> entry and members -> deliver again. Deliveries are idempotent, so nothing is locked. */
#include "fanout/sweep.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/metrics.h"
#include "fanout/fanout.h"
#include "fanout/post.h"
#include "fanout/roster.h"
#include "fanout/store.h"
#include "fanout/words.h"

enum { SWEEP_AGE_MS = 3000, SWEEP_LIMIT = 16 };

struct sweep_entry {
        struct fanout *fanout;
        uint64_t seq;
        size_t conv_len;
        char conv[];
};

static void sweep_on_entry(void *arg, const struct redisReply *reply) {
        struct sweep_entry *entry = arg;
        struct slice conv = { entry->conv, entry->conv_len };
        struct slice packed = reply ? store_text(store_item(reply, 2)) : SLICE("");
        if (reply && roster_update(entry->fanout->rosters, conv, store_text(store_item(reply, 0)), store_item(reply, 1)) == 0) {
                struct roster *roster = roster_ref(roster_find(entry->fanout->rosters, conv));
                metrics_add(SWEPT, 1);
                log_info("An unfinished delivery is repeated. seq=%" PRIu64, entry->seq);
                if (post_deliver(entry->fanout, roster, conv, entry->seq, packed, store_int(store_item(reply, 3))) < 0)
                        log_warning("An unfinished delivery stays unfinished for now. seq=%" PRIu64, entry->seq);
                roster_unref(roster);
        }
        free(entry);
}

static void sweep_one(struct fanout *fanout, struct slice member) {
        words_take(&member, ' '); /* m */
        uint64_t seq = words_uint(words_take(&member, ' '));
        struct sweep_entry *entry = malloc(sizeof(*entry) + member.len);
        if (!entry)
                return;
        *entry = (struct sweep_entry){ .fanout = fanout, .seq = seq, .conv_len = member.len };
        memcpy(entry->conv, member.ptr, member.len);
        struct call *call = store_call(fanout->store, "entry");
        store_call_key(call, KEY_CONV, member);
        store_call_key(call, KEY_LOG, member);
        store_call_key(call, KEY_MEMBERS, member);
        store_call_key(call, KEY_STATES, member);
        store_call_arg_int(call, (int64_t)seq);
        if (store_call_send(call, sweep_on_entry, entry))
                free(entry);
}

static void sweep_on_pending(void *arg, const struct redisReply *reply) {
        for (size_t i = 0; reply && i < store_count(reply); i++)
                sweep_one(arg, store_text(store_item(reply, i)));
}

void sweep_run(struct fanout *fanout) {
        for (unsigned owner = 0; owner < store_owners(fanout->store); owner++) {
                struct call *call = store_call(fanout->store, "unsettled");
                for (unsigned p = 0; p < PARTITIONS; p++)
                        if (store_owner(fanout->store, p) == owner)
                                store_call_key_in(call, KEY_PENDING, p, SLICE(""));
                store_call_arg_int(call, SWEEP_AGE_MS);
                store_call_arg_int(call, SWEEP_LIMIT);
                if (store_call_send(call, sweep_on_pending, fanout))
                        return; /* the next run looks again */
        }
}
