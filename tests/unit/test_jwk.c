/* SPDX-License-Identifier: Apache-2.0 */
/* Which keys of a JWK Set are taken, passed over and refused, and which of them a token may be checked by. */
#include "hub/jwk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/limits.h"

/* Public keys of RFC 7515 appendix A.2, A.3 and RFC 8037 appendix A.2; a secret of 32 bytes. */
#define RSA                                                                                                                      \
        "\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":"                                                                                  \
        "\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMs" \
        "D1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdV"   \
        "MTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\""
#define EC                                                                                                                       \
        "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","                                \
        "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\""
#define ED "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\""
#define OCT "\"kty\":\"oct\",\"k\":\"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE\""
#define KEYS(list) "{\"keys\":[" list "]}"

static struct jwk_set *new_set(void) {
        struct jwk_set *set = NULL;
        assert_int_equal(jwk_set_new(&set), 0);
        return set;
}

static struct jwk_set *parse(const char *text) {
        struct jwk_set *set = new_set();
        char *error = NULL;
        if (jwk_set_add_text(set, slice_of(text), &error) != 0)
                fail_msg("%s: %s", text, error);
        return set;
}

/* How many keys a token with this alg and kid may be checked by. */
static int count(const struct jwk_set *set, enum verifier_alg alg, const char *kid) {
        int n = 0;
        const struct verifier *key;
        for (size_t position = 0; (key = jwk_set_next(set, alg, kid, &position)); n++)
                assert_int_equal(verifier_alg(key), alg);
        return n;
}

static void keys_for_us_are_taken_and_others_passed_over(void **state) {
        static const struct {
                const char *sentence, *text;
                int counts[4]; /* of HS256, RS256, ES256, EdDSA */
        } rows[] = {
                { "each kind implies its algorithm", KEYS("{" RSA "},{" EC "},{" ED "},{" OCT "}"), { 1, 1, 1, 1 } },
                { "alg says the same",
                  KEYS("{" RSA ",\"alg\":\"RS256\"},{" EC ",\"alg\":\"ES256\"},{" ED ",\"alg\":\"EdDSA\"}"),
                  { 0, 1, 1, 1 } },
                { "an RSA key for another alg", KEYS("{" ED "},{" RSA ",\"alg\":\"PS256\"}"), { 0, 0, 0, 1 } },
                { "an RSA key that calls itself HS256", KEYS("{" ED "},{" RSA ",\"alg\":\"HS256\"}"), { 0, 0, 0, 1 } },
                { "a key that calls itself none", KEYS("{" ED "},{" OCT ",\"alg\":\"none\"}"), { 0, 0, 0, 1 } },
                { "a key for encryption", KEYS("{" ED "},{" RSA ",\"use\":\"enc\"}"), { 0, 0, 0, 1 } },
                { "a key for signatures", KEYS("{" RSA ",\"use\":\"sig\"}"), { 0, 1, 0, 0 } },
                { "a key to verify by", KEYS("{" RSA ",\"key_ops\":[\"verify\"]}"), { 0, 1, 0, 0 } },
                { "a key to wrap by", KEYS("{" ED "},{" RSA ",\"key_ops\":[\"wrapKey\",1]}"), { 0, 0, 0, 1 } },
                { "an unknown kty", KEYS("{\"kty\":\"AKP\",\"alg\":\"ML-DSA-44\",\"pub\":\"AA\"},{" ED "}"), { 0, 0, 0, 1 } },
                { "another curve",
                  KEYS("{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"AA\",\"y\":\"AA\"},{" ED "}"),
                  { 0, 0, 0, 1 } },
                { "X25519", KEYS("{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"AA\"},{" ED "}"), { 0, 0, 0, 1 } },
                { "a broken key for encryption", KEYS("{\"kty\":\"RSA\",\"use\":\"enc\",\"n\":\"!\"},{" ED "}"), { 0, 0, 0, 1 } },
                { "members we do not know", "{\"keys\":[{" ED ",\"x5t\":\"AA\",\"ext\":true}],\"more\":1}", { 0, 0, 0, 1 } },
                { "two of a kind", KEYS("{" ED "},{" ED ",\"kid\":\"two\"}"), { 0, 0, 0, 2 } },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct jwk_set *set = parse(rows[i].text);
                for (int alg = VERIFIER_HS256; alg <= VERIFIER_EDDSA; alg++)
                        if (count(set, (enum verifier_alg)alg, NULL) != rows[i].counts[alg])
                                fail_msg("%s: not %d keys for %s", rows[i].sentence, rows[i].counts[alg],
                                         verifier_alg_name((enum verifier_alg)alg));
                jwk_set_free(set);
        }
}

