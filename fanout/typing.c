/* SPDX-License-Identifier: Apache-2.0 */
/* typing.c: see typing.h. */
#include "fanout/typing.h"

enum typing_action typing_end(struct typing *typing) {
        typing->waits = false;
        if (!typing->active)
                return TYPING_NOTHING;
        typing->active = false;
        return TYPING_SAY_OFF;
}

static enum typing_action typing_begin(struct typing *typing, int64_t now_ms) {
        typing->active = true;
        typing->waits = false;
        typing->said_ms = now_ms;
        return TYPING_SAY_ON;
}

/* When it may be told again. */
static int64_t typing_free_ms(const struct typing *typing) {
        return typing->said_ms ? typing->said_ms + TYPING_THROTTLE_MS : 0;
}

enum typing_action typing_step(struct typing *typing, bool active, const struct typing_rules *rules, int64_t now_ms) {
        if (!active)
                return typing_end(typing);
        typing->ends_ms = now_ms + rules->ttl_ms;
        /* On and off in quick turns is throttled too: said_ms outlives active. */
        if (now_ms < typing_free_ms(typing) - rules->slack_ms) {
                typing->waits = !typing->active;
                return TYPING_NOTHING;
        }
        return typing_begin(typing, now_ms);
}

enum typing_action typing_on_due(struct typing *typing, int64_t now_ms) {
        if (now_ms >= typing->ends_ms)
                return typing_end(typing);
        return typing->waits && now_ms >= typing_free_ms(typing) ? typing_begin(typing, now_ms) : TYPING_NOTHING;
}

int64_t typing_due_ms(const struct typing *typing) {
        int64_t free_ms = typing_free_ms(typing);
        if (typing->active)
                return typing->ends_ms;
        return typing->waits && typing->ends_ms < free_ms ? typing->ends_ms : free_ms;
}

bool typing_is_over(const struct typing *typing, int64_t now_ms) {
        return !typing->active && !typing->waits && now_ms >= typing_free_ms(typing);
}
