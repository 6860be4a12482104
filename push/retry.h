/* SPDX-License-Identifier: Apache-2.0 */
/*
 * retry.h: when a push is tried again: pure functions of the provider, what became of the attempt, and chance.
 *
 * Waits grow twofold with full jitter above what the provider asks for at least. What a provider says in Retry-After always
 * wins, but is taken for a day if it says more. The end is the push's expiry, which whoever stores it looks after, and for what nobody
 * understands (PUSH_UNKNOWN) a few tries.
 */
#pragma once
#include <stdint.h>
#include "push/job.h"

/*
 * How long to wait after this attempt (0 the first): ms, or -1 for never again. said_ms is Retry-After, -1 if there was none.
 * For ACCEPTED, TOKEN_DEAD and PAYLOAD_BAD: -1.
 */
int64_t retry_wait_ms(enum push_provider provider, enum push_class class, int status, unsigned attempt, int64_t said_ms, uint64_t random);

/* Retry-After (RFC 9110 section 10.2.3), seconds or a date in any of its three forms: ms from now, or -1 if it is neither. */
int64_t retry_after_parse(const char *text, int64_t wall_ms);

/* After an answer that was doubted (guard.h): from a minute up to six hours, until the push expires. */
int64_t retry_doubt_ms(unsigned attempt, uint64_t random);
