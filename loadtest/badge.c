/* SPDX-License-Identifier: Apache-2.0 */
/* badge.c: see badge.h. */
#include "loadtest/badge.h"
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include "base/buf.h"
#include "base/encode.h"
#include "base/limits.h"

static void add_base64url(struct buf *out, const void *bytes, size_t len) {
        char *to = buf_reserve(out, ENCODE_BASE64URL_LEN(len));
        if (to)
                buf_commit(out, encode_base64url(bytes, len, to));
}

void badge_add(struct slice secret, struct slice user, struct slice device, int64_t expires_s, struct buf *out) {
        static const char head[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
        _cleanup_buf_ struct buf claims = BUF_INIT(LIMIT_TOKEN_BYTES);
        buf_printf(&claims, "{\"sub\":\"%.*s\",\"dev\":\"%.*s\",\"exp\":%lld}", (int)user.len, user.ptr, (int)device.len,
                   device.ptr, (long long)expires_s);
        size_t start = out->len;
        add_base64url(out, head, sizeof head - 1);
        buf_add_char(out, '.');
        add_base64url(out, claims.ptr, claims.len);
        if (buf_failed(out))
                return;
        unsigned char digest[EVP_MAX_MD_SIZE];
        unsigned len = 0;
        if (secret.len > INT_MAX || !HMAC(EVP_sha256(), secret.ptr, (int)secret.len, (const unsigned char *)out->ptr + start,
                                          out->len - start, digest, &len))
                len = 0; /* no signature: the server will say so */
        buf_add_char(out, '.');
        add_base64url(out, digest, len);
}
