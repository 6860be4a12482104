/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lane.h: the way of one credential to one host: what waits to be sent, what is under way, and when to leave that host alone.
 *
 *      lane_send() ──> waiting, by priority ──room, breaker──> under way ──answer──> judged ──> done
 *                          │ expired, or the breaker opened
 *                          └──> PUSH_DEFERRED
 *
 *   lane#1  Each push is done once, never from inside lane_send().
 *   lane#2  Nothing is sent at or after its expiry, nor while the breaker is open: then nothing waits here either, as it can wait in
 *           Redis, whatever becomes of us. (While it is half open, what waits waits for the answer of the one.)
 *   lane#3  A push is sent once more at once only after a repair (a token that had run out), and once only. All other repeats are
 *           the asker's.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "push/provider.h"

struct credential;
struct http2_options;
struct lane;
struct limiter;
struct metrics_series;
struct uv_loop_s;

struct lane_options {
        struct credential *credential;      /* outlives the lane */
        enum push_provider provider;
        const char *name;                   /* of the section, for the log; borrowed */
        const char *origin;                 /* copied */
        const struct http2_options *http2;  /* copied */
        struct limiter *limiter;            /* of all lanes of the credential; NULL: no limit */
        struct metrics_series *series;      /* what is counted for the credential */
        void (*on_change)(void *context);   /* one push less waits or is under way; never from inside lane_send() */
        void *context;
};

/* 0 or -ENOMEM. */
__attribute__((warn_unused_result)) int lane_new(struct uv_loop_s *loop, const struct lane_options *options, struct lane **ret_lane);
/* What waits becomes PUSH_DEFERRED, soon, and nothing more may be sent; what is under way goes on. */
void lane_drain(struct lane *lane);
/* What waits or is under way becomes PUSH_DEFERRED; on_closed comes later. */
void lane_close(struct lane *lane, void (*on_closed)(void *context), void *context);

/* Copies the job: 0 or -ENOMEM. */
__attribute__((warn_unused_result)) int lane_send(struct lane *lane, const struct push_job *job, provider_done_fn done, void *arg);
/* Looks again what may be sent: the credential has become ready. */
void lane_wake(struct lane *lane);

const char *lane_origin(const struct lane *lane);
/* Pushes that wait or are under way. */
size_t lane_load(const struct lane *lane);
/* For how long nothing will be sent: 0 now. */
uint64_t lane_wait_ms(const struct lane *lane, uint64_t now_ms);
