/* SPDX-License-Identifier: Apache-2.0 */
/* typing.c: see typing.h. */
#include "presence/typing.h"

enum typing_action typing_end(struct typing *typing) {
        if (!typing->active)
                return TYPING_NOTHING;
        typing->active = false;
        return TYPING_SAY_OFF;
}

enum typing_action typing_step(struct typing *typing, bool active, int64_t ttl_ms, int64_t now_ms) {
        if (!active)
                return typing_end(typing);
        typing->ends_ms = now_ms + ttl_ms;
        /* On and off in quick turns is throttled too: said_ms outlives active. */
        if (typing->said_ms && now_ms - typing->said_ms < TYPING_THROTTLE_MS)
                return TYPING_NOTHING;
        typing->active = true;
        typing->said_ms = now_ms;
        return TYPING_SAY_ON;
}
