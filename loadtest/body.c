/* SPDX-License-Identifier: Apache-2.0 */
/* body.c: see body.h. A channel shows two million a second, so a look at one must cost no more than some ten nanoseconds. */
#include "loadtest/body.h"
#include "base/buf.h"
#include "loadtest/dice.h"
#include "loadtest/glance.h"

static const struct slice begin = SLICE("{\"t\":"), middle = SLICE(",\"c\":\""), fill = SLICE("\",\"x\":\""), end = SLICE("\"}");
static const struct slice padding = SLICE("The quick brown fox jumps over the lazy dog, and nobody knows why it would do so. ");

enum { SUM_CHARS = 8 };

static void write_sum(const struct body_of *of, uint64_t due_us, char to[SUM_CHARS]) {
        static const char digits[] = "0123456789abcdef";
        uint64_t sum = dice_mix(dice_mix((uint64_t)of->device << 32 | of->number) + dice_mix(due_us) + of->room);
        for (int i = 0; i < SUM_CHARS; i++, sum >>= 4)
                to[i] = digits[sum & 15];
}

void body_add(struct buf *out, const struct body_of *of, uint64_t due_us, size_t size_bytes) {
        char sum[SUM_CHARS];
        size_t start = out->len;
        write_sum(of, due_us, sum);
        buf_add_slice(out, begin);
        buf_add_uint(out, due_us);
        buf_add_slice(out, middle);
        buf_add(out, sum, sizeof sum);
        buf_add_slice(out, fill);
        while (!buf_failed(out) && out->len - start + end.len < size_bytes) {
                size_t left = size_bytes - end.len - (out->len - start);
                buf_add(out, padding.ptr, left < padding.len ? left : padding.len);
        }
        buf_add_slice(out, end);
}

/* Takes text from the front of what is left, if it stands there. */
static bool take(struct slice *left, const char *text, size_t len) {
        if (left->len < len || memcmp(left->ptr, text, len) != 0)
                return false;
        left->ptr += len;
        left->len -= len;
        return true;
}

int64_t body_read(struct slice body, const struct body_of *of, size_t size_bytes) {
        char sum[SUM_CHARS];
        struct slice left = body;
        if (!take(&left, begin.ptr, begin.len))
                return -1;
        size_t digits;
        int64_t due_us = glance_number(left, 0, &digits);
        if (due_us < 0 || (left.ptr[0] == '0' && digits > 1))
                return -1;
        left.ptr += digits;
        left.len -= digits;
        write_sum(of, (uint64_t)due_us, sum);
        if (!take(&left, middle.ptr, middle.len) || !take(&left, sum, sizeof sum) || !take(&left, fill.ptr, fill.len))
                return -1;
        size_t head_len = body.len - left.len;
        size_t fill_len = head_len + end.len < size_bytes ? size_bytes - head_len - end.len : 0;
        for (size_t part; fill_len > 0; fill_len -= part) {
                part = fill_len < padding.len ? fill_len : padding.len;
                if (!take(&left, padding.ptr, part))
                        return -1;
        }
        return slice_equal(left, end) ? due_us : -1;
}
