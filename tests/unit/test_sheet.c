/* SPDX-License-Identifier: Apache-2.0 */
/* The file of a report: whoever cannot write it hears so at once, and one that is there stays whole until the new one is. */
#include "loadtest/sheet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/bf-sheet-XXXXXX", path[64];

static int make(void **state) {
        memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
        assert_non_null(mkdtemp(folder));
        snprintf(path, sizeof path, "%s/report", folder);
        return 0;
}

static int drop(void **state) {
        unlink(path);
        return rmdir(folder); /* fails if something is left in it */
}

static void put(const char *text) {
        FILE *file = fopen(path, "we");
        assert_non_null(file);
        fputs(text, file);
        assert_int_equal(fclose(file), 0);
}

static void assert_holds(const char *wanted) {
        char text[64] = "";
        FILE *file = fopen(path, "re");
        assert_non_null(file);
        size_t len = fread(text, 1, sizeof text - 1, file);
        fclose(file);
        assert_int_equal(len, strlen(wanted));
        assert_string_equal(text, wanted);
}

static void the_old_one_stays_until_the_new_one_is_there(void **state) {
        struct sheet sheet, other;
        put("an old and longer one");
        assert_int_equal(sheet_open(&sheet, path, "tag"), 0);
        assert_int_equal(sheet_open(&other, path, "another"), 0);
        assert_holds("an old and longer one");
        sheet_drop(&other);
        assert_holds("an old and longer one");
        assert_int_equal(sheet_write(&sheet, SLICE("a new one")), 0);
        assert_holds("a new one");
}

static void a_new_one_is_there_only_when_it_is_written(void **state) {
        struct sheet sheet;
        assert_int_equal(sheet_open(&sheet, path, "tag"), 0);
        assert_int_equal(access(path, F_OK), -1);
        sheet_drop(&sheet);
        assert_int_equal(access(path, F_OK), -1);
        assert_int_equal(sheet_open(&sheet, path, "tag"), 0);
        assert_int_equal(sheet_write(&sheet, SLICE("text")), 0);
        assert_holds("text");
        mode_t mask = umask(0);
        umask(mask);
        struct stat there;
        assert_int_equal(stat(path, &there), 0);
        assert_int_equal(there.st_mode & 0777, 0666 & ~mask);
}

static void what_cannot_be_written_is_refused_at_once(void **state) {
        struct sheet sheet;
        assert_int_equal(sheet_open(&sheet, folder, "tag"), -EISDIR);
        sheet_drop(&sheet);
        assert_int_equal(sheet_open(&sheet, "/nonexistent/report", "tag"), -ENOENT);
        sheet_drop(&sheet);
        assert_int_equal(sheet_open(&sheet, "/dev/null/report", "tag"), -ENOTDIR);
        sheet_drop(&sheet);
        if (geteuid() != 0) { /* root may */
                put("not to be written");
                chmod(path, 0444);
                assert_int_equal(sheet_open(&sheet, path, "tag"), -EACCES);
                sheet_drop(&sheet);
                assert_holds("not to be written");
        }
}

/* All within the folder: code that is broken would put a file in the place of what it finds, and root may do that to /dev/full,
 * too. */
static void what_is_no_plain_file_is_written_to(void **state) {
        struct sheet sheet;
        struct stat there;
        char link[80], text[8] = "";
        put("an old and longer one");
        snprintf(link, sizeof link, "%s/link", folder);
        assert_int_equal(symlink(path, link), 0);
        assert_int_equal(sheet_open(&sheet, link, "tag"), 0);
        assert_int_equal(sheet_write(&sheet, SLICE("through a link")), 0);
        assert_holds("through a link");
        assert_int_equal(lstat(link, &there), 0);
        assert_true(S_ISLNK(there.st_mode));
        unlink(link);
        assert_int_equal(symlink("/dev/full", link), 0);
        assert_int_equal(sheet_open(&sheet, link, "tag"), 0);
        assert_int_equal(sheet_write(&sheet, SLICE("text")), -ENOSPC);
        unlink(link);
        assert_int_equal(mkfifo(link, 0600), 0);
        int fd = open(link, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(sheet_open(&sheet, link, "tag"), 0);
        assert_int_equal(sheet_write(&sheet, SLICE("text")), 0);
        assert_int_equal(read(fd, text, sizeof text), 4);
        close(fd);
        unlink(link);
}

static void none_is_no_error(void **state) {
        struct sheet sheet;
        assert_int_equal(sheet_open(&sheet, NULL, "tag"), 0);
        assert_int_equal(sheet_write(&sheet, SLICE("text")), 0);
        sheet_drop(&sheet);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(the_old_one_stays_until_the_new_one_is_there, make, drop),
                cmocka_unit_test_setup_teardown(a_new_one_is_there_only_when_it_is_written, make, drop),
                cmocka_unit_test_setup_teardown(what_cannot_be_written_is_refused_at_once, make, drop),
                cmocka_unit_test_setup_teardown(what_is_no_plain_file_is_written_to, make, drop),
                cmocka_unit_test(none_is_no_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
