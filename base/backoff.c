/* SPDX-License-Identifier: Apache-2.0 */
/* backoff.c: see backoff.h. */
#include "base/backoff.h"

/* min(max_ms, base_ms * 2^attempts), without overflow however many attempts there were. */
static uint64_t ceiling_of(const struct backoff *backoff) {
        if (backoff->attempts >= 64 || backoff->base_ms > (backoff->max_ms >> backoff->attempts))
                return backoff->max_ms;
        return backoff->base_ms << backoff->attempts;
}

uint64_t backoff_step(struct backoff *backoff, uint64_t random) {
        uint64_t ceiling_ms = ceiling_of(backoff);

        if (backoff->attempts < UINT32_MAX)
                backoff->attempts++;
        /* The remainder favours small delays by less than ceiling / 2^64: nothing for spans of hours. */
        return ceiling_ms == UINT64_MAX ? random : random % (ceiling_ms + 1);
}

void backoff_reset(struct backoff *backoff) {
        backoff->attempts = 0;
}
