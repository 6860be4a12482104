/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sync.h: a whole background sync in one request: POST /v1/sync.
 *
 *      visit -> ack -> op, op, … each when the one before is answered -> a page of the inbox -> the answer
 *
 * 1. It leaves no trace in presence, and a session of the same device lives on beside it.
 * 2. The ops are the requests of a session, answered by the same code (protocol.c) with the same replies.
 * 3. A sync that is refused as a whole has changed nothing. Once the ack is taken, what goes wrong is unavailable, and repeating all is harmless.
 */
#pragma once
#include "base/slice.h"

struct http;
struct request;

/* Answers http, exactly once. request: what wire_parse_sync() made; ops: a JSON array within the body. */
void sync_run(struct http *http, struct slice user, const struct request *request, struct slice ops);
