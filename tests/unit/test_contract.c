/* SPDX-License-Identifier: Apache-2.0 */
/* contract-print prints every row of every table, and only the tables asked for. Its path is the test's argument. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

/* What begins the line of each row, as contract-print writes it. */
static const char *const errors[] = {
#define ERROR_ROW(name, code, status, temporary, sentence) "\n| `" code "` | " #status " | ",
#include "contract/errors.def"
#undef ERROR_ROW
};
static const char *const closes[] = {
#define CLOSE_ROW(name, code, reason, sentence) "\n| " #code " | `" reason "` | ",
#include "contract/closes.def"
#undef CLOSE_ROW
};
static const char *const limits[] = {
#define LIMIT_ROW(name, value, unit, sentence) "\n| `" #name "` | " #value " | " unit " | ",
#include "contract/limits.def"
#undef LIMIT_ROW
};
static const char *const options[] = {
#define OPTION_ROW(field, type, initial, section, name, flag, env, sentence) "\n| " section " | `" name "` | ",
#include "contract/options.def"
#undef OPTION_ROW
};
static const char *const keys[] = {
#define KEY_ROW(name, letter, of, type, sentence) "\n| `" letter "` | " of " | " type " | ",
#include "contract/keys.def"
#undef KEY_ROW
};
static const char *const metrics[] = {
#define METRIC_ROW(name, kind, text, sentence) "\n| `" text "` | " #kind " | ",
#include "contract/metrics.def"
#undef METRIC_ROW
#define HISTOGRAM_ROW(name, scale, text, sentence) "\n| `" text "` | histogram by " #scale " | ",
#include "contract/metrics.def"
#undef HISTOGRAM_ROW
#define SERIES_ROW(name, kind, text, label, sentence) "\n| `" text,
#include "contract/metrics.def"
#undef SERIES_ROW
#define SERIES_HISTOGRAM_ROW(name, scale, text, sentence) "\n| `" text "` | histogram by " #scale " | ",
#include "contract/metrics.def"
#undef SERIES_HISTOGRAM_ROW
#define SCALE_ROW(name, why, ...) "\n| `" #name "` | " #__VA_ARGS__ " | " why,
#include "contract/metrics.def"
#undef SCALE_ROW
};
static const char *const frames[] = {
#define REQUEST_ROW(name, type, fields, reply, sentence) "\n| `" type "` | ",
#include "contract/frames.def"
#undef REQUEST_ROW
#define EVENT_ROW(name, type, fields, sentence) "\n| `" type "` | ",
#include "contract/frames.def"
#undef EVENT_ROW
#define EPHEMERAL_ROW(name, type, fields, sentence) "\n| `" type "` | ",
#include "contract/frames.def"
#undef EPHEMERAL_ROW
};

static const struct {
        const char *name, *title;
        const char *const *rows;
        size_t count;
} tables[] = {
        { "errors", "\n## Errors\n", errors, COUNT(errors) }, { "closes", "\n## Close codes\n", closes, COUNT(closes) },
        { "limits", "\n## Limits\n", limits, COUNT(limits) }, { "options", "\n## Options\n", options, COUNT(options) },
        { "keys", "\n## Keys\n", keys, COUNT(keys) },         { "metrics", "\n## Metrics\n", metrics, COUNT(metrics) },
        { "frames", "\n## Frames\n", frames, COUNT(frames) },
};

static const char *program;
static char printed[1 << 18];

/* Runs it with up to two tables and reads what it prints. */
static int print_two(const char *first, const char *second) {
        int ends[2], status;
        size_t len = 0;
        ssize_t got;

        assert_int_equal(pipe(ends), 0);
        pid_t pid = fork();
        if (pid == 0) {
                dup2(ends[1], STDOUT_FILENO);
                close(STDERR_FILENO); /* its complaint is expected */
                execl(program, program, first, second, NULL);
                _exit(127);
        }
        close(ends[1]);
        while ((got = read(ends[0], printed + len, sizeof(printed) - 1 - len)) > 0)
                len += (size_t)got;
        printed[len] = '\0';
        close(ends[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static int print(const char *table) {
        return print_two(table, NULL);
}

/* Lines that begin with a bar and a space: rows without their heads. */
static size_t count_rows(void) {
        size_t count = 0;

        for (const char *at = printed; (at = strstr(at, "\n| ")); at++)
                count++;
        return count;
}

static void assert_has_rows(size_t table) {
        assert_non_null(strstr(printed, tables[table].title));
        for (size_t i = 0; i < tables[table].count; i++) {
                if (!strstr(printed, tables[table].rows[i]))
                        fail_msg("%s: missing:%s", tables[table].name, tables[table].rows[i]);
        }
}

static void each_table_is_printed_alone(void **state) {
        for (size_t i = 0; i < COUNT(tables); i++) {
                assert_int_equal(print(tables[i].name), 0);
                assert_has_rows(i);
                assert_int_equal(count_rows(), tables[i].count);
                for (size_t other = 0; other < COUNT(tables); other++)
                        assert_int_equal(strstr(printed, tables[other].title) != NULL, other == i);
        }
}

static void the_page_has_all_tables(void **state) {
        size_t rows = 0;

        assert_int_equal(print(NULL), 0);
        for (size_t i = 0; i < COUNT(tables); i++) {
                assert_has_rows(i);
                rows += tables[i].count;
        }
        assert_int_equal(count_rows(), rows);
}

/* Each row has as many cells as its head: a bar in a sentence must not make one more. */
static void all_rows_of_a_table_are_of_one_width(void **state) {
        size_t width = 0, heads = 0;

        assert_int_equal(print(NULL), 0);
        for (const char *line = printed; *line; line = strchr(line, '\n') + 1) {
                size_t bars = 0;
                for (const char *at = line; *at != '\n'; at++)
                        bars += *at == '|' && (at == line || at[-1] != '\\');
                if (line[0] != '|') {
                        width = 0;
                } else if (width == 0) {
                        width = bars;
                        heads++;
                } else if (bars != width) {
                        fail_msg("%.*s", (int)strcspn(line, "\n"), line);
                }
        }
        assert_int_equal(heads, COUNT(tables) - 1 + 3 + 2);
}

static void several_tables_may_be_asked_for(void **state) {
        assert_int_equal(print_two("keys", "errors"), 0);
        assert_int_equal(count_rows(), COUNT(keys) + COUNT(errors));
        assert_true(strstr(printed, "\n## Keys\n") < strstr(printed, "\n## Errors\n"));
}

static void an_unknown_table_is_an_error(void **state) {
        assert_int_equal(print("nonsense"), 2);
        assert_string_equal(printed, "");
}

int main(int argc, char *argv[]) {
        if (argc != 2)
                return 2;
        program = argv[1];
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_table_is_printed_alone),          cmocka_unit_test(the_page_has_all_tables),
                cmocka_unit_test(all_rows_of_a_table_are_of_one_width), cmocka_unit_test(several_tables_may_be_asked_for),
                cmocka_unit_test(an_unknown_table_is_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
