/* SPDX-License-Identifier: Apache-2.0 */
/* post.c: see post.h. The functions it calls are in lua/append.lua and lua/deliver.lua. */
#include "fanout/post.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/metrics.h"
#include "fanout/attempt.h"
#include "fanout/due.h"
#include "fanout/fanout.h"
#include "fanout/op.h"
#include "fanout/roster.h"
#include "fanout/store.h"

/* 96 bits of SHA-256: a collision would need 2^48 ops of one user in one conversation, and only that user would lose by it. */
enum { POST_DIGEST_BYTES = 12 };

struct post_job {
        struct attempt attempt; /* first */
        struct post post;       /* slices of text */
        unsigned char digest[POST_DIGEST_BYTES];
        uint32_t position;      /* names named in the append call */
        bool complete;
        post_done_fn done;
        void *arg;
        char text[];
};

/* The deliveries behind an append, or of the sweeper: settled when all are confirmed. */
struct post_tail {
        struct fanout *fanout;
        unsigned waiting;
        bool failed;
        size_t conv_len;
        uint64_t seq;
        char conv[];
};

static void post_tail_release(struct post_tail *tail) {
        if (--tail->waiting)
                return;
        if (!tail->failed) {
                struct slice conv = { tail->conv, tail->conv_len };
                char member[32 + LIMIT_ID_BYTES];
                int len = snprintf(member, sizeof(member), "m %" PRIu64 " %.*s", tail->seq, (int)conv.len, conv.ptr);
                struct call *call = store_call(tail->fanout->store, "settle");
                store_call_key_in(call, KEY_PENDING, partition_of(conv), SLICE(""));
                store_call_arg(call, (struct slice){ member, (size_t)len });
                if (store_call_send(call, NULL, NULL))
                        log_debug("A finished delivery stays pending; it will be repeated. seq=%" PRIu64, tail->seq);
        }
        free(tail);
}

static void post_on_delivered(void *arg, const struct redisReply *reply) {
        struct post_tail *tail = arg;
        tail->failed |= !reply;
        post_tail_release(tail);
}

/* header and body as in the log; marked: the conversation's pt (lua#3). The first owner is taken up at position, the others from the start. */
static int post_spread(struct fanout *fanout, const struct roster *roster, struct slice conv, uint64_t seq, struct slice session,
                       struct slice header, struct slice body, enum due_class class, int64_t marked, uint32_t position) {
        struct post_tail *tail = malloc(sizeof(*tail) + conv.len);
        if (!tail)
                return -ENOMEM;
        /* The count starts at 1, so that it cannot reach 0 before all calls are made. */
        *tail = (struct post_tail){ .fanout = fanout, .waiting = 1, .conv_len = conv.len, .seq = seq };
        memcpy(tail->conv, conv.ptr, conv.len);
        unsigned partition = partition_of(conv), home = store_owner(fanout->store, partition);
        for (unsigned owner = 0; owner < store_owners(fanout->store); owner++) {
                uint32_t from = owner == home ? position : 0;
                struct slice names[LIMIT_DELIVER_USERS];
                size_t count;
                while ((count = roster_take(roster, fanout->store, owner, &from, names, LIMIT_DELIVER_USERS)) > 0) {
                        struct call *call = store_call(fanout->store, "deliver");
                        for (size_t i = 0; i < count; i++) {
                                store_call_key(call, KEY_USER, names[i]);
                                store_call_key(call, KEY_INBOX, names[i]);
                        }
                        store_call_arg_channels(call, owner == home ? partition : partition_of(names[0]));
                        store_call_arg(call, conv);
                        store_call_arg_int(call, (int64_t)seq);
                        store_call_arg(call, session);
                        store_call_arg(call, header);
                        store_call_arg(call, body);
                        store_call_arg_int(call, fanout->inbox_max);
                        due_add(call, fanout, class);
                        store_call_arg_int(call, marked);
                        for (size_t i = 0; i < count; i++)
                                store_call_arg(call, names[i]);
                        if (store_call_send(call, post_on_delivered, tail) == 0)
                                tail->waiting++;
                        else
                                tail->failed = true;
                }
        }
        post_tail_release(tail);
        return 0;
}

int post_deliver(struct fanout *fanout, struct roster *roster, struct slice conv, uint64_t seq, struct slice packed, int64_t marked) {
        static const struct roster nobody = { .refs = 1 };
        const char *end = memchr(packed.ptr, '\n', packed.len);
        if (!end) /* trimmed, or its conversation deleted: nobody is to have it, and it must not be found again for ever */
                return post_spread(fanout, &nobody, conv, seq, SLICE(""), SLICE(""), SLICE(""), DUE_NONE, marked, 0);
        struct slice header = { packed.ptr, (size_t)(end - packed.ptr) };
        struct slice body = { end + 1, packed.len - header.len - 1 };
        return post_spread(fanout, roster, conv, seq, SLICE(""), header, body, DUE_NORMAL, marked, 0); /* how urgent it was is not remembered */
}

