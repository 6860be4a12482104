/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker.h: the hub worker: a process with one loop that holds connections. See hub/README.md for its parts.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct config;
struct metrics_page;
struct ticket_ring;

struct worker_options {
        int argc;                        /* to load the configuration again on SIGHUP */
        char *const *argv;
        const struct config *config;
        const char *redis_url;           /* the configured one, or the private server's unix:// URL */
        bool redis_is_private;
        struct sockaddr_storage address; /* to listen on with SO_REUSEPORT; the port is never 0 */
        socklen_t address_len;
        struct metrics_page *metrics;
        struct ticket_ring *tickets;     /* this process's own, of the present period; the worker moves it on */
        uint32_t index;                  /* 0 … workers - 1; its metrics slot is index + 1 (the supervisor has 0) */
        int ready_fd;                    /* gets one byte once the worker serves, then is closed; -1: nobody waits for it */
};

/* Runs until SIGTERM (drains, then returns 0) or a fatal error (returns 1). SIGHUP loads the configuration again. */
int worker_run(const struct worker_options *options);
