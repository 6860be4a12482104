/* SPDX-License-Identifier: Apache-2.0 */
/* The published examples of all four algorithms, and signatures and keys that are nearly right. */
#include "hub/verifier.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <openssl/err.h>

#include "base/encode.h"

#define PAYLOAD "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"

/* The key's numbers are in base64url, as in a JWK; b is NULL where the algorithm has only one. */
static const struct vector {
        const char *sentence;
        enum verifier_alg alg;
        const char *a, *b;
        const char *text;
        const char *signature;
} vectors[] = {
        { "RFC 7515 appendix A.1: HS256", VERIFIER_HS256,
          "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow", NULL,
          "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." PAYLOAD, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" },
        { "RFC 7515 appendix A.2: RS256", VERIFIER_RS256,
          "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMs"
          "D1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdV"
          "MTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
          "AQAB", "eyJhbGciOiJSUzI1NiJ9." PAYLOAD,
          "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZ"
          "cAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-e"
          "OkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw" },
        { "RFC 7515 appendix A.3: ES256", VERIFIER_ES256, "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
          "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0", "eyJhbGciOiJFUzI1NiJ9." PAYLOAD,
          "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q" },
        { "RFC 8037 appendix A.4: Ed25519", VERIFIER_EDDSA, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", NULL,
          "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
          "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg" },
};

enum { N_VECTORS = sizeof(vectors) / sizeof(vectors[0]) };

static struct slice decode(const char *text, uint8_t out[static VERIFIER_KEY_BYTES]) {
        size_t len = 0;
        if (text)
                assert_int_equal(encode_base64url_decode(slice_of(text), out, VERIFIER_KEY_BYTES, &len), 0);
        return (struct slice){ (const char *)out, len };
}

static int make(enum verifier_alg alg, struct slice a, struct slice b, struct verifier **ret_verifier, const char **ret_reason) {
        switch (alg) {
        case VERIFIER_HS256:
                return verifier_new_hs256(a, ret_verifier, ret_reason);
        case VERIFIER_RS256:
                return verifier_new_rs256(a, b, ret_verifier, ret_reason);
        case VERIFIER_ES256:
                return verifier_new_es256(a, b, ret_verifier, ret_reason);
        case VERIFIER_EDDSA:
                return verifier_new_eddsa(a, ret_verifier, ret_reason);
        }
        return -1;
}

static struct verifier *make_vector(const struct vector *vector) {
        uint8_t a[VERIFIER_KEY_BYTES], b[VERIFIER_KEY_BYTES];
        struct verifier *verifier = NULL;
        const char *reason = NULL;
        assert_int_equal(make(vector->alg, decode(vector->a, a), decode(vector->b, b), &verifier, &reason), 0);
        assert_null(reason);
        assert_int_equal(verifier_alg(verifier), vector->alg);
        return verifier;
}

static void published_signatures_are_accepted(void **state) {
        for (size_t i = 0; i < N_VECTORS; i++) {
                struct verifier *verifier = make_vector(&vectors[i]);
                uint8_t signature[VERIFIER_KEY_BYTES];
                if (verifier_check(verifier, slice_of(vectors[i].text), decode(vectors[i].signature, signature)) != 0)
                        fail_msg("%s: refused", vectors[i].sentence);
                verifier_free(verifier);
        }
}

static void a_signature_with_one_bit_turned_is_refused(void **state) {
        for (size_t i = 0; i < N_VECTORS; i++) {
                struct verifier *verifier = make_vector(&vectors[i]);
                uint8_t bytes[VERIFIER_KEY_BYTES];
                struct slice signature = decode(vectors[i].signature, bytes);
                for (size_t at = 0; at < signature.len; at += 3) {
                        bytes[at] ^= (uint8_t)(1u << (at % 8));
                        if (verifier_check(verifier, slice_of(vectors[i].text), signature) != VERIFIER_E_FORGED)
                                fail_msg("%s: accepted with byte %zu changed", vectors[i].sentence, at);
                        bytes[at] ^= (uint8_t)(1u << (at % 8));
                }
                verifier_free(verifier);
        }
}

static void a_signature_is_of_its_text_only(void **state) {
        for (size_t i = 0; i < N_VECTORS; i++) {
                struct verifier *verifier = make_vector(&vectors[i]);
                uint8_t bytes[VERIFIER_KEY_BYTES];
                struct slice signature = decode(vectors[i].signature, bytes);
                struct slice shorter = slice_of(vectors[i].text);
                shorter.len--;
                assert_int_equal(verifier_check(verifier, shorter, signature), VERIFIER_E_FORGED);
                assert_int_equal(verifier_check(verifier, SLICE(""), signature), VERIFIER_E_FORGED);
                verifier_free(verifier);
        }
}

static void a_signature_of_another_length_is_refused(void **state) {
        for (size_t i = 0; i < N_VECTORS; i++) {
                struct verifier *verifier = make_vector(&vectors[i]);
                uint8_t bytes[VERIFIER_KEY_BYTES];
                struct slice signature = decode(vectors[i].signature, bytes);
                bytes[signature.len] = 0;
                const size_t lens[] = { 0, 1, signature.len / 2, signature.len - 1, signature.len + 1, sizeof(bytes) };
                for (size_t j = 0; j < sizeof(lens) / sizeof(lens[0]); j++)
                        assert_int_equal(
                                verifier_check(verifier, slice_of(vectors[i].text), (struct slice){ signature.ptr, lens[j] }),
                                VERIFIER_E_FORGED);
                verifier_free(verifier);
        }
}

/* The order of P-256 (FIPS 186-4 appendix D.1.2.3). */
static const uint8_t order[32] = {
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51
};

static void es256_refuses_numbers_that_no_signature_has(void **state) {
        static const uint8_t zero[32], one[32] = { [31] = 1 };
        const struct {
                const char *sentence;
                const uint8_t *r, *s; /* NULL keeps the good half */
        } rows[] = {
                { "both are zero, CVE-2022-21449", zero, zero },
                { "r is zero", zero, NULL },
                { "s is zero", NULL, zero },
                { "r is the order of the group", order, NULL },
                { "s is the order of the group", NULL, order },
                { "both are the order of the group", order, order },
                { "both are one", one, one },
        };
        struct verifier *verifier = make_vector(&vectors[2]);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                uint8_t bytes[VERIFIER_KEY_BYTES];
                struct slice signature = decode(vectors[2].signature, bytes);
                if (rows[i].r)
                        memcpy(bytes, rows[i].r, 32);
                if (rows[i].s)
                        memcpy(bytes + 32, rows[i].s, 32);
                if (verifier_check(verifier, slice_of(vectors[2].text), signature) != VERIFIER_E_FORGED)
                        fail_msg("%s: accepted", rows[i].sentence);
        }
        verifier_free(verifier);
}

