/* SPDX-License-Identifier: Apache-2.0 */
/* test_secrets.c: what is made in a data folder, for whom, and how often. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/config.h"
#include "hub/secrets.h"

static char parent[64];
static char folder[96];

static int make_parent(void **state) {
        snprintf(parent, sizeof parent, "/tmp/test_secrets.XXXXXX");
        if (!mkdtemp(parent))
                return -1;
        snprintf(folder, sizeof folder, "%s/data", parent);
        return 0;
}

static void path_of(const char *name, char out[static 160]) {
        snprintf(out, 160, "%s/%s", folder, name);
}

static int remove_parent(void **state) {
        char path[160];
        path_of("jwt-secret", path);
        unlink(path);
        path_of("api-key", path);
        unlink(path);
        rmdir(folder);
        return rmdir(parent); /* fails if anything else was left there */
}

static void forget(struct config *config) {
        free(config->jwt_secret);
        free(config->api_key);
        *config = (struct config){ .data = folder };
}

static void what_is_missing_is_made_once_and_read_again(void **state) {
        struct config first = { .data = folder }, second = { .data = folder };
        char *error = NULL;
        assert_int_equal(secrets_fill(&first, true, &error), 0);
        assert_int_equal(strlen(first.jwt_secret), 64);
        assert_int_equal(strlen(first.api_key), 64);
        assert_string_not_equal(first.jwt_secret, first.api_key);
        assert_int_equal(secrets_fill(&second, true, &error), 0);
        assert_string_equal(first.jwt_secret, second.jwt_secret);
        assert_string_equal(first.api_key, second.api_key);
        forget(&first);
        forget(&second);
}

static void nobody_else_may_read_them(void **state) {
        struct config config = { .data = folder };
        char *error = NULL, path[160];
        assert_int_equal(secrets_fill(&config, true, &error), 0);
        struct stat info;
        assert_int_equal(stat(folder, &info), 0);
        assert_int_equal(info.st_mode & 0777, 0700);
        path_of("jwt-secret", path);
        assert_int_equal(stat(path, &info), 0);
        assert_int_equal(info.st_mode & 0777, 0600);
        forget(&config);
}

static void what_is_configured_stays(void **state) {
        struct config config = { .data = folder, .jwt_secret = strdup("mine") };
        char *error = NULL, path[160];
        assert_int_equal(secrets_fill(&config, true, &error), 0);
        assert_string_equal(config.jwt_secret, "mine");
        path_of("jwt-secret", path);
        assert_int_not_equal(access(path, F_OK), 0);
        forget(&config);
}

static void reading_makes_nothing(void **state) {
        struct config config = { .data = folder };
        char *error = NULL;
        assert_int_equal(secrets_fill(&config, false, &error), 0);
        assert_null(config.jwt_secret);
        assert_int_not_equal(access(folder, F_OK), 0);
}

static void an_empty_file_is_refused_by_name(void **state) {
        struct config config = { .data = folder };
        char *error = NULL, path[160];
        mkdir(folder, 0700);
        path_of("jwt-secret", path);
        fclose(fopen(path, "w"));
        assert_int_equal(secrets_fill(&config, true, &error), SECRETS_E_FILE);
        assert_non_null(strstr(error, "jwt-secret"));
        free(error);
        forget(&config);
}

static void a_folder_that_cannot_be_made_is_refused_by_name(void **state) {
        struct config config = { .data = "/proc/nowhere" };
        char *error = NULL;
        assert_int_equal(secrets_fill(&config, true, &error), SECRETS_E_FILE);
        assert_non_null(strstr(error, "/proc/nowhere"));
        free(error);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_parent, remove_parent)

int main(void) {
        const struct CMUnitTest tests[] = {
                IN_FOLDER(what_is_missing_is_made_once_and_read_again),
                IN_FOLDER(nobody_else_may_read_them),
                IN_FOLDER(what_is_configured_stays),
                IN_FOLDER(reading_makes_nothing),
                IN_FOLDER(an_empty_file_is_refused_by_name),
                IN_FOLDER(a_folder_that_cannot_be_made_is_refused_by_name),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
