/* SPDX-License-Identifier: Apache-2.0 */
/* Encryption of Web Push: the vector of RFC 8291, and what is refused. That others can decrypt it, tests/push/providers.mjs shows. */
#include "push/ece.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/encode.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

/* RFC 8291 section 5 and appendix A. */
#define PLAIN "When I grow up, I want to be a watermelon"
#define UA_PUBLIC "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
#define AUTH "BTBZMqHH6r4Tts7J_aSIgg"
#define AS_PRIVATE "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
#define SALT "DGv6ra1nlYgDCS1FRnbzlw"
#define BODY                                                                                                                     \
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_"       \
        "yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"

static struct ece_keys rfc_keys(void) {
        struct ece_keys keys;
        assert_int_equal(ece_keys_parse(SLICE(UA_PUBLIC), SLICE(AUTH), &keys), 0);
        return keys;
}

static struct ece_chance rfc_chance(void) {
        struct ece_chance chance;
        size_t len = 0;
        assert_int_equal(encode_base64url_decode(SLICE(AS_PRIVATE), chance.scalar, sizeof(chance.scalar), &len), 0);
        assert_int_equal(encode_base64url_decode(SLICE(SALT), chance.salt, sizeof(chance.salt), &len), 0);
        return chance;
}

static void the_vector_of_the_rfc_comes_out(void **state) {
        struct ece_keys keys = rfc_keys();
        struct ece_chance chance = rfc_chance();
        _cleanup_buf_ struct buf out = BUF_INIT(8192);
        char text[256];

        assert_int_equal(ece_encrypt(SLICE(PLAIN), &keys, &chance, &out), 0);
        assert_int_equal(out.len, 144);
        size_t len = encode_base64url(out.ptr, out.len, text);
        assert_int_equal(len, strlen(BODY));
        assert_memory_equal(text, BODY, len);
}

static void keys_are_read_in_either_alphabet_with_or_without_padding(void **state) {
        struct ece_keys keys = rfc_keys(), other;
        char p256dh[] = UA_PUBLIC "=", auth[] = AUTH "==";
        for (char *c = p256dh; *c; c++)
                *c = *c == '-' ? '+' : *c == '_' ? '/' : *c;
        for (char *c = auth; *c; c++)
                *c = *c == '-' ? '+' : *c == '_' ? '/' : *c;
        assert_int_equal(ece_keys_parse(slice_of(p256dh), slice_of(auth), &other), 0);
        assert_memory_equal(&keys, &other, sizeof(keys));
}

static void what_is_no_key_is_refused(void **state) {
        static const struct {
                const char *p256dh, *auth;
        } rows[] = {
                { "", AUTH },
                { UA_PUBLIC, "" },
                { UA_PUBLIC, "BTBZMqHH6r4Tts7J_aSI" },   /* 15 bytes */
                { UA_PUBLIC, "BTBZMqHH6r4Tts7J_aSIggAA" }, /* 18 bytes */
                { "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw8", AUTH }, /* not on the curve */
                { "AyVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4", AUTH }, /* 3: not uncompressed */
                { "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", AUTH }, /* infinity */
                { "!", AUTH },
        };
        struct ece_keys keys;
        for (size_t i = 0; i < COUNT(rows); i++)
                assert_int_equal(ece_keys_parse(slice_of(rows[i].p256dh), slice_of(rows[i].auth), &keys), ECE_E_KEYS);
}

static void a_body_is_at_most_4096_bytes(void **state) {
        static char text[ECE_PLAIN_MAX + 1];
        struct ece_keys keys = rfc_keys();
        struct ece_chance chance = rfc_chance();
        _cleanup_buf_ struct buf out = BUF_INIT(8192), more = BUF_INIT(8192), none = BUF_INIT(8192);

        assert_int_equal(ece_encrypt((struct slice){ text, ECE_PLAIN_MAX }, &keys, &chance, &out), 0);
        assert_int_equal(out.len, 4096);
        assert_int_equal(ece_encrypt((struct slice){ text, ECE_PLAIN_MAX + 1 }, &keys, &chance, &more), ECE_E_LARGE);
        assert_int_equal(more.len, 0);
        assert_int_equal(ece_encrypt((struct slice){ 0 }, &keys, &chance, &none), 0);
        assert_int_equal(none.len, 86 + 1 + 16);
}

static void chance_that_is_no_private_key_is_told(void **state) {
        struct ece_keys keys = rfc_keys();
        struct ece_chance chance = { 0 };
        _cleanup_buf_ struct buf out = BUF_INIT(8192);

        assert_int_equal(ece_encrypt(SLICE("x"), &keys, &chance, &out), ECE_E_CHANCE);
        memset(chance.scalar, 0xff, sizeof(chance.scalar)); /* above the order of the curve */
        assert_int_equal(ece_encrypt(SLICE("x"), &keys, &chance, &out), ECE_E_CHANCE);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_vector_of_the_rfc_comes_out),
                cmocka_unit_test(keys_are_read_in_either_alphabet_with_or_without_padding),
                cmocka_unit_test(what_is_no_key_is_refused),
                cmocka_unit_test(a_body_is_at_most_4096_bytes),
                cmocka_unit_test(chance_that_is_no_private_key_is_told),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
