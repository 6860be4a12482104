/* SPDX-License-Identifier: Apache-2.0 */
/*
 * acceptor.c: see acceptor.h. Why not lws's own listener: in 4.1.6 it cannot share a port (SO_REUSEPORT), accepts without end,
 * and spins on EMFILE; and its cost for a handshake grows with the number under way. With ours, 10,000 at once are up in half
 * a second.
 */
#include "hub/acceptor.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/limiter.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/metrics.h"
#include "hub/gateway.h"
#include "hub/hub.h"

enum {
        ACCEPTOR_BACKLOG = 4096,
        ACCEPTOR_PATIENCE_MS = 1000, /* with a handshake while others wait; libwebsockets' own 10 s are for a quiet hub */
        ACCEPTOR_SEND_BYTES = 131072, /* kernel memory of a peer that does not read; without it the kernel grows it to megabytes */
};

struct acceptor {
        struct hub *hub;
        int fd, reserve_fd;
        uv_poll_t poll;
        uv_idle_t idle;          /* runs while sockets wait and handshakes may begin */
        size_t handshakes;
        int queue[LIMIT_ACCEPT_QUEUE];
        size_t head, count;
        int closing;             /* handles whose close is under way */
};

static void acceptor_on_idle(uv_idle_t *idle);

static void acceptor_pump(struct acceptor *acceptor) {
        uint64_t ends_ns = uv_hrtime() + LIMIT_ADOPT_US * 1000;
        while (acceptor->count && acceptor->handshakes < LIMIT_HANDSHAKES) {
                if (uv_hrtime() >= ends_ns) {
                        uv_idle_start(&acceptor->idle, acceptor_on_idle);
                        return;
                }
                int fd = acceptor->queue[acceptor->head];
                acceptor->head = (acceptor->head + 1) % LIMIT_ACCEPT_QUEUE;
                acceptor->count--;
                acceptor->handshakes++;
                if (!gateway_adopt(acceptor->hub, fd))
                        acceptor->handshakes--;
        }
}

static void acceptor_on_idle(uv_idle_t *idle) {
        uv_idle_stop(idle);
        acceptor_pump(idle->data);
}

void acceptor_settled(struct acceptor *acceptor) {
        acceptor->handshakes--;
        /* Not from here: lws is in the middle of the one that has settled. */
        if (acceptor->count && !acceptor->closing)
                uv_idle_start(&acceptor->idle, acceptor_on_idle);
}

void acceptor_tick(struct acceptor *acceptor) {
        if (acceptor->count && acceptor->handshakes == LIMIT_HANDSHAKES)
                gateway_hurry(acceptor->hub, ACCEPTOR_PATIENCE_MS);
}

/* Before any handshake, so only in plain text: a TLS peer just sees the end. */
static void acceptor_refuse(int fd) {
        static const char text[] = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 2\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        if (send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
                log_debug("A refused peer was gone already.");
        metrics_add(HANDSHAKES_REFUSED, 1);
        close(fd);
}

/* IPv6 hosts have a /64 at least, so that is what counts as one address. */
static bool acceptor_allows(struct acceptor *acceptor, const struct sockaddr_storage *peer) {
        struct slice name = { NULL, 0 };
        uint64_t retry_ms;
        if (peer->ss_family == AF_INET)
                name = (struct slice){ (const char *)&((const struct sockaddr_in *)peer)->sin_addr, 4 };
        else if (peer->ss_family == AF_INET6)
                name = (struct slice){ (const char *)&((const struct sockaddr_in6 *)peer)->sin6_addr, 8 };
        return name.len == 0 || limiter_allow(acceptor->hub->address_limiter, name, uv_now(acceptor->hub->loop), &retry_ms);
}

static void acceptor_enqueue(struct acceptor *acceptor, int fd, const struct sockaddr_storage *peer) {
        if (acceptor->count == LIMIT_ACCEPT_QUEUE || !acceptor_allows(acceptor, peer)) {
                acceptor_refuse(fd);
                return;
        }
        acceptor->queue[(acceptor->head + acceptor->count++) % LIMIT_ACCEPT_QUEUE] = fd;
}

static void acceptor_out_of_files(struct acceptor *acceptor) {
        if (acceptor->reserve_fd >= 0)
                close(acceptor->reserve_fd);
        int fd = accept4(acceptor->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
                acceptor_refuse(fd);
        acceptor->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void acceptor_on_readable(uv_poll_t *poll, int status, int events) {
        struct acceptor *acceptor = poll->data;
        for (int i = 0; i < ACCEPTOR_BACKLOG; i++) {
                struct sockaddr_storage peer = { 0 };
                socklen_t len = sizeof(peer);
                int fd = accept4(acceptor->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
                if (fd >= 0) {
                        acceptor_enqueue(acceptor, fd, &peer);
                } else if (errno == EMFILE || errno == ENFILE) {
                        acceptor_out_of_files(acceptor);
                        break;
                } else if (errno != EINTR && errno != ECONNABORTED) {
                        break;
                }
        }
        acceptor_pump(acceptor);
}

/* Accepted sockets inherit them (tcp(7)), which spares each connection three system calls. */
static bool acceptor_set_options(int fd) {
        int one = 1, send_bytes = ACCEPTOR_SEND_BYTES;
        return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) == 0 &&
               setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0 &&
               setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_bytes, sizeof(send_bytes)) == 0 &&
               setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one)) == 0;
}

static int acceptor_listen(const struct sockaddr *address, socklen_t address_len) {
        int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        if (!acceptor_set_options(fd) || bind(fd, address, address_len) < 0 || listen(fd, ACCEPTOR_BACKLOG) < 0) {
                int error = -errno;
                close(fd);
                return error;
        }
        return fd;
}

struct acceptor *acceptor_open(struct hub *hub, const struct sockaddr *address, socklen_t address_len) {
        struct acceptor *acceptor = calloc(1, sizeof(*acceptor));
        if (!acceptor)
                return NULL;
        acceptor->hub = hub;
        acceptor->fd = acceptor_listen(address, address_len);
        if (acceptor->fd < 0) {
                log_error("Cannot listen. error=\"%s\"", strerror(-acceptor->fd));
                free(acceptor);
                return NULL;
        }
        acceptor->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        uv_poll_init(hub->loop, &acceptor->poll, acceptor->fd);
        uv_idle_init(hub->loop, &acceptor->idle);
        acceptor->poll.data = acceptor->idle.data = acceptor;
        uv_poll_start(&acceptor->poll, UV_READABLE, acceptor_on_readable);
        return acceptor;
}

static void acceptor_on_closed(uv_handle_t *handle) {
        struct acceptor *acceptor = handle->data;
        acceptor->closing--;
}

void acceptor_close(struct acceptor *acceptor) {
        if (acceptor->closing || acceptor->fd < 0)
                return;
        acceptor->closing = 2;
        uv_close((uv_handle_t *)&acceptor->poll, acceptor_on_closed);
        uv_close((uv_handle_t *)&acceptor->idle, acceptor_on_closed);
        close(acceptor->fd);
        close(acceptor->reserve_fd);
        acceptor->fd = -1;
        while (acceptor->count) {
                acceptor_refuse(acceptor->queue[acceptor->head]);
                acceptor->head = (acceptor->head + 1) % LIMIT_ACCEPT_QUEUE;
                acceptor->count--;
        }
}

struct acceptor *acceptor_free(struct acceptor *acceptor) {
        free(acceptor);
        return NULL;
}
