/* SPDX-License-Identifier: Apache-2.0 */
/* probe.c: see probe.h. */
#include "loadtest/probe.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_BYTES = 2048 };

void probe_init(struct probe *probe, const pid_t *roots, uint32_t roots_count) {
        memset(probe, 0, sizeof *probe);
        probe->roots = roots;
        probe->roots_count = roots_count;
}

static bool read_file(pid_t pid, const char *name, char text[static FILE_BYTES]) {
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return false;
        ssize_t got = read(fd, text, FILE_BYTES - 1);
        close(fd);
        if (got <= 0)
                return false;
        text[got] = '\0';
        return true;
}

/* Fields 3, 4, 14 and 15 of stat; the name, field 2, may hold anything. */
static bool read_stat(pid_t pid, char name[static 16], pid_t *ret_parent, uint64_t *ret_cpu_us) {
        char text[FILE_BYTES], state;
        if (!read_file(pid, "stat", text))
                return false;
        const char *open_at = strchr(text, '('), *close_at = strrchr(text, ')');
        int parent;
        unsigned long user, system;
        if (!open_at || !close_at || close_at < open_at ||
            sscanf(close_at + 1, " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &state, &parent, &user, &system) != 4 ||
            state == 'Z')
                return false;
        size_t len = (size_t)(close_at - open_at - 1);
        if (len > 15)
                len = 15;
        memcpy(name, open_at + 1, len);
        name[len] = '\0';
        *ret_parent = parent;
        *ret_cpu_us = (uint64_t)(user + system) * 1000000u / (uint64_t)sysconf(_SC_CLK_TCK);
        return true;
}

static uint64_t read_pss(pid_t pid) {
        char text[FILE_BYTES];
        if (!read_file(pid, "smaps_rollup", text))
                return 0;
        const char *line = strstr(text, "\nPss:");
        return line ? strtoull(line + 5, NULL, 10) * 1024 : 0;
}

static struct probe_process *find(struct probe *probe, pid_t pid) {
        for (uint32_t i = 0; i < probe->processes_count; i++)
                if (probe->processes[i].pid == pid)
                        return &probe->processes[i];
        return NULL;
}

/* Is it a root, or the child of one that was seen in this look? */
static bool is_ours(struct probe *probe, pid_t pid, pid_t parent) {
        for (uint32_t i = 0; i < probe->roots_count; i++)
                if (probe->roots[i] == pid)
                        return true;
        const struct probe_process *found = find(probe, parent);
        return found && found->alive;
}

/* Returns whether it is one of the server's that was not seen in this look yet. */
static bool see(struct probe *probe, pid_t pid) {
        char name[16];
        pid_t parent;
        uint64_t cpu_us;
        struct probe_process *process = find(probe, pid);
        if ((process && process->alive) || !read_stat(pid, name, &parent, &cpu_us) || !is_ours(probe, pid, parent))
                return false;
        if (!process) {
                if (probe->processes_count == LIMIT_LOAD_SERVERS)
                        return false;
                process = &probe->processes[probe->processes_count++];
                *process = (struct probe_process){ .pid = pid };
        }
        memcpy(process->name, name, sizeof process->name);
        process->cpu_us = cpu_us;
        process->alive = true;
        return true;
}

static void see_children(struct probe *probe) {
        bool found = true;
        while (found) { /* once for each generation */
                DIR *folder = opendir("/proc");
                found = false;
                for (struct dirent *entry; folder && (entry = readdir(folder));) {
                        char *end;
                        long pid = strtol(entry->d_name, &end, 10);
                        if (pid > 0 && !*end)
                                found |= see(probe, (pid_t)pid);
                }
                if (folder)
                        closedir(folder);
        }
}

void probe_look(struct probe *probe, bool memory) {
        if (probe->roots_count == 0)
                return;
        for (uint32_t i = 0; i < probe->processes_count; i++)
                probe->processes[i].alive = false;
        see_children(probe);
        for (uint32_t i = 0; i < probe->processes_count; i++) {
                struct probe_process *process = &probe->processes[i];
                if (!process->alive)
                        process->pss_bytes = 0;
                else if (memory)
                        process->pss_bytes = read_pss(process->pid);
        }
}

void probe_mark(struct probe *probe) {
        for (uint32_t i = 0; i < probe->processes_count; i++) {
                struct probe_process *process = &probe->processes[i];
                process->run_us = process->cpu_us - process->marked_us;
                process->marked_us = process->cpu_us;
                process->marked_pss_bytes = process->pss_bytes;
        }
}

uint64_t probe_pss_bytes(const struct probe *probe) {
        uint64_t sum = 0;
        for (uint32_t i = 0; i < probe->processes_count; i++)
                sum += probe->processes[i].pss_bytes;
        return sum;
}

uint64_t probe_cpu_us(const struct probe *probe) {
        uint64_t sum = 0;
        for (uint32_t i = 0; i < probe->processes_count; i++)
                sum += probe->processes[i].cpu_us;
        return sum;
}

uint64_t probe_run_us(const struct probe *probe) {
        uint64_t sum = 0;
        for (uint32_t i = 0; i < probe->processes_count; i++)
                sum += probe->processes[i].run_us;
        return sum;
}
