/* SPDX-License-Identifier: Apache-2.0 */
/*
 * glance.h: reads from a server's frame the few fields that the load test needs, in one pass.
 *
 * The load generator shares the machine with what it measures, so it must cost less than that. A glance checks the braces,
 * strings and commas of the outermost object and skips what is nested; it does not check UTF-8 or what it skips. What it
 * cannot read it calls malformed; it never reads outside the text.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/slice.h"

enum glance_type {
        GLANCE_OTHER,
        GLANCE_MESSAGE, /* also edit, delete, react: all have conv, seq and op */
        GLANCE_SENT,
        GLANCE_RECEIPT,
        GLANCE_TYPING,
        GLANCE_PRESENCE,
        GLANCE_WELCOME,
        GLANCE_CAUGHT_UP,
        GLANCE_SUBSCRIBED,
        GLANCE_ERROR,
        GLANCE_GAP,
        GLANCE_RESET,
        GLANCE_GOAWAY,
        GLANCE_HELLO, /* the last three are a client's, for the floor */
        GLANCE_SUBSCRIBE,
        GLANCE_SEND,
};

/* Numbers are -1 and slices empty where the field is missing. */
struct glance {
        enum glance_type type;
        int64_t id, n, seq, head, to, retry_after_ms;
        struct slice conv, op, epoch, code, body, user;
        bool temporary, unrecovered, duplicate;
};

/* 0, or 1 if it is malformed. Slices point into text; strings are as they stand there, without quotes. */
__attribute__((warn_unused_result)) int glance_read(struct slice text, struct glance *ret_glance);

/* The decimal number that begins at text[from] and its end; -1 if there is none or it is over 18 digits. */
int64_t glance_number(struct slice text, size_t from, size_t *ret_end);
