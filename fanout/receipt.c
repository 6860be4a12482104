/* SPDX-License-Identifier: Apache-2.0 */
/* receipt.c: the caller's side of lua/receipt.lua. */
#include "fanout/receipt.h"

#include <errno.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/metrics.h"
#include "fanout/attempt.h"
#include "fanout/fanout.h"
#include "fanout/roster.h"
#include "fanout/store.h"

struct receipt_job {
        struct attempt attempt; /* first */
        struct slice user;
        uint64_t delivered, read;
        uint32_t position;
        receipt_done_fn done;
        void *arg;
        char text[];
};

static void receipt_add_keys(struct call *call, const struct slice *names, size_t count) {
        for (size_t i = 0; i < count; i++) {
                store_call_key(call, KEY_USER, names[i]);
                store_call_key(call, KEY_INBOX, names[i]);
                store_call_key(call, KEY_RECEIPTS, names[i]);
        }
}

static void receipt_build(struct attempt *attempt, struct call *call, const struct roster *roster) {
        struct receipt_job *job = (struct receipt_job *)attempt;
        struct store *store = attempt->fanout->store;
        unsigned partition = partition_of(attempt->conv);
        struct slice names[LIMIT_DELIVER_USERS];
        job->position = 0;
        size_t count = roster_take(roster, store, store_owner(store, partition), &job->position, names, LIMIT_DELIVER_USERS);
        store_call_key(call, KEY_CONV, attempt->conv);
        store_call_key(call, KEY_MEMBERS, attempt->conv);
        receipt_add_keys(call, names, count);
        store_call_arg_channels(call, partition);
        store_call_arg(call, attempt->conv);
        store_call_arg(call, job->user);
        store_call_arg_int(call, (int64_t)job->delivered);
        store_call_arg_int(call, (int64_t)job->read);
        store_call_arg_text(call, roster->version);
        store_call_arg_int(call, attempt->fanout->inbox_max);
        store_call_arg_int(call, 0);
        for (size_t i = 0; i < count; i++)
                store_call_arg(call, names[i]);
}

/* The members of other owners and further groups. A receipt lost here by a crash is made good by the next one. */
static void receipt_tell_rest(struct receipt_job *job, int64_t delivered, int64_t read) {
        struct fanout *fanout = job->attempt.fanout;
        unsigned partition = partition_of(job->attempt.conv), home = store_owner(fanout->store, partition);
        for (unsigned owner = 0; owner < store_owners(fanout->store); owner++) {
                uint32_t position = owner == home ? job->position : 0;
                struct slice names[LIMIT_DELIVER_USERS];
                size_t count;
                while ((count = roster_take(job->attempt.roster, fanout->store, owner, &position, names, LIMIT_DELIVER_USERS)) > 0) {
                        struct call *call = store_call(fanout->store, "tell_receipt");
                        receipt_add_keys(call, names, count);
                        store_call_arg_channels(call, owner == home ? partition : partition_of(names[0]));
                        store_call_arg(call, job->attempt.conv);
                        store_call_arg(call, job->user);
                        store_call_arg_int(call, delivered);
                        store_call_arg_int(call, read);
                        store_call_arg_int(call, fanout->inbox_max);
                        for (size_t i = 0; i < count; i++)
                                store_call_arg(call, names[i]);
                        if (store_call_send(call, NULL, NULL))
                                log_debug("A receipt did not reach everyone; the next one will.");
                }
        }
}

static void receipt_on_done(struct attempt *attempt, int answer, const struct redisReply *reply) {
        struct receipt_job *job = (struct receipt_job *)attempt;
        if (!answer && slice_is(store_text(store_item(reply, 0)), "ok")) {
                metrics_add(RECEIPTS, 1);
                if (attempt->roster && job->position < attempt->roster->count)
                        receipt_tell_rest(job, store_int(store_item(reply, 1)), store_int(store_item(reply, 2)));
        }
        if (job->done)
                job->done(job->arg, answer);
        attempt_deinit(attempt);
        free(job);
}

int receipt_raise(struct fanout *fanout, struct slice user, struct slice conv, uint64_t delivered, uint64_t read, receipt_done_fn done,
                  void *arg) {
        struct receipt_job *job = calloc(1, sizeof(*job) + user.len + conv.len);
        if (!job)
                return -ENOMEM;
        char *text = job->text;
        job->user = slice_copy(&text, user);
        job->delivered = delivered;
        job->read = read;
        job->done = done;
        job->arg = arg;
        job->attempt = (struct attempt){
                .fanout = fanout,
                .conv = slice_copy(&text, conv),
                .function = "receipt",
                .build = receipt_build,
                .done = receipt_on_done,
        };
        int r = attempt_start(&job->attempt);
        if (r) {
                attempt_deinit(&job->attempt);
                free(job);
        }
        return r;
}
