/* SPDX-License-Identifier: Apache-2.0 */
/*
 * news.h: what the app will be told: JSON objects in their order, queued by the loop and handed out without its lock.
 *
 * It is bounded by what causes it: a turn of the loop adds what its frames brought and a bounded part of the feed, and is
 * followed by handing out.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/list.h"
#include "base/slice.h"

struct news {
        struct list events;
        bool wanted; /* else nothing is queued */
};

void news_init(struct news *news, bool wanted);
void news_deinit(struct news *news);
bool news_is_empty(const struct news *news);
/* A copy of json. False without memory. */
bool news_add(struct news *news, struct slice json);
/* A state event; code 0 and reason NULL are left out. What cannot be told without memory, the next one tells. */
void news_add_state(struct news *news, const char *state, int code, const char *reason);
/* A fault event: code of belfry.h with its sentence, and what the store says. */
void news_add_fault(struct news *news, int code, const char *sentence, const char *reason);
/* Everything moves from one to the other, which is empty. */
void news_move(struct news *to, struct news *from);
/* The oldest, NUL-terminated, owned by the caller: free(). NULL if there is none. */
char *news_take(struct news *news, size_t *ret_len);
