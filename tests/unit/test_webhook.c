/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures and secrets of webhooks: the vector of the Standard Webhooks specification. */
#include "push/webhook.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/evp.h>

#include "base/buf.h"
#include "base/encode.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static void the_vector_of_the_specification_comes_out(void **state) {
        _cleanup_buf_ struct buf key = BUF_INIT(64), out = BUF_INIT(64);
        assert_int_equal(webhook_read_secret(SLICE("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), &key), 0);
        assert_int_equal(key.len, 24);
        assert_int_equal(webhook_sign(buf_slice(&key), SLICE("msg_p5jXN8AQM9LWM0D4loKWxJek"), 1614265330, SLICE("{\"test\": 2432232314}"), &out), 0);
        assert_string_equal(out.ptr, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

static void secrets_are_base64_with_a_prefix_or_text(void **state) {
        static const struct {
                const char *text;
                int answer;
                size_t len;
        } rows[] = {
                { "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", 0, 32 },
                { "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==", 0, 31 },
                { "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", 1, 0 }, /* 23 bytes */
                { "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 1, 0 },
                { "whsec_", 1, 0 },
                { "whsec_not base64 at all, is it, is it, is", 1, 0 },
                { "a text of more than twenty-four bytes", 0, 37 },
                { "a short text", 1, 0 },
                { "", 1, 0 },
        };
        for (size_t i = 0; i < COUNT(rows); i++) {
                _cleanup_buf_ struct buf key = BUF_INIT(64);
                assert_int_equal(webhook_read_secret(slice_of(rows[i].text), &key), rows[i].answer);
                if (rows[i].answer == 0)
                        assert_int_equal(key.len, rows[i].len);
        }
}

static void keys_have_24_to_1024_bytes_however_they_are_written(void **state) {
        static const struct {
                size_t len;
                int answer;
        } rows[] = { { 23, 1 }, { 24, 0 }, { 1023, 0 }, { 1024, 0 }, { 1025, 1 }, { 1026, 1 }, { 1027, 1 } };
        unsigned char text[1032], encoded[2048] = "whsec_";
        memset(text, 'k', sizeof(text));
        for (size_t i = 0; i < COUNT(rows); i++) {
                _cleanup_buf_ struct buf plain = BUF_INIT(2048), decoded = BUF_INIT(2048);
                assert_int_equal(webhook_read_secret((struct slice){ (const char *)text, rows[i].len }, &plain), rows[i].answer);
                EVP_EncodeBlock(encoded + 6, text, (int)rows[i].len);
                assert_int_equal(webhook_read_secret(slice_of((const char *)encoded), &decoded), rows[i].answer);
                assert_int_equal(decoded.len, rows[i].answer ? 0 : rows[i].len);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_vector_of_the_specification_comes_out),
                cmocka_unit_test(secrets_are_base64_with_a_prefix_or_text),
                cmocka_unit_test(keys_have_24_to_1024_bytes_however_they_are_written),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
