/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that sign: which are taken. That others verify what they sign, tests/push/providers.mjs shows. */
#include "push/signer.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/encode.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

/* A key made by OpenSSL, as PEM. */
static struct buf pem_of(EVP_PKEY *take_key) {
        struct buf out = BUF_INIT(16384);
        BIO *bio = BIO_new(BIO_s_mem());
        char *text = NULL;
        assert_non_null(take_key);
        assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, take_key, NULL, NULL, 0, NULL, NULL), 1);
        long len = BIO_get_mem_data(bio, &text);
        buf_add(&out, text, (size_t)len);
        BIO_free(bio);
        EVP_PKEY_free(take_key);
        return out;
}

static void each_algorithm_takes_its_own_keys_only(void **state) {
        const struct {
                struct buf pem;
                int es256, rs256;
        } rows[] = {
                { pem_of(EVP_EC_gen("P-256")), 0, SIGNER_E_KEY },
                { pem_of(EVP_EC_gen("P-384")), SIGNER_E_KEY, SIGNER_E_KEY },
                { pem_of(EVP_RSA_gen(2048)), SIGNER_E_KEY, 0 },
                { pem_of(EVP_RSA_gen(1024)), SIGNER_E_KEY, SIGNER_E_KEY },
        };
        for (size_t i = 0; i < COUNT(rows); i++) {
                struct signer *signer = NULL;
                const char *reason = NULL;
                assert_int_equal(signer_new_pem(buf_slice(&rows[i].pem), SIGNER_ES256, &signer, &reason), rows[i].es256);
                assert_true((signer == NULL) == (reason != NULL));
                signer = signer_free(signer);
                reason = NULL;
                assert_int_equal(signer_new_pem(buf_slice(&rows[i].pem), SIGNER_RS256, &signer, &reason), rows[i].rs256);
                assert_true((signer == NULL) == (reason != NULL));
                signer_free(signer);
        }
        for (size_t i = 0; i < COUNT(rows); i++)
                free(rows[i].pem.ptr);
}

static void what_is_no_key_is_refused(void **state) {
        static const char *const rows[] = { "", "hello", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n" };
        for (size_t i = 0; i < COUNT(rows); i++) {
                struct signer *signer = NULL;
                const char *reason = NULL;
                assert_int_equal(signer_new_pem(slice_of(rows[i]), SIGNER_ES256, &signer, &reason), SIGNER_E_KEY);
                assert_non_null(reason);
        }
}

/* The pair of RFC 8291 appendix A. */
static void the_public_half_belongs_to_the_private_one(void **state) {
        uint8_t scalar[SIGNER_SCALAR_BYTES], public[SIGNER_PUBLIC_BYTES];
        char text[ENCODE_BASE64URL_LEN(SIGNER_PUBLIC_BYTES)];
        size_t len = 0;
        struct signer *signer = NULL;
        const char *reason = NULL;
        assert_int_equal(encode_base64url_decode(SLICE("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"), scalar, sizeof(scalar), &len), 0);
        assert_int_equal(signer_new_scalar(scalar, &signer, &reason), 0);
        signer_public(signer, public);
        len = encode_base64url(public, sizeof(public), text);
        assert_true(slice_is((struct slice){ text, len },
                             "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8"));
        signer_free(signer);

        memset(scalar, 0, sizeof(scalar));
        assert_int_equal(signer_new_scalar(scalar, &signer, &reason), SIGNER_E_KEY);
        memset(scalar, 0xff, sizeof(scalar));
        assert_int_equal(signer_new_scalar(scalar, &signer, &reason), SIGNER_E_KEY);
}

/* RFC 7518 section 3.4: r and s of 32 bytes each, however small they are; DER would be of 70 to 72 bytes. */
static void an_es256_signature_always_has_64_bytes(void **state) {
        struct buf pem = pem_of(EVP_EC_gen("P-256"));
        struct signer *signer = NULL;
        const char *reason = NULL;
        assert_int_equal(signer_new_pem(buf_slice(&pem), SIGNER_ES256, &signer, &reason), 0);
        for (int i = 0; i < 600; i++) { /* one in 128 has a leading zero in either half */
                _cleanup_buf_ struct buf jwt = BUF_INIT(4096);
                assert_int_equal(signer_jwt(signer, SLICE("{}"), SLICE("{}"), &jwt), 0);
                assert_int_equal(jwt.len, 3 + 1 + 3 + 1 + ENCODE_BASE64URL_LEN(64));
        }
        signer_free(signer);
        buf_deinit(&pem);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_algorithm_takes_its_own_keys_only),
                cmocka_unit_test(what_is_no_key_is_refused),
                cmocka_unit_test(the_public_half_belongs_to_the_private_one),
                cmocka_unit_test(an_es256_signature_always_has_64_bytes),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
