/* SPDX-License-Identifier: Apache-2.0 */
/* How devices, rooms and the rate are shared among the processes: all of them, each once, and a room's members together. */
#include "loadtest/share.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loadtest/plan.h"

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
                        struct share share = share_of(&rows[i], p);
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

static void who_may_speak_keeps_the_rate_of_all(void **state) {
        static const struct {
                struct plan plan;
                uint32_t speakers;
        } rows[] = {
                { { .scenario = SCENARIO_CHAT, .connections = 1001, .processes = 7, .stalled = 9 }, 1001 },
                { { .scenario = SCENARIO_SLOW, .connections = 100, .processes = 1, .stalled = 20 }, 80 },
                { { .scenario = SCENARIO_SLOW, .connections = 100, .processes = 3, .stalled = 50 }, 50 },
                { { .scenario = SCENARIO_SLOW, .connections = 8, .processes = 2, .stalled = 8 }, 0 },
                { { .scenario = SCENARIO_FANOUT, .connections = 100, .processes = 3, .channels = 4 }, 4 },
                { { .scenario = SCENARIO_FANOUT, .connections = 1, .processes = 3, .channels = 1 }, 1 },
        };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                struct plan plan = rows[i].plan;
                plan.room = 4;
                plan.rooms = plan.devices = 1;
                plan.rate = 300;
                uint32_t speakers = 0, stalled = 0;
                double rate = 0;
                for (uint32_t p = 0; p < plan.processes; p++) {
                        struct share share = share_of(&plan, p);
                        uint32_t here = share_speakers(&share, &plan);
                        assert_true(here <= share.devices);
                        for (uint32_t k = 0; k < share.devices; k++) {
                                stalled += share_is_stalled(&share, &plan, k);
                                assert_false(k < here && share_is_stalled(&share, &plan, k));
                        }
                        speakers += here;
                        rate += share_rate(&share, &plan);
                }
                assert_int_equal(speakers, rows[i].speakers);
                assert_int_equal(stalled, plan.scenario == SCENARIO_SLOW ? plan.stalled : 0);
                assert_true(rate > (speakers ? 299.999 : -0.001) && rate < (speakers ? 300.001 : 0.001));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_device_and_every_room_is_in_one_process),
                cmocka_unit_test(who_may_speak_keeps_the_rate_of_all),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
