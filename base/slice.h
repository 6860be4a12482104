/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slice.h: bytes that belong to someone else.
 *
 * A slice is borrowed: it lives as long as the buffer it points into. It need not end in NUL.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
        const char *ptr;
        size_t len;
};

#define SLICE(literal) ((struct slice){ (literal), sizeof(literal) - 1 })

static inline struct slice slice_of(const char *text) {
        return (struct slice){ text, text ? strlen(text) : 0 };
}

static inline bool slice_equal(struct slice a, struct slice b) {
        return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool slice_is(struct slice a, const char *text) {
        return slice_equal(a, slice_of(text));
}

/* Copies a slice to *text, which must have room, and moves *text behind the copy: how texts are packed into one block. */
static inline struct slice slice_copy(char **text, struct slice from) {
        struct slice copy = { *text, from.len };
        if (from.len)
                memcpy(*text, from.ptr, from.len);
        *text += from.len;
        return copy;
}
