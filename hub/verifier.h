/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verifier.h: one key with its one algorithm (RFC 7518, RFC 8037), and what it says about a signature.
 *
 * 1. A verifier is made for one algorithm and never does another, whatever a token says (RFC 8725 section 3.1).
 * 2. Weak keys are not made: HS256 under 256 bits (RFC 7518 section 3.2), RS256 under 2048 bits (section 3.3), points off the
 * curve.
 * 3. MACs are compared in constant time.
 * 4. OpenSSL's error queue is left empty: SSL_get_error() reads the same queue, and an error of ours in it would close an
 *    innocent TLS connection.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/slice.h"

struct verifier;

enum verifier_alg { VERIFIER_HS256, VERIFIER_RS256, VERIFIER_ES256, VERIFIER_EDDSA };

enum {
        VERIFIER_E_KEY = 1, /* these bytes are no key we would use: *ret_reason, a literal, says why */
        VERIFIER_E_FORGED,  /* not this key's signature of this text */
};

enum {
        VERIFIER_MAC_BYTES = 32,
        VERIFIER_KEY_BYTES = 1024, /* the longest secret or RSA modulus: 8192 bits, above which each check costs milliseconds */
};

/* All numbers are big-endian bytes, as JWKs carry them: an RSA modulus and exponent, the coordinates of a point. */
__attribute__((warn_unused_result)) int verifier_new_hs256(struct slice secret, struct verifier **ret_verifier,
                                                           const char **ret_reason);
__attribute__((warn_unused_result)) int verifier_new_rs256(struct slice n, struct slice e, struct verifier **ret_verifier,
                                                           const char **ret_reason);
__attribute__((warn_unused_result)) int verifier_new_es256(struct slice x, struct slice y, struct verifier **ret_verifier,
                                                           const char **ret_reason);
__attribute__((warn_unused_result)) int verifier_new_eddsa(struct slice x, struct verifier **ret_verifier,
                                                           const char **ret_reason);
struct verifier *verifier_free(struct verifier *verifier);

enum verifier_alg verifier_alg(const struct verifier *verifier);

/* 0 if signature is this key's signature of text, else VERIFIER_E_FORGED; -ENOMEM if it could not be found out. */
__attribute__((warn_unused_result)) int verifier_check(const struct verifier *verifier, struct slice text,
                                                       struct slice signature);

/* The signature that an HS256 verifier accepts: 0 or -ENOMEM. No other algorithm can sign. */
__attribute__((warn_unused_result)) int verifier_sign(const struct verifier *verifier, struct slice text,
                                                      uint8_t ret_mac[static VERIFIER_MAC_BYTES]);

/* The names of RFC 7518 section 3.1 and RFC 8037 section 3.1, exactly; false for any other, such as "none". */
bool verifier_alg_parse(struct slice name, enum verifier_alg *ret_alg);
const char *verifier_alg_name(enum verifier_alg alg);
