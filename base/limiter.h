/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limiter.h: rate limits by name: so much a second for each user, address or conversation.
 *
 * Token buckets kept as virtual clocks (GCRA, ITU-T I.371 annex A): one number for each name. A name not heard of for as long as its
 * bucket takes to fill up is forgotten. Time is an argument.
 *
 * 1. A limiter never refuses a name that stayed below its rate.
 * 2. It holds at most LIMIT_LIMITER_NAMES names; if all of those are in use, a new one is let through.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/slice.h"

struct limiter;

/* per_s 0: everything is allowed. burst: how many may come at once. NULL without memory. */
struct limiter *limiter_new(uint64_t per_s, uint64_t burst);
struct limiter *limiter_free(struct limiter *limiter);
/* Another rate from now on; who is behind by the old one stays so. */
void limiter_set(struct limiter *limiter, uint64_t per_s, uint64_t burst);

/* May name do this now? Counts it if so. Otherwise *ret_retry_ms says when it may (0 or more). */
bool limiter_allow(struct limiter *limiter, struct slice name, uint64_t now_ms, uint64_t *ret_retry_ms);
