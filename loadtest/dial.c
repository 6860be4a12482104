/* SPDX-License-Identifier: Apache-2.0 */
/* dial.c: see dial.h. */
#include "loadtest/dial.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SOURCES = 250 }; /* of the last byte: 2 … 251 */

static bool take_text(char *out, size_t size, const char *from, size_t len) {
        if (len >= size)
                return false;
        memcpy(out, from, len);
        out[len] = '\0';
        return true;
}

/* Splits what stands behind the scheme. */
static const char *split(const char *rest, struct dial *dial) {
        size_t len = strcspn(rest, "/?");
        const char *path = rest + len, *host = rest, *colon;
        size_t host_len;
        if (*rest == '[') {
                const char *close = memchr(rest, ']', len);
                if (!close)
                        return "the address in brackets does not end";
                host = rest + 1;
                host_len = (size_t)(close - host);
                colon = close + 1 < path ? close + 1 : NULL;
                if (colon && *colon != ':')
                        return "behind an address in brackets comes :PORT";
        } else {
                colon = memchr(rest, ':', len);
                host_len = colon ? (size_t)(colon - rest) : len;
        }
        if (host_len == 0 || !take_text(dial->host, sizeof dial->host, host, host_len))
                return "it names no host";
        const char *port = colon ? colon + 1 : dial->tls ? "443" : "80";
        size_t port_len = colon ? (size_t)(path - port) : strlen(port);
        if (port_len == 0 || strspn(port, "0123456789") < port_len || !take_text(dial->port, sizeof dial->port, port, port_len))
                return "its port is no number";
        if (strtol(dial->port, NULL, 10) > UINT16_MAX) /* 0 is for who listens: any */
                return "its port is over 65535";
        if (strpbrk(path, " \r\n") || !take_text(dial->path, sizeof dial->path, *path ? path : "/", *path ? strlen(path) : 1))
                return "its path is too long, or has spaces";
        return NULL;
}

int dial_parse(const char *url, struct dial *ret_dial, const char **ret_error) {
        struct dial dial = { .tls = strncmp(url, "wss://", 6) == 0 };
        if (!dial.tls && strncmp(url, "ws://", 5) != 0) {
                *ret_error = "it does not begin with ws:// or wss://";
                return DIAL_E_URL;
        }
        *ret_error = split(url + (dial.tls ? 6 : 5), &dial);
        if (*ret_error)
                return DIAL_E_URL;
        const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
        struct addrinfo *found = NULL;
        int r = getaddrinfo(dial.host, dial.port, &hints, &found);
        if (r != 0) {
                *ret_error = gai_strerror(r);
                return DIAL_E_URL;
        }
        memcpy(&dial.address, found->ai_addr, found->ai_addrlen);
        dial.address_len = found->ai_addrlen;
        freeaddrinfo(found);
        *ret_dial = dial;
        return 0;
}

void dial_print(const struct dial *dial, char out[static DIAL_TEXT_BYTES]) {
        char host[56] = "?", port[6] = "?";
        getnameinfo((const struct sockaddr *)&dial->address, dial->address_len, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV);
        snprintf(out, DIAL_TEXT_BYTES, dial->address.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

static int bind_source(const struct dial *dial, int fd, uint32_t source) {
        const struct sockaddr_in *there = (const struct sockaddr_in *)&dial->address;
        if (there->sin_family != AF_INET || ntohl(there->sin_addr.s_addr) >> 24 != IN_LOOPBACKNET)
                return 0;
        uint32_t number = (source / SOURCES) << 8 | (2 + source % SOURCES);
        struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl((IN_LOOPBACKNET << 24) | number) };
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){ 1 }, sizeof(int));
        return bind(fd, (const struct sockaddr *)&here, sizeof here) == 0 ? 0 : -errno;
}

int dial_start(const struct dial *dial, uint32_t source, bool wait) {
        int fd = socket(dial->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | (wait ? 0 : SOCK_NONBLOCK), 0);
        if (fd < 0)
                return -errno;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
        if (wait) {
                const struct timeval limit = { .tv_sec = 10 };
                setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
                setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        }
        int r = bind_source(dial, fd, source);
        if (r == 0 && connect(fd, (const struct sockaddr *)&dial->address, dial->address_len) != 0 && errno != EINPROGRESS)
                r = -errno;
        if (r < 0)
                close(fd);
        return r < 0 ? r : fd;
}
