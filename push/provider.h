/* SPDX-License-Identifier: Apache-2.0 */
/*
 * provider.h: the providers that are configured, each a section [push.PROVIDER.NAME]: one attempt of one push at a time, many of
 * them at once. Connections, tokens, queues, breakers and budgets are per credential; nothing is stored here: whoever asks keeps
 * the push in Redis and asks again after outcome.retry_after_ms.
 *
 *   provider#1  One that is slow or refuses delays no other.
 *   provider#2  Memory is bounded: past the queue of a credential (contract/limits.def) a push is PUSH_DEFERRED.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "push/job.h"

struct config;
struct config_push;
struct provider_set;
struct uv_loop_s;

enum { PROVIDER_E_NO_APP = 1 };

/* config is borrowed for the call. 0, or negative; a section whose files cannot be read is logged and counts as PUSH_AUTH_BAD. */
__attribute__((warn_unused_result)) int provider_open(struct uv_loop_s *loop, const struct config *config, struct provider_set **ret_set);
/* Takes no more, lets what is under way end or be PUSH_DEFERRED after a few seconds, then frees the set and calls. */
void provider_close(struct provider_set *set, void (*on_closed)(void *context), void *context);
/* SIGHUP: sections and the files they name are read again; what is under way goes on. */
void provider_reload(struct provider_set *set, const struct config *config);

typedef void (*provider_done_fn)(void *arg, const struct push_outcome *outcome);
/*
 * One attempt. The job is copied as far as it is needed. 0: done comes once, never from inside; PROVIDER_E_NO_APP: there is no such
 * section; negative is fatal for the push alone.
 */
__attribute__((warn_unused_result)) int provider_send(struct provider_set *set, const struct push_job *job, provider_done_fn done, void *arg);

/* 0: there is room for one more now. Else ask again after so many ms: the queue is full, the breaker open. -1: there is no such app. */
int64_t provider_wait_ms(const struct provider_set *set, enum push_provider provider, struct slice app);
/* Why, in the words of an outcome. */
const char *provider_wait_reason(const struct provider_set *set, enum push_provider provider, struct slice app);

/* The section of an app; NULL if there is none. Good until the next reload. */
const struct config_push *provider_find(const struct provider_set *set, enum push_provider provider, struct slice app);
size_t provider_in_flight(const struct provider_set *set);
