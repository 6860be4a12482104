/* SPDX-License-Identifier: Apache-2.0 */
/* base64url by the vectors of RFC 4648 section 10, and everything a strict decoder must refuse. */
#include "base/encode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static void base64url_goes_there_and_back(void **state) {
        static const struct {
                struct slice bytes, text;
        } rows[] = {
                { SLICE(""), SLICE("") },
                { SLICE("f"), SLICE("Zg") },
                { SLICE("fo"), SLICE("Zm8") },
                { SLICE("foo"), SLICE("Zm9v") },
                { SLICE("foob"), SLICE("Zm9vYg") },
                { SLICE("fooba"), SLICE("Zm9vYmE") },
                { SLICE("foobar"), SLICE("Zm9vYmFy") },
                { SLICE("\0"), SLICE("AA") },
                { SLICE("\xfb\xff\xfe"), SLICE("-__-") },
        };

        for (size_t i = 0; i < COUNT(rows); i++) {
                char text[16], bytes[16];
                size_t len = encode_base64url(rows[i].bytes.ptr, rows[i].bytes.len, text);
                assert_int_equal(len, ENCODE_BASE64URL_LEN(rows[i].bytes.len));
                assert_true(slice_equal((struct slice){ text, len }, rows[i].text));

                assert_int_equal(encode_base64url_decode(rows[i].text, bytes, rows[i].bytes.len, &len), 0);
                assert_true(slice_equal((struct slice){ bytes, len }, rows[i].bytes));
                if (rows[i].bytes.len > 0)
                        assert_int_equal(encode_base64url_decode(rows[i].text, bytes, rows[i].bytes.len - 1, &len), 1);
        }
}

static void one_value_has_one_text(void **state) {
        static const char *const bad[] = {
                "A",                          /* 6 bits are no byte */
                "AAAAA", "Zg==", "Zm8=", "=", /* padding */
                "Zh",    "Zk",   "Zm9",       /* spare bits */
                "Zm+v",  "Zm/v", "Zm v", "Zm\nv", "Zm\xc3\xa9", "Zm.v",
        };

        for (size_t i = 0; i < COUNT(bad); i++) {
                char bytes[16];
                size_t len = 99;
                if (encode_base64url_decode(slice_of(bad[i]), bytes, sizeof(bytes), &len) != 1)
                        fail_msg("accepted: %s", bad[i]);
                assert_int_equal(len, 99);
        }
        size_t len;
        char bytes[4];
        assert_int_equal(encode_base64url_decode((struct slice){ "Zm\0v", 4 }, bytes, sizeof(bytes), &len), 1);
}

/* Of the 256 bytes exactly the 64 letters decode, each to its own value. */
static void each_letter_has_its_value(void **state) {
        unsigned good = 0;

        for (int c = 0; c < 256; c++) {
                char text[4] = { 'A', 'A', 'A', (char)c }, back[4];
                unsigned char bytes[3];
                size_t len;
                if (encode_base64url_decode((struct slice){ text, 4 }, bytes, 3, &len) != 0)
                        continue;
                good++;
                assert_int_equal(encode_base64url(bytes, 3, back), 4);
                assert_memory_equal(text, back, 4);
        }
        assert_int_equal(good, 64);
}

static void percent_encoding_is_decoded(void **state) {
        static const struct {
                const char *text;
                struct slice decoded;
        } rows[] = {
                { "", SLICE("") },         { "plain-._~", SLICE("plain-._~") },
                { "a%20b", SLICE("a b") }, { "%41%6a%6A", SLICE("Ajj") },
                { "%00", SLICE("\0") },    { "%c3%A9%2F", SLICE("\xc3\xa9/") },
                { "a+b", SLICE("a+b") },   /* RFC 3986: a plus is a plus; only HTML forms differ */
                { "%2541", SLICE("%41") }, /* once, not twice */
        };

        for (size_t i = 0; i < COUNT(rows); i++) {
                char out[16];
                size_t len = 99;
                assert_int_equal(encode_percent_decode(slice_of(rows[i].text), out, rows[i].decoded.len, &len), 0);
                assert_true(slice_equal((struct slice){ out, len }, rows[i].decoded));
                if (rows[i].decoded.len > 0)
                        assert_int_equal(encode_percent_decode(slice_of(rows[i].text), out, rows[i].decoded.len - 1, &len), 1);
        }
}

static void malformed_percent_encoding_is_refused(void **state) {
        static const char *const bad[] = { "%", "%4", "a%", "a%4", "%g1", "%1g", "%%41", "% 1", "%-1", "%+1", "%0x" };

        for (size_t i = 0; i < COUNT(bad); i++) {
                char out[16];
                size_t len;
                if (encode_percent_decode(slice_of(bad[i]), out, sizeof(out), &len) != 1)
                        fail_msg("accepted: %s", bad[i]);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(base64url_goes_there_and_back),
                cmocka_unit_test(one_value_has_one_text),
                cmocka_unit_test(each_letter_has_its_value),
                cmocka_unit_test(percent_encoding_is_decoded),
                cmocka_unit_test(malformed_percent_encoding_is_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
