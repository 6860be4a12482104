/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of a hub, and what is none. */
#include "client/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static void addresses(void **state) {
        static const struct {
                const char *text;
                bool tls;
                const char *host;
                int port;
                const char *path;
        } rows[] = {
                { "http://a", false, "a", 80, "" },
                { "https://chat.example.org", true, "chat.example.org", 443, "" },
                { "ws://127.0.0.1:8080/v1/ws", false, "127.0.0.1", 8080, "" },
                { "wss://a/hub/v1/ws/", true, "a", 443, "/hub" },
                { "http://[::1]:8080/", false, "::1", 8080, "" },
                { "http://[::1]", false, "::1", 80, "" },
                { "http://a:65535/x/y//", false, "a", 65535, "/x/y" },
        };
        struct url url;

        for (size_t i = 0; i < COUNT(rows); i++) {
                assert_int_equal(url_parse(rows[i].text, &url), 0);
                assert_int_equal(url.tls, rows[i].tls);
                assert_string_equal(url.host, rows[i].host);
                assert_int_equal(url.port, rows[i].port);
                assert_string_equal(url.path, rows[i].path);
        }
}

static void what_is_no_address_is_refused(void **state) {
        static const char *const rows[] = {
                "",          "a",          "ftp://a",     "http://",       "http://a:0",        "http://a:65536",
                "http://a:", "http://a:x", "http://u@a",  "http://a?b",    "http://a#b",        "http://a b",
                "http://[a", "http://[]",  "http://[a]b", "http://a\r\nb", "http://a/\xc3\xa9", "http://:80"
        };
        struct url url;

        for (size_t i = 0; i < COUNT(rows); i++)
                assert_int_equal(url_parse(rows[i], &url), 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(addresses),
                cmocka_unit_test(what_is_no_address_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
