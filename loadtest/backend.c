/* SPDX-License-Identifier: Apache-2.0 */
/* backend.c: see backend.h. */
#include "loadtest/backend.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/limits.h"
#include "base/scan.h"
#include "loadtest/plan.h"
#include "loadtest/veil.h"

enum { ANSWER_BYTES = 4 << 20 };

/* One connection to the API, kept over all batches. */
struct line {
        int fd;
        struct veil_context *context;
        struct veil *veil;
        struct buf in;
};

static int line_close(struct line *line) {
        veil_free(line->veil);
        veil_context_free(line->context);
        if (line->fd >= 0)
                close(line->fd);
        buf_deinit(&line->in);
        return 1;
}

static int line_open(struct line *line, const struct plan *plan, uint32_t source, char *error) {
        const char *why = "";
        *line = (struct line){ .fd = dial_start(&plan->dial, source, true), .in = BUF_INIT(ANSWER_BYTES) };
        if (line->fd < 0) {
                snprintf(error, BACKEND_ERROR_BYTES, "the hub cannot be reached: %s", strerror(-line->fd));
                return 1;
        }
        if (!plan->dial.tls)
                return 0;
        line->context = veil_context_new(plan->dial.host, plan->ca_path, plan->unverified, false, &why);
        line->veil = line->context ? veil_new(line->context, line->fd) : NULL;
        if (line->veil && veil_handshake(line->veil) == 0)
                return 0;
        snprintf(error, BACKEND_ERROR_BYTES, "no TLS with the hub: %s", line->context ? "its certificate is not believed" : why);
        return 1;
}

static bool line_write(struct line *line, const char *bytes, size_t len) {
        while (len > 0) {
                size_t written = 0;
                if (line->veil) {
                        if (veil_write(line->veil, bytes, len, &written) != 0)
                                return false;
                } else {
                        ssize_t sent = send(line->fd, bytes, len, MSG_NOSIGNAL);
                        if (sent <= 0)
                                return false;
                        written = (size_t)sent;
                }
                bytes += written;
                len -= written;
        }
        return true;
}

/* Reads some more; false at the end, after 10 s of silence, or when the answer is too long. */
static bool line_read(struct line *line) {
        char *to = buf_reserve(&line->in, 16384);
        size_t len = 0;
        if (!to)
                return false;
        if (line->veil)
                return veil_read(line->veil, to, 16384, &len) == 0 && (buf_commit(&line->in, len), true);
        ssize_t got = recv(line->fd, to, 16384, 0);
        if (got > 0)
                buf_commit(&line->in, (size_t)got);
        return got > 0;
}

/* The status and the body of the next answer, which stays in line->in. */
static bool line_answer(struct line *line, int *ret_status, struct slice *ret_body) {
        static const char length_name[] = "\r\ncontent-length:";
        const char *end = NULL;
        buf_clear(&line->in);
        while (!end) {
                if (!line_read(line))
                        return false;
                end = memmem(line->in.ptr, line->in.len, "\r\n\r\n", 4);
        }
        size_t head = (size_t)(end + 4 - line->in.ptr);
        line->in.ptr[head - 1] = '\0'; /* so that the head is a text of its own */
        const char *length = strcasestr(line->in.ptr, length_name);
        long long len = length ? strtoll(length + sizeof length_name - 1, NULL, 10) : -1;
        if (strncmp(line->in.ptr, "HTTP/1.1 ", 9) != 0 || len < 0 || len > ANSWER_BYTES)
                return false;
        *ret_status = (int)strtol(line->in.ptr + 9, NULL, 10);
        while (line->in.len < head + (size_t)len)
                if (!line_read(line))
                        return false;
        *ret_body = (struct slice){ line->in.ptr + head, (size_t)len };
        return true;
}

