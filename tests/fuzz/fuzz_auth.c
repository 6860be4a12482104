/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a stranger can send to auth.c, and what a mistaken operator can give it. The first byte says what the rest is:
 *
 *      t  a whole token                       nobody can forge one
 *      h  the header of a token we sign       so that the fuzzer gets past the signature
 *      c  the payload of a token we sign      what is accepted, another JSON parser must read alike
 *      k  a JWK Set
 *      u  a user, then NUL and a device       what auth_sign() makes, auth_verify() accepts
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "base/config.h"
#include "base/encode.h"
#include "hub/auth.h"
#include "hub/jwk.h"

#define SECRET "0123456789012345678901234567890123456789"
#define NOW_MS INT64_C(1732150000000)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static struct {
        struct auth *auth;
        struct verifier *signer;
} t;

static void set_up(void) {
        struct config config = { .jwt_secret = (char *)SECRET, .api_key = (char *)"key" };
        char *error = NULL;
        const char *reason = NULL;
        if (auth_new(&config, &t.auth, &error) != 0 || verifier_new_hs256(SLICE(SECRET), &t.signer, &reason) != 0)
                abort();
}

static int verify(struct slice token, struct auth_claims *ret_claims) {
        int r = auth_verify(t.auth, token, NOW_MS, ret_claims);
        assert(r == 0 || r == AUTH_E_BAD || r == AUTH_E_EXPIRED);
        if (r == 0) {
                assert(auth_is_id(slice_of(ret_claims->user)));
                assert(ret_claims->device[0] == '\0' || auth_is_id(slice_of(ret_claims->device)));
                assert(ret_claims->expires_ms > NOW_MS);
                assert(ret_claims->issued_ms >= 0 && ret_claims->issued_ms <= NOW_MS + 30000);
        }
        return r;
}

static int sign_and_verify(struct slice header, struct slice payload, struct auth_claims *ret_claims) {
        char token[LIMIT_TOKEN_BYTES];
        if (ENCODE_BASE64URL_LEN(header.len) + ENCODE_BASE64URL_LEN(payload.len) + 2 + 43 > sizeof(token))
                return AUTH_E_BAD;
        size_t len = encode_base64url(header.ptr, header.len, token);
        token[len++] = '.';
        len += encode_base64url(payload.ptr, payload.len, token + len);
        uint8_t mac[VERIFIER_MAC_BYTES];
        if (verifier_sign(t.signer, (struct slice){ token, len }, mac) != 0)
                abort();
        token[len++] = '.';
        len += encode_base64url(mac, sizeof(mac), token + len);
        return verify((struct slice){ token, len }, ret_claims);
}

static void try_payload(struct slice payload) {
        struct auth_claims claims;
        if (sign_and_verify(SLICE("{\"alg\":\"HS256\"}"), payload, &claims) != 0)
                return;
        /* Jansson may refuse what does not matter to us, such as 1e400 in a claim we do not read; but never read it otherwise. */
        json_t *json = json_loadb(payload.ptr, payload.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
        if (!json)
                return;
        assert(slice_is((struct slice){ json_string_value(json_object_get(json, "sub")),
                                        json_string_length(json_object_get(json, "sub")) },
                        claims.user));
        assert(json_is_integer(json_object_get(json, "exp")));
        assert(json_integer_value(json_object_get(json, "exp")) * 1000 == claims.expires_ms);
        assert((json_object_get(json, "dev") != NULL) == (claims.device[0] != '\0'));
        assert(!json_object_get(json, "nbf") || json_integer_value(json_object_get(json, "nbf")) * 1000 <= NOW_MS + 30000);
        json_decref(json);
}

static void try_set(struct slice text) {
        struct jwk_set *set = NULL;
        char *error = NULL;
        if (jwk_set_new(&set) != 0)
                abort();
        int r = jwk_set_add_text(set, text, &error);
        assert(r == 0 || r == JWK_E_INVALID);
        assert((r == JWK_E_INVALID) == (error != NULL));
        int keys = 0;
        for (int alg = VERIFIER_HS256; alg <= VERIFIER_EDDSA; alg++)
                for (size_t position = 0; jwk_set_next(set, (enum verifier_alg)alg, NULL, &position);)
                        keys++;
        assert(r != 0 || keys > 0);
        free(error);
        jwk_set_free(set);
}

static void try_ids(struct slice text) {
        char user[512], device[512];
        const char *nul = memchr(text.ptr, '\0', text.len);
        size_t user_len = nul ? (size_t)(nul - text.ptr) : text.len, device_len = nul ? text.len - user_len - 1 : 0;
        if (user_len >= sizeof(user) || device_len >= sizeof(device))
                return;
        snprintf(user, sizeof(user), "%.*s", (int)user_len, text.ptr);
        snprintf(device, sizeof(device), "%.*s", (int)device_len, nul ? nul + 1 : "");
        char *token = auth_sign(t.auth, user, device, NOW_MS, 60);
        bool good = auth_is_id(slice_of(user)) && (device[0] == '\0' || auth_is_id(slice_of(device)));
        assert((token != NULL) == good);
        if (!token)
                return;
        struct auth_claims claims;
        assert(verify(slice_of(token), &claims) == 0);
        assert(strcmp(claims.user, user) == 0 && strcmp(claims.device, device) == 0);
        free(token);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
        if (!t.auth)
                set_up();
        if (len == 0)
                return 0;
        struct slice rest = { (const char *)bytes + 1, len - 1 };
        struct auth_claims claims;
        switch (bytes[0]) {
        case 't':
                (void)!verify(rest, &claims);
                break;
        case 'h':
                (void)!sign_and_verify(rest, SLICE("{\"sub\":\"alice\",\"exp\":1732153600}"), &claims);
                break;
        case 'c':
                try_payload(rest);
                break;
        case 'k':
                try_set(rest);
                break;
        case 'u':
                try_ids(rest);
                break;
        }
        return 0;
}
