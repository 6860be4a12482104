/* SPDX-License-Identifier: Apache-2.0 */
/* post.c: see post.h. The functions it calls are in lua/append.lua and lua/deliver.lua. */
#include "fanout/post.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/metrics.h"
#include "fanout/attempt.h"
#include "fanout/due.h"
#include "fanout/event.h"
#include "fanout/fanout.h"
#include "fanout/op.h"
#include "fanout/roster.h"
#include "fanout/store.h"
#include "fanout/words.h"

/* 96 bits of SHA-256: a collision would need 2^48 ops of one user in one conversation, and only that user would lose by it. */
enum { POST_DIGEST_BYTES = 12 };

enum { POST_WORDS_BYTES = OP_PACKED_BYTES + 5 }; /* the packed op, and what is behind each word of an entry */

struct post_job {
        struct attempt attempt; /* first */
        struct slice conv, from, session, kind, push, said; /* of text */
        enum due_class push_class;
        bool trusted;
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

static void post_add_keys(struct call *call, const struct slice *names, size_t count) {
        for (size_t i = 0; i < count; i++)
                store_call_key(call, KEY_INBOX, names[i]);
        for (size_t i = 0; i < count; i++)
                store_call_key(call, KEY_HEAD, names[i]);
}

/* Which of the names it is, from 1 on; 0 none. */
static size_t post_find(const struct slice *names, size_t count, struct slice name) {
        for (size_t i = 0; i < count; i++)
                if (slice_equal(names[i], name))
                        return i + 1;
        return 0;
}

/* entry as in the log; marked: the conversation's pt (lua#3). The first owner is taken up at position, the others from the start. */
static int post_spread(struct fanout *fanout, const struct roster *roster, struct slice conv, uint64_t seq, struct slice session,
                       struct slice entry, enum due_class class, int64_t marked, uint32_t position) {
        struct post_tail *tail = malloc(sizeof(*tail) + conv.len);
        if (!tail)
                return -ENOMEM;
        /* The count starts at 1, so that it cannot reach 0 before all calls are made. */
        *tail = (struct post_tail){ .fanout = fanout, .waiting = 1, .conv_len = conv.len, .seq = seq };
        memcpy(tail->conv, conv.ptr, conv.len);
        struct slice from = event_parse_entry(entry).from;
        unsigned home = store_owner(fanout->store, partition_of(conv));
        for (unsigned owner = 0; owner < store_owners(fanout->store); owner++) {
                uint32_t at = owner == home ? position : 0;
                struct slice names[LIMIT_DELIVER_USERS];
                size_t count;
                while ((count = roster_take(roster, fanout->store, owner, &at, names, LIMIT_DELIVER_USERS)) > 0) {
                        struct call *call = store_call(fanout->store, "deliver");
                        post_add_keys(call, names, count);
                        store_call_arg(call, conv);
                        store_call_arg_int(call, (int64_t)seq);
                        store_call_arg(call, session);
                        store_call_arg(call, entry);
                        store_call_arg_int(call, fanout->inbox_max);
                        due_add(call, fanout, class);
                        store_call_arg_int(call, marked);
                        store_call_arg_int(call, (int64_t)post_find(names, count, from));
                        if (store_call_send(call, post_on_delivered, tail) == 0)
                                tail->waiting++;
                        else
                                tail->failed = true;
                }
        }
        post_tail_release(tail);
        return 0;
}

int post_deliver(struct fanout *fanout, struct roster *roster, struct slice conv, uint64_t seq, struct slice entry, int64_t marked) {
        static const struct roster nobody = { .refs = 1 };
        /* Trimmed, or its conversation deleted: nobody is to have it, and it must not be found again for ever. How urgent it was is not remembered. */
        return post_spread(fanout, entry.len ? roster : &nobody, conv, seq, SLICE(""), entry, DUE_NORMAL, marked, 0);
}

/* What many calls have in common, as the function takes it apart only once (lua/append.lua). */
static void post_add_options(const struct post_job *job, struct call *call, const struct slice *names, size_t count) {
        const struct fanout *fanout = job->attempt.fanout;
        char text[160], due[DUE_BYTES];
        due_print(due, fanout, job->push_class);
        snprintf(text, sizeof(text), "%.*s %zu %d %d %" PRId64 " %" PRId64 " %s", (int)job->kind.len, job->kind.ptr, post_find(names, count, job->from), job->trusted,
                 job->complete, fanout->inbox_max, fanout->log_max, due);
        store_call_arg_text(call, text);
}

static void post_build(struct attempt *attempt, struct call *call, const struct roster *roster) {
        struct post_job *job = (struct post_job *)attempt;
        struct fanout *fanout = attempt->fanout;
        unsigned partition = partition_of(job->conv);
        struct slice names[LIMIT_DELIVER_USERS];
        job->position = 0;
        size_t count =
                roster_take(roster, fanout->store, store_owner(fanout->store, partition), &job->position, names, LIMIT_DELIVER_USERS);
        job->complete = count == roster->count;

        store_call_key(call, KEY_LOG, job->conv);
        store_call_key(call, KEY_OPS, job->conv);
        post_add_keys(call, names, count);
        store_call_key(call, KEY_CONV_HEAD, job->conv);
        store_call_arg(call, job->conv);
        store_call_arg_text(call, roster->version);
        store_call_arg(call, (struct slice){ (const char *)job->digest, sizeof(job->digest) });
        store_call_arg(call, job->session);
        post_add_options(job, call, names, count);
        store_call_arg(call, job->said);
        if (job->push.len)
                store_call_arg(call, job->push);
}

/* What append did not deliver. If this process ends in between, the sweeper of another does it. */
static void post_spread_rest(struct post_job *job, const struct post_result *result, int64_t marked) {
        _cleanup_buf_ struct buf entry = BUF_INIT(job->said.len + 32);
        buf_add_int(&entry, result->at);
        buf_add_char(&entry, ' ');
        buf_add_slice(&entry, job->said);
        if (buf_failed(&entry) || post_spread(job->attempt.fanout, job->attempt.roster, job->conv, result->seq, job->session, buf_slice(&entry),
                                              job->push_class, marked, job->position) < 0)
                log_error("No memory to deliver; the sweeper will. seq=%" PRIu64, result->seq);
}

/* '<ok or dup> <seq> <at>[ <pt>, or channel]' */
static void post_on_done(struct attempt *attempt, int answer, const struct redisReply *reply) {
        struct post_job *job = (struct post_job *)attempt;
        struct post_result result = { .answer = answer };
        struct slice rest = { 0 };
        if (!answer) {
                rest = store_text(reply);
                result.duplicate = slice_is(words_take(&rest, ' '), "dup");
                result.seq = words_uint(words_take(&rest, ' '));
                result.at = (int64_t)words_uint(words_take(&rest, ' '));
                job->complete |= slice_is(rest, "channel");
                if (result.duplicate)
                        metrics_add(DUPLICATES, 1);
                else
                        metrics_add(MESSAGES, 1);
        }
        job->done(job->arg, &result);
        if (!answer && !result.duplicate && !job->complete)
                post_spread_rest(job, &result, (int64_t)words_uint(rest));
        attempt_deinit(attempt);
        free(job);
}

static int post_make_digest(struct post_job *job, struct slice op) {
        char named[LIMIT_ID_BYTES + LIMIT_OP_BYTES + 1];
        struct slice from = job->from;
        memcpy(named, from.ptr, from.len);
        named[from.len] = '\n';
        memcpy(named + from.len + 1, op.ptr, op.len);
        unsigned char digest[EVP_MAX_MD_SIZE];
        if (!EVP_Digest(named, from.len + 1 + op.len, digest, NULL, EVP_sha256(), NULL))
                return -EIO;
        memcpy(job->digest, digest, sizeof(job->digest));
        return 0;
}

/* "<kind> <ref> <from> <device> <op>\n<body>": the entry, but for its time. */
static struct slice post_say(char **text, const struct post *post) {
        char packed[OP_PACKED_BYTES];
        const struct slice words[] = { post->kind, post->ref, post->from, post->device, op_pack(post->op, packed), post->body };
        enum { WORDS = sizeof(words) / sizeof(words[0]) };
        struct slice said = { *text, 0 };
        for (size_t i = 0; i < WORDS; i++) {
                slice_copy(text, words[i]);
                if (i + 1 < WORDS)
                        *(*text)++ = i + 2 < WORDS ? ' ' : '\n';
        }
        said.len = (size_t)(*text - said.ptr);
        return said;
}

int post_send(struct fanout *fanout, const struct post *post, post_done_fn done, void *arg) {
        size_t bytes = post->conv.len + 2 * post->from.len + post->session.len + post->kind.len * 2 + post->push.len + POST_WORDS_BYTES +
                       post->device.len + post->ref.len + post->body.len;
        struct post_job *job = calloc(1, sizeof(*job) + bytes);
        if (!job)
                return -ENOMEM;
        char *text = job->text;
        job->conv = slice_copy(&text, post->conv);
        job->from = slice_copy(&text, post->from);
        job->session = slice_copy(&text, post->session);
        job->kind = slice_copy(&text, post->kind);
        job->push = slice_copy(&text, post->push);
        job->said = post_say(&text, post);
        job->push_class = (enum due_class)post->push_class;
        job->trusted = post->trusted;
        job->done = done;
        job->arg = arg;
        job->attempt = (struct attempt){
                .fanout = fanout, .conv = job->conv, .function = "append", .build = post_build, .done = post_on_done, .once = post->once
        };
        int r = post_make_digest(job, post->op);
        if (r == 0)
                r = attempt_start(&job->attempt);
        if (r) {
                attempt_deinit(&job->attempt);
                free(job);
        }
        return r;
}
