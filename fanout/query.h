/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query.h: reads of conversations, answered as the fields of a JSON object (without braces), which the WebSocket reply and the
 * HTTP answer both wrap.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/slice.h"

struct fanout;

/* answer: 0 and fields, or FANOUT_E_…; fields are borrowed for the time of the call. */
typedef void (*query_done_fn)(void *arg, int answer, struct slice fields);

/* Each returns 0, FANOUT_E_UNAVAILABLE or -ENOMEM; unless 0, done does not come. user "" is the backend, which may see all. */

/* conv, epoch, entries (messages in their present state, with versions if asked for), more. before 0: none; after -1: none. Entries ascend. */
__attribute__((warn_unused_result)) int query_history(struct fanout *fanout, struct slice user, struct slice conv, uint64_t before, int64_t after,
                                                      unsigned limit, bool versions, query_done_fn done, void *arg);
/* conv, items (user, role, delivered, read); for the backend also kind, epoch, seq, public. */
__attribute__((warn_unused_result)) int query_members(struct fanout *fanout, struct slice user, struct slice conv, query_done_fn done, void *arg);
/* items, next; in order of conv. after "": from the start. */
__attribute__((warn_unused_result)) int query_conversations(struct fanout *fanout, struct slice user, struct slice after, unsigned limit,
                                                            query_done_fn done, void *arg);
