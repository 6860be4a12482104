/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of a store that fails: every failure has its name, nothing half-done stays, and what was there before is there
 * after. Asked through libbelfry's own functions, as an app would see it.
 */
#include "client/db.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/belfry.h"

struct place {
        char folder[32], path[64];
};

static int setup(void **state) {
        struct place *place = calloc(1, sizeof(*place));

        snprintf(place->folder, sizeof(place->folder), "/tmp/test_db.XXXXXX");
        assert_non_null(mkdtemp(place->folder));
        snprintf(place->path, sizeof(place->path), "%s/s", place->folder);
        *state = place;
        return 0;
}

static int teardown(void **state) {
        static const char *const ends[] = { "", "-wal", "-shm", "-lock" };
        struct place *place = *state;
        char path[96];

        for (size_t i = 0; i < 4; i++) {
                snprintf(path, sizeof(path), "%s%s", place->path, ends[i]);
                unlink(path);
        }
        rmdir(place->folder);
        free(place);
        return 0;
}

static int open_client(const struct place *place, const char *user, struct belfry **ret_client) {
        struct belfry_options options = { .url = "http://127.0.0.1:1", .user = user, .device = "d", .store = place->path };

        return belfry_open(&options, ret_client);
}

static bool count_item(void *context, const char *json, size_t len) {
        ++*(int *)context;
        return true;
}

static int waiting(struct belfry *client) {
        int count = 0;

        assert_int_equal(belfry_outbox(client, NULL, count_item, &count), BELFRY_OK);
        return count;
}

static void a_full_disk_refuses_and_keeps_what_was_there(void **state) {
        static char body[30000];
        const struct place *place = *state;
        struct belfry *client;
        struct db *db;
        int r = BELFRY_OK, sent = 0;

        assert_int_equal(db_open(place->path, &db), 0);
        db_limit_pages(db, 60); /* 4 KiB each, beside some 20 of an empty store */
        memset(body, 'x', sizeof(body) - 1);
        while (r == 0 && sent < 100) {
                db_begin(db);
                db_run(db,
                       "INSERT INTO outbox (op, conv, kind, body, state, created_ms, expires_ms) VALUES (?, 'c', 'message', ?, "
                       "'pending', 1, 1)",
                       "tt", body + sizeof(body) - 2 - sent, body);
                r = db_end(db);
                sent += r == 0;
        }
        assert_int_equal(r, DB_E_FULL);
        assert_true(sent > 0 && sent < 20);
        db_free(db);
        assert_int_equal(open_client(place, "alice", &client), BELFRY_OK);
        assert_int_equal(waiting(client), sent);
        belfry_close(client);
}

static void a_store_that_is_no_database_is_corrupt_and_left_alone(void **state) {
        const struct place *place = *state;
        char text[32] = "";
        struct belfry *client;
        FILE *file = fopen(place->path, "w");

        assert_true(fputs("these are my holiday notes, not a database at all, and I want them back", file) >= 0);
        fclose(file);
        assert_int_equal(open_client(place, "alice", &client), BELFRY_E_CORRUPT);
        file = fopen(place->path, "r");
        assert_non_null(fgets(text, 10, file));
        fclose(file);
        assert_string_equal(text, "these are");
}

static void a_damaged_page_is_told_when_it_is_read(void **state) {
        static char body[5000];
        const struct place *place = *state;
        struct belfry *client;
        char text[6000];
        int fd, r, count = 0;

        memset(body, 'x', sizeof(body) - 1);
        snprintf(text, sizeof(text), "\"%s\"", body);
        assert_int_equal(open_client(place, "alice", &client), BELFRY_OK);
        for (int i = 0; i < 20; i++)
                assert_int_equal(belfry_send(client, "c", text, NULL), BELFRY_OK);
        belfry_close(client); /* and all is in the file itself */
        fd = open(place->path, O_RDWR);
        memset(body, 0xff, sizeof(body));
        for (off_t at = 4096; at < 4096 * 40; at += 4096)
                assert_int_equal(pwrite(fd, body, 200, at), 200);
        close(fd);
        r = open_client(place, "alice", &client);
        if (r == BELFRY_OK) {
                r = belfry_outbox(client, NULL, count_item, &count);
                belfry_close(client);
        }
        assert_int_equal(r, BELFRY_E_CORRUPT);
}

static void a_store_that_another_holds_is_locked(void **state) {
        const struct place *place = *state;
        struct belfry *client;
        struct db *db;

        assert_int_equal(open_client(place, "alice", &client), BELFRY_OK);
        assert_int_equal(db_open(place->path, &db), 0);
        db_begin(db);
        assert_int_equal(belfry_send(client, "c", "1", NULL), BELFRY_E_LOCKED); /* after DB_BUSY_MS */
        assert_int_equal(waiting(client), 0);                                   /* who reads waits for nobody */
        db_undo(db);
        assert_int_equal(belfry_send(client, "c", "1", NULL), BELFRY_OK);
        assert_int_equal(waiting(client), 1);
        db_free(db);
        belfry_close(client);
}

static void a_store_of_a_later_version_or_of_another_user_is_refused(void **state) {
        const struct place *place = *state;
        struct belfry *client;
        struct db *db;

        assert_int_equal(open_client(place, "alice", &client), BELFRY_OK);
        belfry_close(client);
        assert_int_equal(open_client(place, "bob", &client), BELFRY_E_OTHER);
        assert_int_equal(db_open(place->path, &db), 0);
        db_begin(db);
        db_run(db, "PRAGMA user_version = 99", "");
        assert_int_equal(db_end(db), 0);
        db_free(db);
        assert_int_equal(open_client(place, "alice", &client), BELFRY_E_NEWER);
}

static void a_place_where_nothing_can_be_made_is_told(void **state) {
        struct place nowhere = { .path = "/nowhere/at/all" };
        struct belfry *client;

        assert_int_equal(open_client(&nowhere, "alice", &client), BELFRY_E_DISK);
        assert_string_equal(belfry_error(BELFRY_E_DISK), "the store cannot be opened, read or written");
}

static void the_first_failure_of_a_transaction_sticks(void **state) {
        const struct place *place = *state;
        struct db *db;

        assert_int_equal(db_open(place->path, &db), 0);
        db_begin(db);
        db_set(db, "a", 1);
        db_fail(db, DB_E_IO);
        db_set(db, "b", 2);
        assert_int_equal(db_get(db, "a"), 0);
        assert_int_equal(db_end(db), DB_E_IO);
        db_begin_read(db);
        assert_int_equal(db_get(db, "a"), 0); /* breaks db#2 */
        assert_int_equal(db_end(db), 0);
        db_free(db);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_full_disk_refuses_and_keeps_what_was_there, setup, teardown),
                cmocka_unit_test_setup_teardown(a_store_that_is_no_database_is_corrupt_and_left_alone, setup, teardown),
                cmocka_unit_test_setup_teardown(a_damaged_page_is_told_when_it_is_read, setup, teardown),
                cmocka_unit_test_setup_teardown(a_store_that_another_holds_is_locked, setup, teardown),
                cmocka_unit_test_setup_teardown(a_store_of_a_later_version_or_of_another_user_is_refused, setup, teardown),
                cmocka_unit_test_setup_teardown(a_place_where_nothing_can_be_made_is_told, setup, teardown),
                cmocka_unit_test_setup_teardown(the_first_failure_of_a_transaction_sticks, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
