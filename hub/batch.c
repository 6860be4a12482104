/* SPDX-License-Identifier: Apache-2.0 */
/* batch.c: see batch.h. */
#include "hub/batch.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/scan.h"
#include "hub/api.h"
#include "hub/http.h"
#include "hub/target.h"

enum {
        BATCH_METHOD_BYTES = 16,
        BATCH_ERROR_BYTES = 1024,
        /* Room for what surrounds the bodies of results, and for errors instead of those that are too much. */
        BATCH_ROOM_BYTES = LIMIT_BATCH_OPERATIONS * BATCH_ERROR_BYTES,
};

struct batch {
        struct http *http; /* one reference; its body holds the operations */
        struct slice operations;
        size_t position;
        struct buf results;
        struct http *inner; /* under way */
        bool stepping;
};

static void batch_end(struct batch *batch) {
        buf_add_char(&batch->results, ']');
        if (buf_failed(&batch->results))
                http_fail_code(batch->http, ERROR_INTERNAL, NULL);
        else
                http_answer_fields(batch->http, 200, buf_slice(&batch->results));
        http_unref(batch->http);
        buf_deinit(&batch->results);
        free(batch);
}

static void batch_add_result(struct batch *batch, int status, const char *content_type, struct slice body) {
        _cleanup_buf_ struct buf error = BUF_INIT(BATCH_ERROR_BYTES);
        bool json = strcmp(content_type, "application/json") == 0;
        if (batch->results.len + body.len * (json ? 1 : 6) > LIMIT_BATCH_BYTES) {
                http_build_error(&error, ERROR_TOO_LARGE, "it was done, but the results of this batch are too large to be told");
                body = buf_slice(&error);
                status = codes_error(ERROR_TOO_LARGE)->status;
                json = true;
        }
        buf_printf(&batch->results, "%s{\"status\":%d,\"body\":", batch->results.ptr[batch->results.len - 1] == '[' ? "" : ",", status);
        if (body.len == 0)
                buf_add_text(&batch->results, "null");
        else if (json)
                buf_add_slice(&batch->results, body);
        else
                buf_add_json(&batch->results, body);
        buf_add_char(&batch->results, '}');
}

static void batch_go_on(struct batch *batch);

static void batch_on_answer(void *arg, int status, const char *content_type, struct slice body) {
        struct batch *batch = arg;
        if (!buf_failed(&batch->results))
                batch_add_result(batch, status, content_type, body);
        batch->inner = http_unref(batch->inner);
        batch_go_on(batch);
}

static enum http_method batch_method(const char *text, bool *ret_head) {
        static const char *const texts[] = { [HTTP_GET] = "GET", [HTTP_PUT] = "PUT", [HTTP_POST] = "POST", [HTTP_DELETE] = "DELETE" };
        *ret_head = strcmp(text, "HEAD") == 0;
        if (*ret_head)
                return HTTP_GET;
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
                if (strcmp(text, texts[i]) == 0)
                        return (enum http_method)i;
        return HTTP_OTHER;
}

/* Fills in the request that an operation is; false and answered if it is none. */
static bool batch_read(struct http *inner, const struct scan_value *operation) {
        struct scan_field fields[LIMIT_JSON_FIELDS];
        char method[BATCH_METHOD_BYTES], target[LIMIT_HTTP_URI_BYTES + 1];
        size_t count, len;
        if (operation->type != SCAN_OBJECT || scan_object(operation->raw, fields, LIMIT_JSON_FIELDS, &count)) {
                http_fail(inner, ERROR_BAD_REQUEST, 422, "an operation is {method, path, body}");
                return false;
        }
        const struct scan_value *method_value = scan_find(fields, count, "method"), *path = scan_find(fields, count, "path");
        const struct scan_value *body = scan_find(fields, count, "body");
        if (!method_value || method_value->type != SCAN_STRING || !path || path->type != SCAN_STRING) {
                http_fail(inner, ERROR_BAD_REQUEST, 422, "an operation is {method, path, body}");
                return false;
        }
        if (scan_string(method_value->raw, method, sizeof(method), &len))
                method[0] = '\0';
        inner->method = batch_method(method, &inner->head);
        int r = scan_string(path->raw, target, sizeof(target), &len);
        if (!r)
                r = target_parse((struct slice){ target, len }, inner->path, inner->query, sizeof(inner->path));
        else
                r = TARGET_E_LONG;
        if (r) {
                http_fail(inner, ERROR_BAD_REQUEST, r == TARGET_E_LONG ? 414 : 400, r == TARGET_E_LONG ? "the path is too long" : "this is no path");
                return false;
        }
        if (body && body->type != SCAN_NULL)
                buf_add_slice(&inner->body, body->raw);
        return true;
}

static void batch_start(struct batch *batch, const struct scan_value *operation) {
        struct http *inner = http_new_inner(batch->http, batch_on_answer, batch);
        if (!inner) {
                _cleanup_buf_ struct buf error = BUF_INIT(BATCH_ERROR_BYTES);
                http_build_error(&error, ERROR_INTERNAL, NULL);
                batch_add_result(batch, 500, "application/json", buf_slice(&error));
                return;
        }
        batch->inner = http_ref(inner); /* let go by its answer, which may come right now */
        if (batch_read(inner, operation))
                api_handle(inner);
        http_unref(inner);
}

/* Answers may come at once: a loop, so that a hundred of them do not nest. */
static void batch_go_on(struct batch *batch) {
        struct scan_value operation;
        if (batch->stepping)
                return;
        batch->stepping = true;
        while (!batch->inner && batch->http->wsi && !buf_failed(&batch->results) && scan_array(batch->operations, &batch->position, &operation)) {
                http_renew(batch->http);
                batch_start(batch, &operation);
        }
        batch->stepping = false;
        if (!batch->inner)
                batch_end(batch);
}

void batch_run(struct http *http, struct slice operations) {
        struct scan_value item;
        size_t position = 0, count = 0;
        while (scan_array(operations, &position, &item))
                count++;
        if (count > LIMIT_BATCH_OPERATIONS) {
                http_fail_code(http, ERROR_TOO_LARGE, "a batch holds at most 100 operations");
                return;
        }
        struct batch *batch = calloc(1, sizeof(*batch));
        if (!batch) {
                http_fail_code(http, ERROR_INTERNAL, NULL);
                return;
        }
        batch->http = http_ref(http);
        batch->operations = operations;
        buf_init(&batch->results, LIMIT_BATCH_BYTES + BATCH_ROOM_BYTES);
        buf_add_text(&batch->results, "\"results\":[");
        batch_go_on(batch);
}
