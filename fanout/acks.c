/* SPDX-License-Identifier: Apache-2.0 */
/* acks.c: see acks.h; the store's side is b1_ack in lua/inbox.lua. */
#include "fanout/acks.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/log.h"
#include "fanout/fanout.h"
#include "fanout/node.h"
#include "fanout/receipt.h"
#include "fanout/store.h"
#include "fanout/words.h"

enum {
        ACKS_CALL = 32,         /* devices of one call: some 0.3 ms of Redis, in which nobody else is served */
        ACKS_CALLS = 2,         /* under way: others' calls get in between */
        ACKS_WAIT_MS = 100,     /* between two portions while no more than ACKS_FEW wait */
        ACKS_FEW = 32,          /* go as one */
        ACKS_STEP_MS = 25,      /* between two portions of more */
        ACKS_SPREAD_MS = 1000,  /* so long one waits while as many come as go */
        ACKS_MARKS_BYTES = 64 << 20, /* of one call: devices that come back after a long time and take all at once */
};

struct acks_item {
        char user[LIMIT_ID_BYTES], device[LIMIT_ID_BYTES], session[16], epoch[EPOCH_BYTES];
        uint8_t user_len, device_len, session_len;
        uint64_t n;
};

struct acks_job {
        struct list link; /* in acks->jobs while it waits to be repeated */
        struct acks *acks;
        size_t count;
        struct acks_item items[];
};

struct acks {
        struct fanout *fanout;
        struct list waiting; /* struct ack, link: who waits longest is first */
        size_t count;        /* of waiting */
        size_t quota;        /* of them, those that the last flush was to send and has not */
        uint64_t flushed_ms;
        unsigned calls;      /* under way */
        struct list jobs;    /* struct acks_job, link: to be repeated */
};

struct acks *acks_new(struct fanout *fanout) {
        struct acks *acks = calloc(1, sizeof(*acks));
        if (!acks)
                return NULL;
        acks->fanout = fanout;
        list_init(&acks->waiting);
        list_init(&acks->jobs);
        return acks;
}

void acks_forget(struct acks *acks) {
        LIST_FOR_EACH(link, &acks->jobs) {
                list_remove(link);
                free(LIST_CONTAINER(link, struct acks_job, link));
        }
}

struct acks *acks_free(struct acks *acks) {
        if (!acks)
                return NULL;
        acks_forget(acks);
        free(acks);
        return NULL;
}

void acks_init(struct ack *ack, const struct subscriber *of, const char *epoch) {
        list_init(&ack->link);
        ack->of = of;
        ack->epoch = epoch;
        ack->n = 0;
}

void acks_note(struct acks *acks, struct ack *ack, uint64_t n) {
        if (n <= ack->n)
                return;
        ack->n = n;
        if (list_is_empty(&ack->link)) {
                list_append(&acks->waiting, &ack->link);
                acks->count++;
        }
}

/* ---- receipts ---- */

/* An entry of others that one device acknowledged. */
struct acks_mark {
        struct slice conv; /* of the reply */
        struct receipt_mark mark;
};

static int acks_compare_slices(const struct slice *a, const struct slice *b) {
        int order = memcmp(a->ptr, b->ptr, a->len < b->len ? a->len : b->len);
        return order ? order : (a->len > b->len) - (a->len < b->len);
}

/* By conversation; in each by user, and of a user the highest first. */
static int acks_compare(const void *left, const void *right) {
        const struct acks_mark *a = left, *b = right;
        int order = acks_compare_slices(&a->conv, &b->conv);
        if (!order)
                order = acks_compare_slices(&a->mark.user, &b->mark.user);
        return order ? order : (a->mark.delivered < b->mark.delivered) - (a->mark.delivered > b->mark.delivered);
}

/* Those who read in the same conversation are mostly in the same reply: one call raises all their watermarks. */
static void acks_raise(struct acks *acks, struct acks_mark *marks, size_t count) {
        qsort(marks, count, sizeof(*marks), acks_compare);
        for (size_t first = 0, next; first < count; first = next) {
                struct receipt_mark same[ACKS_CALL];
                size_t users = 0;
                for (next = first; next < count && users < ACKS_CALL && slice_equal(marks[next].conv, marks[first].conv); next++)
                        if (!users || !slice_equal(same[users - 1].user, marks[next].mark.user))
                                same[users++] = marks[next].mark;
                /* A receipt that gets lost here is made good by the next acknowledgement in that conversation. */
                if (receipt_raise_all(acks->fanout, marks[first].conv, same, users, NULL, NULL))
                        log_debug("Receipts could not be raised.");
        }
}

/* Adds the entries of others among some pointers (lua/common.lua): of several behind each other in one conversation the last. */
static int acks_add_marks(struct buf *marks, struct slice user, struct slice pointers) {
        struct acks_mark mark = { .mark = { .user = user } };
        while (pointers.len) {
                struct slice pointer = words_take(&pointers, '\xff');
                if (!slice_is(words_take(&pointer, ' '), "m"))
                        continue;
                uint64_t seq = words_uint(words_take(&pointer, ' '));
                if (mark.conv.len && !slice_equal(mark.conv, pointer))
                        buf_add(marks, &mark, sizeof(mark));
                mark.conv = pointer;
                mark.mark.delivered = seq;
        }
        if (mark.conv.len)
                buf_add(marks, &mark, sizeof(mark));
        return buf_failed(marks) ? -ENOMEM : 0;
}

