/* SPDX-License-Identifier: Apache-2.0 */
/* words.h: takes apart the packed texts of the store (fanout/lua/common.lua lists them). */
#pragma once
#include <stdint.h>
#include <string.h>
#include "base/slice.h"

/* The bytes up to the next separator, which is dropped; all the rest if there is none. Words may be empty. */
static inline struct slice words_take(struct slice *rest, char separator) {
        struct slice word = *rest;
        const char *end = rest->len ? memchr(rest->ptr, separator, rest->len) : NULL;
        if (!end) {
                rest->ptr += rest->len;
                rest->len = 0;
                return word;
        }
        word.len = (size_t)(end - rest->ptr);
        rest->ptr = end + 1;
        rest->len -= word.len + 1;
        return word;
}

/* The number at the start of a word, 0 if there is none. The store's numbers fit. */
static inline uint64_t words_uint(struct slice word) {
        uint64_t value = 0;
        for (size_t i = 0; i < word.len && word.ptr[i] >= '0' && word.ptr[i] <= '9'; i++)
                value = value * 10 + (uint64_t)(word.ptr[i] - '0');
        return value;
}
