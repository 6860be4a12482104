/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth.c: see auth.h. A token goes through three gates, and each sees only what passed the one before:
 *
 *      jwt_parse        its form and its header
 *      check_signature  a key of ours signed it; only then is the payload read
 *      jwt_read_claims  its claims, which are then held against the clock and the configuration
 */
#include "hub/auth.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/sha.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/encode.h"
#include "base/scan.h"
#include "hub/jwk.h"
#include "hub/jwt.h"

#define SKEW_MS INT64_C(30000) /* clocks that NTP keeps are much closer; RFC 7519 section 4.1.4 allows "a few minutes" */

enum { AUTH_SECRET_BYTES = 32 }; /* what RFC 7518 section 3.2 demands of HS256 */

struct auth {
        struct jwk_set *keys;
        const struct verifier *signer; /* of keys; NULL without a secret */
        char *audience;                /* NULL accepts any */
        char *issuer;
        uint8_t api_keys[LIMIT_API_KEYS][SHA256_DIGEST_LENGTH];
        size_t n_api_keys;
};

static inline void auth_clean(struct auth **auth) {
        auth_free(*auth);
}

static int refuse(char **ret_error, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int refuse(char **ret_error, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        int r = vasprintf(ret_error, format, arguments);
        va_end(arguments);
        return r < 0 ? -ENOMEM : 1;
}

static bool is_set(const char *text) {
        return text && text[0] != '\0';
}

/* In development mode a short one will do: it signs as if zeros were behind it (RFC 2104 section 2). */
static int add_secret(struct auth *auth, const char *secret, bool may_be_short, char **ret_error) {
        char *error = NULL, padded[AUTH_SECRET_BYTES] = "";
        struct slice key = slice_of(secret);
        if (may_be_short && key.len < sizeof(padded)) {
                memcpy(padded, key.ptr, key.len);
                key = (struct slice){ padded, sizeof(padded) };
        }
        int r = jwk_set_add_secret(auth->keys, key, &auth->signer, &error);
        if (r == JWK_E_INVALID)
                r = refuse(ret_error, "auth.jwt_secret: %s", error);
        free(error);
        return r;
}

static int add_file(struct auth *auth, const char *path, char **ret_error) {
        char *error = NULL;
        int r = jwk_set_add_file(auth->keys, path, &error);
        if (r == JWK_E_INVALID)
                r = refuse(ret_error, "auth.jwks_file: %s", error);
        free(error);
        return r;
}

/* One key a line. Only hashes are kept: they have one length, so that comparing them tells nothing. */
static int add_api_keys(struct auth *auth, const char *text, char **ret_error) {
        for (const char *line = text; line[0] != '\0';) {
                line += strspn(line, " \t\r\n");
                size_t len = strcspn(line, "\r\n");
                const char *next = line + len;
                while (len > 0 && (line[len - 1] == ' ' || line[len - 1] == '\t'))
                        len--;
                if (len > 0) {
                        if (auth->n_api_keys == LIMIT_API_KEYS)
                                return refuse(ret_error, "auth.api_key: there are more than %d keys", LIMIT_API_KEYS);
                        if (!SHA256((const unsigned char *)line, len, auth->api_keys[auth->n_api_keys]))
                                return -ENOMEM;
                        auth->n_api_keys++;
                }
                line = next;
        }
        return 0;
}

static int copy_text(const char *text, char **ret_copy) {
        if (!is_set(text))
                return 0;
        *ret_copy = strdup(text);
        return *ret_copy ? 0 : -ENOMEM;
}

int auth_new(const struct config *config, struct auth **ret_auth, char **ret_error) {
        __attribute__((cleanup(auth_clean))) struct auth *auth = calloc(1, sizeof(*auth));
        if (!auth)
                return -ENOMEM;
        if (!is_set(config->jwt_secret) && !is_set(config->jwks_file))
                return refuse(ret_error, "No token could be checked: set auth.jwt_secret (BELFRY_JWT_SECRET) or auth.jwks_file.");

        int r = jwk_set_new(&auth->keys);
        if (r == 0 && is_set(config->jwt_secret))
                r = add_secret(auth, config->jwt_secret, config->dev, ret_error);
        if (r == 0 && is_set(config->jwks_file))
                r = add_file(auth, config->jwks_file, ret_error);
        if (r == 0 && is_set(config->api_key))
                r = add_api_keys(auth, config->api_key, ret_error);
        if (r == 0)
                r = copy_text(config->jwt_audience, &auth->audience);
        if (r == 0)
                r = copy_text(config->jwt_issuer, &auth->issuer);
        if (r)
                return r;
        *ret_auth = auth;
        auth = NULL;
        return 0;
}

struct auth *auth_free(struct auth *auth) {
        if (!auth)
                return NULL;
        jwk_set_free(auth->keys);
        free(auth->audience);
        free(auth->issuer);
        free(auth);
        return NULL;
}

/* 0 if a key of ours signed it. There are at most LIMIT_JWKS_KEYS to try, and only for a token without a known kid. */
static int check_signature(const struct auth *auth, const struct jwt *jwt) {
        const char *kid = jwt->kid[0] == '\0' ? NULL : jwt->kid;
        const struct verifier *key;
        for (size_t position = 0; (key = jwk_set_next(auth->keys, jwt->alg, kid, &position));) {
                int r = verifier_check(key, jwt->signed_part, jwt->signature);
                if (r != VERIFIER_E_FORGED)
                        return r;
        }
        return AUTH_E_BAD;
}

/* Are the claims good, but for exp? */
static bool is_acceptable(const struct auth *auth, const struct jwt_claims *claims, int64_t now_ms) {
        if (!auth_is_id((struct slice){ claims->sub, claims->sub_len }))
                return false;
        if (claims->dev_len > 0 && !auth_is_id((struct slice){ claims->dev, claims->dev_len }))
                return false;
        if (claims->nbf * 1000 - SKEW_MS > now_ms || claims->iat * 1000 - SKEW_MS > now_ms)
                return false;
        if (auth->audience && !jwt_names(&claims->aud, slice_of(auth->audience)))
                return false;
        if (auth->issuer && !jwt_names(&claims->iss, slice_of(auth->issuer)))
                return false;
        return true;
}

/* False: they are too many, or one is no id. */
static bool copy_channels(const struct scan_value *array, char *out) {
        char text[LIMIT_TOKEN_BYTES];
        struct scan_value item;
        size_t len, used = 0;
        for (size_t position = 0; array->raw.ptr && scan_array(array->raw, &position, &item);) {
                if (scan_string(item.raw, text, sizeof(text), &len) || !auth_is_id((struct slice){ text, len }) ||
                    used + len + 1 > LIMIT_TOKEN_CHANNELS_BYTES)
                        return false;
                if (used)
                        out[used++] = ' ';
                memcpy(out + used, text, len);
                used += len;
        }
        out[used] = '\0';
        return true;
}

int auth_verify(struct auth *auth, struct slice token, int64_t now_ms, struct auth_claims *ret_claims) {
        struct jwt jwt;
        if (jwt_parse(token, &jwt) != 0)
                return AUTH_E_BAD;
        int r = check_signature(auth, &jwt);
        if (r)
                return r;
        struct jwt_claims claims;
        if (jwt_read_claims(&jwt, &claims) != 0 || !is_acceptable(auth, &claims, now_ms))
                return AUTH_E_BAD;
        if (claims.exp * 1000 <= now_ms) /* "on or after which": RFC 7519 section 4.1.4 */
                return AUTH_E_EXPIRED;

        struct auth_claims result = { .expires_ms = claims.exp * 1000, .issued_ms = claims.iat < 0 ? 0 : claims.iat * 1000 };
        memcpy(result.user, claims.sub, claims.sub_len);
        memcpy(result.device, claims.dev, claims.dev_len);
        if (!copy_channels(&claims.channels, result.channels))
                return AUTH_E_BAD;
        *ret_claims = result;
        return 0;
}

bool auth_is_api_key(const struct auth *auth, struct slice key) {
        uint8_t hash[SHA256_DIGEST_LENGTH];
        if (key.len == 0)
                return false;
        if (!SHA256((const unsigned char *)key.ptr, key.len, hash)) {
                ERR_clear_error(); /* no memory; verifier#4 says why the queue must be empty */
                return false;
        }
        /* All of them, also after a match: the time must not tell which one it was. */
        unsigned matches = 0;
        for (size_t i = 0; i < auth->n_api_keys; i++)
                matches |= CRYPTO_memcmp(hash, auth->api_keys[i], sizeof(hash)) == 0;
        return matches != 0;
}

static void add_base64url(struct buf *buf, const void *bytes, size_t len) {
        char *out = buf_reserve(buf, ENCODE_BASE64URL_LEN(len));
        if (out)
                buf_commit(buf, encode_base64url(bytes, len, out));
}

static void add_claim(struct buf *payload, const char *name, const char *text) {
        if (!is_set(text))
                return;
        buf_add_char(payload, ',');
        buf_add_json(payload, slice_of(name));
        buf_add_char(payload, ':');
        buf_add_json(payload, slice_of(text));
}

char *auth_sign(const struct auth *auth, const char *user, const char *device, int64_t now_ms, int64_t ttl_s) {
        static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
        int64_t now_s = now_ms / 1000, exp;
        if (!auth->signer)
                return NULL;
        /* What auth_verify() would call bad is not signed. */
        if (now_ms < 0 || __builtin_add_overflow(now_s, ttl_s, &exp) || exp < 0 || exp > JWT_DATE_MAX)
                return NULL;
        if (!auth_is_id(slice_of(user)) || (is_set(device) && !auth_is_id(slice_of(device))))
                return NULL;

        _cleanup_buf_ struct buf payload = BUF_INIT(LIMIT_TOKEN_BYTES);
        buf_printf(&payload, "{\"iat\":%lld,\"exp\":%lld", (long long)now_s, (long long)exp);
        add_claim(&payload, "sub", user);
        add_claim(&payload, "dev", device);
        add_claim(&payload, "aud", auth->audience);
        add_claim(&payload, "iss", auth->issuer);
        buf_add_char(&payload, '}');
        if (buf_failed(&payload))
                return NULL;

        _cleanup_buf_ struct buf token = BUF_INIT(LIMIT_TOKEN_BYTES);
        add_base64url(&token, header, sizeof(header) - 1);
        buf_add_char(&token, '.');
        add_base64url(&token, payload.ptr, payload.len);
        uint8_t mac[VERIFIER_MAC_BYTES];
        if (buf_failed(&token) || verifier_sign(auth->signer, buf_slice(&token), mac) != 0)
                return NULL;
        buf_add_char(&token, '.');
        add_base64url(&token, mac, sizeof(mac));
        return buf_take(&token, NULL);
}

/* Unicode White_Space and the controls C0, DEL and C1 (PropList.txt, UnicodeData.txt), and '/', which would split a path. */
static bool is_forbidden(uint32_t c) {
        return c <= 0x20 || c == '/' || (c >= 0x7f && c <= 0xa0) || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
               c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

/* Decodes one character of valid UTF-8 (RFC 3629 section 3) and moves *text behind it. */
static uint32_t take_character(const unsigned char **text) {
        const unsigned char *p = *text;
        unsigned more = p[0] < 0x80 ? 0 : p[0] < 0xe0 ? 1 : p[0] < 0xf0 ? 2 : 3;
        uint32_t c = more == 0 ? p[0] : p[0] & (0x3fu >> more);
        for (unsigned i = 1; i <= more; i++)
                c = c << 6 | (p[i] & 0x3f);
        *text = p + 1 + more;
        return c;
}

bool auth_is_id(struct slice id) {
        if (id.len == 0 || id.len > LIMIT_ID_BYTES || !scan_utf8(id))
                return false;
        const unsigned char *end = (const unsigned char *)id.ptr + id.len;
        for (const unsigned char *p = (const unsigned char *)id.ptr; p < end;)
                if (is_forbidden(take_character(&p)))
                        return false;
        return true;
}
