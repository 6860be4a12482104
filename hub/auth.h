/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth.h: who is calling: JWTs of users (RFC 7519, RFC 8725) and the API key of the backend.
 *
 * 1. The algorithm comes from our key, never from the token alone: each key has exactly one, and a token whose alg is not its
 *    key's is refused. "none" is no algorithm in any letter case.
 * 2. MACs and keys are compared in constant time.
 * 3. auth_verify() answers; it never logs a token.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/limits.h"
#include "base/slice.h"

struct auth;
struct config;

enum {
        AUTH_E_BAD = 1, /* malformed, forged, not yet valid, for another audience or issuer, without sub or exp */
        AUTH_E_EXPIRED, /* all good, but exp has passed */
};

struct auth_claims {
        char user[LIMIT_ID_BYTES + 1];
        char device[LIMIT_ID_BYTES + 1]; /* "" if the token has no dev */
        char channels[LIMIT_TOKEN_CHANNELS_BYTES + 1]; /* ids it may subscribe to, with a space between */
        int64_t expires_ms;              /* exp */
        int64_t issued_ms;               /* iat, 0 if absent */
};

/* Keys from the configuration: the secret, the JWKS file. On failure *ret_error is one clear line (free() it) and the result is 1. */
__attribute__((warn_unused_result)) int auth_new(const struct config *config, struct auth **ret_auth, char **ret_error);
struct auth *auth_free(struct auth *auth);

/*
 * 0 and *ret_claims, an AUTH_E_ answer, or -ENOMEM. now_ms is wall time; 30 s of clock skew are forgiven for nbf and iat, none
 * for exp.
 */
__attribute__((warn_unused_result)) int auth_verify(struct auth *auth, struct slice token, int64_t now_ms, struct auth_claims *ret_claims);

/* Is this an API key of the backend? False if none is configured. */
bool auth_is_api_key(const struct auth *auth, struct slice key);

/* A token signed with the HS256 secret (free() it); NULL without a secret or memory. device may be NULL. */
char *auth_sign(const struct auth *auth, const char *user, const char *device, int64_t now_ms, int64_t ttl_s);

/* Is this a valid id (user, device, conv): 1 to 128 bytes of UTF-8 without controls, spaces or '/'? */
bool auth_is_id(struct slice id);
