/* SPDX-License-Identifier: Apache-2.0 */
/*
 * body.h: the body of a message of the load test, and whether what a device was shown is that body.
 *
 *      {"t":123456789012,"c":"89abcdef","x":"The quick brown fox …"}
 *
 * t is when the message was due, c a sum over t and over whose message it is, x fills it up to its size. So a body is checked
 * with no memory of what was sent, in whichever process: all of it follows from the message's op, its conversation, and t.
 *
 * 1. A byte that is changed, missing or added, or the body of another message, makes it wrong (another body passes by its sum
 * once in 2^32). So a server that writes the same JSON in another way is wrong, too: a hub need not touch a body, and ours does
 * not.
 */
#pragma once
#include <stdint.h>
#include "base/slice.h"

struct buf;

/* Whose body: the device and the room by their numbers in the whole run, and the device's number for the message. */
struct body_of {
        uint32_t device, number, room;
};

/* One of size_bytes, or of 42 or so if that is more. */
void body_add(struct buf *out, const struct body_of *of, uint64_t due_us, size_t size_bytes);
/* When the message was due; -1 if this is not its body. */
int64_t body_read(struct slice body, const struct body_of *of, size_t size_bytes);
