/* SPDX-License-Identifier: Apache-2.0 */
/* test_prefs.c: what can be a time of day and the name of a zone; and the request that brings them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/limits.h"
#include "fanout/prefs.h"
#include "hub/wire.h"

static void times_of_day(void **state) {
        static const struct {
                const char *text;
                bool good;
        } rows[] = {
                { "00:00", true },  { "07:05", true },  { "19:59", true }, { "23:59", true },  { "24:00", false }, { "29:00", false }, { "30:00", false },
                { "12:60", false }, { "7:00", false },  { "07:0", false }, { "07:000", false }, { "07-00", false }, { "", false },     { "aa:bb", false },
                { "07:00 ", false }, { "-1:00", false },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (prefs_is_time(slice_of(rows[i].text)) != rows[i].good)
                        fail_msg("%s", rows[i].text);
}

static void names_of_zones(void **state) {
        static const struct {
                const char *text;
                bool good;
        } rows[] = {
                { "UTC", true },
                { "Europe/Berlin", true },
                { "America/Argentina/Buenos_Aires", true },
                { "Etc/GMT+12", true },
                { "America/Port-au-Prince", true },
                { "EST5EDT", true },
                { "", false },
                { "/etc/passwd", false },
                { "../UTC", false },
                { "Europe/../UTC", false },
                { "Europe/", false },
                { "Europe//Berlin", false },
                { "Europe/Berlin ", false },
                { "Europe Berlin", false },
                { "+02:00", false },
                { "5", false },
                { "Europe/\xc3\xa9", false },
                { "A234567890123456789012345678901234567890123456789012345678901234", true },
                { "A2345678901234567890123456789012345678901234567890123456789012345", false },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (prefs_is_zone(slice_of(rows[i].text)) != rows[i].good)
                        fail_msg("%s", rows[i].text);
}

static int parse(const char *text, struct request *request) {
        struct scan_value value;
        if (scan_text(slice_of(text), LIMIT_JSON_DEPTH, &value))
                fail_msg("the row is no JSON: %s", text);
        return wire_parse(value.raw, request);
}

static void requests_that_make_no_sense_are_refused(void **state) {
        static const char *const rows[] = {
                "{\"type\":\"prefs\"}",
                "{\"type\":\"prefs\",\"mute\":null}",
                "{\"type\":\"prefs\",\"mute\":true}",
                "{\"type\":\"prefs\",\"mute\":{\"conv\":\"c\"}}",
                "{\"type\":\"prefs\",\"mute\":{\"until_ms\":5}}",
                "{\"type\":\"prefs\",\"mute\":{\"conv\":\"a b\",\"until_ms\":5}}",
                "{\"type\":\"prefs\",\"mute\":{\"conv\":\"c\",\"until_ms\":-1}}",
                "{\"type\":\"prefs\",\"mute\":{\"conv\":\"c\",\"until_ms\":1.5}}",
                "{\"type\":\"prefs\",\"mute\":{\"conv\":\"c\",\"until_ms\":253402300800000}}",
                "{\"type\":\"prefs\",\"quiet_hours\":{}}",
                "{\"type\":\"prefs\",\"quiet_hours\":\"22:00\"}",
                "{\"type\":\"prefs\",\"quiet_hours\":{\"from\":\"22:00\",\"to\":\"07:00\"}}",
                "{\"type\":\"prefs\",\"quiet_hours\":{\"from\":\"22:00\",\"to\":\"22:00\",\"zone\":\"UTC\"}}",
                "{\"type\":\"prefs\",\"quiet_hours\":{\"from\":\"22\",\"to\":\"07:00\",\"zone\":\"UTC\"}}",
                "{\"type\":\"prefs\",\"quiet_hours\":{\"from\":\"22:00\",\"to\":\"07:00\",\"zone\":5}}",
                "{\"type\":\"prefs\",\"mute\":{\"conv\":\"c\",\"until_ms\":5},\"quiet_hours\":false}",
        };
        struct request request;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (parse(rows[i], &request) != WIRE_E_INVALID || !request.error)
                        fail_msg("this was taken: %s", rows[i]);
}

static void good_requests_bring_what_they_say_and_nothing_of_the_one_before(void **state) {
        struct request request;
        assert_int_equal(parse("{\"type\":\"prefs\",\"mute\":{\"conv\":\"c\\u0031\",\"until_ms\":5},\"quiet_hours\":{\"from\":\"22:00\",\"to\":\"07:00\","
                               "\"zone\":\"Europe\\/Berlin\"}}", &request), 0);
        assert_int_equal(request.type, REQUEST_PREFS);
        assert_true(request.has_mute && request.has_quiet);
        assert_true(slice_is(request.mute_conv, "c1"));
        assert_int_equal(request.mute_until_ms, 5);
        assert_true(slice_is(request.quiet_from, "22:00") && slice_is(request.quiet_to, "07:00") && slice_is(request.quiet_zone, "Europe/Berlin"));
        assert_int_equal(parse("{\"type\":\"prefs\",\"quiet_hours\":null}", &request), 0);
        assert_true(!request.has_mute && request.has_quiet && request.quiet_zone.len == 0 && request.mute_conv.len == 0);
        assert_int_equal(parse("{\"type\":\"prefs\",\"mute\":{\"conv\":\"c\",\"until_ms\":0}}", &request), 0);
        assert_true(request.has_mute && !request.has_quiet && request.mute_until_ms == 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(times_of_day),
                cmocka_unit_test(names_of_zones),
                cmocka_unit_test(requests_that_make_no_sense_are_refused),
                cmocka_unit_test(good_requests_bring_what_they_say_and_nothing_of_the_one_before),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
