/* SPDX-License-Identifier: Apache-2.0 */
/* signer.c: see signer.h. */
#include "push/signer.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#include "base/buf.h"
#include "base/encode.h"

enum {
        RSA_BITS_MIN = 2048, /* RFC 7518 section 3.3 */
        RSA_BITS_MAX = 8192, /* above it a signature takes longer than a loop should stand still */
        SIGNATURE_BYTES_MAX = RSA_BITS_MAX / 8,
        P256_BYTES = 32,
};

struct signer {
        enum signer_alg alg;
        EVP_PKEY *key;
        uint8_t public[SIGNER_PUBLIC_BYTES]; /* ES256 only */
};

static int refuse(const char *reason, const char **ret_reason) {
        ERR_clear_error();
        *ret_reason = reason;
        return SIGNER_E_KEY;
}

/* We have no terminal to ask, and OpenSSL would. */
static int no_passphrase(char *out, int size, int is_writing, void *arg) {
        return 0;
}

struct signer *signer_free(struct signer *signer) {
        if (!signer)
                return NULL;
        EVP_PKEY_free(signer->key);
        free(signer);
        return NULL;
}

static bool is_p256(EVP_PKEY *key) {
        char group[64];
        size_t len = 0;
        return EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, group, sizeof(group), &len) == 1 &&
               OBJ_txt2nid(group) == NID_X9_62_prime256v1;
}

/* The key file may hold the point compressed or not at all: computed anew from the scalar, it cannot differ from it. */
static bool find_public(EVP_PKEY *key, uint8_t out[static SIGNER_PUBLIC_BYTES]) {
        BIGNUM *scalar = NULL;
        EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
        EC_POINT *point = group ? EC_POINT_new(group) : NULL;
        bool found = point && EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &scalar) == 1 &&
                     EC_POINT_mul(group, point, scalar, NULL, NULL, NULL) == 1 &&
                     EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, out, SIGNER_PUBLIC_BYTES, NULL) ==
                             SIGNER_PUBLIC_BYTES;
        BN_clear_free(scalar);
        EC_POINT_free(point);
        EC_GROUP_free(group);
        return found;
}

/* Takes the key over, also when it refuses it. */
static int new_from_key(EVP_PKEY *take_key, enum signer_alg alg, struct signer **ret_signer, const char **ret_reason) {
        struct signer *signer = calloc(1, sizeof(*signer));
        if (!signer) {
                EVP_PKEY_free(take_key);
                return -ENOMEM;
        }
        signer->alg = alg;
        signer->key = take_key;

        const char *reason = NULL;
        if (alg == SIGNER_ES256 && !is_p256(take_key))
                reason = "it is not a key of the curve P-256";
        else if (alg == SIGNER_ES256 && !find_public(take_key, signer->public))
                reason = "it has no private part";
        else if (alg == SIGNER_RS256 && !EVP_PKEY_is_a(take_key, "RSA"))
                reason = "it is not an RSA key";
        else if (alg == SIGNER_RS256 && (EVP_PKEY_get_bits(take_key) < RSA_BITS_MIN || EVP_PKEY_get_bits(take_key) > RSA_BITS_MAX))
                reason = "an RSA key must have 2048 to 8192 bits";
        if (reason) {
                signer_free(signer);
                return refuse(reason, ret_reason);
        }
        *ret_signer = signer;
        return 0;
}

int signer_new_pem(struct slice pem, enum signer_alg alg, struct signer **ret_signer, const char **ret_reason) {
        BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
        if (!bio)
                return -ENOMEM;
        EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
        BIO_free(bio);
        if (!key)
                return refuse("it holds no private key in PEM form without a passphrase", ret_reason);
        return new_from_key(key, alg, ret_signer, ret_reason);
}

