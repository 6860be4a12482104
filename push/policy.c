/* SPDX-License-Identifier: Apache-2.0 */
/* policy.c: see policy.h. */
#include "push/policy.h"

static struct policy_decision policy_drop(enum policy_cause cause) {
        return (struct policy_decision){ .action = POLICY_DROP, .cause = cause };
}

static struct policy_decision policy_wait(enum policy_cause cause, int64_t until_ms) {
        return (struct policy_decision){ .action = POLICY_WAIT, .cause = cause, .until_ms = until_ms };
}

static struct policy_decision policy_push(enum push_kind kind) {
        return (struct policy_decision){ .action = POLICY_PUSH, .cause = POLICY_DUE, .kind = kind };
}

/* What is still used of the budget after a time without pushes. */
static int64_t policy_used(int64_t used_milli, int64_t used_ms, int64_t now_ms) {
        int64_t back = now_ms > used_ms ? (now_ms - used_ms) * POLICY_PER_MINUTE / 60 : 0;
        return used_milli > back ? used_milli - back : 0;
}

int64_t policy_use(int64_t used_milli, int64_t used_ms, int64_t now_ms) {
        return policy_used(used_milli, used_ms, now_ms) + 1000;
}

/* policy#2; true: *ret says until when. */
static bool policy_may_come_by_itself(const struct policy_device *device, const struct policy_event *event, int64_t now_ms,
                                      struct policy_decision *ret) {
        int64_t waited_ms = event->at_ms + device->delay_ms, back_ms = device->seen_ms + device->delay_ms;
        if (event->again)
                return false;
        if (device->connected)
                *ret = policy_wait(POLICY_CONNECTED, waited_ms);
        else if (device->seen_ms && device->seen_ms <= now_ms && back_ms > now_ms)
                *ret = policy_wait(POLICY_RECONNECTING, back_ms);
        else if (device->user_online && event->priority != PUSH_CRITICAL)
                *ret = policy_wait(POLICY_ELSEWHERE, waited_ms);
        else
                return false;
        return ret->until_ms > now_ms;
}

static struct policy_decision policy_decide_visible(const struct policy_device *device, const struct policy_event *event, int64_t quiet_ends_ms,
                                                    int64_t now_ms) {
        bool critical = event->priority == PUSH_CRITICAL;
        bool quiet = quiet_ends_ms && !(critical && device->critical_skips_quiet);
        if (quiet && event->priority < PUSH_HIGH)
                return policy_wait(POLICY_QUIET, quiet_ends_ms);
        int64_t used = policy_used(device->used_milli, device->used_ms, now_ms), over = used + 1000 - POLICY_BURST * 1000;
        if (over > 0 && !critical)
                return policy_wait(POLICY_BUDGET, now_ms + (over * 60 + POLICY_PER_MINUTE - 1) / POLICY_PER_MINUTE);
        return policy_push(quiet ? PUSH_SILENT : PUSH_ALERT);
}

struct policy_decision policy_decide(const struct policy_device *device, const struct policy_event *event, int64_t quiet_ends_ms, int64_t now_ms) {
        struct policy_decision decision;
        if (event->n <= device->cursor)
                return policy_drop(POLICY_ACKNOWLEDGED);
        if (event->read)
                return policy_drop(POLICY_READ);
        if (event->deleted)
                return policy_drop(POLICY_DELETED);
        if (event->expires_ms <= now_ms)
                return policy_drop(POLICY_EXPIRED);
        if (event->muted)
                return policy_drop(POLICY_MUTED);
        if (policy_may_come_by_itself(device, event, now_ms, &decision))
                return decision;
        if (event->visible)
                return policy_decide_visible(device, event, quiet_ends_ms, now_ms);
        int64_t next_ms = device->woken_ms + POLICY_WAKE_EVERY_MS;
        if (device->woken_ms && next_ms > now_ms && !device->wakes_freely)
                return policy_wait(POLICY_WOKEN, next_ms);
        return policy_push(PUSH_BACKGROUND);
}

int policy_quiet_minutes(int from, int to, int minute) {
        const int day = 24 * 60;
        int since = (minute - from + day) % day, whole = (to - from + day) % day;
        return since < whole ? whole - since : 0;
}

const char *policy_cause_text(enum policy_cause cause) {
        static const char *const texts[POLICY_CAUSES] = { "due",       "acknowledged", "read",      "deleted", "expired", "muted",
                                                          "connected", "reconnecting", "elsewhere", "quiet",   "woken",   "budget" };
        return texts[cause];
}
