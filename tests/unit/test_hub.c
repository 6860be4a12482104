/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/hub.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const struct {
        bool was;
        uint64_t before_ms, now_ms;
        bool stalled;
} rows[] = {
        { false, 0, 5000, false },          { false, 5000, 5100, false },   { false, 5000, 5000 + HUB_STALL_MS, false },
        { false, 5000, 5501, true },        { true, 5000, 5501, false },    { false, 5501, 5000, false },
};

static void a_tick_that_is_late_is_forgiven_to_the_peers_once(void **state) {
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (hub_is_stalled(rows[i].was, rows[i].before_ms, rows[i].now_ms) != rows[i].stalled)
                        fail_msg("row %zu", i);
}

static void so_many_are_killed_in_a_tick(void **state) {
        struct hub hub = { 0 };
        for (int i = 0; i < LIMIT_KILLS; i++)
                assert_true(hub_may_kill(&hub));
        assert_false(hub_may_kill(&hub));
        assert_false(hub_may_kill(&hub));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_tick_that_is_late_is_forgiven_to_the_peers_once),
                cmocka_unit_test(so_many_are_killed_in_a_tick),
        };
        return cmocka_run_group_tests_name("hub", tests, NULL, NULL);
}
