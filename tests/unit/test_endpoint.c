/* SPDX-License-Identifier: Apache-2.0 */
/* URLs that a push may go to, and those that only an operator may name. */
#include "push/endpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/encode.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static void what_browsers_give_us_is_taken(void **state) {
        static const struct {
                const char *url, *origin, *path;
        } rows[] = {
                { "https://fcm.googleapis.com/fcm/send/abc:APA91b-x_y", "https://fcm.googleapis.com", "/fcm/send/abc:APA91b-x_y" },
                { "https://updates.push.services.mozilla.com/wpush/v2/gAAA%3D", "https://updates.push.services.mozilla.com", "/wpush/v2/gAAA%3D" },
                { "https://Web.Push.Apple.COM:443/QG?a=1&b=~", "https://web.push.apple.com", "/QG?a=1&b=~" },
                { "https://wns2-db5p.notify.windows.com/w/?token=BQY", "https://wns2-db5p.notify.windows.com", "/w/?token=BQY" },
                { "https://example.org", "https://example.org", "" },
                { "https://example.org?x", "https://example.org", "?x" },
                { "https://3com.example1/", "https://3com.example1", "/" },
        };
        for (size_t i = 0; i < COUNT(rows); i++) {
                struct endpoint endpoint;
                assert_int_equal(endpoint_parse(slice_of(rows[i].url), false, &endpoint), 0);
                assert_string_equal(endpoint.origin, rows[i].origin);
                assert_true(slice_is(endpoint.path, rows[i].path));
        }
}

static void what_may_lead_elsewhere_is_not(void **state) {
        static const char *const rows[] = {
                "", "https://", "https:///x", "http://example.org/", "HTTPS://example.org/", "ftp://example.org/", "file:///etc/passwd",
                "https://127.0.0.1/", "https://127.1/", "https://2130706433/", "https://0x7f000001/", "https://0177.0.0.1/", "https://example.1/",
                "https://10.0.0.1./", "https://[::1]/", "https://[::ffff:10.0.0.1]/", "https://user@example.org/", "https://user:pw@example.org/",
                "https://example.org:8443/", "https://example.org:/", "https://example.org:443x/", "https://example.org:99999/",
                "https://example.org:0/", "https://example.org\\@evil.example/", "https://example.org/ x", "https://example.org/\r\nx: y",
                "https://example.org/#frag", "https://exa mple.org/", "https://ex%61mple.org/", "https://\xc3\xa4.example/", "https://./", "https://.../",
                "https://example.org/\xc3\xa4", "//example.org/", "https:/example.org/",
        };
        for (size_t i = 0; i < COUNT(rows); i++) {
                struct endpoint endpoint;
                if (endpoint_parse(slice_of(rows[i]), false, &endpoint) != ENDPOINT_E_BAD)
                        fail_msg("%s", rows[i]);
        }
}

static void an_operator_may_name_any_address_port_and_scheme(void **state) {
        static const struct {
                const char *url, *origin;
        } rows[] = {
                { "http://127.0.0.1:8080/x", "http://127.0.0.1:8080" },
                { "https://[::1]:443/x", "https://[::1]" },
                { "http://localhost:80", "http://localhost" },
                { "https://10.0.0.1:2197", "https://10.0.0.1:2197" },
        };
        struct endpoint endpoint;
        for (size_t i = 0; i < COUNT(rows); i++) {
                assert_int_equal(endpoint_parse(slice_of(rows[i].url), true, &endpoint), 0);
                assert_string_equal(endpoint.origin, rows[i].origin);
        }
        assert_int_equal(endpoint_parse(SLICE("http://user@localhost/"), true, &endpoint), ENDPOINT_E_BAD);
        assert_int_equal(endpoint_parse(SLICE("https://[::1"), true, &endpoint), ENDPOINT_E_BAD);
        assert_int_equal(endpoint_parse(SLICE("https://[::g]/"), true, &endpoint), ENDPOINT_E_BAD);
}

static void long_ones_are_refused(void **state) {
        char url[3000] = "https://example.org/";
        struct endpoint endpoint;
        memset(url + strlen(url), 'a', 2048 - strlen(url));
        assert_int_equal(endpoint_parse((struct slice){ url, 2048 }, false, &endpoint), 0);
        url[2048] = 'a';
        assert_int_equal(endpoint_parse((struct slice){ url, 2049 }, false, &endpoint), ENDPOINT_E_BAD);
        memset(url + 8, 'a', 254);
        assert_int_equal(endpoint_parse((struct slice){ url, 8 + 254 }, false, &endpoint), ENDPOINT_E_BAD);
        assert_int_equal(endpoint_parse((struct slice){ url, 8 + 253 }, false, &endpoint), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_browsers_give_us_is_taken),
                cmocka_unit_test(what_may_lead_elsewhere_is_not),
                cmocka_unit_test(an_operator_may_name_any_address_port_and_scheme),
                cmocka_unit_test(long_ones_are_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
