/* SPDX-License-Identifier: Apache-2.0 */
/* retry.c: see retry.h. */
#include "client/retry.h"

static uint64_t hint_of(const struct retry_end *end) {
        if (end->hint_ms <= 0)
                return 0;
        return end->hint_ms > RETRY_HINT_MAX_MS ? RETRY_HINT_MAX_MS : (uint64_t)end->hint_ms;
}

/* The hub knows why we should be back soon. */
static bool is_invited(const struct retry_end *end) {
        if (end->http_status == 401)
                return true;
        return end->close_code >= 4000 && end->close_code <= 4399 && end->close_code / 100 != 41;
}

static enum retry_need need_of(const struct retry_end *end) {
        if (end->close_code / 100 == 42 || end->http_status == 401)
                return RETRY_NEEDS_TOKEN;
        return end->close_code / 100 == 43 ? RETRY_NEEDS_RESYNC : RETRY_NEEDS_NOTHING;
}

/* A wait that is not left to chance counts like one that is. */
static uint64_t planned(struct retry *retry, uint64_t delay_ms) {
        (void)backoff_step(&retry->backoff, 0);
        return delay_ms;
}

struct retry_plan retry_step(struct retry *retry, const struct retry_end *end, uint64_t (*chance)(void *context), void *context) {
        struct retry_plan plan = { .need = need_of(end), .told = end->hint_ms >= 0 };

        if (end->alive_ms > 0 && end->alive_ms >= retry->reset_ms)
                backoff_reset(&retry->backoff);
        if (end->close_code / 100 == 44) {
                plan.stop = true;
        } else if (end->close_code / 100 == 40 && end->hint_ms >= 0) {
                plan.delay_ms = planned(retry, hint_of(end));
        } else if (is_invited(end) && retry->backoff.attempts == 0) {
                plan.delay_ms = planned(retry, 0);
        } else {
                plan.delay_ms = backoff_step(&retry->backoff, chance(context));
                if (plan.delay_ms < hint_of(end))
                        plan.delay_ms = hint_of(end);
        }
        return plan;
}
