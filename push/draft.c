/* SPDX-License-Identifier: Apache-2.0 */
/* draft.c: see draft.h. */
#include "push/draft.h"

#include <assert.h>
#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "base/encode.h"
#include "base/limits.h"

enum {
        URL_BYTES = 2 * LIMIT_PUSH_ENDPOINT_BYTES,
        HEADER_BYTES = 8192, /* an access token of Google's may have 2048 */
        BODY_BYTES = 131072, /* while it is written; each provider's own limit comes after */
};

void draft_init(struct draft *draft) {
        *draft = (struct draft){
                .url = BUF_INIT(URL_BYTES),
                .headers = BUF_INIT(HEADER_BYTES),
                .body = BUF_INIT(BODY_BYTES),
        };
}

static void wipe(struct buf *buf) {
        if (buf->ptr)
                OPENSSL_cleanse(buf->ptr, buf->len);
        buf_deinit(buf);
}

void draft_deinit(struct draft *draft) {
        wipe(&draft->url);
        wipe(&draft->headers);
        wipe(&draft->body);
}

bool draft_failed(const struct draft *draft) {
        return buf_failed(&draft->url) || buf_failed(&draft->headers) || buf_failed(&draft->body);
}

static bool is_printable(struct slice text) {
        for (size_t i = 0; i < text.len; i++)
                if (text.ptr[i] < ' ' || text.ptr[i] > '~')
                        return false;
        return true;
}

void draft_add_header(struct draft *draft, const char *name, const char *value) {
        assert(is_printable(slice_of(value)));
        buf_add_text(&draft->headers, name);
        buf_add_text(&draft->headers, ": ");
        buf_add(&draft->headers, value, strlen(value) + 1);
}

void draft_add_number(struct draft *draft, const char *name, int64_t value) {
        buf_add_text(&draft->headers, name);
        buf_add_text(&draft->headers, ": ");
        buf_add_int(&draft->headers, value);
        buf_add_char(&draft->headers, '\0');
}

void draft_get_headers(const struct draft *draft, const char *ret_headers[static DRAFT_HEADERS + 1]) {
        size_t count = 0;
        for (size_t at = 0; at < draft->headers.len; at += strlen(draft->headers.ptr + at) + 1) {
                assert(count < DRAFT_HEADERS);
                ret_headers[count++] = draft->headers.ptr + at;
        }
        ret_headers[count] = NULL;
}

void draft_topic(struct slice collapse, char out[static DRAFT_TOPIC_BYTES + 1]) {
        unsigned char digest[SHA256_DIGEST_LENGTH];
        SHA256((const unsigned char *)collapse.ptr, collapse.len, digest);
        size_t len = encode_base64url(digest, DRAFT_TOPIC_BYTES * 3 / 4, out);
        assert(len == DRAFT_TOPIC_BYTES);
        out[len] = '\0';
}

void draft_collapse(struct slice collapse, char *out, size_t max) {
        unsigned char digest[SHA256_DIGEST_LENGTH];
        size_t len = collapse.len;
        if (len <= max && is_printable(collapse) && (len == 0 || (collapse.ptr[0] != ' ' && collapse.ptr[len - 1] != ' '))) {
                memcpy(out, collapse.ptr, len);
        } else {
                SHA256((const unsigned char *)collapse.ptr, collapse.len, digest);
                assert(max >= ENCODE_BASE64URL_LEN(sizeof(digest)));
                len = encode_base64url(digest, sizeof(digest), out);
        }
        out[len] = '\0';
}
