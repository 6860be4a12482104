/* SPDX-License-Identifier: Apache-2.0 */
/* What a buffer holds after appends, and that it fails once, for good and without content. */
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static void assert_holds(const struct buf *buf, const char *text) {
        assert_false(buf_failed(buf));
        assert_int_equal(buf->len, strlen(text));
        assert_string_equal(buf->ptr, text); /* with its NUL: buf#3 */
}

static void appends_come_in_order(void **state) {
        _cleanup_buf_ struct buf buf = BUF_INIT(100);

        buf_add(&buf, "a\0b", 1);
        buf_add_text(&buf, "bc");
        buf_add_text(&buf, "");
        buf_add_char(&buf, 'd');
        buf_add_slice(&buf, SLICE("ef"));
        buf_add_slice(&buf, (struct slice){ NULL, 0 });
        buf_printf(&buf, "-%s-%d", "x", 7);
        assert_holds(&buf, "abcdef-x-7");
        assert_true(slice_is(buf_slice(&buf), "abcdef-x-7"));
}

static void numbers_are_written_to_their_ends(void **state) {
        _cleanup_buf_ struct buf buf = BUF_INIT(200);
        static const int64_t numbers[] = { 0, -1, 9, 10, -100, INT64_MAX, INT64_MIN };

        for (size_t i = 0; i < COUNT(numbers); i++) {
                buf_add_int(&buf, numbers[i]);
                buf_add_char(&buf, ' ');
        }
        buf_add_uint(&buf, 0);
        buf_add_char(&buf, ' ');
        buf_add_uint(&buf, UINT64_MAX);
        assert_holds(&buf, "0 -1 9 10 -100 9223372036854775807 -9223372036854775808 0 18446744073709551615");
}

