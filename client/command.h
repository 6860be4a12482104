/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command.h: the client's commands of the program belfry: send, listen, sync, conversations, chat.
 *
 * All take --url, --token (or BELFRY_TOKEN), --store, --device and --ca. Exit status: 0 done, 1 not now (no network, too late,
 * refused), 2 the command line is wrong.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct belfry;

struct command_options {
        const char *url, *token, *store, *device, *ca_file, *conv, *body, *text;
        int64_t wait_ms; /* -1: not given */
        int64_t deadline_ms;
        int64_t after;
        bool json;
};

/* True if name is one of them. */
bool command_knows(const char *name);
/* argv[0] is its name. Returns the exit status. */
int command_run(int argc, char *argv[]);
/* Their part of `belfry help`. */
extern const char command_usage[];

/* The body {"text":TEXT} into malloc()ed memory, NULL without. */
char *command_body(const char *text);
/* Says what went wrong, on stderr, and returns 1. */
int command_fail(const char *what, int error);
/* Becomes true on SIGINT and SIGTERM. */
bool command_is_over(void);
/* Steps the client, and waits for what comes or for extra_fd (or -1), timeout_ms at most. True if extra_fd is readable. */
bool command_wait(struct belfry *client, int extra_fd, int timeout_ms);
