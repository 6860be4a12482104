/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verifier.c: see verifier.h. HMAC by EVP_MAC, signatures by EVP_DigestVerify.
 */
#include "hub/verifier.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

enum {
        SECRET_BYTES_MIN = 32,                /* RFC 7518 section 3.2: not shorter than the hash */
        RSA_BITS_MIN = 2048,                  /* RFC 7518 section 3.3 */
        RSA_EXPONENT_BYTES = 8,               /* OpenSSL's own bound for large moduli */
        P256_BYTES = 32,                      /* one coordinate, or one half of a signature: RFC 7518 sections 3.4 and 6.2.1.2 */
        ED25519_BYTES = 32,                   /* RFC 8032 section 5.1.5 */
        DER_BYTES = 2 + 2 * (3 + P256_BYTES), /* SEQUENCE of two INTEGERs, each of which may need a leading zero */
};

struct verifier {
        enum verifier_alg alg;
        EVP_MAC_CTX *mac; /* HS256: holds the key; duplicated for every use */
        EVP_PKEY *key;    /* all others */
};

static const char *const alg_names[] = {
        [VERIFIER_HS256] = "HS256",
        [VERIFIER_RS256] = "RS256",
        [VERIFIER_ES256] = "ES256",
        [VERIFIER_EDDSA] = "EdDSA",
};

/* OpenSSL answers "no" and "no memory" alike; only its error queue knows which. Empties the queue. */
static int out_of_memory_or(int answer) {
        unsigned long error;
        while ((error = ERR_get_error()) != 0)
                if (ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE)
                        answer = -ENOMEM;
        return answer;
}

static int refuse(const char *reason, const char **ret_reason) {
        *ret_reason = reason;
        return VERIFIER_E_KEY;
}

static struct verifier *verifier_new(enum verifier_alg alg) {
        struct verifier *verifier = calloc(1, sizeof(*verifier));
        if (verifier)
                verifier->alg = alg;
        return verifier;
}

struct verifier *verifier_free(struct verifier *verifier) {
        if (!verifier)
                return NULL;
        EVP_MAC_CTX_free(verifier->mac);
        EVP_PKEY_free(verifier->key);
        free(verifier);
        return NULL;
}

enum verifier_alg verifier_alg(const struct verifier *verifier) {
        return verifier->alg;
}

int verifier_new_hs256(struct slice secret, struct verifier **ret_verifier, const char **ret_reason) {
        if (secret.len < SECRET_BYTES_MIN)
                return refuse("an HS256 secret must have at least 32 bytes", ret_reason);

        struct verifier *verifier = verifier_new(VERIFIER_HS256);
        if (!verifier)
                return -ENOMEM;

        ERR_clear_error();
        char digest[] = "SHA256";
        OSSL_PARAM params[] = {
                OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                OSSL_PARAM_construct_end(),
        };
        EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
        verifier->mac = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
        EVP_MAC_free(hmac); /* the context holds it too */
        bool made = verifier->mac && EVP_MAC_init(verifier->mac, (const unsigned char *)secret.ptr, secret.len, params) == 1;
        ERR_clear_error();
        if (!made) {
                verifier_free(verifier);
                return -ENOMEM;
        }
        *ret_verifier = verifier;
        return 0;
}

/* Makes a public key of what builder holds, and checks that it is one: on the curve, a plausible modulus. */
static int new_from_params(enum verifier_alg alg, const char *type, OSSL_PARAM_BLD *builder, struct verifier **ret_verifier,
                           const char **ret_reason) {
        struct verifier *verifier = verifier_new(alg);
        OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
        EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
        EVP_PKEY_CTX *checker = NULL;
        int r = -ENOMEM;

        if (!verifier || !params || !maker)
                goto out;
        if (EVP_PKEY_fromdata_init(maker) != 1 || EVP_PKEY_fromdata(maker, &verifier->key, EVP_PKEY_PUBLIC_KEY, params) != 1) {
                r = out_of_memory_or(refuse("the numbers are no public key", ret_reason));
                goto out;
        }
        checker = EVP_PKEY_CTX_new_from_pkey(NULL, verifier->key, NULL);
        if (!checker)
                goto out;
        if (EVP_PKEY_public_check(checker) != 1) {
                r = out_of_memory_or(refuse("the numbers are no sound public key", ret_reason));
                goto out;
        }
        *ret_verifier = verifier;
        verifier = NULL;
        r = 0;
out:
        EVP_PKEY_CTX_free(checker);
        EVP_PKEY_CTX_free(maker);
        OSSL_PARAM_free(params);
        verifier_free(verifier);
        return r;
}