static void acks_take_receipts(const struct acks_job *job, const struct redisReply *reply) {
        _cleanup_buf_ struct buf marks = BUF_INIT(ACKS_MARKS_BYTES);
        for (size_t i = 0; i < job->count; i++) {
                struct slice user = { job->items[i].user, job->items[i].user_len };
                if (acks_add_marks(&marks, user, store_text(store_item(reply, i))))
                        return; /* for want of memory: as acks_raise() says, the next ones make it good */
        }
        if (marks.len)
                acks_raise(job->acks, (struct acks_mark *)(void *)marks.ptr, marks.len / sizeof(struct acks_mark));
}

/* ---- calls ---- */

static void acks_pump(struct acks *acks);

static void acks_on_reply(void *arg, const struct redisReply *reply) {
        struct acks_job *job = arg;
        struct acks *acks = job->acks;
        acks->calls--;
        if (!reply) {
                list_append(&acks->jobs, &job->link);
                return;
        }
        acks_take_receipts(job, reply);
        free(job);
        acks_pump(acks);
}

static void acks_send(struct acks *acks, struct acks_job *job) {
        struct call *call = store_call(acks->fanout->store, "ack");
        for (size_t i = 0; i < job->count; i++) {
                struct slice user = { job->items[i].user, job->items[i].user_len };
                store_call_key(call, KEY_USER, user);
                store_call_key(call, KEY_INBOX, user);
                store_call_key(call, KEY_DEVICES, user);
                store_call_key(call, KEY_RECEIPTS, user);
                store_call_key(call, KEY_NOTICES, user);
                store_call_key(call, KEY_HEAD, user);
        }
        store_call_arg_int(call, acks->fanout->device_age_ms);
        for (size_t i = 0; i < job->count; i++) {
                store_call_arg(call, (struct slice){ job->items[i].device, job->items[i].device_len });
                store_call_arg_int(call, (int64_t)job->items[i].n);
                store_call_arg_text(call, job->items[i].epoch);
                store_call_arg(call, (struct slice){ job->items[i].session, job->items[i].session_len });
        }
        if (store_call_send(call, acks_on_reply, job))
                list_append(&acks->jobs, &job->link);
        else
                acks->calls++;
}

static struct acks_job *acks_job_new(struct acks *acks) {
        struct acks_job *job = malloc(sizeof(*job) + ACKS_CALL * sizeof(job->items[0]));
        if (!job)
                return NULL;
        job->acks = acks;
        job->count = 0;
        list_init(&job->link);
        return job;
}

static void acks_move(struct acks_job *job, struct ack *ack) {
        job->acks->count--;
        struct acks_item *item = &job->items[job->count++];
        const struct slice user = ack->of->user, device = ack->of->device, session = ack->of->session;
        memcpy(item->user, user.ptr, user.len);
        memcpy(item->device, device.ptr, device.len);
        memcpy(item->session, session.ptr, session.len);
        snprintf(item->epoch, sizeof(item->epoch), "%s", ack->epoch);
        item->session_len = (uint8_t)session.len;
        item->user_len = (uint8_t)user.len;
        item->device_len = (uint8_t)device.len;
        item->n = ack->n;
        list_remove(&ack->link);
}

static void acks_pump(struct acks *acks) {
        struct list *link;
        while (acks->calls < ACKS_CALLS && acks->quota && !list_is_empty(&acks->waiting)) {
                struct acks_job *job = acks_job_new(acks);
                if (!job)
                        return; /* the next flush goes on */
                while (job->count < ACKS_CALL && acks->quota && (link = list_first(&acks->waiting))) {
                        acks_move(job, LIST_CONTAINER(link, struct ack, link));
                        acks->quota--;
                }
                acks_send(acks, job);
        }
}

void acks_take(struct acks *acks, struct ack *ack) {
        if (list_is_empty(&ack->link))
                return;
        struct acks_job *job = acks_job_new(acks);
        if (!job) {
                acks->count--;
                list_remove(&ack->link); /* the device gets those events again */
                return;
        }
        acks_move(job, ack);
        acks_send(acks, job);
}

size_t acks_due(size_t waiting, uint64_t passed_ms) {
        if (passed_ms < (waiting > ACKS_FEW ? ACKS_STEP_MS : ACKS_WAIT_MS))
                return 0;
        uint64_t least = ACKS_FEW * (passed_ms < ACKS_WAIT_MS ? passed_ms : ACKS_WAIT_MS) / ACKS_WAIT_MS;
        uint64_t share = waiting * (passed_ms < ACKS_SPREAD_MS ? passed_ms : ACKS_SPREAD_MS) / ACKS_SPREAD_MS;
        return share > least ? share : least;
}

void acks_flush(struct acks *acks, uint64_t now_ms) {
        size_t due = acks_due(acks->count, now_ms - acks->flushed_ms);
        if (!due)
                return;
        acks->flushed_ms = now_ms;
        if (!store_is_up(acks->fanout->store))
                return;
        acks->quota = due;
        acks_pump(acks);
}

void acks_repeat(struct acks *acks) {
        if (!store_is_up(acks->fanout->store))
                return;
        struct list repeat;
        list_init(&repeat);
        list_splice(&repeat, &acks->jobs);
        LIST_FOR_EACH(link, &repeat) {
                list_remove(link);
                acks_send(acks, LIST_CONTAINER(link, struct acks_job, link));
        }
}
