/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ece.h: encryption of a Web Push message (RFC 8291) in the content coding aes128gcm (RFC 8188).
 *
 *      shared  = ECDH(our key for this message, the subscription's p256dh)
 *      ikm     = HKDF(salt: the subscription's auth, ikm: shared, info: "WebPush: info", 0, p256dh, our public key)
 *      key, nonce = HKDF(salt: this message's, ikm, info: "Content-Encoding: aes128gcm" or "Content-Encoding: nonce", 0)
 *      body    = salt (16), record size (4), 65 (1), our public key (65), AES-128-GCM(text, 2)
 *
 * 1. Our key and the salt are chance, and must be new for every message: two with the same ones give both texts away.
 * 2. A body is one record and at most 4096 bytes, which every push service must take (RFC 8030 section 7.2).
 */
#pragma once
#include <stdint.h>
#include "base/slice.h"

struct buf;

enum {
        ECE_PUBLIC_BYTES = 65,
        ECE_AUTH_BYTES = 16,
        ECE_SALT_BYTES = 16,
        ECE_SCALAR_BYTES = 32,
        ECE_BODY_MAX = 4096,
        ECE_PLAIN_MAX = ECE_BODY_MAX - 86 - 1 - 16, /* 3993: less the header, the delimiter and the tag */
};

/* The keys of a subscription, as the browser gave them. */
struct ece_keys {
        uint8_t p256dh[ECE_PUBLIC_BYTES];
        uint8_t auth[ECE_AUTH_BYTES];
};

/* Random bytes for one message. */
struct ece_chance {
        uint8_t scalar[ECE_SCALAR_BYTES];
        uint8_t salt[ECE_SALT_BYTES];
};

enum {
        ECE_E_KEYS = 1, /* the subscription's keys are none: wrong length, not a point of the curve */
        ECE_E_LARGE,    /* the text has more than ECE_PLAIN_MAX bytes */
        ECE_E_CHANCE,   /* one time in 2^32: the scalar is not a private key. Draw again */
};

/* Reads p256dh and auth: base64url or base64, with or without padding, as browsers and libraries write both. 0 or ECE_E_KEYS. */
__attribute__((warn_unused_result)) int ece_keys_parse(struct slice p256dh, struct slice auth, struct ece_keys *ret_keys);

/* Appends the body of the request: 0, an ECE_E_ answer, or -ENOMEM. */
__attribute__((warn_unused_result)) int ece_encrypt(struct slice text, const struct ece_keys *keys, const struct ece_chance *chance,
                                                    struct buf *out);
