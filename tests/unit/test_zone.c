/* SPDX-License-Identifier: Apache-2.0 */
/* What clocks on walls show: by the system's database where its past is in the file, and by the rule behind it, against libc's own reading. */
#include "push/zone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static const char folder[] = ZONE_FOLDER;

static const char *const names[] = { "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Asia/Kolkata",   "Australia/Lord_Howe",
                                     "Pacific/Apia",  "Africa/Casablanca", "America/St_Johns", "Asia/Kathmandu", "Antarctica/Troll",
                                     "Europe/Dublin", "Etc/UTC",           "UTC",              "Asia/Gaza",      "America/Santiago" };

static struct zone_cache *cache;

static int set_up(void **state) {
        cache = zone_cache_new(folder);
        return cache ? 0 : -1;
}

static int tear_down(void **state) {
        cache = zone_cache_free(cache);
        return 0;
}

static void it_shows_what_libc_shows(void **state) {
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                const struct zone *zone = zone_cache_find(cache, slice_of(names[i]));
                assert_non_null(zone);
                setenv("TZ", names[i], 1);
                tzset();
                /* From 1970 to 2090 in steps of some days, so that every hour of a day comes up. */
                for (time_t at = 0; at < INT64_C(3786912000); at += 86400 * 3 + 3607) {
                        struct tm wall;
                        localtime_r(&at, &wall);
                        if (zone_offset_s(zone, at) != wall.tm_gmtoff || zone_minute(zone, (int64_t)at * 1000) != wall.tm_hour * 60 + wall.tm_min)
                                fail_msg("%s at %lld: %d, libc says %ld", names[i], (long long)at, zone_offset_s(zone, at), wall.tm_gmtoff);
                }
        }
}

static void it_changes_at_the_very_second(void **state) {
        const struct zone *zone = zone_cache_find(cache, SLICE("Europe/Berlin"));
        static const struct {
                int64_t at;
                int32_t before, after;
        } changes[] = { { 1774746000, 3600, 7200 }, { 1792890000, 7200, 3600 }, { 2531955600, 3600, 7200 } }; /* 2026 twice, March 2050 */
        for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
                assert_int_equal(zone_offset_s(zone, changes[i].at - 1), changes[i].before);
                assert_int_equal(zone_offset_s(zone, changes[i].at), changes[i].after);
        }
}

static void what_is_no_zone_is_none(void **state) {
        static const char *const wrong[] = { "Europe/Nowhere", "Europe", "tzdata.zi", "zone.tab", "" };
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
                assert_null(zone_cache_find(cache, slice_of(wrong[i])));
                assert_null(zone_cache_find(cache, slice_of(wrong[i])));
        }
}

static void a_name_is_known_if_the_database_has_it_or_there_is_no_database(void **state) {
        assert_true(zone_is_known(folder, SLICE("Europe/Berlin")));
        assert_true(zone_is_known(folder, SLICE("UTC")));
        assert_false(zone_is_known(folder, SLICE("Europe/Atlantis")));
        assert_false(zone_is_known(folder, SLICE("Europe")));
        assert_false(zone_is_known(folder, SLICE("A/name/that/is/longer/than/any/of/the/zones/that/there/are/on/earth")));
        assert_true(zone_is_known("/nonexistent", SLICE("Europe/Atlantis")));
}

static void any_number_of_invented_names_is_taken(void **state) {
        char name[32];
        for (int i = 0; i < 5000; i++) {
                snprintf(name, sizeof(name), "Moon/Base_%d", i);
                assert_null(zone_cache_find(cache, slice_of(name)));
        }
        assert_non_null(zone_cache_find(cache, SLICE("Europe/Berlin")));
}

/* Cut anywhere, and with any byte changed: it is no zone, or one that answers. */
static void a_broken_file_does_no_harm(void **state) {
        char path[128], content[8192];
        snprintf(path, sizeof(path), "%s/%s", folder, "Europe/Dublin");
        FILE *file = fopen(path, "re");
        assert_non_null(file);
        size_t len = fread(content, 1, sizeof(content), file);
        fclose(file);
        for (size_t cut = 0; cut < len; cut += 7) {
                char *exact = malloc(cut + 1);
                memcpy(exact, content, cut);
                struct zone *zone = zone_new((struct slice){ exact, cut });
                if (zone)
                        (void)zone_offset_s(zone, 4000000000);
                zone_free(zone);
                free(exact);
        }
        for (size_t at = 0; at < len; at++) {
                char *exact = malloc(len);
                memcpy(exact, content, len);
                exact[at] = (char)(exact[at] ^ 0x81);
                struct zone *zone = zone_new((struct slice){ exact, len });
                for (int64_t when = -4000000000; zone && when < 8000000000; when += 400000000)
                        (void)zone_offset_s(zone, when);
                zone_free(zone);
                free(exact);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(it_shows_what_libc_shows, set_up, tear_down),
                cmocka_unit_test_setup_teardown(it_changes_at_the_very_second, set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_is_no_zone_is_none, set_up, tear_down),
                cmocka_unit_test(a_name_is_known_if_the_database_has_it_or_there_is_no_database),
                cmocka_unit_test_setup_teardown(any_number_of_invented_names_is_taken, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_broken_file_does_no_harm, set_up, tear_down),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
