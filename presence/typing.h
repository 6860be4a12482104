/* SPDX-License-Identifier: Apache-2.0 */
/*
 * typing.h: decides what of a typist's frames is spread. Pure: state, frame and time in; what to spread out.
 *
 *      frames      on  on on     on            off        on                message
 *      spread      on            on            off        on           off (ttl), or off (message)
 *                  |<-- 2 s --->|                         |<-- ttl -->|
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { TYPING_THROTTLE_MS = 2000 };

enum typing_action { TYPING_NOTHING, TYPING_SAY_ON, TYPING_SAY_OFF };

struct typing {
        bool active;      /* others were told so */
        int64_t said_ms;  /* when they were told last */
        int64_t ends_ms;  /* when it ends by itself */
};

enum typing_action typing_step(struct typing *typing, bool active, int64_t ttl_ms, int64_t now_ms);
/* The time ends_ms has come, or a message was sent. */
enum typing_action typing_end(struct typing *typing);