int verifier_new_rs256(struct slice n, struct slice e, struct verifier **ret_verifier, const char **ret_reason) {
        if (n.len > VERIFIER_KEY_BYTES)
                return refuse("an RS256 key may have at most 8192 bits", ret_reason);
        if (e.len > RSA_EXPONENT_BYTES)
                return refuse("the exponent of an RS256 key may have at most 64 bits", ret_reason);

        ERR_clear_error();
        BIGNUM *modulus = BN_bin2bn((const unsigned char *)n.ptr, (int)n.len, NULL);
        BIGNUM *exponent = BN_bin2bn((const unsigned char *)e.ptr, (int)e.len, NULL);
        OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
        int r = -ENOMEM;

        if (!modulus || !exponent || !builder)
                goto out;
        if (BN_num_bits(modulus) < RSA_BITS_MIN) {
                r = refuse("an RS256 key must have at least 2048 bits", ret_reason);
                goto out;
        }
        /* With e = 1 every text is its own signature. */
        if (!BN_is_odd(exponent) || BN_is_one(exponent)) {
                r = refuse("the exponent of an RS256 key must be odd and not 1", ret_reason);
                goto out;
        }
        if (OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus) != 1 ||
            OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent) != 1)
                goto out;
        r = new_from_params(VERIFIER_RS256, "RSA", builder, ret_verifier, ret_reason);
out:
        OSSL_PARAM_BLD_free(builder);
        BN_free(exponent);
        BN_free(modulus);
        ERR_clear_error();
        return r;
}

int verifier_new_es256(struct slice x, struct slice y, struct verifier **ret_verifier, const char **ret_reason) {
        if (x.len != P256_BYTES || y.len != P256_BYTES)
                return refuse("x and y of an ES256 key must have 32 bytes each", ret_reason);

        uint8_t point[1 + 2 * P256_BYTES] = { 0x04 }; /* uncompressed: SEC 1 section 2.3.3 */
        memcpy(point + 1, x.ptr, P256_BYTES);
        memcpy(point + 1 + P256_BYTES, y.ptr, P256_BYTES);

        ERR_clear_error();
        OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
        int r = -ENOMEM;
        if (builder && OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) == 1 &&
            OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)) == 1)
                r = new_from_params(VERIFIER_ES256, "EC", builder, ret_verifier, ret_reason);
        OSSL_PARAM_BLD_free(builder);
        ERR_clear_error();
        return r;
}

int verifier_new_eddsa(struct slice x, struct verifier **ret_verifier, const char **ret_reason) {
        if (x.len != ED25519_BYTES)
                return refuse("x of an Ed25519 key must have 32 bytes", ret_reason);

        ERR_clear_error();
        OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
        int r = -ENOMEM;
        if (builder && OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, x.ptr, x.len) == 1)
                r = new_from_params(VERIFIER_EDDSA, "ED25519", builder, ret_verifier, ret_reason);
        OSSL_PARAM_BLD_free(builder);
        ERR_clear_error();
        return r;
}

int verifier_sign(const struct verifier *verifier, struct slice text, uint8_t ret_mac[static VERIFIER_MAC_BYTES]) {
        assert(verifier->alg == VERIFIER_HS256);
        ERR_clear_error();
        /* Not EVP_MAC_init() without a key: before OpenSSL 3.0.6 that did not start HMAC anew. */
        EVP_MAC_CTX *mac = EVP_MAC_CTX_dup(verifier->mac);
        size_t len = 0;
        bool made = mac && EVP_MAC_update(mac, (const unsigned char *)text.ptr, text.len) == 1 &&
                    EVP_MAC_final(mac, ret_mac, &len, VERIFIER_MAC_BYTES) == 1 && len == VERIFIER_MAC_BYTES;
        EVP_MAC_CTX_free(mac);
        ERR_clear_error();
        return made ? 0 : -ENOMEM;
}

