/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervisor.h: starts and watches the private Redis and the workers; holds no connection and parses no input.
 *
 * 1. A child that dies is started again with backoff; the others go on.
 * 2. Children end with the supervisor, whatever ends it (PR_SET_PDEATHSIG).
 * 3. Never two Redis servers on one data folder: a lock that the server itself inherits is held while any of them lives.
 * 4. SIGTERM or SIGINT: workers drain first, Redis ends last; the result is 0. SIGHUP goes on to the workers.
 */
#pragma once

struct config;

/* Runs until it is told to end. Returns the process's exit status. argc/argv are the command line after "serve". */
int supervisor_run(int argc, char *const argv[], struct config *config);
