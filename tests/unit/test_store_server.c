/* SPDX-License-Identifier: Apache-2.0 */
/* test_store_server.c: the folder, its locks and what is read from it; the server itself is met in tests/system. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include "hub/store_server.h"

static char folder[64];

static int make_folder(void **state) {
        snprintf(folder, sizeof folder, "/tmp/test_store.XXXXXX");
        return mkdtemp(folder) ? 0 : -1;
}

static void path_of(const char *name, char out[static 128]) {
        snprintf(out, 128, "%s/%s", folder, name);
}

static int remove_folder(void **state) {
        const char *const names[] = { "lock", "supervisor.lock", "redis.log" };
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
                char path[128];
                path_of(names[i], path);
                unlink(path);
        }
        return rmdir(folder);
}

static struct store_server *make_server(void) {
        struct store_server *server = NULL;
        char *error = NULL;
        assert_int_equal(store_server_new(folder, "redis-server", &server, &error), 0);
        return server;
}

static void patience_ends_step_by_step(void **state) {
        const struct {
                uint64_t waited_ms;
                enum store_server_patience patience;
        } rows[] = {
                { 0, STORE_SERVER_WAIT },    { 2999, STORE_SERVER_WAIT }, { 3000, STORE_SERVER_TERM },
                { 5999, STORE_SERVER_TERM }, { 6000, STORE_SERVER_KILL }, { 9999, STORE_SERVER_KILL },
                { 10000, STORE_SERVER_GIVE_UP }, { UINT64_MAX, STORE_SERVER_GIVE_UP },
        };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
                assert_int_equal(store_server_patience(rows[i].waited_ms), rows[i].patience);
}

static void a_folder_has_one_hub_until_that_lets_go(void **state) {
        struct store_server *first = make_server(), *second = make_server();
        assert_int_equal(store_server_own(first), 0);
        assert_int_equal(store_server_own(second), STORE_SERVER_E_LOCKED);
        store_server_free(first);
        assert_int_equal(store_server_own(second), 0);
        store_server_free(second);
}

static void a_folder_that_cannot_be_used_is_named(void **state) {
        struct store_server *server = NULL;
        char *error = NULL;
        assert_int_equal(store_server_new("/proc/nowhere", "redis-server", &server, &error), STORE_SERVER_E_FOLDER);
        assert_non_null(strstr(error, "/proc/nowhere"));
        free(error);
}

static void a_lock_that_another_holds_is_locked_until_it_lets_go(void **state) {
        struct store_server *server = make_server();
        char path[128];
        path_of("lock", path);
        int other = open(path, O_RDWR | O_CLOEXEC);
        assert_int_equal(flock(other, LOCK_EX), 0);
        assert_int_equal(store_server_lock(server), STORE_SERVER_E_LOCKED);
        assert_int_equal(store_server_evict(server, SIGKILL), 0); /* never ourselves */
        close(other);
        assert_int_equal(store_server_lock(server), 0);
        store_server_free(server);
}

static void a_server_that_does_not_run_is_down(void **state) {
        struct store_server *server = make_server();
        assert_int_equal(store_server_probe(server), STORE_SERVER_E_DOWN);
        store_server_free(server);
}

static void the_socket_is_in_the_folder(void **state) {
        struct store_server *server = make_server();
        char url[128];
        snprintf(url, sizeof url, "unix://%s/redis.sock", folder);
        assert_string_equal(store_server_url(server), url);
        store_server_free(server);
}

static void the_last_words_are_the_last_line_that_says_something(void **state) {
        const struct {
                const char *log, *words;
        } rows[] = {
                { "", "" }, { "one\n", "one" }, { "one\ntwo", "two" }, { "one\ntwo\n \n\n", "two" }, { "\n\n", "" },
        };
        struct store_server *server = make_server();
        char words[32], path[128];
        store_server_last_words(server, words, sizeof words);
        assert_string_equal(words, ""); /* no log at all */
        path_of("redis.log", path);
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                FILE *file = fopen(path, "w");
                fputs(rows[i].log, file);
                fclose(file);
                store_server_last_words(server, words, sizeof words);
                assert_string_equal(words, rows[i].words);
        }
        FILE *file = fopen(path, "w");
        for (int i = 0; i < 2000; i++)
                fputc('x', file);
        fclose(file);
        store_server_last_words(server, words, sizeof words);
        assert_int_equal(strlen(words), sizeof words - 1);
        store_server_free(server);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(patience_ends_step_by_step),
                IN_FOLDER(a_folder_has_one_hub_until_that_lets_go),
                cmocka_unit_test(a_folder_that_cannot_be_used_is_named),
                IN_FOLDER(a_lock_that_another_holds_is_locked_until_it_lets_go),
                IN_FOLDER(a_server_that_does_not_run_is_down),
                IN_FOLDER(the_socket_is_in_the_folder),
                IN_FOLDER(the_last_words_are_the_last_line_that_says_something),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
