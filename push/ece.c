/* SPDX-License-Identifier: Apache-2.0 */
/* ece.c: see ece.h. */
#include "push/ece.h"

#include <errno.h>
#include <stdbool.h>

#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/obj_mac.h>

#include "base/buf.h"
#include "base/encode.h"

enum {
        HASH_BYTES = 32,
        SHARED_BYTES = 32, /* the X coordinate alone: RFC 8291 section 3.1 */
        KEY_BYTES = 16,
        NONCE_BYTES = 12,
        TAG_BYTES = 16,
        RECORD_SIZE = 4096, /* rs: larger than text, delimiter and tag, so there is one record */
        BASE64_MAX = 128,
};

/* What turns into the other on the way from a private number to a body. All of it is wiped in the end. */
struct work {
        uint8_t public[ECE_PUBLIC_BYTES];
        uint8_t shared[SHARED_BYTES];
        uint8_t hash[HASH_BYTES], prk[HASH_BYTES];
        uint8_t key[KEY_BYTES], nonce[NONCE_BYTES];
};

/* Decodes either alphabet, padded or not: exactly len bytes. */
static bool decode(struct slice text, uint8_t *out, size_t len) {
        char plain[BASE64_MAX];
        while (text.len > 0 && text.ptr[text.len - 1] == '=')
                text.len--;
        if (text.len > sizeof(plain))
                return false;
        for (size_t i = 0; i < text.len; i++)
                plain[i] = text.ptr[i] == '+' ? '-' : text.ptr[i] == '/' ? '_' : text.ptr[i];
        size_t got = 0;
        return encode_base64url_decode((struct slice){ plain, text.len }, out, len, &got) == 0 && got == len;
}

/* P-256: a constant, which takes OpenSSL a tenth of all the work for one message to make. NULL without memory. */
static const EC_GROUP *curve(void) {
        static EC_GROUP *group;
        if (!group)
                group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
        return group;
}

/* Is it a point of P-256, uncompressed and not infinity? An answer computed with one that is not would tell about our key. */
static bool is_point(const uint8_t bytes[static ECE_PUBLIC_BYTES]) {
        const EC_GROUP *group = curve();
        EC_POINT *point = group ? EC_POINT_new(group) : NULL;
        bool is = point && bytes[0] == POINT_CONVERSION_UNCOMPRESSED &&
                  EC_POINT_oct2point(group, point, bytes, ECE_PUBLIC_BYTES, NULL) == 1;
        ERR_clear_error();
        EC_POINT_free(point);
        return is;
}

int ece_keys_parse(struct slice p256dh, struct slice auth, struct ece_keys *ret_keys) {
        struct ece_keys keys;
        if (!decode(p256dh, keys.p256dh, sizeof(keys.p256dh)) || !decode(auth, keys.auth, sizeof(keys.auth)) || !is_point(keys.p256dh))
                return ECE_E_KEYS;
        *ret_keys = keys;
        return 0;
}

/* Our public key of this message, and the secret shared with the subscription. */
static int agree(const struct ece_keys *keys, const uint8_t scalar[static ECE_SCALAR_BYTES], struct work *work) {
        int r = -ENOMEM;
        const EC_GROUP *group = curve();
        EC_POINT *ours = group ? EC_POINT_new(group) : NULL;
        EC_POINT *theirs = group ? EC_POINT_new(group) : NULL;
        EC_POINT *shared = group ? EC_POINT_new(group) : NULL;
        BIGNUM *number = BN_bin2bn(scalar, ECE_SCALAR_BYTES, NULL);
        BIGNUM *x = BN_new();

        if (!ours || !theirs || !shared || !number || !x)
                goto out;
        if (BN_is_zero(number) || BN_cmp(number, EC_GROUP_get0_order(group)) >= 0) {
                r = ECE_E_CHANCE;
                goto out;
        }
        BN_set_flags(number, BN_FLG_CONSTTIME);
        if (keys->p256dh[0] != POINT_CONVERSION_UNCOMPRESSED ||
            EC_POINT_oct2point(group, theirs, keys->p256dh, ECE_PUBLIC_BYTES, NULL) != 1) {
                r = ECE_E_KEYS;
                goto out;
        }
        if (EC_POINT_mul(group, ours, number, NULL, NULL, NULL) == 1 &&
            EC_POINT_point2oct(group, ours, POINT_CONVERSION_UNCOMPRESSED, work->public, ECE_PUBLIC_BYTES, NULL) == ECE_PUBLIC_BYTES &&
            EC_POINT_mul(group, shared, NULL, theirs, number, NULL) == 1 &&
            EC_POINT_get_affine_coordinates(group, shared, x, NULL, NULL) == 1 &&
            BN_bn2binpad(x, work->shared, SHARED_BYTES) == SHARED_BYTES)
                r = 0;
out:
        ERR_clear_error();
        BN_clear_free(x);
        BN_clear_free(number);
        EC_POINT_clear_free(shared);
        EC_POINT_free(theirs);
        EC_POINT_free(ours);
        return r;
}

