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
        size_t count;
        uint32_t position;
        receipt_done_fn done;
        void *arg;
        struct receipt_mark marks[]; /* behind them the texts */
};

static void receipt_add_keys(struct call *call, const struct slice *names, size_t count) {
        static const enum key keys[] = { KEY_INBOX, KEY_RECEIPTS, KEY_HEAD };
        for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
                for (size_t i = 0; i < count; i++)
                        store_call_key(call, keys[k], names[i]);
}

static bool receipt_is_quiet(const struct fanout *fanout, const struct roster *roster) {
        return fanout->receipts_max && roster->count > fanout->receipts_max;
}

static void receipt_build(struct attempt *attempt, struct call *call, const struct roster *roster) {
        struct receipt_job *job = (struct receipt_job *)attempt;
        struct store *store = attempt->fanout->store;
        unsigned partition = partition_of(attempt->conv);
        struct slice names[LIMIT_DELIVER_USERS];
        job->position = 0;
        size_t count = 0;
        if (receipt_is_quiet(attempt->fanout, roster)) {
                /* Told to everyone, the receipts of all for one message would be members times members. */
                job->position = roster->count;
                if (job->count == 1)
                        names[count++] = job->marks[0].user; /* for the own other devices */
        } else {
                count = roster_take(roster, store, store_owner(store, partition), &job->position, names, LIMIT_DELIVER_USERS);
        }
        store_call_key(call, KEY_CONV_HEAD, attempt->conv);
        store_call_key(call, KEY_LOG, attempt->conv);
        store_call_key(call, KEY_MEMBERS, attempt->conv);
        receipt_add_keys(call, names, count);
        store_call_arg(call, attempt->conv);
        store_call_arg_text(call, roster->version);
        store_call_arg_int(call, attempt->fanout->inbox_max);
        for (size_t i = 0; i < job->count; i++) {
                store_call_arg(call, job->marks[i].user);
                store_call_arg_int(call, (int64_t)job->marks[i].delivered);
                store_call_arg_int(call, (int64_t)job->marks[i].read);
        }
}

/* Members of other owners and further groups: a receipt lost here by a crash is made good by the next one. */
static void receipt_tell_rest(struct receipt_job *job, const struct redisReply *mark[3]) {
        struct fanout *fanout = job->attempt.fanout;
        unsigned home = store_owner(fanout->store, partition_of(job->attempt.conv));
        for (unsigned owner = 0; owner < store_owners(fanout->store); owner++) {
                uint32_t position = owner == home ? job->position : 0;
                struct slice names[LIMIT_DELIVER_USERS];
                size_t count;
                while ((count = roster_take(job->attempt.roster, fanout->store, owner, &position, names, LIMIT_DELIVER_USERS)) > 0) {
                        struct call *call = store_call(fanout->store, "tell_receipt");
                        for (size_t i = 0; i < count; i++)
                                receipt_add_keys(call, names + i, 1);
                        store_call_arg(call, job->attempt.conv);
                        store_call_arg(call, store_text(mark[0]));
                        store_call_arg_int(call, store_int(mark[1]));
                        store_call_arg_int(call, store_int(mark[2]));
                        store_call_arg_int(call, fanout->inbox_max);
                        if (store_call_send(call, NULL, NULL))
                                log_debug("A receipt did not reach everyone; the next one will.");
                }
        }
}

static void receipt_on_done(struct attempt *attempt, int answer, const struct redisReply *reply) {
        struct receipt_job *job = (struct receipt_job *)attempt;
        for (size_t i = 1; !answer && i + 2 < store_count(reply); i += 3) {
                const struct redisReply *mark[] = { store_item(reply, i), store_item(reply, i + 1), store_item(reply, i + 2) };
                metrics_add(RECEIPTS, 1);
                if (attempt->roster && job->position < attempt->roster->count)
                        receipt_tell_rest(job, mark);
        }
        if (job->done)
                job->done(job->arg, answer);
        attempt_deinit(attempt);
        free(job);
}

int receipt_raise_all(struct fanout *fanout, struct slice conv, const struct receipt_mark *marks, size_t count, receipt_done_fn done,
                      void *arg) {
        size_t bytes = conv.len;
        for (size_t i = 0; i < count; i++)
                bytes += marks[i].user.len;
        struct receipt_job *job = calloc(1, sizeof(*job) + count * sizeof(*marks) + bytes);
        if (!job)
                return -ENOMEM;
        char *text = (char *)(job->marks + count);
        job->count = count;
        for (size_t i = 0; i < count; i++) {
                job->marks[i] = marks[i];
                job->marks[i].user = slice_copy(&text, marks[i].user);
        }
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

int receipt_raise(struct fanout *fanout, struct slice user, struct slice conv, uint64_t delivered, uint64_t read, receipt_done_fn done,
                  void *arg) {
        struct receipt_mark mark = { user, delivered, read };
        return receipt_raise_all(fanout, conv, &mark, 1, done, arg);
}
