/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session in which the n-th allocation fails, for every n: ours (the linker's --wrap) and SQLite's (its own hook).
 *
 * Whatever fails, nothing may crash or leak, and afterwards, with memory again, the store must hold what was promised: each item
 * that was accepted is in the outbox or among the entries, once, and no event up to the cursor is missing.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sqlite3.h>

#include <cmocka.h>

#include "base/buf.h"
#include "client/db.h"
#include "client/engine.h"
#include "client/ledger.h"
#include "client/shelf.h"
#include "client/wake.h"

/* In memory where that is to be had: each of some thousand sessions syncs some dozen times. */
#define SHARED_MEMORY "/dev/shm/test_client_oom.XXXXXX"
#define ON_DISK "/tmp/test_client_oom.XXXXXX"

static long countdown; /* 0: none fails */
static long failures;

static bool fails(void) {
        if (countdown == 0 || --countdown > 0)
                return false;
        failures++;
        return true;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *ptr, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *ptr, size_t size);
char *__wrap_strdup(const char *text);

void *__wrap_malloc(size_t size) {
        return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
        return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *ptr, size_t size) {
        return fails() ? NULL : __real_realloc(ptr, size);
}

char *__wrap_strdup(const char *text) {
        return fails() ? NULL : __real_strdup(text);
}

static sqlite3_mem_methods plain;

static void *sqlite_malloc(int size) {
        return fails() ? NULL : plain.xMalloc(size);
}

static void *sqlite_realloc(void *ptr, int size) {
        return fails() ? NULL : plain.xRealloc(ptr, size);
}

/* ---- a hub of few words ---- */

struct world {
        char folder[40], path[64];
        struct db *db;
        struct engine *engine;
        uint64_t now_ms;
        bool dialled, open;
        struct buf heard; /* frames of the client, each ended by a NUL */
        int accepted;
};

static void on_dial(void *context) {
        ((struct world *)context)->dialled = true;
}

static void on_hang_up(void *context) {
        ((struct world *)context)->open = false;
}

static void on_send(void *context, struct slice text) {
        struct world *world = context;

        if (world->heard.len + text.len + 1 < world->heard.cap) { /* reserved before: a hub does not run out of memory with us */
                memcpy(world->heard.ptr + world->heard.len, text.ptr, text.len);
                world->heard.ptr[world->heard.len + text.len] = '\0';
                world->heard.len += text.len + 1;
        }
}

static bool on_token(void *context, bool fresh, char *out, size_t size) {
        snprintf(out, size, "T");
        return true;
}

static void on_become(void *context, enum engine_state state, int code, const char *reason) {
}

static void on_hear(void *context, struct slice frame) {
}

static void on_fail(void *context, int error) {
        assert_int_equal(error, -ENOMEM); /* nothing else is wrong here */
}

static uint64_t on_chance(void *context) {
        return 10;
}

static void at(struct world *world, uint64_t later_ms) {
        world->now_ms += later_ms;
        engine_at(world->engine, world->now_ms, (int64_t)world->now_ms + 1795000000000);
}

static void say(struct world *world, const char *text) {
        struct slice frame = slice_of(text);

        if (world->open)
                engine_on_texts(world->engine, &frame, 1);
}

/* The hub takes every send it hears, and numbers it as its own log would: an op has one seq. */
static void answer(struct world *world, int64_t *seqs) {
        static char ops[16][8];
        static size_t known;
        char reply[256], op[8];
        const char *found;

        if (*seqs == 0)
                known = 0;
        for (size_t i = 0; i < world->heard.len; i += strlen(world->heard.ptr + i) + 1) {
                size_t row = 0;

                found = strstr(world->heard.ptr + i, "\"op\":\"");
                if (!found || sscanf(found, "\"op\":\"%7[^\"]\"", op) != 1)
                        continue;
                while (row < known && strcmp(ops[row], op) != 0)
                        row++;
                if (row == known) {
                        snprintf(ops[known++], sizeof(ops[0]), "%s", op);
                        ++*seqs;
                }
                snprintf(reply, sizeof(reply), "{\"type\":\"sent\",\"conv\":\"room\",\"op\":\"%s\",\"seq\":%zu,\"at\":1}", op,
                         row + 101);
                say(world, reply);
        }
        world->heard.len = 0;
}

static void connect_and_talk(struct world *world, int64_t *seqs) {
        engine_start(world->engine);
        for (int tries = 0; tries < 3; tries++) {
                at(world, 100);
                engine_on_time(world->engine);
                if (!world->dialled)
                        continue;
                world->dialled = false;
                world->open = true;
                engine_on_open(world->engine);
                say(world, "{\"type\":\"welcome\",\"id\":1,\"session\":\"s\",\"user\":\"alice\",\"device\":\"d\",\"epoch\":\"e\","
                           "\"cursor\":0,\"head\":3}");
                for (int n = 1; n <= 3; n++) {
                        char event[256];

                        snprintf(event, sizeof(event),
                                 "{\"type\":\"message\",\"n\":%d,\"conv\":\"room\",\"seq\":%d,\"from\":\"bob\",\"op\":\"x%d\","
                                 "\"at\":1,\"body\":%d}",
                                 n, n, n, n);
                        say(world, event);
                }
                answer(world, seqs);
                at(world, 300);
                engine_on_time(world->engine);
                answer(world, seqs);
        }
}

static void send_some(struct world *world) {
        static const char *const ops[] = { "op1", "op2", "op3" };
        char ret_op[65];

        for (int i = 0; i < 3; i++)
                if (engine_send(world->engine, ops[i], SLICE("room"), "message", NULL, SLICE("{\"text\":\"hello\"}"), ret_op) ==
                    0)
                        world->accepted |= 1 << i;
}

static void look_around(struct world *world) {
        struct buf lines = BUF_INIT(1 << 20);

        (void)!shelf_entries(world->db, "room", 0, 100, &lines);
        (void)!shelf_conversations(world->db, &lines);
        (void)!shelf_metrics(world->db, 1, &lines);
        buf_deinit(&lines);
}

static void session(struct world *world, int64_t *seqs) {
        struct engine_port port = { world, on_dial, on_hang_up, on_send, on_token, on_become, on_hear, on_fail, on_chance };
        struct wake *wake;
        struct buf post = BUF_INIT(1 << 20);

        if (db_open(world->path, &world->db) != 0)
                return;
        world->engine = engine_new(world->db, &port, "alice", "d");
        if (world->engine) {
                at(world, 0);
                engine_recover(world->engine);
                send_some(world);
                connect_and_talk(world, seqs);
                look_around(world);
                engine_stop(world->engine);
                wake = wake_new(
                        world->db,
                        &(struct wake_options){ .device = "d", .deadline_ms = UINT64_MAX, .reloads = true, .report_each_ms = 1 });
                if (wake) {
                        if (wake_next(wake, 1, 1, &post) == WAKE_GOES_ON)
                                wake_on_answer(wake, 503, SLICE(""), 1, 1);
                        wake_free(wake);
                }
        }
        buf_deinit(&post);
        world->engine = engine_free(world->engine);
        world->db = db_free(world->db);
        world->open = world->dialled = false;
        world->heard.len = 0;
}

/* With memory again. */
static void check_promises(struct world *world) {
        char op[8];
        int64_t cursor;

        assert_int_equal(db_open(world->path, &world->db), 0);
        db_begin_read(world->db);
        cursor = ledger_cursor(world->db);
        assert_int_equal(db_number(world->db, -1, "SELECT count(*) FROM entries WHERE sender = 'bob'", ""), cursor);
        for (int i = 0; i < 3; i++) {
                int64_t here;

                snprintf(op, sizeof(op), "op%d", i + 1);
                here = db_number(
                        world->db, -1,
                        "SELECT (SELECT count(*) FROM outbox WHERE op = ?1) + (SELECT count(*) FROM entries WHERE op = ?1)", "t",
                        op);
                if (world->accepted & 1 << i)
                        assert_int_equal(here, 1);
        }
        assert_int_equal(db_end(world->db), 0);
        world->db = db_free(world->db);
}

/* A store with its tables: to make those is a session's work of its own, and the same each time. */
static void copy_store(const char *from, const char *to) {
        static char bytes[1 << 20];
        FILE *in = fopen(from, "r"), *out = fopen(to, "w");
        size_t len = fread(bytes, 1, sizeof(bytes), in);

        assert_true(len > 0 && len < sizeof(bytes) && fwrite(bytes, 1, len, out) == len);
        fclose(in);
        fclose(out);
}

static void every_allocation_may_fail(void **state) {
        char model[] = ON_DISK;
        struct db *db;
        long n = 0;

        assert_true(close(mkstemp(model)) == 0);
        assert_int_equal(db_open(model, &db), 0);
        db_free(db);

        do {
                struct world world = { .now_ms = 1000, .heard = BUF_INIT(1 << 16) };
                static const char *const ends[] = { "", "-wal", "-shm" };
                char path[80];
                int64_t seqs = 0;

                snprintf(world.folder, sizeof(world.folder), "%s", access("/dev/shm", W_OK) == 0 ? SHARED_MEMORY : ON_DISK);
                assert_non_null(mkdtemp(world.folder));
                snprintf(world.path, sizeof(world.path), "%s/s", world.folder);
                copy_store(model, world.path);
                assert_non_null(buf_reserve(&world.heard, 60000));
                failures = 0;
                countdown = ++n;
                session(&world, &seqs);
                countdown = 0;
                check_promises(&world);
                seqs = failures ? 0 : seqs;
                if (failures == 0)
                        assert_int_equal(world.accepted, 7); /* it was the whole session that was tried */
                buf_deinit(&world.heard);
                for (size_t i = 0; i < 3; i++) {
                        snprintf(path, sizeof(path), "%s%s", world.path, ends[i]);
                        unlink(path);
                }
                rmdir(world.folder);
        } while (failures > 0);
        unlink(model);
        print_message("%ld allocations, each failed once\n", n - 1);
        assert_true(n > 100);
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(every_allocation_may_fail) };
        sqlite3_mem_methods failing;

        sqlite3_config(SQLITE_CONFIG_GETMALLOC, &plain);
        failing = plain;
        failing.xMalloc = sqlite_malloc;
        failing.xRealloc = sqlite_realloc;
        sqlite3_config(SQLITE_CONFIG_MALLOC, &failing);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
