/* SPDX-License-Identifier: Apache-2.0 */
#include "fanout/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void assert_words(const char *text, const char *const *words, size_t count) {
        struct slice rest = slice_of(text);
        for (size_t i = 0; i < count; i++) {
                struct slice word = words_take(&rest, ' ');
                if (!slice_is(word, words[i]))
                        fail_msg("word %zu of '%s' is '%.*s'", i, text, (int)word.len, word.ptr);
        }
}

static void a_word_ends_at_the_separator_or_the_end(void **state) {
        assert_words("m 12 room", (const char *const[]){ "m", "12", "room", "", "" }, 5);
        assert_words("one", (const char *const[]){ "one", "" }, 2);
        assert_words("", (const char *const[]){ "", "" }, 2);
}

static void words_may_be_empty(void **state) {
        assert_words("7 edit  bob", (const char *const[]){ "7", "edit", "", "bob" }, 4);
        assert_words(" ", (const char *const[]){ "", "", "" }, 3);
}

static void what_is_left_may_have_separators(void **state) {
        struct slice rest = SLICE("bob an op with spaces");
        words_take(&rest, ' ');
        assert_true(slice_is(rest, "an op with spaces"));
}

static void a_word_may_end_where_its_memory_does(void **state) {
        const char text[3] = { 'a', ' ', 'b' }; /* no NUL */
        struct slice rest = { text, sizeof(text) };
        assert_true(slice_is(words_take(&rest, ' '), "a"));
        assert_true(slice_is(words_take(&rest, ' '), "b"));
        assert_int_equal(rest.len, 0);
        assert_ptr_equal(rest.ptr, text + sizeof(text));
}

static const struct {
        const char *text;
        uint64_t value;
} numbers[] = {
        { "0", 0 },    { "42", 42 },      { "007", 7 },  { "12abc", 12 }, { "abc", 0 },
        { "", 0 },     { "-1", 0 },       { " 1", 0 },   { "1732150000123", UINT64_C(1732150000123) },
        { "9007199254740993", UINT64_C(9007199254740993) },
};

static void a_number_is_what_stands_at_the_start(void **state) {
        for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
                assert_int_equal(words_uint(slice_of(numbers[i].text)), numbers[i].value);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_word_ends_at_the_separator_or_the_end),
                cmocka_unit_test(words_may_be_empty),
                cmocka_unit_test(what_is_left_may_have_separators),
                cmocka_unit_test(a_word_may_end_where_its_memory_does),
                cmocka_unit_test(a_number_is_what_stands_at_the_start),
        };
        return cmocka_run_group_tests_name("words", tests, NULL, NULL);
}
