/* SPDX-License-Identifier: Apache-2.0 */
/* backend.h: makes the conversations of a run through the hub's HTTP API, as an app's backend would. It waits for each answer. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct buf;
struct plan;

/*
 * Makes count conversations, in batches. add_members appends the array of member ids of conversation index, and name its id. 0,
 * or 1 and one line in error of what went wrong: the hub was not reached, or refused. cancelled is asked between the batches.
 */
struct backend_order {
        const struct plan *plan;
        uint32_t source, count;
        const char *kind; /* "group" or "channel", which is public */
        void *context;
        void (*add_name)(uint32_t index, struct buf *out, void *context);
        void (*add_members)(uint32_t index, struct buf *out, void *context);
        bool (*is_cancelled)(void *context);
};

enum { BACKEND_ERROR_BYTES = 240 };

__attribute__((warn_unused_result)) int backend_make(const struct backend_order *order, char error[static BACKEND_ERROR_BYTES]);
