/* SPDX-License-Identifier: Apache-2.0 */
/* Texts that are cut to fit. */
#include "push/trim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/encode.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static void a_text_is_cut_between_two_characters(void **state) {
        static const struct {
                const char *text;
                size_t room;
                const char *left;
        } rows[] = {
                { "abc", 3, "abc" },       { "abc", 2, "ab" },        { "abc", 0, "" },
                { "\xc3\xa4\xc3\xa4", 3, "\xc3\xa4" },                { "\xc3\xa4", 1, "" },
                { "a\xf0\x9f\x98\x80", 4, "a" },                      { "a\xf0\x9f\x98\x80", 5, "a\xf0\x9f\x98\x80" },
                { "\xe2\x82\xac\xe2\x82\xac", 5, "\xe2\x82\xac" },    { "", 5, "" },
        };
        for (size_t i = 0; i < COUNT(rows); i++) {
                assert_true(slice_is(trim_to_bytes(slice_of(rows[i].text), rows[i].room), rows[i].left));
                assert_true(slice_is(trim_to_json(slice_of(rows[i].text), rows[i].room), rows[i].left));
        }
}

/* Whatever buf_add_json() writes is what trim_json_len() says. */
static void what_is_measured_is_what_is_written(void **state) {
        for (unsigned first = 0; first < 128; first++) {
                char text[] = { 'a', (char)first, 'b' };
                struct slice slice = { text, sizeof(text) };
                _cleanup_buf_ struct buf out = BUF_INIT(64);
                buf_add_json(&out, slice);
                assert_int_equal(trim_json_len(slice), out.len - 2);
        }
}

static void an_escape_is_never_cut(void **state) {
        assert_true(slice_is(trim_to_json(SLICE("a\"b"), 2), "a"));
        assert_true(slice_is(trim_to_json(SLICE("a\"b"), 3), "a\""));
        assert_true(slice_is(trim_to_json(SLICE("\x01z"), 5), ""));
        assert_true(slice_is(trim_to_json(SLICE("\x01z"), 6), "\x01"));
}

static void the_text_goes_before_the_title(void **state) {
        static const struct {
                const char *title, *text;
                size_t room;
                const char *title_left, *text_left;
        } rows[] = {
                { "Alice", "Hello", 10, "Alice", "Hello" }, { "Alice", "Hello", 9, "Alic", "Hello" },
                { "Al", "Hello, Bob", 8, "Al", "Hello," },  { "A long title", "and a long text", 8, "A lo", "and " },
                { "A long title", "", 8, "A long t", "" },  { "A long title", "abc", 8, "A lon", "abc" },
                { "x", "y", 0, "", "" },
        };
        for (size_t i = 0; i < COUNT(rows); i++) {
                struct slice title = slice_of(rows[i].title), text = slice_of(rows[i].text);
                trim_both(&title, &text, rows[i].room);
                assert_true(slice_is(title, rows[i].title_left));
                assert_true(slice_is(text, rows[i].text_left));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_text_is_cut_between_two_characters),
                cmocka_unit_test(what_is_measured_is_what_is_written),
                cmocka_unit_test(an_escape_is_never_cut),
                cmocka_unit_test(the_text_goes_before_the_title),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
