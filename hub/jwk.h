/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jwk.h: the keys that tokens may be signed with, from a JWK Set (RFC 7517, RFC 7518 section 6, RFC 8037 section 2).
 *
 * 1. The table is filled at start and does not change. A token names a key in it and can bring none: jku, x5u, x5c and jwk in
 *    its header are never read (RFC 8725 section 3.10).
 * 2. Each key has exactly one algorithm: its "alg", or what its kty and crv imply.
 * 3. A kid names at most one key.
 * 4. Keys that are for something else are passed over, as RFC 7517 section 5 advises: use "enc", key_ops without "verify",
 *    other kty, crv or alg. A key that is for us and is broken or weak is an error, and so is a set with no key for us.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/slice.h"
#include "hub/verifier.h"

struct jwk_set;

enum { JWK_E_INVALID = 1 }; /* *ret_error is one line saying what and where (free() it) */

__attribute__((warn_unused_result)) int jwk_set_new(struct jwk_set **ret_set);
struct jwk_set *jwk_set_free(struct jwk_set *set);

/* The key without kid that is shared with the app's backend; *ret_verifier is borrowed from the set. */
__attribute__((warn_unused_result)) int jwk_set_add_secret(struct jwk_set *set, struct slice secret,
                                                           const struct verifier **ret_verifier, char **ret_error);
/* The keys of a JWK Set: the text, or a file of it. After an error the set may hold some of them: free it. */
__attribute__((warn_unused_result)) int jwk_set_add_text(struct jwk_set *set, struct slice text, char **ret_error);
__attribute__((warn_unused_result)) int jwk_set_add_file(struct jwk_set *set, const char *path, char **ret_error);

/*
 * The next key that a token with this alg and kid (NULL if it has none) may be checked by; NULL when there are no more. Start
 * with *position = 0.
 *
 * A kid that is in the table means that key alone, and only for its own algorithm. Otherwise all keys of that algorithm are
 * candidates, but those with another kid: an issuer may set kid although its secret was given to us without one.
 */
const struct verifier *jwk_set_next(const struct jwk_set *set, enum verifier_alg alg, const char *kid, size_t *position);

/* Is text a kid: 1 to LIMIT_KID_BYTES letters, digits and . _ - + / = as in base64 (AWS Cognito has such)? */
bool jwk_is_kid(struct slice text);
