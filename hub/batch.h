/* SPDX-License-Identifier: Apache-2.0 */
/*
 * batch.h: several requests in one: POST /v1/batch.
 *
 * 1. Each operation runs as a request of its own would, with the same routes, checks and status.
 * 2. An operation starts when the one before it has answered; none starts once the peer is gone.
 * 3. A refused operation stops nothing.
 */
#pragma once
#include "base/slice.h"

struct http;

/* Answers http, exactly once. operations is a JSON array within its body. */
void batch_run(struct http *http, struct slice operations);
