/* SPDX-License-Identifier: Apache-2.0 */
/* due.h: the argument `due` of functions that bring something to a user: how soon the push worker is to look (lua/due.lua). */
#pragma once
#include <inttypes.h>
#include <stdio.h>
#include "fanout/fanout.h"
#include "fanout/store.h"

/* The urgent come first. */
enum due_class { DUE_NONE = -1, DUE_CRITICAL, DUE_HIGH, DUE_NORMAL, DUE_LOW };

enum { DUE_BYTES = 32 };

/* '<class> <delay in ms>', or "" if nothing is pushed. */
static inline void due_print(char text[DUE_BYTES], const struct fanout *fanout, enum due_class class) {
        text[0] = '\0';
        if (class != DUE_NONE && fanout->push_delay_ms >= 0)
                snprintf(text, DUE_BYTES, "%d %" PRId64, (int)class, fanout->push_delay_ms);
}

static inline void due_add(struct call *call, const struct fanout *fanout, enum due_class class) {
        char text[DUE_BYTES];
        due_print(text, fanout, class);
        store_call_arg_text(call, text);
}