static void add_batch(const struct backend_order *order, uint32_t from, uint32_t to, struct buf *out) {
        buf_add_text(out, "{\"operations\":[");
        for (uint32_t i = from; i < to; i++) {
                buf_add_text(out, i > from ? ",{\"method\":\"PUT\",\"path\":\"/v1/conversations/"
                                           : "{\"method\":\"PUT\",\"path\":\"/v1/conversations/");
                order->add_name(i, out, order->context);
                buf_printf(out, "\",\"body\":{\"kind\":\"%s\",%s\"members\":[", order->kind,
                           strcmp(order->kind, "channel") == 0 ? "\"public\":true," : "");
                order->add_members(i, out, order->context);
                buf_add_text(out, "]}}");
        }
        buf_add_text(out, "]}");
}

/* Is each result of a batch a 2xx? */
static bool all_made(struct slice body, uint32_t count) {
        struct scan_value top, result;
        struct scan_field fields[4];
        size_t fields_count = 0, at = 0;
        uint32_t made = 0;
        if (scan_text(body, LIMIT_JSON_DEPTH, &top) != 0 || top.type != SCAN_OBJECT ||
            scan_object(top.raw, fields, 4, &fields_count) != 0)
                return false;
        const struct scan_value *results = scan_find(fields, fields_count, "results");
        if (!results || results->type != SCAN_ARRAY)
                return false;
        struct slice array = results->raw;
        while (scan_array(array, &at, &result)) {
                if (result.type != SCAN_OBJECT || scan_object(result.raw, fields, 4, &fields_count) != 0)
                        return false;
                const struct scan_value *status = scan_find(fields, fields_count, "status");
                made += status && status->type == SCAN_INT && status->integer / 100 == 2;
        }
        return made == count;
}

static int make_batch(struct line *line, const struct backend_order *order, uint32_t from, uint32_t to, char *error) {
        const struct plan *plan = order->plan;
        _cleanup_buf_ struct buf body = BUF_INIT(LIMIT_HTTP_BODY_BYTES), head = BUF_INIT(LIMIT_HTTP_HEADER_BYTES);
        add_batch(order, from, to, &body);
        buf_printf(&head,
                   "POST /v1/batch HTTP/1.1\r\nHost: %s:%s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"
                   "Content-Length: %zu\r\n\r\n",
                   plan->dial.host, plan->dial.port, plan->api_key, body.len);
        int status = 0;
        struct slice answer = { NULL, 0 };
        if (buf_failed(&body) || buf_failed(&head)) {
                snprintf(error, BACKEND_ERROR_BYTES, "the members of a conversation are too many for one request");
                return 1;
        }
        if (!line_write(line, head.ptr, head.len) || !line_write(line, body.ptr, body.len) ||
            !line_answer(line, &status, &answer)) {
                snprintf(error, BACKEND_ERROR_BYTES, "the hub did not answer POST /v1/batch");
                return 1;
        }
        if (status == 200 && all_made(answer, to - from))
                return 0;
        snprintf(error, BACKEND_ERROR_BYTES, "the hub did not make the conversations: status %d, %.*s", status,
                 (int)(answer.len < 120 ? answer.len : 120), answer.ptr ? answer.ptr : "");
        return 1;
}

/* So many that a request of members with names of up to 30 bytes stays below the limit. */
static uint32_t batch_size(const struct plan *plan) {
        uint32_t fits = LIMIT_HTTP_BODY_BYTES / 2 / (32 * plan->room + 128);
        return fits < 1 ? 1 : fits > LIMIT_BATCH_OPERATIONS ? LIMIT_BATCH_OPERATIONS : fits;
}

int backend_make(const struct backend_order *order, char error[static BACKEND_ERROR_BYTES]) {
        struct line line;
        int r = line_open(&line, order->plan, order->source, error);
        uint32_t step = batch_size(order->plan);
        for (uint32_t from = 0; r == 0 && from < order->count && !order->is_cancelled(order->context); from += step)
                r = make_batch(&line, order, from, order->count - from < step ? order->count : from + step, error);
        line_close(&line);
        return r;
}
