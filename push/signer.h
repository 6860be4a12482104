/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signer.h: private keys that sign for us: JWTs (RFC 7515) by ES256 or RS256, webhooks by HMAC-SHA-256.
 *
 * 1. A key is checked when it is read: its kind, its curve or its size. What passed can sign.
 * 2. Keys never leave the signer but for the public half, and are wiped when it is freed.
 */
#pragma once
#include <stdint.h>
#include "base/slice.h"

struct buf;
struct signer;

enum {
        SIGNER_PUBLIC_BYTES = 65, /* an uncompressed point of P-256: 0x04, X, Y (SEC 1 section 2.3.3) */
        SIGNER_SCALAR_BYTES = 32,
        SIGNER_MAC_BYTES = 32,
};

enum signer_alg { SIGNER_ES256, SIGNER_RS256 };

enum { SIGNER_E_KEY = 1 }; /* the text is no key for this algorithm: *ret_reason says why (a literal) */

/* From PEM text (PKCS#8, or the older forms OpenSSL reads), without a passphrase. 0, SIGNER_E_KEY or -ENOMEM. */
__attribute__((warn_unused_result)) int signer_new_pem(struct slice pem, enum signer_alg alg, struct signer **ret_signer,
                                                       const char **ret_reason);
/* ES256 from the private scalar alone, as VAPID keys are often written. */
__attribute__((warn_unused_result)) int signer_new_scalar(const uint8_t scalar[static SIGNER_SCALAR_BYTES],
                                                          struct signer **ret_signer, const char **ret_reason);
struct signer *signer_free(struct signer *signer);

/* The public half of an ES256 key. */
void signer_public(const struct signer *signer, uint8_t out[static SIGNER_PUBLIC_BYTES]);

/* Appends the JWS compact form (RFC 7515 section 7.1) of two JSON texts: 0 or -ENOMEM (then out is failed, too). */
__attribute__((warn_unused_result)) int signer_jwt(const struct signer *signer, struct slice header, struct slice claims,
                                                   struct buf *out);

/* HMAC-SHA-256 (RFC 2104): 0 or -ENOMEM. */
__attribute__((warn_unused_result)) int signer_hmac(struct slice key, struct slice text, uint8_t out[static SIGNER_MAC_BYTES]);
