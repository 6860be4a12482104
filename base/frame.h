/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame.h: bytes built once and shared by all who get the same ones.
 *
 * 1. A frame is frozen when frame_new() returns; nobody writes to it again.
 * 2. It lives until the last frame_unref(). Counts are not atomic: a frame stays in its process.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/slice.h"

struct frame {
        uint32_t refs;
        uint32_t len;
        char bytes[];
};

/* Copies bytes. The caller owns one reference. NULL without memory. */
struct frame *frame_new(struct slice bytes);
struct frame *frame_ref(struct frame *frame);
struct frame *frame_unref(struct frame *frame); /* returns NULL; NULL is fine */
