/* SPDX-License-Identifier: Apache-2.0 */
/* What a line of the log looks like, read back from a pipe in place of stderr. */
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/process.h"

/* write_line() logs one line and returns what arrived on stderr; stderr itself is restored. */
static char arrived[8192];
static int saved_stderr, pipe_ends[2];

static void capture(void) {
        fflush(stderr);
        saved_stderr = dup(STDERR_FILENO);
        assert_int_equal(pipe2(pipe_ends, O_NONBLOCK), 0);
        dup2(pipe_ends[1], STDERR_FILENO);
        close(pipe_ends[1]);
}

static const char *release(void) {
        ssize_t len = read(pipe_ends[0], arrived, sizeof(arrived) - 1);

        dup2(saved_stderr, STDERR_FILENO);
        close(saved_stderr);
        close(pipe_ends[0]);
        arrived[len < 0 ? 0 : len] = '\0';
        return arrived;
}

/* The line from the level on; the time before it is checked by its form. */
static const char *without_time(const char *line) {
        static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ ";

        for (size_t i = 0; i < sizeof(form) - 1; i++) {
                if (form[i] == 'd')
                        assert_in_range(line[i], '0', '9');
                else
                        assert_int_equal(line[i], form[i]);
        }
        return line + sizeof(form) - 1;
}

static void a_line_has_time_level_process_and_sentence(void **state) {
        char expected[128];

        log_open("worker1", LOG_INFO);
        capture();
        log_info("Redis link is up. address=%s took_ms=%d", "/tmp/r", 12);
        snprintf(expected, sizeof(expected), "info worker1[%d] Redis link is up. address=/tmp/r took_ms=12\n", (int)getpid());
        assert_string_equal(without_time(release()), expected);
}

static void only_levels_up_to_the_set_one_are_written(void **state) {
        static const struct {
                enum log_level level;
                const char *letters;
        } rows[] = { { LOG_ERROR, "e" }, { LOG_WARNING, "ew" }, { LOG_INFO, "ewi" }, { LOG_DEBUG, "ewid" } };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                char letters[8] = "";
                log_set_level(rows[i].level);
                capture();
                log_error("x");
                log_warning("x");
                log_info("x");
                log_debug("x");
                const char *text = release();
                for (size_t n = 0; *text; text = strchr(text, '\n') + 1)
                        letters[n++] = without_time(text)[0];
                assert_string_equal(letters, rows[i].letters);
        }
        log_set_level(LOG_INFO);
}

static void control_bytes_cannot_forge_a_line(void **state) {
        capture();
        log_info("user=%s", "eve\n2026-01-01T00:00:00.000Z info x[1] all is well\r\x1b[2J\x7f\t\xc2\x9b"
                            "31m \xc3\xa9");
        const char *text = release();
        assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
        assert_non_null(strstr(
                text, "user=eve\\n2026-01-01T00:00:00.000Z info x[1] all is well\\x0d\\x1b[2J\\x7f\\x09\\x9b31m \xc3\xa9\n"));
}

static void a_long_line_is_cut_and_says_so(void **state) {
        static char longest[9000];

        for (int kind = 0; kind < 2; kind++) {
                memset(longest, kind == 0 ? 'a' : '\x01', sizeof(longest) - 1);
                capture();
                log_info("%s", longest);
                const char *text = release();
                size_t len = strlen(text);
                assert_in_range(len, 2000, 4096);
                assert_string_equal(text + len - 4, "...\n");
        }
}

static void logging_keeps_errno(void **state) {
        int saved;

        capture();
        saved = dup(STDERR_FILENO);
        close(STDERR_FILENO); /* the write fails */
        errno = ENOENT;
        log_error("x");
        int after = errno;
        dup2(saved, STDERR_FILENO);
        close(saved);
        release();
        assert_int_equal(after, ENOENT);
}

static void levels_have_names(void **state) {
        enum log_level level = LOG_INFO;

        assert_int_equal(log_parse_level("error", &level), 0);
        assert_int_equal(level, LOG_ERROR);
        assert_int_equal(log_parse_level("debug", &level), 0);
        assert_int_equal(level, LOG_DEBUG);
        assert_int_equal(log_parse_level("warning", &level), 0);
        assert_int_equal(level, LOG_WARNING);
        assert_int_equal(log_parse_level("info", &level), 0);
        assert_int_equal(level, LOG_INFO);
        assert_int_equal(log_parse_level("", &level), 1);
        assert_int_equal(log_parse_level("Info", &level), 1);
        assert_int_equal(level, LOG_INFO);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_line_has_time_level_process_and_sentence),
                cmocka_unit_test(only_levels_up_to_the_set_one_are_written),
                cmocka_unit_test(control_bytes_cannot_forge_a_line),
                cmocka_unit_test(a_long_line_is_cut_and_says_so),
                cmocka_unit_test(logging_keeps_errno),
                cmocka_unit_test(levels_have_names),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
