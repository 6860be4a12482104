/* SPDX-License-Identifier: Apache-2.0 */
/* The clocks agree with the kernel's and count milliseconds. */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

static void the_wall_clock_is_the_time_of_day(void **state) {
        int64_t before_s = time(NULL);
        int64_t now_ms = clock_wall_ms();
        int64_t after_s = time(NULL);

        /* time() may be one tick of the kernel behind. */
        assert_true(now_ms >= before_s * 1000 && now_ms <= (after_s + 1) * 1000 + 100);
}

static void the_monotonic_clock_never_goes_back(void **state) {
        struct timespec kernel;
        uint64_t last_ms = clock_monotonic_ms();

        clock_gettime(CLOCK_MONOTONIC, &kernel);
        assert_in_range((uint64_t)kernel.tv_sec * 1000 + (uint64_t)kernel.tv_nsec / 1000000 - last_ms, 0, 60000);
        for (int i = 0; i < 1000; i++) {
                uint64_t now_ms = clock_monotonic_ms();
                assert_true(now_ms >= last_ms);
                last_ms = now_ms;
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_wall_clock_is_the_time_of_day),
                cmocka_unit_test(the_monotonic_clock_never_goes_back),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
