/* SPDX-License-Identifier: Apache-2.0 */
/* test_port.c: which texts name an address, and whose a port is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "hub/port.h"

static void an_address_and_port_are_read_and_printed_alike(void **state) {
        const char *const rows[] = { "127.0.0.1:8080", "0.0.0.0:0", "[::1]:65535", "[::]:80", "10.1.2.3:1" };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                struct sockaddr_storage address;
                socklen_t len;
                char text[80];
                assert_int_equal(port_parse(rows[i], &address, &len), 0);
                port_print(&address, len, text, sizeof text);
                assert_string_equal(text, rows[i]);
        }
}

static void anything_else_is_refused(void **state) {
        const char *const rows[] = {
                "", ":", "8080", ":8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536", "127.0.0.1:-1",
                "127.0.0.1: 80", "127.0.0.1:080808", "::1:8080", "[::1]8080", "[::1", "[]:80", "[::1]:80:80",
                "localhost:8080", "*:80", "0:80", "8080:80", "127.1:80", "0x7f000001:80", "256.0.0.1:80",
                "http://127.0.0.1:80", "[127.0.0.1:80",
        };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                struct sockaddr_storage address;
                socklen_t len;
                if (port_parse(rows[i], &address, &len) != PORT_E_SYNTAX)
                        fail_msg("%s was read", rows[i]);
        }
}

static void take(const char *text, struct sockaddr_storage *address, socklen_t *len, int *fd) {
        assert_int_equal(port_parse(text, address, len), 0);
        assert_int_equal(port_hold(address, *len, fd), 0);
}

static void port_0_becomes_the_one_the_kernel_gave(void **state) {
        struct sockaddr_storage address;
        socklen_t len;
        int fd;
        take("127.0.0.1:0", &address, &len, &fd);
        assert_int_not_equal(((struct sockaddr_in *)&address)->sin_port, 0);
        close(fd);
}

static void a_port_that_is_held_is_not_given_twice_but_workers_share_it(void **state) {
        struct sockaddr_storage address;
        socklen_t len;
        int held, other;
        take("127.0.0.1:0", &address, &len, &held);
        assert_int_equal(port_hold(&address, len, &other), -EADDRINUSE);

        int workers[2];
        for (int i = 0; i < 2; i++) {
                workers[i] = socket(AF_INET, SOCK_STREAM, 0);
                setsockopt(workers[i], SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
                setsockopt(workers[i], SOL_SOCKET, SO_REUSEPORT, &(int){ 1 }, sizeof(int));
                assert_int_equal(bind(workers[i], (struct sockaddr *)&address, len), 0);
                assert_int_equal(listen(workers[i], 1), 0);
        }
        assert_int_equal(port_hold(&address, len, &other), -EADDRINUSE);
        close(workers[0]);
        close(workers[1]);
        assert_int_equal(port_hold(&address, len, &other), -EADDRINUSE); /* port#2 */
        close(held);
        assert_int_equal(port_hold(&address, len, &other), 0);
        close(other);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_address_and_port_are_read_and_printed_alike),
                cmocka_unit_test(anything_else_is_refused),
                cmocka_unit_test(port_0_becomes_the_one_the_kernel_gave),
                cmocka_unit_test(a_port_that_is_held_is_not_given_twice_but_workers_share_it),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
