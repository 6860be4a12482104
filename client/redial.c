/* SPDX-License-Identifier: Apache-2.0 */
/* redial.c: see redial.h. */
#include "client/redial.h"

static uint64_t hint_of(const struct redial_end *end) {
        if (end->hint_ms <= 0)
                return 0;
        return end->hint_ms > REDIAL_HINT_MAX_MS ? REDIAL_HINT_MAX_MS : (uint64_t)end->hint_ms;
}

/* The hub knows why we should be back soon. */
static bool is_invited(int close_code) {
        return close_code >= 4000 && close_code <= 4399 && close_code / 100 != 41;
}

static enum redial_need need_of(const struct redial_end *end) {
        if (end->close_code / 100 == 42 || end->http_status == 401)
                return REDIAL_NEEDS_TOKEN;
        return end->close_code / 100 == 43 ? REDIAL_NEEDS_RELOAD : REDIAL_NEEDS_NOTHING;
}

void redial_forget(struct redial *redial) {
        backoff_reset(&redial->backoff);
        redial->hasty = false;
}

struct redial_plan redial_step(struct redial *redial, const struct redial_end *end, uint64_t random) {
        struct redial_plan plan = { .need = need_of(end), .delay_ms = hint_of(end), .told = hint_of(end) > 0 };

        if (end->alive_ms > 0 && end->alive_ms >= redial->reset_ms)
                redial_forget(redial);
        if (end->close_code / 100 == 44) {
                plan.stop = true;
                plan.need = REDIAL_NEEDS_TOKEN;
        } else if (is_invited(end->close_code) && !redial->hasty) {
                redial->hasty = true; /* redial#1 */
        } else {
                plan.delay_ms += backoff_step(&redial->backoff, random);
        }
        return plan;
}
