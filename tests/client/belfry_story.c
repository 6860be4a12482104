/* SPDX-License-Identifier: Apache-2.0 */
/*
 * belfry_story.c: a device on libbelfry that does what its standard input says, one line each, and prints what it is told.
 *
 *      belfry_story URL TOKEN STORE AFTER [REPORT_MS]
 *
 *      start | stop | quit | hint online|offline       sync MS
 *      sendop OP KIND REF CONV BODY                    (under an op of the caller's, as no app would; BODY may be missing)
 *      token JWT              forget (the cursor)
 *      send CONV BODY          edit CONV SEQ BODY      delete CONV SEQ      react CONV SEQ BODY      (BODY is JSON)
 *      read CONV SEQ           typing CONV 0|1         signal CONV BODY     subscribe CONV 0|1       [un]watch USER
 *      load CONV BEFORE LIMIT  members CONV            ask JSON
 *      entries CONV            outbox                  place                metrics                  conversations
 *
 * Each line is answered by {"reply":WORD,"error":N,"op":OP}; lists come before it as {"item":WORD,"value":{…}}. All else is
 * an event, as libbelfry tells it.
 */
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/belfry.h"
#include "client/db.h"
#include "client/engine.h"
#include "client/errand.h"
#include "client/host.h"

enum { LINE_BYTES = 1 << 20 };

static bool over;

static void on_event(struct belfry *client, const char *json, size_t len, void *context) {
        fwrite(json, 1, len, stdout);
        putchar('\n');
        fflush(stdout);
}

static bool print_item(void *context, const char *json, size_t len) {
        printf("{\"item\":\"%s\",\"value\":%s}\n", (const char *)context, json);
        return true;
}

/* The next word of *line, "" at its end. */
static char *next_word(char **line) {
        char *word = *line, *space = strchr(word, ' ');

        if (space)
                *space = '\0';
        *line = space ? space + 1 : word + strlen(word);
        return word;
}

static int64_t next_number(char **line) {
        return strtoll(next_word(line), NULL, 10);
}

static int act(struct belfry *client, const char *what, char *rest, char *op) {
        char *conv = next_word(&rest);
        struct belfry_about about = { NULL, 0 };

        if (strcmp(what, "send") == 0)
                return belfry_send(client, conv, rest, op);
        if (strcmp(what, "typing") == 0)
                return belfry_typing(client, conv, *rest == '1');
        if (strcmp(what, "signal") == 0)
                return belfry_signal(client, conv, rest);
        if (strcmp(what, "subscribe") == 0)
                return belfry_subscribe(client, conv, *rest == '1');
        if (strcmp(what, "watch") == 0)
                return belfry_watch(client, conv, true);
        if (strcmp(what, "unwatch") == 0)
                return belfry_watch(client, conv, false);
        if (strcmp(what, "members") == 0)
                return belfry_load_members(client, conv);
        about.seq = next_number(&rest);
        if (strcmp(what, "edit") == 0)
                return belfry_edit(client, conv, about, rest, op);
        if (strcmp(what, "delete") == 0)
                return belfry_delete(client, conv, about, op);
        if (strcmp(what, "react") == 0)
                return belfry_react(client, conv, about, rest, op);
        if (strcmp(what, "read") == 0)
                return belfry_read(client, conv, about.seq);
        if (strcmp(what, "load") == 0)
                return belfry_load(client, conv, about.seq, (int)next_number(&rest));
        return BELFRY_E_INVALID;
}

static int send_as(struct belfry *client, char *rest) {
        char *op = next_word(&rest), *kind = next_word(&rest), ret_op[BELFRY_OP_SIZE];
        struct errand_target target = { NULL, next_number(&rest) };
        char *conv = next_word(&rest);
        int r;

        host_lock(client);
        r = engine_send(host_engine(client), op, slice_of(conv), kind, target.seq ? &target : NULL, slice_of(*rest ? rest : NULL),
                        ret_op);
        host_unlock(client);
        return r;
}