static int check_mac(const struct verifier *verifier, struct slice text, struct slice signature) {
        uint8_t mac[VERIFIER_MAC_BYTES];
        if (signature.len != sizeof(mac))
                return VERIFIER_E_FORGED;
        int r = verifier_sign(verifier, text, mac);
        if (r < 0)
                return r;
        return CRYPTO_memcmp(mac, signature.ptr, sizeof(mac)) == 0 ? 0 : VERIFIER_E_FORGED;
}

/* Writes an INTEGER in DER (X.690 section 8.3): no needless leading zero, but one where the number would look negative. */
static size_t der_integer(const uint8_t *bytes, size_t len, uint8_t *out) {
        while (len > 1 && bytes[0] == 0) {
                bytes++;
                len--;
        }
        size_t pad = bytes[0] & 0x80 ? 1 : 0;
        out[0] = 0x02;
        out[1] = (uint8_t)(len + pad);
        out[2] = 0;
        memcpy(out + 2 + pad, bytes, len);
        return 2 + pad + len;
}

static bool is_zero(const uint8_t *bytes, size_t len) {
        uint8_t any = 0;
        for (size_t i = 0; i < len; i++)
                any |= bytes[i];
        return any == 0;
}

/*
 * JWS carries r and s side by side (RFC 7518 section 3.4), OpenSSL wants them in DER; returns the length, 0 if they cannot be
 * a signature. Zeros are refused here in so many words, as the libraries that forgot to became CVE-2022-21449.
 */
static size_t der_signature(struct slice raw, uint8_t out[static DER_BYTES]) {
        const uint8_t *r = (const uint8_t *)raw.ptr;
        if (raw.len != 2 * P256_BYTES || is_zero(r, P256_BYTES) || is_zero(r + P256_BYTES, P256_BYTES))
                return 0;
        size_t len = 2;
        len += der_integer(r, P256_BYTES, out + len);
        len += der_integer(r + P256_BYTES, P256_BYTES, out + len);
        out[0] = 0x30;
        out[1] = (uint8_t)(len - 2); /* at most 70, so one byte holds it */
        return len;
}

static int check_signature(const struct verifier *verifier, struct slice text, struct slice signature) {
        uint8_t der[DER_BYTES];
        if (verifier->alg == VERIFIER_ES256) {
                size_t len = der_signature(signature, der);
                if (len == 0)
                        return VERIFIER_E_FORGED;
                signature = (struct slice){ (const char *)der, len };
        }

        ERR_clear_error();
        const EVP_MD *digest = verifier->alg == VERIFIER_EDDSA ? NULL : EVP_sha256(); /* Ed25519 hashes by itself */
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        int r = -ENOMEM;
        if (context && EVP_DigestVerifyInit(context, NULL, digest, NULL, verifier->key) == 1)
                r = EVP_DigestVerify(context, (const unsigned char *)signature.ptr, signature.len,
                                     (const unsigned char *)text.ptr, text.len) == 1
                            ? 0
                            : out_of_memory_or(VERIFIER_E_FORGED);
        EVP_MD_CTX_free(context);
        ERR_clear_error();
        return r;
}

int verifier_check(const struct verifier *verifier, struct slice text, struct slice signature) {
        return verifier->alg == VERIFIER_HS256 ? check_mac(verifier, text, signature)
                                               : check_signature(verifier, text, signature);
}

bool verifier_alg_parse(struct slice name, enum verifier_alg *ret_alg) {
        for (size_t i = 0; i < sizeof(alg_names) / sizeof(alg_names[0]); i++) {
                if (slice_is(name, alg_names[i])) {
                        *ret_alg = (enum verifier_alg)i;
                        return true;
                }
        }
        return false;
}

const char *verifier_alg_name(enum verifier_alg alg) {
        return alg_names[alg];
}
