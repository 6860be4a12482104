/* SPDX-License-Identifier: Apache-2.0 */
/* killer.c: see killer.h. */
#include "loadtest/killer.h"
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_MS = 10 };

/* How many words there are; past KILLER_WORDS they are counted only. */
static size_t split(char *text, char *words[static KILLER_WORDS]) {
        size_t count = 0;
        for (char *word; (word = strsep(&text, " "));)
                if (*word) {
                        if (count < KILLER_WORDS)
                                words[count] = word;
                        count++;
                }
        return count;
}

bool killer_accepts(const char *command) {
        char text[KILLER_BYTES], *words[KILLER_WORDS];
        if ((size_t)snprintf(text, sizeof text, "%s", command) >= sizeof text)
                return false;
        size_t count = split(text, words);
        return count > 0 && count <= KILLER_WORDS;
}

void killer_init(struct killer *killer, const char *command, uint32_t every_s, uint64_t now_us) {
        *killer = (struct killer){ .command = command, .every_us = every_s * 1000000ull };
        killer->due_us = now_us + killer->every_us;
}

static void begin(struct killer *killer) {
        char text[KILLER_BYTES], *words[KILLER_WORDS + 1] = { NULL };
        snprintf(text, sizeof text, "%s", killer->command);
        size_t count = split(text, words);
        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0) {
                setpgid(0, 0);
                if (count > 0)
                        execvp(words[0], words);
                _exit(127);
        }
        if (pid < 0) {
                killer->ended++;
                killer->failed++;
                return;
        }
        setpgid(pid, pid); /* whoever is first: it must be so before killer_end() */
        killer->pid = pid;
}

void killer_step(struct killer *killer, uint64_t now_us, bool may_begin) {
        int status = 0;
        if (killer->pid > 0 && waitpid(killer->pid, &status, WNOHANG) == killer->pid) {
                killer->pid = 0;
                killer->ended++;
                killer->failed += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
        }
        if (may_begin && killer->pid == 0 && now_us >= killer->due_us) {
                killer->due_us = now_us + killer->every_us;
                begin(killer);
        }
}

static bool is_gone(pid_t pid) {
        const struct timespec pause = { .tv_nsec = LOOK_MS * 1000000L };
        for (int i = 0; i < KILLER_GRACE_MS / LOOK_MS; i++) {
                if (waitpid(pid, NULL, WNOHANG) == pid)
                        return true;
                nanosleep(&pause, NULL);
        }
        return false;
}

bool killer_end(struct killer *killer) {
        if (killer->pid <= 0)
                return false;
        kill(-killer->pid, SIGTERM);
        if (!is_gone(killer->pid)) {
                kill(-killer->pid, SIGKILL);
                is_gone(killer->pid);
        }
        killer->pid = 0;
        return true;
}
