/* SPDX-License-Identifier: Apache-2.0 */
/* The line in the terminal says what there is room for, and is never as wide as the terminal: it would go on in the next line,
 * twice a second. */
#include "loadtest/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct progress usual = { "running", 30.4, 4000.2, 8.31, 1000, 1000, 0, 120000, 30000 };

static void it_says_all_where_there_is_room(void **state) {
        char line[PROGRESS_BYTES];
        progress_write(&usual, PROGRESS_UNLIMITED, line);
        assert_string_equal(line,
                            "running 30 s, 1000 of 1000 live, 0 faults, p99 8.3 ms, 120000 shown (4000/s), 30000 acknowledged");
        progress_write(&usual, strlen(line) + 1, line);
        assert_non_null(strstr(line, "acknowledged"));
}

static void it_leaves_out_what_has_none(void **state) {
        char line[PROGRESS_BYTES];
        progress_write(&usual, 80, line);
        assert_string_equal(line, "running 30 s, 1000 of 1000 live, 0 faults, p99 8.3 ms, 120000 shown (4000/s)");
        progress_write(&usual, 43, line);
        assert_string_equal(line, "running 30 s, 1000 of 1000 live, 0 faults");
        progress_write(&usual, 5, line);
        assert_string_equal(line, "");
}

static void it_is_narrower_than_the_terminal(void **state) {
        static const struct progress rows[] = {
                { "making conversations", 604800, 1e9, 604800000, 2000000, 2000000, UINT64_MAX, UINT64_MAX, UINT64_MAX },
                { "running", 1e300, 1e300, 1e300, 1, 1, 1, 1, 1 },
                { "draining", 0, 0, 0, 0, 1, 0, 0, 0 },
        };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
                for (size_t width = 1; width < 2 * PROGRESS_BYTES; width++) {
                        char line[PROGRESS_BYTES];
                        progress_write(&rows[i], width, line);
                        assert_true(strlen(line) < width);
                }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(it_says_all_where_there_is_room),
                cmocka_unit_test(it_leaves_out_what_has_none),
                cmocka_unit_test(it_is_narrower_than_the_terminal),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
