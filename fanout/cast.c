/* SPDX-License-Identifier: Apache-2.0 */
/* cast.c: the caller's side of b1_cast (lua/node.lua). */
#include "fanout/cast.h"

#include <errno.h>
#include <stdlib.h>

#include "base/limits.h"
#include "fanout/attempt.h"
#include "fanout/fanout.h"
#include "fanout/roster.h"
#include "fanout/store.h"

struct cast_job {
        struct attempt attempt; /* first */
        struct slice from, header, body;
        char letter;
        uint32_t position, next; /* members from which on this call names them, and the one behind it */
        cast_done_fn done;
        void *arg;
        char text[];
};

static void cast_build(struct attempt *attempt, struct call *call, const struct roster *roster) {
        struct cast_job *job = (struct cast_job *)attempt;
        struct store *store = attempt->fanout->store;
        unsigned partition = partition_of(attempt->conv);
        struct slice names[LIMIT_DELIVER_USERS];
        job->next = job->position;
        size_t count = roster_take(roster, store, store_owner(store, partition), &job->next, names, LIMIT_DELIVER_USERS);
        store_call_key(call, KEY_CONV_HEAD, attempt->conv);
        store_call_key(call, KEY_MEMBERS, attempt->conv);
        for (size_t i = 0; i < count; i++)
                store_call_key(call, KEY_HEAD, names[i]);
        store_call_arg(call, job->from);
        store_call_arg_text(call, roster->version);
        store_call_arg(call, (struct slice){ &job->letter, 1 });
        store_call_arg(call, job->header);
        store_call_arg(call, job->body);
}

static void cast_on_done(struct attempt *attempt, int answer, const struct redisReply *reply) {
        struct cast_job *job = (struct cast_job *)attempt;
        /* Large groups take several calls. Should the members change in between, some may miss it or get it twice: it is ephemeral. */
        if (!answer && attempt->roster && job->next < attempt->roster->count) {
                job->position = job->next;
                answer = attempt_start(attempt);
                if (!answer)
                        return;
                answer = FANOUT_E_UNAVAILABLE;
        }
        if (job->done)
                job->done(job->arg, answer);
        attempt_deinit(attempt);
        free(job);
}

int cast_send(struct fanout *fanout, struct slice conv, struct slice from, char letter, struct slice header, struct slice body,
              cast_done_fn done, void *arg) {
        struct cast_job *job = calloc(1, sizeof(*job) + conv.len + from.len + header.len + body.len);
        if (!job)
                return -ENOMEM;
        char *text = job->text;
        job->attempt.conv = slice_copy(&text, conv);
        job->from = slice_copy(&text, from);
        job->header = slice_copy(&text, header);
        job->body = slice_copy(&text, body);
        job->letter = letter;
        job->done = done;
        job->arg = arg;
        job->attempt.fanout = fanout;
        job->attempt.function = "cast";
        job->attempt.build = cast_build;
        job->attempt.done = cast_on_done;
        int r = attempt_start(&job->attempt);
        if (r) {
                attempt_deinit(&job->attempt);
                free(job);
        }
        return r;
}
