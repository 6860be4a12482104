/* SPDX-License-Identifier: Apache-2.0 */
/*
 * world.h: what a test with real servers needs: a loop, a folder, a watchdog, a redis-server of its own.
 *
 * Nothing in it waits for time to pass: WAIT() turns the loop until a condition holds, and the watchdog ends a test for which
 * it never does. A redis-server dies with its test, however the test ends.
 */
#pragma once
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define WATCHDOG_MS 90000 /* ends a test that hangs: the longest takes 15 s under sanitizers, and more where others compute, too */

/* ---- A world: a loop, a folder, a watchdog ---- */

struct world {
        uv_loop_t loop;
        uv_timer_t watchdog;
        bool is_late;
        char folder[32];
};

static inline void on_watchdog(uv_timer_t *timer) {
        ((struct world *)timer->data)->is_late = true;
}

static inline int world_open(void **state) {
        struct world *world = calloc(1, sizeof(*world));

        assert_int_equal(uv_loop_init(&world->loop), 0);
        uv_timer_init(&world->loop, &world->watchdog);
        world->watchdog.data = world;
        uv_timer_start(&world->watchdog, on_watchdog, WATCHDOG_MS, 0);
        snprintf(world->folder, sizeof(world->folder), "/tmp/test_link.XXXXXX");
        assert_non_null(mkdtemp(world->folder));
        *state = world;
        return 0;
}

static const char *const world_files[] = { "redis.sock", "other.sock", "cert.pem", "key.pem", "other.pem" };

static inline const char *world_file(const struct world *world, const char *name) {
        static char path[64];

        snprintf(path, sizeof(path), "%s/%s", world->folder, name);
        return path;
}

/* Every handle must be gone by now: a link that left one behind is found here. */
static inline int world_close(void **state) {
        struct world *world = *state;

        uv_unref((uv_handle_t *)&world->watchdog);
        while (!world->is_late && uv_run(&world->loop, UV_RUN_ONCE))
                ; /* after a test that failed a link may still live, for ever */
        uv_close((uv_handle_t *)&world->watchdog, NULL);
        uv_run(&world->loop, UV_RUN_NOWAIT);
        assert_int_equal(uv_loop_close(&world->loop), 0);
        for (size_t i = 0; i < sizeof(world_files) / sizeof(world_files[0]); i++)
                unlink(world_file(world, world_files[i]));
        assert_int_equal(rmdir(world->folder), 0);
        free(world);
        return 0;
}

#define WAIT(world, condition)                                                                                                   \
        do {                                                                                                                     \
                while (!(condition)) {                                                                                           \
                        if ((world)->is_late)                                                                                    \
                                fail_msg("waited in vain for: %s", #condition);                                                  \
                        uv_run(&(world)->loop, UV_RUN_ONCE);                                                                     \
                }                                                                                                                \
        } while (0)

/* ---- A redis-server ---- */

struct redis {
        pid_t pid;
        char socket[64];
        char port[8];
        const char *extra[24];
};

/* Another one each time, below the range from which the kernel takes ports for whoever asks for any: it stays free until it is used. */
static inline uint16_t free_port(void) {
        enum { FROM = 20000, COUNT = 12000, OF_A_PROCESS = 8 };
        static unsigned given;
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

        for (unsigned tries = 0; tries < COUNT; tries++) {
                uint16_t port = (uint16_t)(FROM + ((unsigned)getpid() * OF_A_PROCESS + given++) % COUNT);
                int fd = socket(AF_INET, SOCK_STREAM, 0);

                address.sin_port = htons(port);
                int r = bind(fd, (struct sockaddr *)&address, sizeof(address));
                close(fd);
                if (r == 0)
                        return port;
        }
        fail_msg("no port is free");
        return 0;
}

static inline void redis_start(struct redis *redis, const struct world *world) {
        const char *argv[48] = {
                "redis-server", "--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--dir", world->folder
        };
        size_t argc = 9;
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);

        snprintf(redis->socket, sizeof(redis->socket), "%s", world_file(world, "redis.sock"));
        argv[argc++] = "--unixsocket";
        argv[argc++] = redis->socket;
        argv[argc++] = "--port";
        argv[argc++] = redis->port[0] ? redis->port : "0";
        for (const char *const *extra = redis->extra; *extra; extra++)
                argv[argc++] = *extra;
        redis->pid = fork();
        assert_true(redis->pid >= 0);
        if (redis->pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that crashes leaves nothing running */
                dup2(null, STDOUT_FILENO);
                dup2(null, STDERR_FILENO);
                execvp(argv[0], (char *const *)argv);
                _exit(127);
        }
        close(null);
}

static inline void redis_kill(struct redis *redis) {
        int status;

        assert_int_equal(kill(redis->pid, SIGKILL), 0);
        assert_int_equal(waitpid(redis->pid, &status, 0), redis->pid);
        assert_true(WIFSIGNALED(status)); /* it had not ended on its own */
        redis->pid = 0;
}
