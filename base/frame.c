/* SPDX-License-Identifier: Apache-2.0 */
/* frame.c: see frame.h. */
#include "base/frame.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct frame *frame_new(struct slice bytes) {
        assert(bytes.len <= UINT32_MAX); /* what we build is bounded by the limit of a buf, far below */

        struct frame *frame = malloc(sizeof(*frame) + bytes.len);
        if (!frame)
                return NULL;
        frame->refs = 1;
        frame->len = (uint32_t)bytes.len;
        if (bytes.len > 0)
                memcpy(frame->bytes, bytes.ptr, bytes.len);
        return frame;
}

struct frame *frame_ref(struct frame *frame) {
        assert(frame->refs > 0 && frame->refs < UINT32_MAX); /* frame#2 */
        frame->refs++;
        return frame;
}

struct frame *frame_unref(struct frame *frame) {
        if (!frame)
                return NULL;
        assert(frame->refs > 0); /* frame#2 */
        if (--frame->refs == 0)
                free(frame);
        return NULL;
}
