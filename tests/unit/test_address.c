/* SPDX-License-Identifier: Apache-2.0 */
/* Which addresses belong to the public internet. */
#include "push/address.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/encode.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static bool is_public(const char *text) {
        struct sockaddr_in v4 = { .sin_family = AF_INET };
        struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
        if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
                return address_is_public((struct sockaddr *)&v4);
        assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
        return address_is_public((struct sockaddr *)&v6);
}

static void public_addresses_are_public(void **state) {
        static const char *const rows[] = { "1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
                                            "128.0.0.1", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255",
                                            "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "2606:4700::1111",
                                            "2a00:1450:4001::1", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1", "2002:101:101::1" };
        for (size_t i = 0; i < COUNT(rows); i++)
                if (!is_public(rows[i]))
                        fail_msg("%s", rows[i]);
}

static void all_others_are_not(void **state) {
        static const char *const rows[] = {
                "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.255", "169.254.169.254",
                "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1", "198.19.255.255",
                "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1",
                "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::10.0.0.1", "64:ff9b:1::1", "2002:7f00:1::1",
                "2002:a00:1::1", "100::1", "2001::1", "2001:db8::1", "fc00::1", "fdff::1", "fe80::1", "febf::1", "fec0::1", "ff02::1", "3fff::1",
                "5f00::1",
        };
        for (size_t i = 0; i < COUNT(rows); i++)
                if (is_public(rows[i]))
                        fail_msg("%s", rows[i]);
}

static void other_families_are_not(void **state) {
        struct sockaddr_un name = { .sun_family = AF_UNIX };
        assert_false(address_is_public((struct sockaddr *)&name));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(public_addresses_are_public),
                cmocka_unit_test(all_others_are_not),
                cmocka_unit_test(other_families_are_not),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
