/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_server.h: the private redis-server: its folder, its locks, its arguments; started here, watched by the supervisor.
 *
 * 1. One hub per folder: <data>/supervisor.lock is ours alone while we live.
 * 2. One Redis per folder: <data>/lock is inherited by the server, so it is held until the last process that may write there
 *    has ended, even when the supervisor was killed. No server is started without it.
 * 3. Who is told to end by store_server_evict() has that very lock open, works in that very folder and bears the server's name.
 * 4. The server runs in its folder and names its files relatively, so any path will do. Its socket is at
 *    <data>/redis.sock; where that is too long for a sockaddr_un (107 bytes), or no plain text for a URL, the workers reach it
 *    through the folder's descriptor, /proc/self/fd/<n>/redis.sock.
 * 5. The server gets no secret: its environment is PATH, LANG and TZ.
 */
#pragma once
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct store_server;

enum {
        STORE_SERVER_E_FOLDER =
                1,              /* the folder cannot be used, or another hub uses it: *ret_error is one clear line (free() it) */
        STORE_SERVER_E_LOCKED,  /* a Redis of an earlier run still lives */
        STORE_SERVER_E_LOADING, /* it answers, but reads its data still */
        STORE_SERVER_E_DOWN,    /* it does not answer */
};

enum store_server_patience { STORE_SERVER_WAIT, STORE_SERVER_TERM, STORE_SERVER_KILL, STORE_SERVER_GIVE_UP };

/* Makes or opens the folder; takes no lock yet. program is the server's path or a name in PATH. */
__attribute__((warn_unused_result)) int store_server_new(const char *folder, const char *program,
                                                         struct store_server **ret_server, char **ret_error);
/* Lets go of the locks; ends no process. */
struct store_server *store_server_free(struct store_server *server);

/*
 * Take store_server#1, then #2, without waiting: 0, STORE_SERVER_E_LOCKED or -errno. A supervisor that was killed has its lock
 * for a moment yet, a Redis of an earlier run may have the other for long.
 */
__attribute__((warn_unused_result)) int store_server_own(struct store_server *server);
__attribute__((warn_unused_result)) int store_server_lock(struct store_server *server);
/* What to do about the second lock when it was not to be had for so long. */
enum store_server_patience store_server_patience(uint64_t waited_ms);
/* Signals the servers that hold the lock (store_server#3); returns how many there were. */
size_t store_server_evict(const struct store_server *server, int signal);

/* Starts the server as a child that ends with us. 0 or -errno, for instance -ENOENT if there is no such program. */
__attribute__((warn_unused_result)) int store_server_start(struct store_server *server, pid_t *ret_pid);
/* Asks the server once, and waits at most 100 ms: 0 if it serves, or STORE_SERVER_E_LOADING, STORE_SERVER_E_DOWN. */
__attribute__((warn_unused_result)) int store_server_probe(const struct store_server *server);

/* For base/link: lives as long as the server. */
const char *store_server_url(const struct store_server *server);
/* The folder, which a worker must keep open because of store_server#4. */
int store_server_folder_fd(const struct store_server *server);
/* The last line the server has logged: usually why it ended. Cut to size, "" if there is none. */
void store_server_last_words(const struct store_server *server, char *out, size_t size);
