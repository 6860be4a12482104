/* SPDX-License-Identifier: Apache-2.0 */
/*
 * typist.h: in which conversations the peer of a session is typing, and what of it is spread.
 *
 * What is spread is decided by presence/typing.c. A row lives from the first frame until it ends by itself, so that off and on in
 * quick turns is throttled too. A session has at most LIMIT_TYPING_ACTIVE rows.
 */
#pragma once
#include <stdbool.h>
#include "base/slice.h"

struct session;

/* A typing frame. */
void typist_step(struct session *session, struct slice conv, bool active);
/* A message was sent to conv: who typed it types no more. */
void typist_end(struct session *session, struct slice conv);
/* The session ends; whoever was told that it types is told that it does not. */
void typist_deinit(struct session *session);
