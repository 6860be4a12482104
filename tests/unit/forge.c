/* SPDX-License-Identifier: Apache-2.0 */
/* forge.c: see forge.h. */
#include "tests/unit/forge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "base/encode.h"

#define OTHER_SECRET "another secret, which nobody knows"

static struct {
        EVP_PKEY *rsa, *other_rsa, *ec, *ed;
        char jwks_path[32];
} t;

static char *encode(const void *bytes, size_t len) {
        char *text = malloc(ENCODE_BASE64URL_LEN(len) + 1);
        assert_non_null(text);
        text[encode_base64url(bytes, len, text)] = '\0';
        return text;
}

static char *encode_number(const EVP_PKEY *key, const char *name, int len) {
        BIGNUM *number = NULL;
        unsigned char bytes[512];
        assert_int_equal(EVP_PKEY_get_bn_param(key, name, &number), 1);
        if (len == 0)
                len = BN_num_bytes(number);
        assert_int_equal(BN_bn2binpad(number, bytes, len), len);
        BN_free(number);
        return encode(bytes, (size_t)len);
}

static size_t sign_with_key(EVP_PKEY *key, const EVP_MD *digest, bool pss, const char *text, unsigned char *out, size_t size) {
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        EVP_PKEY_CTX *parameters = NULL;
        assert_int_equal(EVP_DigestSignInit(context, &parameters, digest, NULL, key), 1);
        if (pss)
                assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING), 1);
        assert_int_equal(EVP_DigestSign(context, out, &size, (const unsigned char *)text, strlen(text)), 1);
        EVP_MD_CTX_free(context);
        return size;
}

static size_t hmac(const EVP_MD *digest, const void *key, size_t key_len, const char *text, unsigned char *out) {
        unsigned len = 0;
        assert_non_null(HMAC(digest, key, (int)key_len, (const unsigned char *)text, strlen(text), out, &len));
        return len;
}

static size_t hmac_with_pem(EVP_PKEY *key, const char *text, unsigned char *out) {
        BIO *bio = BIO_new(BIO_s_mem());
        assert_int_equal(PEM_write_bio_PUBKEY(bio, key), 1);
        char *pem;
        long len = BIO_get_mem_data(bio, &pem);
        size_t r = hmac(EVP_sha256(), pem, (size_t)len, text, out);
        BIO_free(bio);
        return r;
}

static size_t hmac_with_der(EVP_PKEY *key, const char *text, unsigned char *out) {
        unsigned char *der = NULL;
        int len = i2d_PUBKEY(key, &der);
        assert_true(len > 0);
        size_t r = hmac(EVP_sha256(), der, (size_t)len, text, out);
        OPENSSL_free(der);
        return r;
}

static size_t raw_ecdsa(const unsigned char *der, size_t len, bool swapped, unsigned char *out) {
        ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &der, (long)len);
        assert_non_null(signature);
        const BIGNUM *r, *s;
        ECDSA_SIG_get0(signature, swapped ? &s : &r, swapped ? &r : &s);
        assert_int_equal(BN_bn2binpad(r, out, 32), 32);
        assert_int_equal(BN_bn2binpad(s, out + 32, 32), 32);
        ECDSA_SIG_free(signature);
        return 64;
}

