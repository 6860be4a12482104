/* SPDX-License-Identifier: Apache-2.0 */
/*
 * typing.h: decides what of a typist's frames is told. Pure: state, frame and time in; what to tell out.
 *
 *      frames      on  on on     on            off on    .             off        on              message
 *      told        on            on            off       on            off        on         off (ttl), or off (message)
 *                  |<-- 2 s --->|<--- 2 s ------------->|                         |<-- ttl -->|
 *
 * 1. It is told that somebody types at most once in TYPING_THROTTLE_MS, and that the typing ended as often as it was told to have begun.
 * 2. Who begins again sooner is told of when that time is over, unless it has ended before: nobody who types on passes for silent.
 *
 * It is decided twice: at the typist's session, of what its peer says, which spares the store (hub/typist.c); and where it is told, for each
 * who is, of what all the sessions of the typist say (typings.c). The second must not take for too early what took its time on the way.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { TYPING_THROTTLE_MS = 2000 };

enum typing_action { TYPING_NOTHING, TYPING_SAY_ON, TYPING_SAY_OFF };

struct typing_rules {
        int64_t ttl_ms;   /* after a frame it ends by itself */
        int64_t slack_ms; /* so much too early a frame is told all the same */
};

struct typing {
        bool active;     /* others were told so */
        bool waits;      /* it types again, and others are told when the throttle lets them */
        int64_t said_ms; /* when they were told last */
        int64_t ends_ms; /* when it ends by itself */
};

/* A frame of the typist. */
enum typing_action typing_step(struct typing *typing, bool active, const struct typing_rules *rules, int64_t now_ms);
/* Its message came, or it is gone. */
enum typing_action typing_end(struct typing *typing);
/* The time of typing_due_ms() has come. */
enum typing_action typing_on_due(struct typing *typing, int64_t now_ms);
/* When something is to happen by itself, after the first frame that says on. */
int64_t typing_due_ms(const struct typing *typing);
/* Nothing of it needs to be remembered. */
bool typing_is_over(const struct typing *typing, int64_t now_ms);
