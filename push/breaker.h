/* SPDX-License-Identifier: Apache-2.0 */
/*
 * breaker.h: when to leave a provider alone: a pure state machine, one for each credential and each host it speaks to.
 *
 *      closed ── half of the last 20 failed, or one refusal of our credential, or "wait" ──> open ── its time ──> half open
 *        ^                                                                                  ^                    │
 *        └───────────────────────────── the one that went through: it worked ───────────────┼──── it failed ─────┘
 *
 * 1. While open nothing is sent. Half open one is sent at a time.
 * 2. A provider that answers is well, whatever it answers of one push: only what is about all of them counts as a failure.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum breaker_event {
        BREAKER_OK,      /* an answer about one push */
        BREAKER_FAILED,  /* no answer, or one about the server's own trouble */
        BREAKER_REFUSED, /* an answer about our credential */
        BREAKER_WAIT,    /* we are told to wait */
};

struct breaker {
        enum { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN } state;
        uint32_t recent;         /* the last 20, newest in bit 0: 1 failed */
        uint32_t count;          /* how many of them there were */
        uint64_t until_ms;       /* open until then, or half open: the next probe goes then if no answer came */
        uint32_t failures, refusals; /* times it opened since the last success: how long it opens for next */
};

void breaker_init(struct breaker *breaker);
/* What came of one request. said_ms: how long BREAKER_WAIT says, 0 for the others. random: any uniform number. */
void breaker_step(struct breaker *breaker, enum breaker_event event, uint64_t now_ms, uint64_t said_ms, uint64_t random);
/* How long nothing may be sent: 0 now. */
uint64_t breaker_wait_ms(const struct breaker *breaker, uint64_t now_ms);
/* One is sent: after breaker_wait_ms() said 0. */
void breaker_on_send(struct breaker *breaker, uint64_t now_ms);
