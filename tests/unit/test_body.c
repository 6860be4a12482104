/* SPDX-License-Identifier: Apache-2.0 */
/* What was sent is known again, in any size; a byte that is not as it was, or the body of another message, is not. */
#include "loadtest/body.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/limits.h"

enum { LEAST = 48, MOST = 32768, DUE_US = 123456789 };

static const struct body_of whose = { 7, 3, 2 };

static void a_body_has_its_size_and_is_known_again(void **state) {
        static const size_t sizes[] = { LEAST, 60, 100, 200, 1000, MOST };
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
                _cleanup_buf_ struct buf body = BUF_INIT(LIMIT_FRAME_BYTES);
                body_add(&body, &whose, DUE_US, sizes[i]);
                assert_int_equal(body.len, sizes[i]);
                assert_int_equal(body_read(buf_slice(&body), &whose, sizes[i]), DUE_US);
        }
}

static void it_is_longer_than_said_if_it_does_not_fit(void **state) {
        _cleanup_buf_ struct buf body = BUF_INIT(LIMIT_FRAME_BYTES);
        body_add(&body, &whose, DUE_US, 10);
        assert_true(body.len < LEAST);
        assert_int_equal(body_read(buf_slice(&body), &whose, 10), DUE_US);
}

static void any_byte_that_differs_makes_it_wrong(void **state) {
        _cleanup_buf_ struct buf body = BUF_INIT(LIMIT_FRAME_BYTES);
        body_add(&body, &whose, DUE_US, 300);
        for (size_t i = 0; i < body.len; i++)
                for (int bit = 0; bit < 8; bit++) {
                        body.ptr[i] ^= (char)(1 << bit);
                        assert_int_equal(body_read(buf_slice(&body), &whose, 300), -1);
                        body.ptr[i] ^= (char)(1 << bit);
                }
        assert_int_equal(body_read(buf_slice(&body), &whose, 300), DUE_US);
}

static void one_that_is_cut_or_longer_is_wrong(void **state) {
        _cleanup_buf_ struct buf body = BUF_INIT(LIMIT_FRAME_BYTES);
        body_add(&body, &whose, DUE_US, 300);
        for (size_t len = 0; len < body.len; len++)
                assert_int_equal(body_read((struct slice){ body.ptr, len }, &whose, 300), -1);
        assert_int_equal(body_read(buf_slice(&body), &whose, 299), -1);
        assert_int_equal(body_read(buf_slice(&body), &whose, 301), -1);
        buf_add_char(&body, ' ');
        assert_int_equal(body_read(buf_slice(&body), &whose, 300), -1);
}

static void the_body_of_another_message_is_wrong(void **state) {
        static const struct body_of others[] = { { 8, 3, 2 }, { 7, 4, 2 }, { 7, 3, 3 }, { 3, 7, 2 }, { 0, 0, 0 } };
        _cleanup_buf_ struct buf body = BUF_INIT(LIMIT_FRAME_BYTES);
        body_add(&body, &whose, DUE_US, 100);
        for (size_t i = 0; i < sizeof others / sizeof *others; i++)
                assert_int_equal(body_read(buf_slice(&body), &others[i], 100), -1);
}

/* A zero before the time, and one byte less of what fills it: the same sum, the same size, another text. */
static void the_same_time_written_otherwise_is_wrong(void **state) {
        _cleanup_buf_ struct buf body = BUF_INIT(LIMIT_FRAME_BYTES), other = BUF_INIT(LIMIT_FRAME_BYTES);
        body_add(&body, &whose, DUE_US, 99);
        buf_add_text(&other, "{\"t\":0");
        buf_add(&other, body.ptr + 5, body.len - 5);
        assert_int_equal(body_read(buf_slice(&other), &whose, 100), -1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_body_has_its_size_and_is_known_again),
                cmocka_unit_test(it_is_longer_than_said_if_it_does_not_fit),
                cmocka_unit_test(any_byte_that_differs_makes_it_wrong),
                cmocka_unit_test(one_that_is_cut_or_longer_is_wrong),
                cmocka_unit_test(the_body_of_another_message_is_wrong),
                cmocka_unit_test(the_same_time_written_otherwise_is_wrong),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