static void weak_or_broken_keys_are_not_made(void **state) {
        static char ones[VERIFIER_KEY_BYTES + 1];
        memset(ones, 0xff, sizeof(ones));
        uint8_t n[VERIFIER_KEY_BYTES], x[VERIFIER_KEY_BYTES], y[VERIFIER_KEY_BYTES], even_n[VERIFIER_KEY_BYTES];
        struct slice good_n = decode(vectors[1].a, n), good_x = decode(vectors[2].a, x), good_y = decode(vectors[2].b, y);
        struct slice even = decode(vectors[1].a, even_n);
        even_n[even.len - 1] &= 0xfe;

        const struct {
                const char *sentence;
                enum verifier_alg alg;
                struct slice a, b;
                const char *reason;
        } rows[] = {
                { "an HS256 secret of 31 bytes", VERIFIER_HS256, { ones, 31 }, { 0 }, "32 bytes" },
                { "an empty HS256 secret", VERIFIER_HS256, { ones, 0 }, { 0 }, "32 bytes" },
                { "an RS256 key of 1024 bits", VERIFIER_RS256, { ones, 128 }, SLICE("\1\0\1"), "2048 bits" },
                { "an RS256 key of 2047 bits", VERIFIER_RS256, { ones, 255 }, SLICE("\1\0\1"), "2048 bits" },
                { "an RS256 key of 8200 bits", VERIFIER_RS256, { ones, 1025 }, SLICE("\1\0\1"), "8192 bits" },
                { "an RS256 key without modulus", VERIFIER_RS256, { ones, 0 }, SLICE("\1\0\1"), "2048 bits" },
                { "an even RS256 modulus", VERIFIER_RS256, even, SLICE("\1\0\1"), "sound" },
                { "the RS256 exponent 1", VERIFIER_RS256, good_n, SLICE("\1"), "odd" },
                { "the RS256 exponent 0", VERIFIER_RS256, good_n, SLICE("\0"), "odd" },
                { "an even RS256 exponent", VERIFIER_RS256, good_n, SLICE("\1\0\2"), "odd" },
                { "an RS256 exponent of 72 bits", VERIFIER_RS256, good_n, { ones, 9 }, "64 bits" },
                { "a point off the curve", VERIFIER_ES256, good_x, good_x, "public key" },
                { "the point of zeros", VERIFIER_ES256, SLICE("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
                  SLICE("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), "public key" },
                { "x of 31 bytes", VERIFIER_ES256, { good_x.ptr, 31 }, good_y, "32 bytes" },
                { "y of 33 bytes", VERIFIER_ES256, good_x, { good_y.ptr, 33 }, "32 bytes" },
                { "an Ed25519 key of 31 bytes", VERIFIER_EDDSA, { ones, 31 }, { 0 }, "32 bytes" },
                { "an Ed25519 key of 57 bytes, as Ed448 has", VERIFIER_EDDSA, { ones, 57 }, { 0 }, "32 bytes" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct verifier *verifier = NULL;
                const char *reason = NULL;
                int r = make(rows[i].alg, rows[i].a, rows[i].b, &verifier, &reason);
                if (r != VERIFIER_E_KEY || verifier)
                        fail_msg("%s: result %d", rows[i].sentence, r);
                if (!strstr(reason, rows[i].reason))
                        fail_msg("%s: the reason is \"%s\"", rows[i].sentence, reason);
        }
        assert_int_equal(ERR_peek_error(), 0);
}

static void openssl_error_queue_is_left_empty(void **state) {
        for (size_t i = 0; i < N_VECTORS; i++) {
                struct verifier *verifier = make_vector(&vectors[i]);
                assert_int_equal(ERR_peek_error(), 0);
                uint8_t signature[VERIFIER_KEY_BYTES] = { 1 };
                assert_int_equal(verifier_check(verifier, slice_of(vectors[i].text), (struct slice){ (char *)signature, 64 }),
                                 VERIFIER_E_FORGED);
                assert_int_equal(ERR_peek_error(), 0);
                /* A no for lack of memory long ago is not our no. */
                ERR_raise(ERR_LIB_USER, ERR_R_MALLOC_FAILURE);
                signature[0] = 0x80;
                assert_int_equal(verifier_check(verifier, slice_of(vectors[i].text), (struct slice){ (char *)signature, 64 }),
                                 VERIFIER_E_FORGED);
                ERR_clear_error();
                verifier_free(verifier);
        }
}

static void signing_gives_the_published_mac(void **state) {
        struct verifier *verifier = make_vector(&vectors[0]);
        uint8_t mac[VERIFIER_MAC_BYTES], bytes[VERIFIER_KEY_BYTES];
        for (int i = 0; i < 2; i++) { /* twice: the key's own context must stay untouched */
                assert_int_equal(verifier_sign(verifier, slice_of(vectors[0].text), mac), 0);
                assert_true(slice_equal((struct slice){ (char *)mac, sizeof(mac) }, decode(vectors[0].signature, bytes)));
        }
        verifier_free(verifier);
}

static void only_the_four_names_are_algorithms(void **state) {
        enum verifier_alg alg;
        for (int i = VERIFIER_HS256; i <= VERIFIER_EDDSA; i++) {
                assert_true(verifier_alg_parse(slice_of(verifier_alg_name((enum verifier_alg)i)), &alg));
                assert_int_equal(alg, i);
        }
        static const char *const others[] = { "",      "none",  "None",   "NONE",    "nOnE",  "HS384", "HS512",
                                              "RS384", "RS512", "PS256",  "ES384",   "ES512", "hs256", "Hs256",
                                              "EDDSA", "eddsa", "ES256K", "Ed25519", "HS256 " };
        for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
                if (verifier_alg_parse(slice_of(others[i]), &alg))
                        fail_msg("\"%s\" is taken for an algorithm", others[i]);
        assert_false(verifier_alg_parse((struct slice){ "HS256", 4 }, &alg));
        assert_false(verifier_alg_parse((struct slice){ "HS256\0", 6 }, &alg));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(published_signatures_are_accepted),
                cmocka_unit_test(a_signature_with_one_bit_turned_is_refused),
                cmocka_unit_test(a_signature_is_of_its_text_only),
                cmocka_unit_test(a_signature_of_another_length_is_refused),
                cmocka_unit_test(es256_refuses_numbers_that_no_signature_has),
                cmocka_unit_test(weak_or_broken_keys_are_not_made),
                cmocka_unit_test(openssl_error_queue_is_left_empty),
                cmocka_unit_test(signing_gives_the_published_mac),
                cmocka_unit_test(only_the_four_names_are_algorithms),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
