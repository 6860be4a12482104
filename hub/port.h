/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port.h: the address the hub serves on: read from text, found free, and held while the supervisor lives.
 *
 * Workers share the port by SO_REUSEPORT, which any process of the same user may join without an error. So:
 *
 * 1. Whether another program listens there is asked once, by a bind without SO_REUSEPORT, before anything starts.
 * 2. The port stays ours while all workers are down: the supervisor keeps a socket that is bound but does not listen (it gets
 *    no connection). So port 0 means one port for the whole run.
 */
#pragma once
#include <stddef.h>
#include <sys/socket.h>

enum {
        PORT_E_SYNTAX = 1, /* not ADDR:PORT with a numeric address */
};

/* "127.0.0.1:8080", "[::1]:8080": numeric only, so that no name server decides what a hub is open to. 0 or PORT_E_SYNTAX. */
__attribute__((warn_unused_result)) int port_parse(const char *text, struct sockaddr_storage *ret_address, socklen_t *ret_len);

/* Writes the text of an address, as port_parse() reads it; cut to size. */
void port_print(const struct sockaddr_storage *address, socklen_t len, char *out, size_t size);

/* Takes the port. *address gets the number if it was 0. *ret_fd is the caller's to close. 0 or -errno, such as -EADDRINUSE. */
__attribute__((warn_unused_result)) int port_hold(struct sockaddr_storage *address, socklen_t len, int *ret_fd);