static void wrong_sets_are_refused_with_a_reason(void **state) {
        static const struct {
                const char *sentence, *text, *reason;
        } rows[] = {
                { "an empty file", "", "line" },
                { "no JSON", "ssh-rsa AAAA", "line 1" },
                { "PEM", "-----BEGIN PUBLIC KEY-----\n", "line 1" },
                { "an array", "[{" ED "}]", "\"keys\"" },
                { "one key without a set", "{" ED "}", "\"keys\"" },
                { "keys that is no array", "{\"keys\":{" ED "}}", "\"keys\"" },
                { "text behind it", KEYS("{" ED "}") " {}", "line 1" },
                { "no keys", "{\"keys\":[]}", "no key for" },
                { "no key for us", KEYS("{" RSA ",\"use\":\"enc\"}"), "no key for" },
                { "a member twice", KEYS("{" ED ",\"kid\":\"a\",\"kid\":\"b\"}"), "duplicate" },
                { "a key that is no object", KEYS("1"), "keys[0]: a key must be an object" },
                { "the second key is wrong", KEYS("{" ED "},{}"), "keys[1]: \"kty\"" },
                { "kty is a number", KEYS("{\"kty\":1}"), "\"kty\" must be a string" },
                { "alg is a number", KEYS("{" ED ",\"alg\":1}"), "\"alg\" must be a string" },
                { "use is an array", KEYS("{" ED ",\"use\":[\"sig\"]}"), "\"use\" must be a string" },
                { "key_ops is a string", KEYS("{" ED ",\"key_ops\":\"verify\"}"), "\"key_ops\" must be an array" },
                { "kid is a number", KEYS("{" ED ",\"kid\":1}"), "\"kid\" must be a string" },
                { "kid is empty", KEYS("{" ED ",\"kid\":\"\"}"), "\"kid\" must be" },
                { "kid has a space", KEYS("{" ED ",\"kid\":\"a b\"}"), "\"kid\" must be" },
                { "kid is too long",
                  KEYS("{" ED ",\"kid\":\"0123456789012345678901234567890123456789012345678901234567890123x\"}"),
                  "\"kid\" must be" },
                { "two keys with one kid", KEYS("{" ED ",\"kid\":\"a\"},{" EC ",\"kid\":\"a\"}"), "same kid \"a\"" },
                { "a short secret", KEYS("{\"kty\":\"oct\",\"k\":\"c2hvcnQ\"}"),
                  "keys[0]: an HS256 secret must have at least 32" },
                { "a secret that is missing", KEYS("{\"kty\":\"oct\"}"), "\"k\" must be" },
                { "a small RSA key", KEYS("{\"kty\":\"RSA\",\"n\":\"_____w\",\"e\":\"AQAB\"}"), "2048 bits" },
                { "an RSA key without e", KEYS("{\"kty\":\"RSA\",\"n\":\"_____w\"}"), "\"e\" must be" },
                { "a point off the curve",
                  KEYS("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
                       "\"y\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"}"),
                  "public key" },
                { "base64 with padding",
                  KEYS("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"}"),
                  "base64url" },
                { "x is a number", KEYS("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":11}"), "\"x\" must be a string" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct jwk_set *set = new_set();
                char *error = NULL;
                int r = jwk_set_add_text(set, slice_of(rows[i].text), &error);
                if (r != JWK_E_INVALID || !error)
                        fail_msg("%s: result %d", rows[i].sentence, r);
                if (!strstr(error, rows[i].reason) || strchr(error, '\n'))
                        fail_msg("%s: the reason is \"%s\"", rows[i].sentence, error);
                free(error);
                jwk_set_free(set);
        }
}

static void a_kid_means_its_key_alone(void **state) {
        struct jwk_set *set = parse(KEYS("{" ED ",\"kid\":\"a\"},{" ED ",\"kid\":\"b\"},{" RSA ",\"kid\":\"r\"},{" EC "}"));
        static const struct {
                const char *sentence, *kid;
                enum verifier_alg alg;
                int expected;
        } rows[] = {
                { "without kid, all keys of the algorithm", NULL, VERIFIER_EDDSA, 2 },
                { "a kid we know", "a", VERIFIER_EDDSA, 1 },
                { "a kid we know of a key with another algorithm", "r", VERIFIER_EDDSA, 0 },
                { "that kid with its own algorithm", "r", VERIFIER_RS256, 1 },
                { "a kid we know, although there is a key without kid", "a", VERIFIER_ES256, 0 },
                { "a kid nobody has, and all keys are named", "x", VERIFIER_EDDSA, 0 },
                { "a kid nobody has, and a key without kid", "x", VERIFIER_ES256, 1 },
                { "an algorithm without keys", NULL, VERIFIER_HS256, 0 },
                { "the beginning of a kid", "A", VERIFIER_EDDSA, 0 },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (count(set, rows[i].alg, rows[i].kid) != rows[i].expected)
                        fail_msg("%s: %d keys, not %d", rows[i].sentence, count(set, rows[i].alg, rows[i].kid), rows[i].expected);
        jwk_set_free(set);
}

static void kids_are_like_base64(void **state) {
        assert_true(jwk_is_kid(SLICE("a")));
        assert_true(jwk_is_kid(SLICE("key-1_2.3")));
        assert_true(jwk_is_kid(SLICE("1234example+/=")));
        char longest[LIMIT_KID_BYTES + 1];
        memset(longest, 'k', sizeof(longest));
        assert_true(jwk_is_kid((struct slice){ longest, LIMIT_KID_BYTES }));
        assert_false(jwk_is_kid((struct slice){ longest, LIMIT_KID_BYTES + 1 }));
        static const char *const others[] = { "", " ", "a b", "a'b", "a\"b", "a\nb", "a;b", "é", "a\\b", "a%b", "{}" };
        for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
                assert_false(jwk_is_kid(slice_of(others[i])));
        assert_false(jwk_is_kid((struct slice){ "a\0b", 3 }));
}

static void a_shared_secret_has_no_kid(void **state) {
        struct jwk_set *set = new_set();
        const struct verifier *verifier = NULL;
        char *error = NULL;
        assert_int_equal(jwk_set_add_secret(set, SLICE("0123456789012345678901234567890"), &verifier, &error), JWK_E_INVALID);
        assert_non_null(strstr(error, "32 bytes"));
        free(error);
        assert_int_equal(jwk_set_add_secret(set, SLICE("01234567890123456789012345678901"), &verifier, &error), 0);
        assert_int_equal(count(set, VERIFIER_HS256, NULL), 1);
        assert_int_equal(count(set, VERIFIER_HS256, "any"), 1);
        size_t position = 0;
        assert_ptr_equal(jwk_set_next(set, VERIFIER_HS256, NULL, &position), verifier);
        jwk_set_free(set);
}

static void the_table_has_a_limit(void **state) {
        for (int over = 0; over < 2; over++) {
                _cleanup_buf_ struct buf text = BUF_INIT(LIMIT_JWKS_BYTES);
                buf_add_text(&text, "{\"keys\":[");
                for (int i = 0; i < LIMIT_JWKS_KEYS + over; i++)
                        buf_add_text(&text, i ? ",{" ED "}" : "{" ED "}");
                buf_add_text(&text, "]}");
                assert_false(buf_failed(&text));

                struct jwk_set *set = new_set();
                char *error = NULL;
                assert_int_equal(jwk_set_add_text(set, buf_slice(&text), &error), over ? JWK_E_INVALID : 0);
                assert_int_equal(count(set, VERIFIER_EDDSA, NULL), LIMIT_JWKS_KEYS);
                assert_true(!over || strstr(error, "more than"));
                free(error);
                jwk_set_free(set);
        }
}

static void a_file_is_named_in_errors(void **state) {
        char path[] = "/tmp/test_jwk.XXXXXX";
        int fd = mkstemp(path);
        assert_true(fd >= 0);
        static const char text[] = KEYS("{" EC ",\"kid\":\"file\"}");
        assert_int_equal(write(fd, text, sizeof(text) - 1), (ssize_t)sizeof(text) - 1);
        struct jwk_set *set = new_set();
        char *error = NULL;
        assert_int_equal(jwk_set_add_file(set, path, &error), 0);
        assert_int_equal(count(set, VERIFIER_ES256, "file"), 1);

        assert_int_equal(ftruncate(fd, 5), 0);
        assert_int_equal(jwk_set_add_file(set, path, &error), JWK_E_INVALID);
        assert_ptr_equal(strstr(error, path), error);
        free(error);

        assert_int_equal(ftruncate(fd, LIMIT_JWKS_BYTES + 1), 0);
        assert_int_equal(jwk_set_add_file(set, path, &error), JWK_E_INVALID);
        assert_non_null(strstr(error, "more than"));
        free(error);

        close(fd);
        unlink(path);
        assert_int_equal(jwk_set_add_file(set, path, &error), JWK_E_INVALID);
        assert_non_null(strstr(error, "No such file"));
        free(error);
        assert_int_equal(jwk_set_add_file(set, "/", &error), JWK_E_INVALID);
        free(error);
        jwk_set_free(set);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(keys_for_us_are_taken_and_others_passed_over),
                cmocka_unit_test(wrong_sets_are_refused_with_a_reason),
                cmocka_unit_test(a_kid_means_its_key_alone),
                cmocka_unit_test(kids_are_like_base64),
                cmocka_unit_test(a_shared_secret_has_no_kid),
                cmocka_unit_test(the_table_has_a_limit),
                cmocka_unit_test(a_file_is_named_in_errors),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
