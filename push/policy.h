/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy.h: is this event pushed to this device now, and how? Pure: all that counts is in the arguments, time too.
 *
 *   policy#1  What the device acknowledged, the user has read or muted, is deleted or expired, is never pushed.
 *   policy#2  A device that may still acknowledge by itself gets delay_ms to do so: one that is connected, one that was connected less
 *             than delay_ms ago and may be back, and any device of a user who is connected elsewhere and may read it there.
 *   policy#3  Nothing that shows nothing is ever urgent, and a device is woken at most every 20 minutes: what comes meanwhile is one more
 *             reason for the same wake-up. (Apple: "not more than two or three an hour".)
 *   policy#4  In quiet hours what is high is shown without a sound, what is not waits for their end. Critical skips them if its app may.
 *   policy#5  A device is shown at most POLICY_BURST pushes at once and POLICY_PER_MINUTE a minute in the long run; critical ones count but never wait.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "push/job.h"

enum {
        POLICY_WAKE_EVERY_MS = 20 * 60 * 1000,
        POLICY_BURST = 10,
        POLICY_PER_MINUTE = 4,
        POLICY_QUIET_SPREAD_MS = 5 * 60 * 1000, /* what quiet hours held back is spread over this time behind their end */
};

struct policy_device {
        uint64_t cursor;
        bool connected;    /* a session of it is live */
        bool user_online;  /* of any device of the user, in the foreground or not */
        int64_t seen_ms;   /* the end of its latest session, or its latest sync; 0: never */
        int64_t woken_ms;  /* the latest silent push; 0: never */
        int64_t used_milli, used_ms; /* policy_use() */
        int64_t delay_ms;
        bool critical_skips_quiet;
        bool wakes_freely; /* a webhook: there is no battery to spare */
};

struct policy_event {
        uint64_t n;
        int64_t at_ms;
        int64_t expires_ms;
        bool visible;      /* it has a title or a text to show */
        enum push_priority priority;
        bool read, muted, deleted;
        bool again;        /* it was tried before: who had to wait has waited */
};

enum policy_action { POLICY_PUSH, POLICY_WAIT, POLICY_DROP };

enum policy_cause {
        POLICY_DUE, /* nothing speaks against it */
        POLICY_ACKNOWLEDGED,
        POLICY_READ,
        POLICY_DELETED,
        POLICY_EXPIRED,
        POLICY_MUTED,
        POLICY_CONNECTED,    /* waits: the device is */
        POLICY_RECONNECTING, /* waits: it was just now */
        POLICY_ELSEWHERE,    /* waits: another device of the user is */
        POLICY_QUIET,        /* waits for the end of quiet hours */
        POLICY_WOKEN,        /* waits: it was woken less than 20 minutes ago */
        POLICY_BUDGET,       /* waits: it was shown too many */
        POLICY_CAUSES,
};

struct policy_decision {
        enum policy_action action;
        enum policy_cause cause;
        int64_t until_ms;    /* POLICY_WAIT */
        enum push_kind kind; /* POLICY_PUSH */
};

/* quiet_ends_ms: when the user's quiet hours end; 0: there are none now. */
struct policy_decision policy_decide(const struct policy_device *device, const struct policy_event *event, int64_t quiet_ends_ms, int64_t now_ms);
/* One visible push: what is used of the budget then. */
int64_t policy_use(int64_t used_milli, int64_t used_ms, int64_t now_ms);
/* In quiet hours, given as minutes of the day from and to? Then the minutes until their end, else 0. from may be behind to: over midnight. */
int policy_quiet_minutes(int from, int to, int minute);
const char *policy_cause_text(enum policy_cause cause); /* one word, for counters and people */
