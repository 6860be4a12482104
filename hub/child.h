/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child.h: when a child process is started, told to end and killed: a pure function of (state, event, now).
 *
 *      WAITING --STARTED--> RUNNING --STOP--> STOPPING --EXITED--> GONE
 *         ^                    |                 | grace over: KILL, once
 *         +------EXITED--------+
 *
 * 1. One that dies by itself is started again, first after 50 ms, then later and later up to 5 s: a full-jitter backoff with a
 *    floor. A life of 10 s forgets the backoff.
 * 2. One that was told to end is never started again.
 * 3. One that does not end within its grace is killed; SIGKILL is asked for exactly once by time.
 * 4. While nothing is due, child_due_ms() is UINT64_MAX: the loop may sleep.
 *
 * It knows no pid and no clock: the supervisor does what the action says.
 */
#pragma once
#include <stdint.h>
#include "base/backoff.h"

enum child_state { CHILD_WAITING, CHILD_RUNNING, CHILD_STOPPING, CHILD_GONE };

enum child_event {
        CHILD_EVENT_TICK,    /* time has passed */
        CHILD_EVENT_STARTED, /* the START asked for has succeeded */
        CHILD_EVENT_FAILED,  /* the START asked for has failed: there is no process */
        CHILD_EVENT_EXITED,  /* the process has ended and was reaped */
        CHILD_EVENT_STOP,    /* the supervisor wants it to end */
        CHILD_EVENT_HURRY,   /* … and waits no longer */
};

enum child_action { CHILD_ACTION_NONE, CHILD_ACTION_START, CHILD_ACTION_TERM, CHILD_ACTION_KILL };

struct child {
        enum child_state state;
        struct backoff backoff;
        uint64_t grace_ms; /* from STOP to KILL; may be changed until STOP */
        uint64_t since_ms; /* when it entered its state */
        uint64_t due_ms;   /* the next TICK that matters */
};

/* Waits to be started, at once. */
void child_init(struct child *child, uint64_t grace_ms, uint64_t now_ms);

/* One event; what to do now. random is any uniform number, used by EXITED and FAILED. After START comes STARTED or FAILED. */
enum child_action child_step(struct child *child, enum child_event event, uint64_t now_ms, uint64_t random);

/* When the next TICK is due, UINT64_MAX if never. */
uint64_t child_due_ms(const struct child *child);
