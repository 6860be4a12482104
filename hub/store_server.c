/* SPDX-License-Identifier: Apache-2.0 */
/* store_server.c: see store_server.h. */
#include "hub/store_server.h"
#include <assert.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/limits.h"

#define SOCKET_NAME "redis.sock"
#define LOG_NAME "redis.log"

enum {
        TERM_AFTER_MS = 3000, /* its PDEATHSIG has told it already: this is for one that missed it */
        KILL_AFTER_MS = 6000,
        GIVE_UP_AFTER_MS = 10000,
        PROBE_MS = 100,
};

struct store_server {
        char *folder;  /* absolute */
        char *program; /* absolute, or a name to look for in PATH */
        char *url;
        char socket_path[sizeof((struct sockaddr_un){ 0 }).sun_path];
        int folder_fd;
        int hub_lock_fd;   /* store_server#1; dies with us */
        int store_lock_fd; /* store_server#2; inherited by the server */
};

/* Relative names: store_server#4. Why these values: DESIGN.md, "The store". */
static const char *const arguments[] = {
        "redis-server", /* argv[0] */
        "--port", "0",
        "--unixsocket", SOCKET_NAME,
        "--unixsocketperm", "700",
        "--dir", ".",
        "--logfile", LOG_NAME,
        "--pidfile", "redis.pid",
        "--daemonize", "no",
        "--protected-mode", "yes",
        /* An ack means: on disk. Everysec loses acknowledged messages on kill -9 when the disk is slow. */
        "--appendonly", "yes",
        "--appendfsync", "always",
        "--save", "",
        "--aof-load-truncated", "yes",
        "--auto-aof-rewrite-percentage", "100",
        "--auto-aof-rewrite-min-size", "256mb", /* each takes a core for a while; keeper.c sees to the length of the tail */
        /* Of a long inbox only the ends are looked at; the pointers between them shrink to a fifth. */
        "--list-compress-depth", "1",
        /* A worker that stalls for a second must not lose its node channel. */
        "--client-output-buffer-limit", "pubsub", "256mb", "64mb", "10",
        "--maxclients", "1024", /* a few links of LIMIT_WORKERS workers */
        "--maxmemory-policy", "noeviction",
        /* Histograms of every command in a function: 30 KB each, and time for each call. */
        "--latency-tracking", "no",
        /* A longer hash is looked up instead of read through: with 512, an op in a conversation of some hundreds took a twelfth of all that a message takes. */
        "--hash-max-listpack-entries", "256",
        NULL,
};

/* ---- folder and locks ---- */

__attribute__((format(printf, 2, 3))) static int fail(char **ret_error, const char *format, ...) {
        va_list args;
        va_start(args, format);
        int r = vasprintf(ret_error, format, args);
        va_end(args);
        return r < 0 ? -ENOMEM : STORE_SERVER_E_FOLDER;
}

static bool is_plain(const char *path) {
        for (; *path; path++)
                if (!isalnum((unsigned char)*path) && !strchr("/._-+,=:@~", *path))
                        return false;
        return true;
}

/* store_server#4 */
static int choose_socket(struct store_server *server) {
        int len = snprintf(server->socket_path, sizeof server->socket_path, "%s/" SOCKET_NAME, server->folder);
        if (len < 0 || (size_t)len >= sizeof server->socket_path || !is_plain(server->folder))
                snprintf(server->socket_path, sizeof server->socket_path, "/proc/self/fd/%d/" SOCKET_NAME, server->folder_fd);
        return asprintf(&server->url, "unix://%s", server->socket_path) < 0 ? -ENOMEM : 0;
}

static int open_folder(struct store_server *server, const char *folder, const char *program, char **ret_error) {
        if (mkdir(folder, 0700) != 0 && errno != EEXIST)
                return fail(ret_error, "cannot make the data folder %s: %s", folder, strerror(errno));
        server->folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (server->folder_fd < 0)
                return fail(ret_error, "cannot open the data folder %s: %s", folder, strerror(errno));
        server->folder = realpath(folder, NULL);
        if (!server->folder)
                return fail(ret_error, "cannot find the data folder %s: %s", folder, strerror(errno));
        /* It will be run from another folder than ours. */
        server->program = strchr(program, '/') ? realpath(program, NULL) : strdup(program);
        if (!server->program)
                return fail(ret_error, "cannot find the Redis server %s: %s", program, strerror(errno));
        return choose_socket(server);
}

