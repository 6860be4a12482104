/* SPDX-License-Identifier: Apache-2.0 */
/* port.c: see port.h. */
#include "hub/port.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int split(const char *text, char host[static 64], char service[static 6]) {
        const char *host_start = text, *host_end;
        if (*text == '[') {
                host_start++;
                host_end = strchr(text, ']');
                if (!host_end || host_end[1] != ':')
                        return PORT_E_SYNTAX;
                text = host_end + 2;
        } else {
                host_end = strchr(text, ':');
                if (!host_end || strchr(host_end + 1, ':')) /* a bare IPv6 address: its last group would pass for a port */
                        return PORT_E_SYNTAX;
                text = host_end + 1;
        }
        size_t host_len = (size_t)(host_end - host_start), service_len = strlen(text);
        if (host_len == 0 || host_len >= 64 || service_len == 0 || service_len >= 6 || strspn(text, "0123456789") != service_len)
                return PORT_E_SYNTAX;
        memcpy(host, host_start, host_len);
        host[host_len] = '\0';
        memcpy(service, text, service_len + 1);
        return 0;
}

int port_parse(const char *text, struct sockaddr_storage *ret_address, socklen_t *ret_len) {
        char host[64], service[6];
        if (split(text, host, service) != 0)
                return PORT_E_SYNTAX;

        unsigned number = 0;
        for (const char *digit = service; *digit; digit++)
                number = number * 10 + (unsigned)(*digit - '0');
        if (number > 65535)
                return PORT_E_SYNTAX;

        /* getaddrinfo() reads "*" and, as BSD did, "8080" as addresses: that is a slip, not a wish to be open to the world. */
        if (!strchr(host, ':') && inet_pton(AF_INET, host, &(struct in_addr){ 0 }) != 1)
                return PORT_E_SYNTAX;
        const struct addrinfo hints = {
                .ai_family = AF_UNSPEC,
                .ai_socktype = SOCK_STREAM,
                .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
        };
        struct addrinfo *found = NULL;
        if (getaddrinfo(host, service, &hints, &found) != 0)
                return PORT_E_SYNTAX;
        memset(ret_address, 0, sizeof *ret_address);
        memcpy(ret_address, found->ai_addr, found->ai_addrlen);
        *ret_len = found->ai_addrlen;
        freeaddrinfo(found);
        return 0;
}

void port_print(const struct sockaddr_storage *address, socklen_t len, char *out, size_t size) {
        char host[64] = "?", service[6] = "?";
        if (getnameinfo((const struct sockaddr *)address, len, host, sizeof host, service, sizeof service,
                        NI_NUMERICHOST | NI_NUMERICSERV) != 0)
                host[0] = '?'; /* then both say so */
        snprintf(out, size, address->ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, service);
}

static int open_socket(int family, int *ret_fd) {
        int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        /* [::] and 0.0.0.0 are two addresses here, whatever the machine's default is. */
        if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){ 1 }, sizeof(int)) != 0) {
                int error = -errno;
                close(fd);
                return error;
        }
        *ret_fd = fd;
        return 0;
}

static int set_bind(int fd, const struct sockaddr_storage *address, socklen_t len, int reuse) {
        if (setsockopt(fd, SOL_SOCKET, reuse, &(int){ 1 }, sizeof(int)) != 0)
                return -errno;
        return bind(fd, (const struct sockaddr *)address, len) == 0 ? 0 : -errno;
}

/* port#1. SO_REUSEADDR forgives connections in TIME_WAIT, never a listening socket. */
static int probe(const struct sockaddr_storage *address, socklen_t len) {
        int fd, r = open_socket(address->ss_family, &fd);
        if (r != 0)
                return r;
        r = set_bind(fd, address, len, SO_REUSEADDR);
        close(fd);
        return r;
}

int port_hold(struct sockaddr_storage *address, socklen_t len, int *ret_fd) {
        int r = probe(address, len);
        if (r != 0)
                return r;

        int fd;
        r = open_socket(address->ss_family, &fd);
        if (r != 0)
                return r;
        r = set_bind(fd, address, len, SO_REUSEPORT);
        if (r == -EADDRINUSE) /* what is in TIME_WAIT is another program's, which had no SO_REUSEPORT */
                r = set_bind(fd, address, len, SO_REUSEADDR);
        if (r == 0 && getsockname(fd, (struct sockaddr *)address, &len) != 0)
                r = -errno;
        if (r != 0) {
                close(fd);
                return r;
        }
        *ret_fd = fd;
        return 0;
}