static size_t sign(enum forge_signer signer, const char *text, unsigned char out[static 512]) {
        unsigned char bytes[512];
        size_t len;
        BIGNUM *n = NULL;
        switch (signer) {
        case HS256:
                return hmac(EVP_sha256(), FORGE_SECRET, strlen(FORGE_SECRET), text, out);
        case HS256_OTHER_SECRET:
                return hmac(EVP_sha256(), OTHER_SECRET, strlen(OTHER_SECRET), text, out);
        case HS256_EMPTY_SECRET:
                return hmac(EVP_sha256(), "", 0, text, out);
        case HS256_SECRET_AS_BASE64: {
                char *secret = encode(FORGE_SECRET, strlen(FORGE_SECRET));
                len = hmac(EVP_sha256(), secret, strlen(secret), text, out);
                free(secret);
                return len;
        }
        case HS512:
                return hmac(EVP_sha512(), FORGE_SECRET, strlen(FORGE_SECRET), text, out);
        case HS256_RSA_PEM:
                return hmac_with_pem(t.rsa, text, out);
        case HS256_RSA_DER:
                return hmac_with_der(t.rsa, text, out);
        case HS256_RSA_MODULUS:
                assert_int_equal(EVP_PKEY_get_bn_param(t.rsa, OSSL_PKEY_PARAM_RSA_N, &n), 1);
                len = hmac(EVP_sha256(), bytes, (size_t)BN_bn2bin(n, bytes), text, out);
                BN_free(n);
                return len;
        case HS256_EC_PEM:
                return hmac_with_pem(t.ec, text, out);
        case HS256_ED_RAW:
                len = sizeof(bytes);
                assert_int_equal(EVP_PKEY_get_raw_public_key(t.ed, bytes, &len), 1);
                return hmac(EVP_sha256(), bytes, len, text, out);
        case RS256:
                return sign_with_key(t.rsa, EVP_sha256(), false, text, out, 512);
        case RS256_OTHER_KEY:
                return sign_with_key(t.other_rsa, EVP_sha256(), false, text, out, 512);
        case RS512:
                return sign_with_key(t.rsa, EVP_sha512(), false, text, out, 512);
        case PS256:
                return sign_with_key(t.rsa, EVP_sha256(), true, text, out, 512);
        case ES256:
        case ES256_SWAPPED:
                len = sign_with_key(t.ec, EVP_sha256(), false, text, bytes, sizeof(bytes));
                return raw_ecdsa(bytes, len, signer == ES256_SWAPPED, out);
        case ES256_DER:
                return sign_with_key(t.ec, EVP_sha256(), false, text, out, 512);
        case ES256_ZERO:
                memset(out, 0, 64);
                return 64;
        case EDDSA:
                return sign_with_key(t.ed, NULL, false, text, out, 512);
        case EMPTY:
                return 0;
        }
        fail();
        return 0;
}

char *forge_token(struct slice header, struct slice payload, enum forge_signer signer) {
        char *h = encode(header.ptr, header.len), *p = encode(payload.ptr, payload.len), *text, *token;
        assert_true(asprintf(&text, "%s.%s", h, p) >= 0);
        unsigned char signature[512];
        char *s = encode(signature, sign(signer, text, signature));
        assert_true(asprintf(&token, "%s.%s", text, s) >= 0);
        free(h);
        free(p);
        free(s);
        free(text);
        return token;
}

static void write_jwks(void) {
        char *n = encode_number(t.rsa, OSSL_PKEY_PARAM_RSA_N, 0), *e = encode_number(t.rsa, OSSL_PKEY_PARAM_RSA_E, 0);
        char *x = encode_number(t.ec, OSSL_PKEY_PARAM_EC_PUB_X, 32), *y = encode_number(t.ec, OSSL_PKEY_PARAM_EC_PUB_Y, 32);
        unsigned char raw[32];
        size_t len = sizeof(raw);
        assert_int_equal(EVP_PKEY_get_raw_public_key(t.ed, raw, &len), 1);
        char *ed = encode(raw, len);

        snprintf(t.jwks_path, sizeof(t.jwks_path), "/tmp/forge.XXXXXX");
        FILE *file = fdopen(mkstemp(t.jwks_path), "w");
        assert_non_null(file);
        fprintf(file,
                "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"r1\",\"use\":\"sig\",\"alg\":\"RS256\",\"n\":\"%s\",\"e\":\"%s\"},"
                "{\"kty\":\"EC\",\"kid\":\"e1\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"},"
                "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%s\"}]}\n",
                n, e, x, y, ed);
        assert_int_equal(fclose(file), 0);
        free(n);
        free(e);
        free(x);
        free(y);
        free(ed);
}

void forge_init(void) {
        t.rsa = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
        t.other_rsa = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
        t.ec = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
        t.ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
        assert_true(t.rsa && t.other_rsa && t.ec && t.ed);
        write_jwks();
        ERR_clear_error(); /* key generation leaves some */
}

void forge_deinit(void) {
        unlink(t.jwks_path);
        EVP_PKEY_free(t.rsa);
        EVP_PKEY_free(t.other_rsa);
        EVP_PKEY_free(t.ec);
        EVP_PKEY_free(t.ed);
}

const char *forge_jwks_path(void) {
        return t.jwks_path;
}
