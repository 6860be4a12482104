/* SPDX-License-Identifier: Apache-2.0 */
/* A frame is a copy and lives as long as its last reference. Run under a sanitizer, a wrong count is a use after free or a leak.
 */
#include "base/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void a_frame_is_a_copy(void **state) {
        char text[] = "abc";
        struct frame *frame = frame_new((struct slice){ text, 3 });

        text[0] = 'X';
        assert_int_equal(frame->len, 3);
        assert_memory_equal(frame->bytes, "abc", 3);
        assert_null(frame_unref(frame));
}

static void a_frame_lives_until_the_last_reference(void **state) {
        struct frame *frame = frame_new(SLICE("shared"));

        assert_int_equal(frame->refs, 1);
        for (uint32_t i = 0; i < 1000; i++)
                assert_ptr_equal(frame_ref(frame), frame);
        assert_int_equal(frame->refs, 1001);
        for (uint32_t i = 0; i < 1000; i++)
                assert_null(frame_unref(frame));
        assert_memory_equal(frame->bytes, "shared", 6);
        assert_int_equal(frame->refs, 1);
        frame_unref(frame);
}

static void nothing_is_a_frame_too(void **state) {
        struct frame *frame = frame_new((struct slice){ NULL, 0 });

        assert_int_equal(frame->len, 0);
        frame_unref(frame);
        assert_null(frame_unref(NULL));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_frame_is_a_copy),
                cmocka_unit_test(a_frame_lives_until_the_last_reference),
                cmocka_unit_test(nothing_is_a_frame_too),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
