/* SPDX-License-Identifier: Apache-2.0 */
/* receipt.h: raises watermarks, and tells the members. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/slice.h"

struct fanout;

/* answer: 0 (also if nothing rose) or FANOUT_E_… */
typedef void (*receipt_done_fn)(void *arg, int answer);

struct receipt_mark {
        struct slice user;
        uint64_t delivered, read;
};

/* done may be NULL. 0, FANOUT_E_UNAVAILABLE or -ENOMEM: unless 0, done does not come. */
__attribute__((warn_unused_result)) int receipt_raise(struct fanout *fanout, struct slice user, struct slice conv, uint64_t delivered,
                                                      uint64_t read, receipt_done_fn done, void *arg);
/*
 * The same for several members of one conversation, in one call and with one message for each node. Those whose mark cannot be (no
 * member any more, above the conversation's seq) are passed over.
 */
__attribute__((warn_unused_result)) int receipt_raise_all(struct fanout *fanout, struct slice conv, const struct receipt_mark *marks,
                                                          size_t count, receipt_done_fn done, void *arg);
