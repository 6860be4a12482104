/* SPDX-License-Identifier: Apache-2.0 */
/* breaker.c: see breaker.h. */
#include "push/breaker.h"

#include <assert.h>

enum {
        WINDOW = 20,
        LEAST = 10,             /* so many must be known before half of them means anything */
        FAILURE_BASE_MS = 4000, /* doubled each time: after two rounds it is the 10 s that Google asks for between tries */
        FAILURE_MOST_MS = 300000,
        REFUSAL_BASE_MS = 120000, /* a wrong credential does not mend itself soon, and Apple counts errors */
        REFUSAL_MOST_MS = 900000,
        PROBE_MS = 60000,       /* a probe without any answer for so long is forgotten */
        WAIT_MOST_MS = 3600000, /* a Retry-After above an hour is taken for an hour */
};

void breaker_init(struct breaker *breaker) {
        *breaker = (struct breaker){ .state = BREAKER_CLOSED };
}

static void open_for(struct breaker *breaker, uint64_t now_ms, uint64_t span_ms) {
        if (breaker->state != BREAKER_OPEN || now_ms + span_ms > breaker->until_ms)
                breaker->until_ms = now_ms + span_ms;
        breaker->state = BREAKER_OPEN;
        breaker->recent = breaker->count = 0;
}

static void count(struct breaker *breaker, bool has_failed) {
        breaker->recent = ((breaker->recent << 1) | has_failed) & ((1u << WINDOW) - 1);
        if (breaker->count < WINDOW)
                breaker->count++;
}

static bool has_had_enough(const struct breaker *breaker) {
        return breaker->count >= LEAST && 2 * (uint32_t)__builtin_popcount(breaker->recent) >= breaker->count;
}

/* Twice as long each time; half of it for sure, the rest by chance, so that workers that open together do not probe together. */
static uint64_t span_of(uint32_t *times, uint64_t base_ms, uint64_t most_ms, uint64_t random) {
        uint64_t span_ms = *times < 16 && (base_ms << *times) < most_ms ? base_ms << *times : most_ms;
        if (*times < 16)
                (*times)++;
        return span_ms / 2 + random % (span_ms / 2 + 1);
}

void breaker_step(struct breaker *breaker, enum breaker_event event, uint64_t now_ms, uint64_t said_ms, uint64_t random) {
        switch (event) {
        case BREAKER_OK:
                if (breaker->state == BREAKER_OPEN)
                        return; /* an answer to what was sent before it opened: as old as the failures that opened it */
                count(breaker, false);
                breaker->state = BREAKER_CLOSED;
                breaker->failures = breaker->refusals = 0;
                return;
        case BREAKER_FAILED:
                count(breaker, true);
                if (breaker->state == BREAKER_HALF_OPEN || (breaker->state == BREAKER_CLOSED && has_had_enough(breaker)))
                        open_for(breaker, now_ms, span_of(&breaker->failures, FAILURE_BASE_MS, FAILURE_MOST_MS, random));
                return;
        case BREAKER_REFUSED:
                if (breaker->state != BREAKER_OPEN)
                        open_for(breaker, now_ms, span_of(&breaker->refusals, REFUSAL_BASE_MS, REFUSAL_MOST_MS, random));
                return;
        case BREAKER_WAIT:
                open_for(breaker, now_ms, said_ms < WAIT_MOST_MS ? said_ms : WAIT_MOST_MS);
                return;
        }
        assert(false);
}

uint64_t breaker_wait_ms(const struct breaker *breaker, uint64_t now_ms) {
        return breaker->state == BREAKER_CLOSED || now_ms >= breaker->until_ms ? 0 : breaker->until_ms - now_ms;
}

void breaker_on_send(struct breaker *breaker, uint64_t now_ms) {
        assert(breaker_wait_ms(breaker, now_ms) == 0);
        if (breaker->state == BREAKER_CLOSED)
                return;
        breaker->state = BREAKER_HALF_OPEN;
        breaker->until_ms = now_ms + PROBE_MS;
}
