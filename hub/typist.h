/* SPDX-License-Identifier: Apache-2.0 */
/*
 * typist.h: in which conversations the peer of a session is typing, and what of it is spread.
 *
 * What is spread is decided by fanout/typing.c, and what becomes of it for those who are told, with the user's other devices and its messages,
 * by fanout/typings.c at each of them. A row lives until nothing of it needs to be remembered, so that off and on in quick turns is
 * throttled too. A session has at most LIMIT_TYPING_ACTIVE rows.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/slice.h"

struct session;

/* A typing frame. */
void typist_step(struct session *session, struct slice conv, bool active);
/*
 * A message of the session to conv is stored: who typed it types no more, as all learn from the message. typed: session->typed when it was
 * sent; what was typed since is of another.
 */
void typist_sent(struct session *session, struct slice conv, uint64_t typed);
/* Others learned by other ways that the user types no more in conv. */
void typist_end(struct session *session, struct slice conv);
/* The session ends; whoever was told that it types is told that it does not. */
void typist_deinit(struct session *session);
