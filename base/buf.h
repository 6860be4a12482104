/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buf.h: a byte buffer that grows, up to the limit it was born with.
 *
 * 1. A buf cannot be made without a limit.
 * 2. The first append that fails (limit or memory) frees the content and makes the buf failed: len is 0 and all later
 *    appends do nothing. So a builder may append without looking and asks once, at the end, with buf_failed().
 * 3. There is always a NUL behind the content, not counted in len (ptr may be NULL while nothing was appended).
 *
 * It never parses and never does I/O.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/slice.h"

struct buf {
        char *ptr;
        size_t len;
        size_t cap;
        size_t limit; /* bytes of content */
        int error;    /* 0, -ENOMEM, or -EMSGSIZE when the limit was met */
};

#define BUF_INIT(limit_bytes) ((struct buf){ .limit = (limit_bytes) })

void buf_init(struct buf *buf, size_t limit_bytes);
void buf_deinit(struct buf *buf);  /* frees; the buf may be used again with its limit */
void buf_clear(struct buf *buf);   /* len = 0, error = 0; keeps the memory */
bool buf_failed(const struct buf *buf);
struct slice buf_slice(const struct buf *buf);

void buf_add(struct buf *buf, const void *bytes, size_t len);
void buf_add_slice(struct buf *buf, struct slice slice);
void buf_add_text(struct buf *buf, const char *text);
void buf_add_char(struct buf *buf, char c);
void buf_add_int(struct buf *buf, int64_t value);
void buf_add_uint(struct buf *buf, uint64_t value);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Appends text as a JSON string with its quotes (RFC 8259 section 7). text must be UTF-8. */
void buf_add_json(struct buf *buf, struct slice text);

/* Drops the first count bytes (count <= len). */
void buf_consume(struct buf *buf, size_t count);

/* Makes room for len bytes and returns where to write them; buf_commit() then counts what was written. NULL on failure. */
char *buf_reserve(struct buf *buf, size_t len);
void buf_commit(struct buf *buf, size_t len);

/* Moves the content to the caller (free() it), NULL if failed or empty. The buf is empty then. */
char *buf_take(struct buf *buf, size_t *ret_len);

#define _cleanup_buf_ __attribute__((cleanup(buf_deinit)))
