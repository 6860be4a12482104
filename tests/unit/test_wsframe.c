/* SPDX-License-Identifier: Apache-2.0 */
/* Frames survive the way there and back, and what is no frame, or not whole, is told as that. */
#include "loadtest/wsframe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static void frames_of_each_length_are_read_as_they_were_written(void **state) {
        static const size_t lengths[] = { 0, 1, 125, 126, 127, 65535, 65536, 70000 };
        static const uint8_t mask[4] = { 0x37, 0xfa, 0x21, 0x3d };
        for (size_t i = 0; i < COUNT(lengths) * 2; i++) {
                size_t len = lengths[i / 2];
                bool masked = i % 2;
                char *bytes = calloc(1, WSFRAME_HEAD_BYTES + len);
                size_t head_len = wsframe_head(bytes, WSFRAME_TEXT, len, masked ? mask : NULL);
                struct wsframe frame;
                for (size_t part = 0; part < head_len + len; part += part < 20 ? 1 : 9973)
                        assert_int_equal(wsframe_parse((struct slice){ bytes, part }, 70000, &frame), WSFRAME_E_WAIT);
                assert_int_equal(wsframe_parse((struct slice){ bytes, head_len + len }, 70000, &frame), 0);
                assert_int_equal(frame.head_len, head_len);
                assert_int_equal(frame.payload_len, len);
                assert_int_equal(frame.opcode, WSFRAME_TEXT);
                assert_true(frame.final);
                assert_int_equal(frame.masked, masked);
                if (masked)
                        assert_memory_equal(frame.mask, mask, 4);
                free(bytes);
        }
}

static void what_is_no_frame_is_bad(void **state) {
        static const struct slice rows[] = {
                { "\xc1\x00", 2 },                                  /* an extension's bit */
                { "\x89\x7e\x00\x7e", 4 },                          /* a ping longer than 125 */
                { "\x81\x7e\x03\xe9", 4 },                          /* by one */
                { "\x81\x7e\xff\xff", 4 },                          /* longer than we take */
                { "\x81\x7f\x80\x00\x00\x00\x00\x00\x00\x05", 10 }, /* and far longer */
                { "\x81\x7f\x00\x00\x00\x01\x00\x00\x00\x00", 10 },
        };
        for (size_t i = 0; i < COUNT(rows); i++) {
                struct wsframe frame;
                assert_int_equal(wsframe_parse(rows[i], 1000, &frame), WSFRAME_E_BAD);
        }
}

/* RFC 6455 section 5.7: a single-frame masked text message, "Hello". */
static void masking_is_that_of_the_rfc(void **state) {
        char bytes[] = "\x7f\x9f\x4d\x51\x58";
        static const uint8_t mask[4] = { 0x37, 0xfa, 0x21, 0x3d };
        wsframe_mask(bytes, 5, mask);
        assert_string_equal(bytes, "Hello");
}

/* RFC 6455 section 1.3. */
static void the_accept_key_is_that_of_the_rfc(void **state) {
        char accept[WSFRAME_ACCEPT_BYTES];
        wsframe_accept(SLICE("dGhlIHNhbXBsZSBub25jZQ=="), accept);
        assert_memory_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", WSFRAME_ACCEPT_BYTES);
        char hostile[300] = { 0 };
        wsframe_accept((struct slice){ hostile, sizeof hostile }, accept); /* too long: whatever, but within bounds */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(frames_of_each_length_are_read_as_they_were_written),
                cmocka_unit_test(what_is_no_frame_is_bad),
                cmocka_unit_test(masking_is_that_of_the_rfc),
                cmocka_unit_test(the_accept_key_is_that_of_the_rfc),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