static void json_strings_escape_what_they_must_and_no_more(void **state) {
        static const struct {
                struct slice text;
                const char *json;
        } rows[] = {
                { { NULL, 0 }, "\"\"" },
                { SLICE("plain"), "\"plain\"" },
                { SLICE("a\"b\\c/"), "\"a\\\"b\\\\c/\"" },
                { SLICE("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\"" },
                { SLICE("\0\1\x1f\x7f"), "\"\\u0000\\u0001\\u001f\x7f\"" },
                { SLICE("\xc3\xa9\xf0\x9f\x98\x80"), "\"\xc3\xa9\xf0\x9f\x98\x80\"" },
        };

        for (size_t i = 0; i < COUNT(rows); i++) {
                _cleanup_buf_ struct buf buf = BUF_INIT(100);
                buf_add_json(&buf, rows[i].text);
                assert_holds(&buf, rows[i].json);
        }
}

static void the_limit_is_met_exactly(void **state) {
        _cleanup_buf_ struct buf buf = BUF_INIT(5);

        buf_add_text(&buf, "abc");
        buf_add_text(&buf, "de");
        assert_holds(&buf, "abcde");
        buf_add_text(&buf, "");
        assert_holds(&buf, "abcde");
}

static void past_the_limit_all_is_gone_and_stays_so(void **state) {
        _cleanup_buf_ struct buf buf = BUF_INIT(5);

        buf_add_text(&buf, "abc");
        buf_add_text(&buf, "def");
        buf_add_text(&buf, "g"); /* buf#2: no hole in the middle of what was built */
        buf_printf(&buf, "%d", 1);
        buf_add_json(&buf, SLICE("x"));
        assert_null(buf_reserve(&buf, 1));
        assert_true(buf_failed(&buf));
        assert_int_equal(buf.error, -EMSGSIZE);
        assert_int_equal(buf.len, 0);
        assert_null(buf_take(&buf, NULL));

        buf_clear(&buf);
        buf_add_text(&buf, "again");
        assert_holds(&buf, "again");
}

static void every_append_obeys_the_limit(void **state) {
        for (int kind = 0; kind < 6; kind++) {
                _cleanup_buf_ struct buf buf = BUF_INIT(2);
                switch (kind) {
                case 0:
                        buf_add_text(&buf, "abc");
                        break;
                case 1:
                        buf_add_int(&buf, -10);
                        break;
                case 2:
                        buf_add_uint(&buf, 100);
                        break;
                case 3:
                        buf_printf(&buf, "%300d", 1);
                        break;
                case 4:
                        buf_add_json(&buf, SLICE("a"));
                        break;
                case 5:
                        assert_null(buf_reserve(&buf, 3));
                        break;
                }
                assert_int_equal(buf.error, -EMSGSIZE);
                assert_null(buf.ptr);
        }
}

static void long_prints_are_whole(void **state) {
        _cleanup_buf_ struct buf buf = BUF_INIT(10000);

        buf_add_text(&buf, "<");
        buf_printf(&buf, "%*d", 255, 1); /* fits the small array */
        buf_printf(&buf, "%*d", 256, 2); /* does not */
        buf_printf(&buf, "%*d", 5000, 3);
        assert_false(buf_failed(&buf));
        assert_int_equal(buf.len, 1 + 255 + 256 + 5000);
        assert_int_equal(buf.ptr[255], '1');
        assert_int_equal(buf.ptr[255 + 256], '2');
        assert_int_equal(buf.ptr[buf.len - 1], '3');
        assert_int_equal(buf.ptr[buf.len], '\0');
}

static void consuming_moves_the_rest_forward(void **state) {
        _cleanup_buf_ struct buf buf = BUF_INIT(10);

        buf_consume(&buf, 0);
        buf_add_text(&buf, "abcdef");
        buf_consume(&buf, 2);
        assert_holds(&buf, "cdef");
        buf_add_text(&buf, "ghijkl"); /* what was consumed no longer counts */
        assert_holds(&buf, "cdefghijkl");
        buf_consume(&buf, 10);
        assert_holds(&buf, "");
}

static void reserved_room_counts_when_committed(void **state) {
        _cleanup_buf_ struct buf buf = BUF_INIT(1000);

        buf_add_text(&buf, "ab");
        char *room = buf_reserve(&buf, 998);
        assert_non_null(room);
        memset(room, 'x', 998);
        room[0] = 'c';
        buf_commit(&buf, 1);
        assert_holds(&buf, "abc");
        assert_non_null(buf_reserve(&buf, 0));
        buf_commit(&buf, 0);
        assert_holds(&buf, "abc");
}

static void taking_hands_over_and_leaves_an_empty_buffer(void **state) {
        _cleanup_buf_ struct buf buf;
        size_t len = 99;

        buf_init(&buf, 10);
        assert_null(buf_take(&buf, &len));
        assert_int_equal(len, 99);
        buf_add_text(&buf, "abc");
        char *text = buf_take(&buf, &len);
        assert_string_equal(text, "abc");
        assert_int_equal(len, 3);
        free(text);
        assert_int_equal(buf.len, 0);
        buf_add_text(&buf, "0123456789");
        assert_holds(&buf, "0123456789");
        buf_deinit(&buf);
        buf_add_text(&buf, "0123456789a"); /* it kept its limit */
        assert_true(buf_failed(&buf));
}

static void a_megabyte_grows_byte_by_byte(void **state) {
        enum { BYTES = 1 << 20 };
        _cleanup_buf_ struct buf buf = BUF_INIT(BYTES);

        for (unsigned i = 0; i < BYTES; i++)
                buf_add_char(&buf, (char)('a' + i % 26));
        assert_false(buf_failed(&buf));
        assert_int_equal(buf.len, BYTES);
        assert_true(buf.cap <= BYTES + 1);
        for (unsigned i = 0; i < BYTES; i++) {
                if (buf.ptr[i] != (char)('a' + i % 26))
                        fail_msg("byte %u is wrong", i);
        }
        buf_add_char(&buf, 'x');
        assert_true(buf_failed(&buf));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(appends_come_in_order),
                cmocka_unit_test(numbers_are_written_to_their_ends),
                cmocka_unit_test(json_strings_escape_what_they_must_and_no_more),
                cmocka_unit_test(the_limit_is_met_exactly),
                cmocka_unit_test(past_the_limit_all_is_gone_and_stays_so),
                cmocka_unit_test(every_append_obeys_the_limit),
                cmocka_unit_test(long_prints_are_whole),
                cmocka_unit_test(consuming_moves_the_rest_forward),
                cmocka_unit_test(reserved_room_counts_when_committed),
                cmocka_unit_test(taking_hands_over_and_leaves_an_empty_buffer),
                cmocka_unit_test(a_megabyte_grows_byte_by_byte),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