static int open_lock(struct store_server *server, const char *name, int *ret_fd, char **ret_error) {
        *ret_fd = openat(server->folder_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        return *ret_fd >= 0 ? 0 : fail(ret_error, "cannot write in the data folder %s: %s", server->folder, strerror(errno));
}

int store_server_new(const char *folder, const char *program, struct store_server **ret_server, char **ret_error) {
        struct store_server *server = malloc(sizeof *server);
        if (!server)
                return -ENOMEM;
        *server = (struct store_server){ .folder_fd = -1, .hub_lock_fd = -1, .store_lock_fd = -1 };
        int r = open_folder(server, folder, program, ret_error);
        if (r == 0)
                r = open_lock(server, "supervisor.lock", &server->hub_lock_fd, ret_error);
        if (r == 0)
                r = open_lock(server, "lock", &server->store_lock_fd, ret_error);
        if (r != 0) {
                store_server_free(server);
                return r;
        }
        *ret_server = server;
        return 0;
}

struct store_server *store_server_free(struct store_server *server) {
        if (!server)
                return NULL;
        const int fds[] = { server->store_lock_fd, server->hub_lock_fd, server->folder_fd };
        for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
                if (fds[i] >= 0)
                        close(fds[i]);
        free(server->folder);
        free(server->program);
        free(server->url);
        free(server);
        return NULL;
}

static int try_lock(int fd) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
                return 0;
        return errno == EWOULDBLOCK ? STORE_SERVER_E_LOCKED : -errno;
}

int store_server_own(struct store_server *server) {
        return try_lock(server->hub_lock_fd);
}

int store_server_lock(struct store_server *server) {
        return try_lock(server->store_lock_fd);
}

/* ---- a server left over from an earlier run ---- */

enum store_server_patience store_server_patience(uint64_t waited_ms) {
        if (waited_ms < TERM_AFTER_MS)
                return STORE_SERVER_WAIT;
        if (waited_ms < KILL_AFTER_MS)
                return STORE_SERVER_TERM;
        return waited_ms < GIVE_UP_AFTER_MS ? STORE_SERVER_KILL : STORE_SERVER_GIVE_UP;
}

