/* SPDX-License-Identifier: Apache-2.0 */
/* A glance finds what is there wherever it stands, and nothing that is nested or malformed passes for it. */
#include "loadtest/glance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "loadtest/dice.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static struct glance read_it(const char *text) {
        struct glance glance;
        assert_int_equal(glance_read(slice_of(text), &glance), 0);
        return glance;
}

static void the_fields_of_a_message_are_found_in_any_order(void **state) {
        static const char *const rows[] = {
                "{\"type\":\"message\",\"n\":18,\"conv\":\"c1\",\"seq\":5,\"from\":\"bob\",\"op\":\"x.1.2\",\"at\":1,\"body\":{"
                "\"t\":77,\"text\":\"}\\\"]{\"}}",
                "{\"body\":{\"t\":77,\"n\":99,\"seq\":[1,{\"n\":3}]},\"op\":\"x.1.2\",\"seq\":5,\"conv\":\"c1\",\"n\":18,"
                "\"type\":\"message\"}",
                "{\"what\":null,\"\":0,\"yes\":true,\"f\":-1.5e3,\"body\":{\"t\":77},\"op\":\"x.1.2\",\"seq\":5,\"conv\":\"c1\","
                "\"n\":18,\"type\":\"edit\"}",
        };
        for (size_t i = 0; i < COUNT(rows); i++) {
                struct glance glance = read_it(rows[i]);
                assert_int_equal(glance.type, GLANCE_MESSAGE);
                assert_int_equal(glance.n, 18);
                assert_int_equal(glance.seq, 5);
                assert_true(slice_is(glance.conv, "c1"));
                assert_true(slice_is(glance.op, "x.1.2"));
                assert_memory_equal(glance.body.ptr, "{\"t\":77", 7);
                assert_int_equal(glance.body.ptr[glance.body.len - 1], '}');
        }
}

static void what_is_missing_is_missing(void **state) {
        struct glance glance = read_it("{\"type\":\"caught_up\"}");
        assert_int_equal(glance.type, GLANCE_CAUGHT_UP);
        assert_int_equal(glance.n, -1);
        assert_int_equal(glance.id, -1);
        assert_int_equal(glance.conv.len, 0);
        assert_int_equal(glance.body.len, 0);
        assert_int_equal(read_it("{}").type, GLANCE_OTHER);
        assert_int_equal(read_it("{\"type\":\"massage\"}").type, GLANCE_OTHER);
}

static void numbers_that_are_none_are_not_taken(void **state) {
        assert_int_equal(read_it("{\"n\":-5}").n, -1);
        assert_int_equal(read_it("{\"n\":1.5}").n, -1);
        assert_int_equal(read_it("{\"n\":\"7\"}").n, -1);
        assert_int_equal(read_it("{\"n\":9999999999999999999}").n, -1);
        assert_int_equal(read_it("{\"n\":999999999999999999}").n, 999999999999999999);
        assert_int_equal(read_it("{\"conv\":7}").conv.len, 0);
}

static void errors_and_replies(void **state) {
        struct glance error =
                read_it("{\"type\":\"error\",\"id\":7,\"code\":\"unavailable\",\"temporary\":true,\"retry_after_ms\":250}");
        assert_int_equal(error.type, GLANCE_ERROR);
        assert_true(error.temporary);
        assert_int_equal(error.retry_after_ms, 250);
        assert_true(slice_is(error.code, "unavailable"));
        assert_true(read_it("{\"type\":\"subscribed\",\"recovered\":false}").unrecovered);
        assert_false(read_it("{\"type\":\"subscribed\",\"recovered\":true}").unrecovered);
        assert_true(read_it("{\"type\":\"sent\",\"duplicate\":true}").duplicate);
}

static void what_is_no_object_is_malformed(void **state) {
        static const char *const rows[] = { "",          "{",           "[]",         "{]",         "{\"a\"}", "{\"a\":}",
                                            "{\"a\":1",  "{\"a\":1,",   "}",          "null",       "{\"a\":", "{\"a\":\"}",
                                            "{\"a\":[}", "{\"a\":{\"}", "{\"a\":1}x", "{\"a\":\"\\" };
        for (size_t i = 0; i < COUNT(rows); i++) {
                struct glance glance;
                if (glance_read(slice_of(rows[i]), &glance) == 0)
                        fail_msg("%s was read", rows[i]);
        }
}

/* Whatever is cut or changed of a frame, nothing outside it is read: the copy ends where its memory does, so a sanitizer sees it.
 */
static void no_byte_outside_is_read(void **state) {
        static const char text[] =
                "{\"type\":\"message\",\"n\":18,\"conv\":\"c\\\"1\",\"seq\":5,\"body\":{\"t\":77,\"x\":[\"]\",{}]}}";
        struct dice dice = { 3 };
        for (size_t len = 0; len < sizeof text; len++)
                for (int i = 0; i < 200; i++) {
                        char *copy = malloc(len ? len : 1);
                        memcpy(copy, text, len);
                        for (uint32_t k = dice_below(&dice, 4); len && k > 0; k--)
                                copy[dice_below(&dice, (uint32_t)len)] = "{}[]\",:\\1a"[dice_below(&dice, 10)];
                        struct glance glance;
                        if (glance_read((struct slice){ copy, len }, &glance) == 0 && glance.body.len)
                                assert_true(glance.body.ptr >= copy && glance.body.ptr + glance.body.len <= copy + len);
                        free(copy);
                }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_fields_of_a_message_are_found_in_any_order),
                cmocka_unit_test(what_is_missing_is_missing),
                cmocka_unit_test(numbers_that_are_none_are_not_taken),
                cmocka_unit_test(errors_and_replies),
                cmocka_unit_test(what_is_no_object_is_malformed),
                cmocka_unit_test(no_byte_outside_is_read),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