/* The store loses its place, as no app would do. */
static int forget(struct belfry *client) {
        struct db *db;
        int r;

        host_lock(client);
        db = host_db(client);
        db_begin(db);
        db_run(db, "DELETE FROM facts WHERE name IN ('epoch', 'cursor')", "");
        r = db_end(db);
        host_unlock(client);
        return r;
}

static int look(struct belfry *client, const char *what, char *rest) {
        if (strcmp(what, "entries") == 0)
                return belfry_entries(client, rest, 0, INT32_MAX, print_item, (void *)what);
        if (strcmp(what, "outbox") == 0)
                return belfry_outbox(client, NULL, print_item, (void *)what);
        if (strcmp(what, "place") == 0)
                return belfry_place(client, print_item, (void *)what);
        if (strcmp(what, "metrics") == 0)
                return belfry_metrics(client, print_item, (void *)what);
        if (strcmp(what, "conversations") == 0)
                return belfry_conversations(client, print_item, (void *)what);
        return -1;
}

static int perform(struct belfry *client, const char *what, char *rest, char *op) {
        int r = look(client, what, rest);

        if (r >= 0)
                return r;
        if (strcmp(what, "start") == 0)
                belfry_start(client);
        else if (strcmp(what, "stop") == 0)
                belfry_stop(client);
        else if (strcmp(what, "quit") == 0)
                over = true;
        else if (strcmp(what, "hint") == 0)
                belfry_network_changed(client, strcmp(rest, "online") == 0);
        else if (strcmp(what, "sync") == 0)
                return belfry_sync_once(client, next_number(&rest), NULL);
        else if (strcmp(what, "ask") == 0)
                return belfry_ask(client, rest);
        else if (strcmp(what, "sendop") == 0)
                return send_as(client, rest);
        else if (strcmp(what, "forget") == 0)
                return forget(client);
        else if (strcmp(what, "token") == 0)
                return belfry_set_token(client, rest);
        else
                return act(client, what, rest, op);
        return BELFRY_OK;
}

static void on_line(struct belfry *client, char *line) {
        char op[BELFRY_OP_SIZE] = "", *rest = line, *what = next_word(&rest);
        int error = perform(client, what, rest, op);

        printf("{\"reply\":\"%s\",\"error\":%d,\"op\":\"%s\"}\n", what, error, op);
        fflush(stdout);
}

/* What has come on standard input, line by line. */
static void on_input(struct belfry *client) {
        static char line[LINE_BYTES];
        static size_t len;
        ssize_t count = read(STDIN_FILENO, line + len, sizeof(line) - len - 1);
        char *end;

        if (count <= 0) {
                over = true;
                return;
        }
        len += (size_t)count;
        while ((end = memchr(line, '\n', len)) != NULL) {
                *end = '\0';
                on_line(client, line);
                len -= (size_t)(end + 1 - line);
                memmove(line, end + 1, len);
        }
}

int main(int argc, char *argv[]) {
        struct belfry_options options = { .url = argv[1],
                                          .token = argc > 2 ? argv[2] : NULL,
                                          .store = argc > 3 ? argv[3] : NULL,
                                          .after = argc > 4 ? strtoll(argv[4], NULL, 10) : 0,
                                          .report_ms = argc > 5 ? strtoll(argv[5], NULL, 10) : 0,
                                          .shared = true,
                                          .on_event = on_event };
        struct belfry *client;
        int r = argc > 3 ? belfry_open(&options, &client) : BELFRY_E_INVALID;

        signal(SIGPIPE, SIG_IGN);
        if (r != BELFRY_OK) {
                fprintf(stderr, "belfry_story: %s\n", belfry_error(r));
                return 1;
        }
        while (!over) {
                struct pollfd fds[2] = { { .fd = STDIN_FILENO, .events = POLLIN },
                                         { .fd = belfry_fd(client), .events = POLLIN } };

                if (poll(fds, 2, belfry_timeout_ms(client)) > 0 && fds[0].revents)
                        on_input(client);
                belfry_step(client);
        }
        belfry_close(client);
        return 0;
}