static bool is_same_file(const struct stat *a, const struct stat *b) {
        return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static bool has_name_of_server(const struct store_server *server, int process_fd) {
        char name[16] = "";
        int fd = openat(process_fd, "comm", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return false;
        ssize_t len = read(fd, name, sizeof name - 1); /* the kernel keeps 15 bytes and adds a newline */
        close(fd);
        name[len > 0 ? strcspn(name, "\n") : 0] = '\0';
        const char *slash = strrchr(server->program, '/');
        return strncmp(name, slash ? slash + 1 : server->program, sizeof name - 1) == 0;
}

static bool has_open(int process_fd, const struct stat *file) {
        int list_fd = openat(process_fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *list = list_fd < 0 ? NULL : fdopendir(list_fd);
        if (!list) {
                if (list_fd >= 0)
                        close(list_fd);
                return false;
        }
        bool found = false;
        for (struct dirent *entry; !found && (entry = readdir(list));) {
                struct stat open_file;
                found = fstatat(list_fd, entry->d_name, &open_file, 0) == 0 && is_same_file(&open_file, file);
        }
        closedir(list);
        return found;
}

/* store_server#3. Judged and signalled through one descriptor of /proc, so that the pid cannot become another's in between. */
static bool evict_if_ours(const struct store_server *server, int proc_fd, const char *pid_text, const struct stat *folder,
                          const struct stat *lock, int signal) {
        char *end;
        long pid = strtol(pid_text, &end, 10);
        if (*end || pid <= 1 || pid == getpid())
                return false;
        int process_fd = openat(proc_fd, pid_text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (process_fd < 0)
                return false;
        struct stat cwd;
        bool ours = fstatat(process_fd, "cwd", &cwd, 0) == 0 && is_same_file(&cwd, folder) &&
                    has_name_of_server(server, process_fd) && has_open(process_fd, lock);
        bool told = ours && pidfd_send_signal(process_fd, signal, NULL, 0) == 0;
        close(process_fd);
        return told;
}

size_t store_server_evict(const struct store_server *server, int signal) {
        struct stat folder, lock;
        DIR *proc = opendir("/proc");
        size_t told = 0;
        if (proc && fstat(server->folder_fd, &folder) == 0 && fstat(server->store_lock_fd, &lock) == 0)
                for (struct dirent *entry; (entry = readdir(proc));)
                        told += evict_if_ours(server, dirfd(proc), entry->d_name, &folder, &lock, signal);
        if (proc)
                closedir(proc);
        return told;
}

/* ---- starting and asking ---- */

/* Redis never shortens its log; a start is the moment at which nobody has it open. */
static void shorten_log(const struct store_server *server) {
        struct stat log;
        if (fstatat(server->folder_fd, LOG_NAME, &log, AT_SYMLINK_NOFOLLOW) == 0 && log.st_size > LIMIT_STORE_LOG_BYTES)
                (void)renameat(server->folder_fd, LOG_NAME, server->folder_fd, LOG_NAME ".1");
}

/* Its output before it reads --logfile, and its cries when it dies, belong into its log as well. */
static int redirect(const struct store_server *server) {
        int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        int log_fd = openat(server->folder_fd, LOG_NAME, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (null_fd < 0 || log_fd < 0 || dup2(null_fd, 0) < 0 || dup2(log_fd, 1) < 0 || dup2(log_fd, 2) < 0)
                return -errno;
        return 0;
}

/* Between fork and exec. Returns only if it fails. */
static int become_server(const struct store_server *server, pid_t supervisor) {
        if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0)
                return -errno;
        if (getppid() != supervisor)
                _exit(1); /* it died before the line above */
        setpgid(0, 0); /* Ctrl-C at the terminal is the supervisor's business: Redis ends last */

        sigset_t none;
        sigemptyset(&none);
        for (int number = 1; number < NSIG; number++)
                (void)signal(number, SIG_DFL);
        sigprocmask(SIG_SETMASK, &none, NULL);

        if (fchdir(server->folder_fd) != 0)
                return -errno;
        int r = redirect(server);
        if (r != 0)
                return r;
        if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) != 0 || fcntl(server->store_lock_fd, F_SETFD, 0) != 0)
                return -errno;

        static const char *const kept[] = { "PATH", "LANG", "TZ" }; /* store_server#5 */
        char *environment[sizeof kept / sizeof *kept + 1] = { NULL };
        for (size_t i = 0, used = 0; i < sizeof kept / sizeof *kept; i++) {
                const char *value = getenv(kept[i]);
                if (value && asprintf(&environment[used++], "%s=%s", kept[i], value) < 0)
                        return -ENOMEM;
        }
        execvpe(server->program, (char *const *)(uintptr_t)arguments, environment);
        return -errno;
}

int store_server_start(struct store_server *server, pid_t *ret_pid) {
        shorten_log(server);
        int pipe_fds[2]; /* carries the errno of a failed exec; a good exec closes it */
        if (pipe2(pipe_fds, O_CLOEXEC) != 0)
                return -errno;
        pid_t supervisor = getpid(), pid = fork();
        if (pid == 0) {
                int error = become_server(server, supervisor);
                ssize_t ignored = write(pipe_fds[1], &error, sizeof error);
                (void)ignored;
                _exit(127);
        }
        int error = pid < 0 ? -errno : 0;
        close(pipe_fds[1]);
        if (pid > 0 && read(pipe_fds[0], &error, sizeof error) == (ssize_t)sizeof error)
                (void)waitpid(pid, NULL, 0);
        close(pipe_fds[0]);
        if (error != 0)
                return error;
        *ret_pid = pid;
        return 0;
}

int store_server_probe(const struct store_server *server) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        static_assert(sizeof address.sun_path == sizeof server->socket_path, "one is copied to the other");
        memcpy(address.sun_path, server->socket_path, sizeof address.sun_path);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return STORE_SERVER_E_DOWN;

        static const char question[] = "PING\r\n";
        char answer[32] = "";
        ssize_t len = -1;
        if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
            send(fd, question, sizeof question - 1, MSG_NOSIGNAL) == (ssize_t)sizeof question - 1 &&
            poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, PROBE_MS) == 1)
                len = read(fd, answer, sizeof answer - 1);
        close(fd);
        if (len <= 0)
                return STORE_SERVER_E_DOWN;
        return strncmp(answer, "+PONG", 5) == 0 ? 0 : STORE_SERVER_E_LOADING;
}

const char *store_server_url(const struct store_server *server) {
        return server->url;
}

int store_server_folder_fd(const struct store_server *server) {
        return server->folder_fd;
}

void store_server_last_words(const struct store_server *server, char *out, size_t size) {
        char tail[513] = "";
        *out = '\0';
        int fd = openat(server->folder_fd, LOG_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return;
        if (lseek(fd, 1 - (off_t)sizeof tail, SEEK_END) < 0)
                (void)lseek(fd, 0, SEEK_SET); /* it is shorter than that */
        ssize_t len = read(fd, tail, sizeof tail - 1);
        close(fd);
        while (len > 0 && isspace((unsigned char)tail[len - 1]))
                tail[--len] = '\0';
        const char *newline = strrchr(tail, '\n');
        snprintf(out, size, "%s", newline ? newline + 1 : tail);
}