static void post_build(struct attempt *attempt, struct call *call, const struct roster *roster) {
        struct post_job *job = (struct post_job *)attempt;
        const struct post *post = &job->post;
        struct fanout *fanout = attempt->fanout;
        unsigned partition = partition_of(post->conv);
        struct slice names[LIMIT_DELIVER_USERS];
        job->position = 0;
        size_t count =
                roster_take(roster, fanout->store, store_owner(fanout->store, partition), &job->position, names, LIMIT_DELIVER_USERS);
        job->complete = count == roster->count;

        store_call_key(call, KEY_CONV, post->conv);
        store_call_key(call, KEY_LOG, post->conv);
        store_call_key(call, KEY_MEMBERS, post->conv);
        store_call_key(call, KEY_OPS, post->conv);
        store_call_key(call, KEY_OPS_OLD, post->conv);
        store_call_key_in(call, KEY_PENDING, partition, SLICE(""));
        store_call_key(call, KEY_STATES, post->conv);
        for (size_t i = 0; i < count; i++) {
                store_call_key(call, KEY_USER, names[i]);
                store_call_key(call, KEY_INBOX, names[i]);
        }
        store_call_arg_channels(call, partition);
        store_call_arg(call, post->conv);
        store_call_arg(call, post->from);
        store_call_arg(call, post->device);
        store_call_arg(call, post->session);
        store_call_arg(call, (struct slice){ (const char *)job->digest, sizeof(job->digest) });
        char op[OP_PACKED_BYTES];
        store_call_arg(call, op_pack(post->op, op));
        store_call_arg(call, post->kind);
        store_call_arg(call, post->ref);
        store_call_arg(call, post->body);
        store_call_arg_text(call, roster->version);
        store_call_arg_int(call, post->trusted);
        store_call_arg_int(call, fanout->inbox_max);
        store_call_arg_int(call, fanout->log_max);
        store_call_arg_int(call, job->complete);
        due_add(call, fanout, (enum due_class)post->push_class);
        store_call_arg(call, post->push);
        for (size_t i = 0; i < count; i++)
                store_call_arg(call, names[i]);
}

/* What append did not deliver. If this process ends in between, the sweeper of another does it. */
static void post_spread_rest(struct post_job *job, const struct post_result *result, int64_t marked) {
        const struct post *post = &job->post;
        char header[LIMIT_ID_BYTES * 2 + OP_PACKED_BYTES + 96], packed[OP_PACKED_BYTES];
        struct slice op = op_pack(post->op, packed);
        int len = snprintf(header, sizeof(header), "%" PRId64 " %.*s %.*s %.*s %.*s %.*s", result->at, (int)post->kind.len, post->kind.ptr,
                           (int)post->ref.len, post->ref.ptr, (int)post->from.len, post->from.ptr, (int)post->device.len,
                           post->device.ptr, (int)op.len, op.ptr);
        if (post_spread(job->attempt.fanout, job->attempt.roster, post->conv, result->seq, post->session,
                        (struct slice){ header, (size_t)len }, post->body, (enum due_class)post->push_class, marked,
                        job->position) < 0)
                log_error("No memory to deliver; the sweeper will. seq=%" PRIu64, result->seq);
}

static void post_on_done(struct attempt *attempt, int answer, const struct redisReply *reply) {
        struct post_job *job = (struct post_job *)attempt;
        struct post_result result = { .answer = answer };
        if (!answer) {
                job->complete |= slice_is(store_text(store_item(reply, 3)), "channel");
                result.seq = (uint64_t)store_int(store_item(reply, 1));
                result.at = store_int(store_item(reply, 2));
                result.duplicate = slice_is(store_text(store_item(reply, 0)), "dup");
                if (result.duplicate)
                        metrics_add(DUPLICATES, 1);
                else
                        metrics_add(MESSAGES, 1);
        }
        job->done(job->arg, &result);
        if (!answer && !result.duplicate && !job->complete)
                post_spread_rest(job, &result, store_int(store_item(reply, 3)));
        attempt_deinit(attempt);
        free(job);
}

static int post_make_digest(struct post_job *job) {
        char named[LIMIT_ID_BYTES + LIMIT_OP_BYTES + 1];
        struct slice from = job->post.from, op = job->post.op;
        memcpy(named, from.ptr, from.len);
        named[from.len] = '\n';
        memcpy(named + from.len + 1, op.ptr, op.len);
        unsigned char digest[EVP_MAX_MD_SIZE];
        if (!EVP_Digest(named, from.len + 1 + op.len, digest, NULL, EVP_sha256(), NULL))
                return -EIO;
        memcpy(job->digest, digest, sizeof(job->digest));
        return 0;
}

int post_send(struct fanout *fanout, const struct post *post, post_done_fn done, void *arg) {
        size_t bytes = post->conv.len + post->from.len + post->device.len + post->session.len + post->op.len + post->kind.len +
                       post->ref.len + post->body.len + post->push.len;
        struct post_job *job = calloc(1, sizeof(*job) + bytes);
        if (!job)
                return -ENOMEM;
        char *text = job->text;
        job->post = (struct post){
                .conv = slice_copy(&text, post->conv),
                .from = slice_copy(&text, post->from),
                .device = slice_copy(&text, post->device),
                .session = slice_copy(&text, post->session),
                .op = slice_copy(&text, post->op),
                .kind = slice_copy(&text, post->kind),
                .ref = slice_copy(&text, post->ref),
                .body = slice_copy(&text, post->body),
                .push = slice_copy(&text, post->push),
                .push_class = post->push_class,
                .trusted = post->trusted,
                .once = post->once,
        };
        job->done = done;
        job->arg = arg;
        job->attempt = (struct attempt){
                .fanout = fanout, .conv = job->post.conv, .function = "append", .build = post_build, .done = post_on_done, .once = post->once
        };
        int r = post_make_digest(job);
        if (r == 0)
                r = attempt_start(&job->attempt);
        if (r) {
                attempt_deinit(&job->attempt);
                free(job);
        }
        return r;
}
