/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/keeper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const struct {
        bool was;
        uint64_t free_bytes, reserve_bytes;
        bool tight;
} rows[] = {
        { false, 100, 100, false }, { false, 99, 100, true }, { true, 100, 100, true },  { true, 124, 100, true },
        { true, 125, 100, false },  { false, 0, 0, false },   { true, 0, 0, false },     { false, 0, 1, true },
};

static void little_room_is_told_below_the_reserve_and_until_a_quarter_above_it(void **state) {
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (keeper_is_tight(rows[i].was, rows[i].free_bytes, rows[i].reserve_bytes) != rows[i].tight)
                        fail_msg("row %zu", i);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(little_room_is_told_below_the_reserve_and_until_a_quarter_above_it),
        };
        return cmocka_run_group_tests_name("keeper", tests, NULL, NULL);
}
