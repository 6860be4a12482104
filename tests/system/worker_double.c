/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker_double.c: stands in for worker.c, so that the supervisor is tested with nothing behind it that could fail.
 *
 * It listens, answers each connection with its pid and its Redis URL, and ends on SIGTERM. BELFRY_DOUBLE=stubborn makes it
 * deaf to SIGTERM, BELFRY_DOUBLE=broken makes it end at once.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/log.h"
#include "base/metrics.h"
#include "hub/worker.h"

static int open_listener(const struct worker_options *options) {
        int fd = socket(options->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &(int){ 1 }, sizeof(int));
        if (bind(fd, (const struct sockaddr *)&options->address, options->address_len) != 0 || listen(fd, 16) != 0)
                return -1;
        return fd;
}

static void answer(const struct worker_options *options, int listener) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
                return;
        dprintf(fd, "HTTP/1.0 200 OK\r\n\r\npid=%ld redis=%s restarts=%llu\n", (long)getpid(), options->redis_url,
                (unsigned long long)options->metrics->slots[options->index + 1].values[METRIC_RESTARTS]);
        close(fd);
}

int worker_run(const struct worker_options *options) {
        const char *manner = getenv("BELFRY_DOUBLE");
        if (manner && strcmp(manner, "broken") == 0)
                return 1;
        sigset_t ours;
        sigemptyset(&ours);
        sigaddset(&ours, SIGTERM);
        sigaddset(&ours, SIGHUP);
        sigprocmask(SIG_BLOCK, &ours, NULL);
        signal(SIGHUP, SIG_DFL); /* an ignored signal never reaches a signalfd */
        int signals = signalfd(-1, &ours, SFD_CLOEXEC), listener = open_listener(options);
        if (signals < 0 || listener < 0)
                return 1;
        if (options->ready_fd >= 0 && write(options->ready_fd, "", 1) == 1)
                close(options->ready_fd);
        for (;;) {
                struct pollfd fds[] = { { .fd = signals, .events = POLLIN }, { .fd = listener, .events = POLLIN } };
                if (poll(fds, 2, -1) < 0)
                        return 1;
                struct signalfd_siginfo info;
                if (fds[0].revents && read(signals, &info, sizeof info) == (ssize_t)sizeof info) {
                        log_info("The double has heard a signal. signal=%u", info.ssi_signo);
                        if (info.ssi_signo == SIGTERM && !(manner && strcmp(manner, "stubborn") == 0))
                                return 0;
                }
                if (fds[1].revents)
                        answer(options, listener);
        }
}
