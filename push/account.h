/* SPDX-License-Identifier: Apache-2.0 */
/*
 * account.h: one section [push.PROVIDER.NAME] at work: its credential, and a lane to each host it speaks to.
 *
 *   account#1  At most LIMIT_PUSH_QUEUE pushes wait or are under way; what is beyond becomes PUSH_DEFERRED.
 *   account#2  At most LIMIT_PUSH_HOSTS lanes: browsers name their hosts themselves. An idle one makes room for a new one.
 *   account#3  A section whose files cannot be used is there nevertheless, and every push by it is PUSH_AUTH_BAD: so the operator's
 *              mistake costs no push.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "push/provider.h"

struct account;
struct uv_loop_s;

/* Copies the section. 0 or -ENOMEM. */
__attribute__((warn_unused_result)) int account_new(struct uv_loop_s *loop, const struct config_push *section, struct account **ret_account);
/* Sends what waits no more, but lets what is under way end; account_close() ends it. */
void account_drain(struct account *account);
void account_close(struct account *account, void (*on_closed)(void *context), void *context);

/* As provider_send(). */
__attribute__((warn_unused_result)) int account_send(struct account *account, const struct push_job *job, provider_done_fn done, void *arg);

const struct config_push *account_section(const struct account *account);
bool account_is(const struct account *account, enum push_provider provider, struct slice name);
/* Pushes that wait or are under way. */
size_t account_load(const struct account *account);
/* 0: send; else ask again after so many ms. */
int64_t account_wait_ms(const struct account *account, uint64_t now_ms);
const char *account_wait_reason(const struct account *account);
/* Is this section, with the files it names, just what the account was made of, and does it work? */
bool account_is_same(const struct account *account, const struct config_push *section);