int signer_new_scalar(const uint8_t scalar[static SIGNER_SCALAR_BYTES], struct signer **ret_signer, const char **ret_reason) {
        uint8_t public[SIGNER_PUBLIC_BYTES];
        BIGNUM *number = BN_bin2bn(scalar, SIGNER_SCALAR_BYTES, NULL);
        EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
        EC_POINT *point = group ? EC_POINT_new(group) : NULL;
        OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
        OSSL_PARAM *params = NULL;
        EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
        EVP_PKEY *key = NULL;
        int r = -ENOMEM;

        if (!number || !point || !builder || !maker)
                goto out;
        if (BN_is_zero(number) || BN_cmp(number, EC_GROUP_get0_order(group)) >= 0) {
                r = refuse("the number is no private key of P-256", ret_reason);
                goto out;
        }
        if (EC_POINT_mul(group, point, number, NULL, NULL, NULL) != 1 ||
            EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, public, sizeof(public), NULL) != sizeof(public) ||
            OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) != 1 ||
            OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, public, sizeof(public)) != 1 ||
            OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_PRIV_KEY, number) != 1)
                goto out;
        params = OSSL_PARAM_BLD_to_param(builder);
        if (!params || EVP_PKEY_fromdata_init(maker) != 1 || EVP_PKEY_fromdata(maker, &key, EVP_PKEY_KEYPAIR, params) != 1)
                goto out;
        r = new_from_key(key, SIGNER_ES256, ret_signer, ret_reason);
out:
        ERR_clear_error();
        OSSL_PARAM_free(params);
        OSSL_PARAM_BLD_free(builder);
        EVP_PKEY_CTX_free(maker);
        EC_POINT_free(point);
        EC_GROUP_free(group);
        BN_clear_free(number);
        return r;
}

void signer_public(const struct signer *signer, uint8_t out[static SIGNER_PUBLIC_BYTES]) {
        assert(signer->alg == SIGNER_ES256);
        memcpy(out, signer->public, SIGNER_PUBLIC_BYTES);
}

/* OpenSSL writes an ECDSA signature in DER; JWS wants r and s, 32 bytes each (RFC 7518 section 3.4). */
static int raw_signature(uint8_t *bytes, size_t *len) {
        const unsigned char *der = bytes;
        ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &der, (long)*len);
        if (!signature)
                return -ENOMEM;
        int r = BN_bn2binpad(ECDSA_SIG_get0_r(signature), bytes, P256_BYTES) == P256_BYTES &&
                                BN_bn2binpad(ECDSA_SIG_get0_s(signature), bytes + P256_BYTES, P256_BYTES) == P256_BYTES ?
                        0 :
                        -ENOMEM;
        ECDSA_SIG_free(signature);
        *len = 2 * P256_BYTES;
        return r;
}

/* Once a key was read, only want of memory can make signing fail. */
static int sign(const struct signer *signer, struct slice text, uint8_t *out, size_t *len) {
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        bool signed_it = context && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, signer->key) == 1 &&
                         EVP_DigestSign(context, out, len, (const unsigned char *)text.ptr, text.len) == 1;
        EVP_MD_CTX_free(context);
        ERR_clear_error();
        if (!signed_it)
                return -ENOMEM;
        return signer->alg == SIGNER_ES256 ? raw_signature(out, len) : 0;
}

static void add_base64url(struct buf *out, const void *bytes, size_t len) {
        char *room = buf_reserve(out, ENCODE_BASE64URL_LEN(len));
        if (room)
                buf_commit(out, encode_base64url(bytes, len, room));
}

int signer_jwt(const struct signer *signer, struct slice header, struct slice claims, struct buf *out) {
        size_t from = out->len;
        add_base64url(out, header.ptr, header.len);
        buf_add_char(out, '.');
        add_base64url(out, claims.ptr, claims.len);
        if (buf_failed(out))
                return -ENOMEM;

        uint8_t signature[SIGNATURE_BYTES_MAX];
        size_t len = sizeof(signature);
        int r = sign(signer, (struct slice){ out->ptr + from, out->len - from }, signature, &len);
        if (r != 0)
                return r;
        buf_add_char(out, '.');
        add_base64url(out, signature, len);
        return buf_failed(out) ? -ENOMEM : 0;
}

int signer_hmac(struct slice key, struct slice text, uint8_t out[static SIGNER_MAC_BYTES]) {
        unsigned len = 0;
        if (!HMAC(EVP_sha256(), key.ptr, (int)key.len, (const unsigned char *)text.ptr, text.len, out, &len)) {
                ERR_clear_error();
                return -ENOMEM;
        }
        assert(len == SIGNER_MAC_BYTES);
        return 0;
}
