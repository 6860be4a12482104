/* SPDX-License-Identifier: Apache-2.0 */
/* child.c: see child.h. */
#include "hub/child.h"
#include <assert.h>
#include <stdbool.h>

enum {
        RESTART_FIRST_MS = 50,  /* one crash costs its clients no more than their own first backoff */
        RESTART_LAST_MS = 5000, /* a broken installation writes twelve lines a minute to the log, not thousands */
        STABLE_MS = 10000,
};
#define NEVER UINT64_MAX

static const bool allowed[CHILD_GONE + 1][CHILD_GONE + 1] = {
        [CHILD_WAITING] = { [CHILD_WAITING] = true, [CHILD_RUNNING] = true, [CHILD_GONE] = true },
        [CHILD_RUNNING] = { [CHILD_WAITING] = true, [CHILD_STOPPING] = true },
        [CHILD_STOPPING] = { [CHILD_GONE] = true }, /* child#2: no way back */
};

static void move(struct child *child, enum child_state to, uint64_t now_ms, uint64_t due_ms) {
        assert(allowed[child->state][to]);
        child->state = to;
        child->since_ms = now_ms;
        child->due_ms = due_ms;
}

/* child#1 */
static void wait_for_restart(struct child *child, uint64_t now_ms, uint64_t random) {
        uint64_t delay_ms = backoff_step(&child->backoff, random);
        if (delay_ms < RESTART_FIRST_MS)
                delay_ms = RESTART_FIRST_MS;
        move(child, CHILD_WAITING, now_ms, now_ms + delay_ms);
}

void child_init(struct child *child, uint64_t grace_ms, uint64_t now_ms) {
        *child = (struct child){
                .state = CHILD_WAITING,
                .backoff = { .base_ms = RESTART_FIRST_MS, .max_ms = RESTART_LAST_MS },
                .grace_ms = grace_ms,
                .since_ms = now_ms,
                .due_ms = now_ms,
        };
}

static enum child_action step_waiting(struct child *child, enum child_event event, uint64_t now_ms, uint64_t random) {
        switch (event) {
        case CHILD_EVENT_TICK:
                return now_ms >= child->due_ms ? CHILD_ACTION_START : CHILD_ACTION_NONE;
        case CHILD_EVENT_STARTED:
                move(child, CHILD_RUNNING, now_ms, NEVER);
                return CHILD_ACTION_NONE;
        case CHILD_EVENT_FAILED:
                wait_for_restart(child, now_ms, random);
                return CHILD_ACTION_NONE;
        case CHILD_EVENT_STOP:
        case CHILD_EVENT_HURRY:
                move(child, CHILD_GONE, now_ms, NEVER);
                return CHILD_ACTION_NONE;
        case CHILD_EVENT_EXITED:
                break;
        }
        assert(event != CHILD_EVENT_EXITED); /* nothing runs that could end */
        return CHILD_ACTION_NONE;
}

static enum child_action step_running(struct child *child, enum child_event event, uint64_t now_ms, uint64_t random) {
        switch (event) {
        case CHILD_EVENT_TICK:
                return CHILD_ACTION_NONE;
        case CHILD_EVENT_EXITED:
                if (now_ms - child->since_ms >= STABLE_MS)
                        backoff_reset(&child->backoff);
                wait_for_restart(child, now_ms, random);
                return CHILD_ACTION_NONE;
        case CHILD_EVENT_STOP:
                move(child, CHILD_STOPPING, now_ms, now_ms + child->grace_ms);
                return CHILD_ACTION_TERM;
        case CHILD_EVENT_HURRY:
                move(child, CHILD_STOPPING, now_ms, NEVER);
                return CHILD_ACTION_KILL;
        case CHILD_EVENT_STARTED:
        case CHILD_EVENT_FAILED:
                break;
        }
        assert(event != CHILD_EVENT_STARTED && event != CHILD_EVENT_FAILED); /* no START was asked for */
        return CHILD_ACTION_NONE;
}

static enum child_action step_stopping(struct child *child, enum child_event event, uint64_t now_ms) {
        switch (event) {
        case CHILD_EVENT_TICK:
                if (now_ms < child->due_ms)
                        return CHILD_ACTION_NONE;
                child->due_ms = NEVER; /* child#3 */
                return CHILD_ACTION_KILL;
        case CHILD_EVENT_EXITED:
                move(child, CHILD_GONE, now_ms, NEVER);
                return CHILD_ACTION_NONE;
        case CHILD_EVENT_STOP:
                return CHILD_ACTION_NONE;
        case CHILD_EVENT_HURRY:
                child->due_ms = NEVER;
                return CHILD_ACTION_KILL;
        case CHILD_EVENT_STARTED:
        case CHILD_EVENT_FAILED:
                break;
        }
        assert(event != CHILD_EVENT_STARTED && event != CHILD_EVENT_FAILED); /* child#2 */
        return CHILD_ACTION_NONE;
}

enum child_action child_step(struct child *child, enum child_event event, uint64_t now_ms, uint64_t random) {
        switch (child->state) {
        case CHILD_WAITING:
                return step_waiting(child, event, now_ms, random);
        case CHILD_RUNNING:
                return step_running(child, event, now_ms, random);
        case CHILD_STOPPING:
                return step_stopping(child, event, now_ms);
        case CHILD_GONE:
                assert(event == CHILD_EVENT_TICK || event == CHILD_EVENT_STOP || event == CHILD_EVENT_HURRY);
                return CHILD_ACTION_NONE;
        }
        return CHILD_ACTION_NONE;
}

uint64_t child_due_ms(const struct child *child) {
        return child->due_ms;
}
