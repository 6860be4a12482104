/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dial.h: where the server is, and how a socket to it begins.
 *
 * One source address has 28,232 ports by Linux's default, and connect() looks for a free one among those of one parity first:
 * with more than 14,000 taken, each call walks through all of them. So each process dials from several addresses of its own in
 * 127.0.0.0/8 when the server is there. The port is chosen at connect() (IP_BIND_ADDRESS_NO_PORT, ip(7)), by the whole
 * four-tuple.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum { DIAL_TEXT_BYTES = 72, DIAL_PATH_BYTES = 256 };

enum { DIAL_SOURCES = 4 }; /* addresses of one process */

enum { DIAL_E_URL = 1 };

struct dial {
        bool tls;
        struct sockaddr_storage address;
        socklen_t address_len;
        char host[256]; /* as in the URL, for Host: and for the certificate */
        char port[6];
        char path[DIAL_PATH_BYTES];
};

/* ws://HOST[:PORT][/PATH] or wss://…: 0, or DIAL_E_URL and *ret_error says why (it is static). Looks up names, and may wait for
 * that. */
__attribute__((warn_unused_result)) int dial_parse(const char *url, struct dial *ret_dial, const char **ret_error);

/* ADDRESS:PORT of the server. */
void dial_print(const struct dial *dial, char out[static DIAL_TEXT_BYTES]);

/* A socket that connects, without waiting: the descriptor, or a negative errno. source chooses the address on this side if the
 * server is in 127.0.0.0/8. */
int dial_start(const struct dial *dial, uint32_t source, bool wait);
