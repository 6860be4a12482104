/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backoff.h: exponential backoff with full jitter: the n-th delay is uniform in [0, min(max, base * 2^n)].
 * Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. Chance is an argument.
 */
#pragma once
#include <stdint.h>

struct backoff {
        uint64_t base_ms, max_ms;
        uint32_t attempts;
};

/* The next delay; random is any uniform 64-bit number. Counts the attempt. */
uint64_t backoff_step(struct backoff *backoff, uint64_t random);
/* A stable success: the next delay is from base_ms again. */
void backoff_reset(struct backoff *backoff);
