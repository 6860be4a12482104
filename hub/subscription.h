/* SPDX-License-Identifier: Apache-2.0 */
/*
 * subscription.h: what a session subscribes to: subscribe and unsubscribe (PROTOCOL section 2), and what follows from them.
 *
 * The entries themselves are fanout/channel.c's; here they meet one session: its outbox, its token, its end.
 *
 * 1. A session has at most LIMIT_SUBSCRIPTIONS, one for each channel. Subscribing again moves the one there is.
 * 2. Entries take at most half of the outbox: they cannot keep the session's own events out.
 */
#pragma once
#include <stdbool.h>
#include "base/slice.h"

struct request;
struct session;

void subscription_add(struct session *session, const struct request *request);
void subscription_remove(struct session *session, const struct request *request);
/* The outbox has been written: whoever waited for room goes on. */
void subscription_resume_all(struct session *session);
/* The session is at its end. */
void subscription_end_all(struct session *session);
/* The session has a token with these channels (ids with a space between) in the place of an earlier one's. 0 or -ENOMEM. */
__attribute__((warn_unused_result)) int subscription_grant(struct session *session, const char *channels);
