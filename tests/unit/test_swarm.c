/* SPDX-License-Identifier: Apache-2.0 */
/* How devices and rooms are shared among the processes: all of them, each once, and a room's members together. */
#include "loadtest/swarm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void every_device_and_every_room_is_in_one_process(void **state) {
        static const struct plan rows[] = {
                { .scenario = SCENARIO_CHAT, .connections = 1000, .processes = 1, .room = 4, .rooms = 1, .devices = 1 },
                { .scenario = SCENARIO_CHAT, .connections = 1001, .processes = 7, .room = 5, .rooms = 3, .devices = 2 },
                { .scenario = SCENARIO_CHAT, .connections = 3, .processes = 2, .room = 4, .rooms = 1, .devices = 1 },
                { .scenario = SCENARIO_CHAT, .connections = 2000000, .processes = 250, .room = 1000, .rooms = 1, .devices = 64 },
                { .scenario = SCENARIO_FANOUT, .connections = 1000, .processes = 3, .channels = 2, .devices = 1 },
                { .scenario = SCENARIO_FANOUT, .connections = 1, .processes = 3, .channels = 1, .devices = 1 },
        };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                uint32_t devices = 0, rooms = 0;
                for (uint32_t p = 0; p < rows[i].processes; p++) {
                        struct share share = swarm_share(&rows[i], p);
                        assert_int_equal(share.first_device, devices);
                        if (rows[i].scenario == SCENARIO_FANOUT) {
                                assert_int_equal(share.rooms_per_circle, rows[i].channels);
                                assert_int_equal(share.circles, 1);
                        } else {
                                assert_int_equal(share.first_room, rooms);
                                assert_int_equal(share.devices_per_circle, rows[i].room * rows[i].devices);
                                assert_true(share.devices <= share.circles * share.devices_per_circle);
                                assert_true(share.devices + share.devices_per_circle > share.circles * share.devices_per_circle);
                        }
                        devices += share.devices;
                        rooms += share.circles * share.rooms_per_circle;
                }
                assert_int_equal(devices, rows[i].connections);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_device_and_every_room_is_in_one_process),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
