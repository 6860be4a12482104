/* SPDX-License-Identifier: Apache-2.0 */
/* program.h: the push worker: a process with one loop that belongs to a supervisor as hub workers do. */
#pragma once
#include <stdint.h>

struct config;

struct program_options {
        const struct config *config;
        const char *redis_url;
        int ready_fd;      /* gets one byte once it works, then is closed; -1: nobody waits for it */
        /* SIGHUP: the configuration read again; NULL: it is wrong, and that was logged. The program frees it (config_free). */
        struct config *(*reload)(void *context);
        void *context;
};

/* Runs until SIGTERM (lets what is under way end, then returns 0) or a fatal error (returns 1). */
int program_run(const struct program_options *options);
