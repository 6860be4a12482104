/* SPDX-License-Identifier: Apache-2.0 */
/*
 * killer.h: a command that is run again and again while the load goes on, to kill something.
 *
 * 1. One runs at a time, in a process group of its own; the next is begun some seconds after the one before was, or when that
 * ends.
 * 2. killer_end() ends it for good within twice KILLER_GRACE_MS, whatever it does about signals.
 *
 * The command is borrowed. Times are board_now_us().
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
        KILLER_WORDS = 32,      /* of a command at most, … */
        KILLER_BYTES = 1024,    /* … and so long with its NUL */
        KILLER_GRACE_MS = 1000, /* between SIGTERM and SIGKILL, and for that to be seen */
};

struct killer {
        const char *command;
        uint64_t every_us, due_us; /* when it is begun next */
        uint64_t ended, failed;    /* how many ended, and how many of them with another status than 0 */
        pid_t pid;                 /* of the one that runs now, or 0 */
};

/* Is it a command that can be run: a word at least, and within the limits? It is split at spaces. */
bool killer_accepts(const char *command);

/* The first is due after every_s. */
void killer_init(struct killer *killer, const char *command, uint32_t every_s, uint64_t now_us);
/* Sees whether the command has ended, and begins it if it is due and may begin. */
void killer_step(struct killer *killer, uint64_t now_us, bool may_begin);
/* Ends the one that runs, if one does, and waits for it: was there one? It counts neither as ended nor as failed. */
bool killer_end(struct killer *killer);
