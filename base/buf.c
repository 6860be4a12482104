/* SPDX-License-Identifier: Apache-2.0 */
/* buf.c: see buf.h. Every append goes through make_room(), the only place that allocates and the only one that fails. */
#include "base/buf.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CAP_MIN = 64 };

static void fail(struct buf *buf, int error) {
        free(buf->ptr);
        *buf = (struct buf){ .limit = buf->limit, .error = error };
}

/* Makes room for len more bytes and the NUL behind them. */
static bool make_room(struct buf *buf, size_t len) {
        assert(buf->limit > 0 && buf->limit < SIZE_MAX / 2); /* buf#1 */
        assert(buf->len <= buf->limit);

        if (buf->error)
                return false;
        if (len > buf->limit - buf->len) {
                fail(buf, -EMSGSIZE);
                return false;
        }

        size_t need = buf->len + len + 1;
        if (need <= buf->cap)
                return true;
        size_t cap = buf->cap > buf->limit / 2 ? buf->limit + 1 : buf->cap * 2;
        if (cap < CAP_MIN)
                cap = CAP_MIN;
        if (cap < need)
                cap = need;
        char *ptr = realloc(buf->ptr, cap);
        if (!ptr) {
                fail(buf, -ENOMEM);
                return false;
        }
        buf->ptr = ptr;
        buf->cap = cap;
        return true;
}

static void set_len(struct buf *buf, size_t len) {
        buf->len = len;
        buf->ptr[len] = '\0'; /* buf#3 */
}

void buf_init(struct buf *buf, size_t limit_bytes) {
        assert(limit_bytes > 0 && limit_bytes < SIZE_MAX / 2); /* buf#1 */
        *buf = BUF_INIT(limit_bytes);
}

void buf_deinit(struct buf *buf) {
        free(buf->ptr);
        *buf = (struct buf){ .limit = buf->limit };
}

void buf_clear(struct buf *buf) {
        buf->error = 0;
        if (buf->ptr)
                set_len(buf, 0);
}

bool buf_failed(const struct buf *buf) {
        return buf->error != 0;
}

struct slice buf_slice(const struct buf *buf) {
        return (struct slice){ buf->ptr, buf->len };
}

void buf_add(struct buf *buf, const void *bytes, size_t len) {
        if (len == 0 || !make_room(buf, len))
                return;
        memcpy(buf->ptr + buf->len, bytes, len);
        set_len(buf, buf->len + len);
}

void buf_add_slice(struct buf *buf, struct slice slice) {
        buf_add(buf, slice.ptr, slice.len);
}

void buf_add_text(struct buf *buf, const char *text) {
        buf_add(buf, text, strlen(text));
}

void buf_add_char(struct buf *buf, char c) {
        buf_add(buf, &c, 1);
}

/* By hand, as every frame has several numbers and printf costs more than the rest of such a frame. */
void buf_add_uint(struct buf *buf, uint64_t value) {
        char digits[20];
        size_t at = sizeof(digits);

        do {
                digits[--at] = (char)('0' + value % 10);
                value /= 10;
        } while (value > 0);
        buf_add(buf, digits + at, sizeof(digits) - at);
}

void buf_add_int(struct buf *buf, int64_t value) {
        char text[21];
        size_t at = sizeof(text);
        uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value; /* INT64_MIN has no positive twin in int64_t */

        do {
                text[--at] = (char)('0' + rest % 10);
                rest /= 10;
        } while (rest > 0);
        if (value < 0)
                text[--at] = '-';
        buf_add(buf, text + at, sizeof(text) - at);
}

void buf_printf(struct buf *buf, const char *format, ...) {
        va_list args;
        char small[256];

        va_start(args, format);
        int len = vsnprintf(small, sizeof(small), format, args);
        va_end(args);
        assert(len >= 0); /* only a wrong format or a result above INT_MAX */
        if ((size_t)len < sizeof(small)) {
                buf_add(buf, small, (size_t)len);
                return;
        }

        if (!make_room(buf, (size_t)len))
                return;
        va_start(args, format);
        vsnprintf(buf->ptr + buf->len, (size_t)len + 1, format, args);
        va_end(args);
        set_len(buf, buf->len + (size_t)len);
}

/* What follows the backslash of a byte in a JSON string; 'u' for \u00XX; 0 if the byte stands for itself. */
static const char json_escapes[256] = {
        [0x00 ... 0x07] = 'u', ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n',  [0x0b] = 'u',
        ['\f'] = 'f',          ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\', [0x0e ... 0x1f] = 'u',
};

void buf_add_json(struct buf *buf, struct slice text) {
        static const char hex[] = "0123456789abcdef";
        size_t start = 0;

        buf_add_char(buf, '"');
        for (size_t i = 0; i < text.len; i++) {
                unsigned char c = (unsigned char)text.ptr[i];
                char escape = json_escapes[c];
                if (!escape)
                        continue;
                buf_add(buf, text.ptr + start, i - start);
                if (escape == 'u')
                        buf_add(buf, (char[]){ '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] }, 6);
                else
                        buf_add(buf, (char[]){ '\\', escape }, 2);
                start = i + 1;
        }
        buf_add(buf, text.ptr + start, text.len - start);
        buf_add_char(buf, '"');
}

void buf_consume(struct buf *buf, size_t count) {
        assert(count <= buf->len);
        if (count == 0)
                return;
        memmove(buf->ptr, buf->ptr + count, buf->len - count);
        set_len(buf, buf->len - count);
}

char *buf_reserve(struct buf *buf, size_t len) {
        return make_room(buf, len) ? buf->ptr + buf->len : NULL;
}

void buf_commit(struct buf *buf, size_t len) {
        assert(buf->len + len < buf->cap); /* no more than was reserved */
        set_len(buf, buf->len + len);
}

char *buf_take(struct buf *buf, size_t *ret_len) {
        if (buf->error || buf->len == 0)
                return NULL;
        char *ptr = buf->ptr;
        if (ret_len)
                *ret_len = buf->len;
        *buf = (struct buf){ .limit = buf->limit };
        return ptr;
}