static bool hmac(const void *key, size_t key_len, const void *text, size_t len, uint8_t out[static HASH_BYTES]) {
        unsigned got = 0;
        return HMAC(EVP_sha256(), key, (int)key_len, text, len, out, &got) != NULL && got == HASH_BYTES;
}

/* RFC 8291 section 3.4, with HKDF (RFC 5869) written out: every output is one block of the hash. */
static int derive(const struct ece_keys *keys, const uint8_t salt[static ECE_SALT_BYTES], struct work *work) {
        static const char prefix[] = "WebPush: info"; /* with its NUL, as all three */
        static const char key_info[] = "Content-Encoding: aes128gcm\0\1";
        static const char nonce_info[] = "Content-Encoding: nonce\0\1";
        uint8_t info[sizeof(prefix) + 2 * ECE_PUBLIC_BYTES + 1];
        uint8_t block[HASH_BYTES];

        memcpy(info, prefix, sizeof(prefix));
        memcpy(info + sizeof(prefix), keys->p256dh, ECE_PUBLIC_BYTES);
        memcpy(info + sizeof(prefix) + ECE_PUBLIC_BYTES, work->public, ECE_PUBLIC_BYTES);
        info[sizeof(info) - 1] = 1;

        if (!hmac(keys->auth, ECE_AUTH_BYTES, work->shared, SHARED_BYTES, work->prk) ||
            !hmac(work->prk, HASH_BYTES, info, sizeof(info), work->hash) ||
            !hmac(salt, ECE_SALT_BYTES, work->hash, HASH_BYTES, work->prk) ||
            !hmac(work->prk, HASH_BYTES, key_info, sizeof(key_info) - 1, block))
                return -ENOMEM;
        memcpy(work->key, block, KEY_BYTES);
        if (!hmac(work->prk, HASH_BYTES, nonce_info, sizeof(nonce_info) - 1, block))
                return -ENOMEM;
        memcpy(work->nonce, block, NONCE_BYTES);
        OPENSSL_cleanse(block, sizeof(block));
        return 0;
}

static void add_header(const uint8_t salt[static ECE_SALT_BYTES], const struct work *work, struct buf *out) {
        static const uint8_t sizes[] = { RECORD_SIZE >> 24, (RECORD_SIZE >> 16) & 255, (RECORD_SIZE >> 8) & 255, RECORD_SIZE & 255,
                                         ECE_PUBLIC_BYTES };
        buf_add(out, salt, ECE_SALT_BYTES);
        buf_add(out, sizes, sizeof(sizes));
        buf_add(out, work->public, ECE_PUBLIC_BYTES);
}

/* The record: the text and the delimiter of the last one, 2 (RFC 8188 section 2), without padding. */
static int add_record(struct slice text, const struct work *work, struct buf *out) {
        static const uint8_t delimiter[] = { 2 };
        char *room = buf_reserve(out, text.len + sizeof(delimiter) + TAG_BYTES);
        EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
        unsigned char *at = (unsigned char *)room;
        int len = 0;
        bool done = room && context && EVP_EncryptInit_ex(context, EVP_aes_128_gcm(), NULL, work->key, work->nonce) == 1;
        if (done && text.len > 0) {
                done = EVP_EncryptUpdate(context, at, &len, (const unsigned char *)text.ptr, (int)text.len) == 1;
                at += len;
        }
        if (done) {
                done = EVP_EncryptUpdate(context, at, &len, delimiter, sizeof(delimiter)) == 1;
                at += len;
        }
        done = done && EVP_EncryptFinal_ex(context, at, &len) == 1 &&
               EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, at) == 1;
        EVP_CIPHER_CTX_free(context);
        ERR_clear_error();
        if (!done)
                return -ENOMEM;
        buf_commit(out, text.len + sizeof(delimiter) + TAG_BYTES);
        return 0;
}

int ece_encrypt(struct slice text, const struct ece_keys *keys, const struct ece_chance *chance, struct buf *out) {
        if (text.len > ECE_PLAIN_MAX)
                return ECE_E_LARGE;
        struct work work;
        int r = agree(keys, chance->scalar, &work);
        if (r == 0)
                r = derive(keys, chance->salt, &work);
        if (r == 0) {
                add_header(chance->salt, &work, out);
                r = add_record(text, &work, out);
        }
        OPENSSL_cleanse(&work, sizeof(work));
        return r;
}
