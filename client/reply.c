/* SPDX-License-Identifier: Apache-2.0 */
/* reply.c: see reply.h. */
#include "client/reply.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HEAD_BYTES = 16384, CHUNK_OVERHEAD_BYTES = 65536 };

void reply_init(struct reply *reply, size_t limit_bytes, bool upgrade) {
        memset(reply, 0, sizeof(*reply));
        reply->upgrade = upgrade;
        buf_init(&reply->head, HEAD_BYTES);
        buf_init(&reply->body, limit_bytes);
        buf_init(&reply->raw, limit_bytes + CHUNK_OVERHEAD_BYTES);
}

void reply_deinit(struct reply *reply) {
        buf_deinit(&reply->head);
        buf_deinit(&reply->body);
        buf_deinit(&reply->raw);
}

struct slice reply_header(const struct reply *reply, const char *name) {
        size_t len = strlen(name);
        const char *line = reply->head.ptr, *end;

        while (line && (line = strstr(line, "\r\n")) != NULL) {
                line += 2;
                if (strncasecmp(line, name, len) != 0 || line[len] != ':')
                        continue;
                line += len + 1;
                line += strspn(line, " \t");
                end = strstr(line, "\r\n");
                while (end > line && (end[-1] == ' ' || end[-1] == '\t'))
                        end--;
                return (struct slice){ line, (size_t)(end - line) };
        }
        return (struct slice){ NULL, 0 };
}

/* Digits alone, up to what a span may be; -1 if it is anything else. */
static int64_t number_of(struct slice text) {
        int64_t number = 0;

        if (text.len == 0 || text.len > 15)
                return -1;
        for (size_t i = 0; i < text.len; i++) {
                if (text.ptr[i] < '0' || text.ptr[i] > '9')
                        return -1;
                number = number * 10 + (text.ptr[i] - '0');
        }
        return number;
}

int64_t reply_retry_after_ms(const struct reply *reply) {
        int64_t seconds = number_of(reply_header(reply, "retry-after"));

        return seconds < 0 || seconds > 86400 ? -1 : seconds * 1000;
}

static bool read_status(struct reply *reply) {
        const char *head = reply->head.ptr;

        if (reply->head.len < 12 || strncmp(head, "HTTP/1.", 7) != 0 || head[8] != ' ')
                return false;
        reply->status = (int)number_of((struct slice){ head + 9, 3 });
        return reply->status >= 100;
}

static void read_head(struct reply *reply) {
        struct slice coding = reply_header(reply, "transfer-encoding"), length = reply_header(reply, "content-length");
        int64_t bytes = number_of(length);

        if (!read_status(reply) || (length.ptr && bytes < 0)) {
                reply->state = REPLY_BROKEN;
                return;
        }
        if (reply->status == 101 && reply->upgrade) {
                reply->state = REPLY_WHOLE;
                return;
        }
        if (reply->status < 200 || reply->status == 204) { /* an interim answer: the real one follows */
                buf_clear(&reply->head);
                reply->state = reply->status == 204 ? REPLY_WHOLE : REPLY_HEAD;
                return;
        }
        reply->chunked = coding.len == 7 && strncasecmp(coding.ptr, "chunked", 7) == 0;
        reply->until_end = !reply->chunked && !length.ptr;
        reply->length = bytes > 0 ? (uint64_t)bytes : 0;
        reply->state = reply->chunked || reply->until_end || reply->length > 0 ? REPLY_BODY : REPLY_WHOLE;
        if (reply->length > reply->body.limit)
                reply->state = REPLY_BROKEN;
}

/* Byte by byte up to the empty line: heads are short, and what follows a 101 is not ours. */
static size_t feed_head(struct reply *reply, struct slice bytes) {
        size_t taken = 0;

        while (taken < bytes.len && reply->state == REPLY_HEAD) {
                if (bytes.ptr[taken] == '\0') {
                        reply->state = REPLY_BROKEN;
                        break;
                }
                buf_add_char(&reply->head, bytes.ptr[taken++]);
                if (buf_failed(&reply->head))
                        reply->state = REPLY_BROKEN;
                else if (reply->head.len >= 4 && memcmp(reply->head.ptr + reply->head.len - 4, "\r\n\r\n", 4) == 0)
                        read_head(reply);
        }
        return taken;
}

/* The next whole chunk of raw: false if more is needed, or it is over. */
static bool take_chunk(struct reply *reply) {
        char *line = reply->raw.ptr, *end = line ? memmem(line, reply->raw.len, "\r\n", 2) : NULL, *stop;
        unsigned long size;
        size_t before;

        if (!end)
                return false;
        size = strtoul(line, &stop, 16);
        if (stop == line || (*stop != '\r' && *stop != ';' && *stop != ' ') || size > reply->body.limit) {
                reply->state = REPLY_BROKEN;
                return false;
        }
        before = (size_t)(end - line) + 2;
        if (size == 0) {
                reply->state = REPLY_WHOLE; /* trailers are not looked at: the connection ends with this answer */
                return false;
        }
        if (reply->raw.len < before + size + 2)
                return false;
        buf_add(&reply->body, line + before, size);
        buf_consume(&reply->raw, before + size + 2);
        return true;
}

static void feed_body(struct reply *reply, struct slice bytes) {
        if (reply->chunked) {
                buf_add_slice(&reply->raw, bytes);
                while (take_chunk(reply))
                        continue;
        } else {
                buf_add_slice(&reply->body, bytes);
                if (!reply->until_end && reply->body.len >= reply->length)
                        reply->state = REPLY_WHOLE;
        }
        if (buf_failed(&reply->body) || buf_failed(&reply->raw))
                reply->state = REPLY_BROKEN;
}

size_t reply_feed(struct reply *reply, struct slice bytes) {
        size_t taken = 0;

        if (reply->state == REPLY_HEAD)
                taken = feed_head(reply, bytes);
        if (reply->state == REPLY_BODY && taken < bytes.len) {
                feed_body(reply, (struct slice){ bytes.ptr + taken, bytes.len - taken });
                taken = bytes.len;
        }
        return taken;
}

void reply_end(struct reply *reply) {
        if (reply->state == REPLY_BODY && reply->until_end)
                reply->state = REPLY_WHOLE;
        else if (reply->state != REPLY_WHOLE)
                reply->state = REPLY_BROKEN;
}
