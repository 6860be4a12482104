/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dispatch.h: the push worker's work: finds users who are due, looks at them, decides, lets the providers send, writes down what became of it.
 *
 *   dispatch#1  What is not written down was not done: after a crash another look finds the same, and makes the same ids (compose#1).
 *   dispatch#2  A user whom it works for is its own until the lease ends; a lease is renewed long before.
 *   dispatch#3  It takes no more users than LIMIT_PUSH_USERS; the others wait in the store, however many.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct dispatch;
struct fanout;
struct provider_set;

struct dispatch_options {
        uv_loop_t *loop;
        struct fanout *fanout;          /* its store and push_delay_ms */
        struct provider_set *providers;
        const char *zones;              /* folder of the time zone database */
};

/* NULL: no memory. */
struct dispatch *dispatch_new(const struct dispatch_options *options);
/* Every 100 ms, while the store is up. */
void dispatch_tick(struct dispatch *dispatch);
/* Takes no more users; on_idle comes, at once or later, when what is under way has ended. */
void dispatch_drain(struct dispatch *dispatch, void (*on_idle)(void *context), void *context);
/* The providers close: what a user is owed that is only looked at now stays due. What they have under way still ends. */
void dispatch_stop(struct dispatch *dispatch);
/* Only when the store and the providers are closed. */
struct dispatch *dispatch_free(struct dispatch *dispatch);
