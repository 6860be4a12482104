/* SPDX-License-Identifier: Apache-2.0 */
/*
 * print.c: the program contract-print. It prints the tables of this folder as Markdown.
 *
 *      contract-print                 all tables, as the page docs/reference.md
 *      contract-print errors limits   these tables only
 *
 * It includes the same rows as the hub, so no parser is needed and the manual cannot drift.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* A cell: what Markdown would take for markup of its own is escaped. */
static void print_cell(const char *text) {
        fputs("| ", stdout);
        for (; *text; text++) {
                if (strchr("|<>*_`\\[", *text))
                        putchar('\\');
                putchar(*text);
        }
        putchar(' ');
}

/* A cell with what is typed or sent literally. In a code span only the bar must be escaped (GitHub Flavored Markdown, tables). */
static void print_code(const char *text) {
        if (!text[0]) {
                print_cell("");
                return;
        }
        fputs("| `", stdout);
        for (; *text; text++) {
                if (*text == '|')
                        putchar('\\');
                putchar(*text);
        }
        fputs("` ", stdout);
}

static void print_number(long long number) {
        printf("| %lld ", number);
}

static void end_row(void) {
        puts("|");
}

/* names is a list of column titles, each but the last with a bar behind it. */
static void print_head(const char *names) {
        size_t columns = 1;

        for (const char *at = names; *at; at++)
                columns += *at == '|';
        printf("\n|%s|\n|", names);
        while (columns-- > 0)
                fputs("---|", stdout);
        putchar('\n');
}

static void print_errors(void) {
        puts("Codes of `error` frames and of HTTP errors. A temporary one may be repeated, with the same `op`.");
        print_head("code|HTTP status|temporary|meaning");
#define ERROR_ROW(name, code, status, temporary, sentence)                                                                       \
        print_code(code);                                                                                                        \
        print_number(status);                                                                                                    \
        print_cell((temporary) ? "yes" : "no");                                                                                  \
        print_cell(sentence);                                                                                                    \
        end_row();
#include "contract/errors.def"
#undef ERROR_ROW
}

static void print_closes(void) {
        puts("Codes with which the hub closes a WebSocket. The hundred says what a client does next.");
        print_head("code|reason|meaning");
#define CLOSE_ROW(name, code, reason, sentence)                                                                                  \
        print_number(code);                                                                                                      \
        print_code(reason);                                                                                                      \
        print_cell(sentence);                                                                                                    \
        end_row();
#include "contract/closes.def"
#undef CLOSE_ROW
}

static void print_limits(void) {
        puts("Everything that grows has a limit. They are fixed when the hub is built.");
        print_head("limit|value|unit|of what");
#define LIMIT_ROW(name, value, unit, sentence)                                                                                   \
        print_code(#name);                                                                                                       \
        print_number(value);                                                                                                     \
        print_cell(unit);                                                                                                        \
        print_cell(sentence);                                                                                                    \
        end_row();
#include "contract/limits.def"
#undef LIMIT_ROW
}

static void print_options(void) {
        puts("Options of `belfry serve`. Later sources win: default, file, environment, flag. A span is written as 250ms, 8s, "
             "5m, 2h "
             "or 1d.");
        print_head("section|name|kind|default|flag|environment|meaning");
#define OPTION_ROW(field, type, initial, section, name, flag, env, sentence)                                                     \
        print_cell(section);                                                                                                     \
        print_code(name);                                                                                                        \
        print_cell(kind_##type);                                                                                                 \
        print_code(initial);                                                                                                     \
        print_code(flag);                                                                                                        \
        print_code(env);                                                                                                         \
        print_cell(sentence);                                                                                                    \
        end_row();
        static const char kind_STRING[] = "text", kind_SECRET[] = "secret", kind_INT[] = "number", kind_MS[] = "span",
                          kind_BOOL[] = "yes/no";
#include "contract/options.def"
#undef OPTION_ROW
}

static void print_keys(void) {
        puts("Keys in Redis: `<prefix>:{<p>}:<letter>:<id>`, where p = CRC16(id) mod 256 is the partition and the hash tag.");
        print_head("letter|id of a|type|holds");
#define KEY_ROW(name, letter, of, type, sentence)                                                                                \
        print_code(letter);                                                                                                      \
        print_cell(of);                                                                                                          \
        print_cell(type);                                                                                                        \
        print_cell(sentence);                                                                                                    \
        end_row();
#include "contract/keys.def"
#undef KEY_ROW
}

static void print_metrics(void) {
        puts("What `GET /metrics` shows, each with a label `process`.");
        print_head("metric|kind|meaning");
#define METRIC_ROW(name, kind, text, sentence)                                                                                   \
        print_code(text);                                                                                                        \
        print_cell(#kind);                                                                                                       \
        print_cell(sentence);                                                                                                    \
        end_row();
#include "contract/metrics.def"
#undef METRIC_ROW
#define HISTOGRAM_ROW(name, scale, text, sentence)                                                                               \
        print_code(text);                                                                                                        \
        print_cell("histogram by " #scale);                                                                                      \
        print_cell(sentence);                                                                                                    \
        end_row();
#include "contract/metrics.def"
#undef HISTOGRAM_ROW

        puts("\nThese besides with labels `provider` and `app`, for each section `push.PROVIDER.NAME` of a push worker.");
        print_head("metric|kind|meaning");
#define SERIES_ROW(name, kind, text, label, sentence)                                                                            \
        print_code(label[0] ? text "{" label "}" : text);                                                                        \
        print_cell(#kind);                                                                                                       \
        print_cell(sentence);                                                                                                    \
        end_row();
#include "contract/metrics.def"
#undef SERIES_ROW
#define SERIES_HISTOGRAM_ROW(name, scale, text, sentence)                                                                        \
        print_code(text);                                                                                                        \
        print_cell("histogram by " #scale);                                                                                      \
        print_cell(sentence);                                                                                                    \
        end_row();
#include "contract/metrics.def"
#undef SERIES_HISTOGRAM_ROW

        puts("\nThe upper bounds of a histogram's buckets; there is one without a bound, too.");
        print_head("scale|bounds|why so");
#define SCALE_ROW(name, why, ...)                                                                                                \
        print_code(#name);                                                                                                       \
        print_cell(#__VA_ARGS__);                                                                                                \
        print_cell(why);                                                                                                         \
        end_row();
#include "contract/metrics.def"
#undef SCALE_ROW
}

static void print_frames(void) {
        puts("Requests of clients, with the type of their reply.");
        print_head("type|fields|reply|meaning");
#define REQUEST_ROW(name, type, fields, reply, sentence)                                                                         \
        print_code(type);                                                                                                        \
        print_cell(fields);                                                                                                      \
        print_code(reply);                                                                                                       \
        print_cell(sentence);                                                                                                    \
        end_row();
#include "contract/frames.def"
#undef REQUEST_ROW

#define EVENT_ROW(name, type, fields, sentence)                                                                                  \
        print_code(type);                                                                                                        \
        print_cell(fields);                                                                                                      \
        print_cell(sentence);                                                                                                    \
        end_row();
        puts("\nEvents: numbered, durable, in order, at least once.");
        print_head("type|fields|meaning");
#include "contract/frames.def"
#undef EVENT_ROW

#define EPHEMERAL_ROW(name, type, fields, sentence)                                                                              \
        print_code(type);                                                                                                        \
        print_cell(fields);                                                                                                      \
        print_cell(sentence);                                                                                                    \
        end_row();
        puts("\nEphemeral frames: unnumbered, the first to be dropped under pressure.");
        print_head("type|fields|meaning");
#include "contract/frames.def"
#undef EPHEMERAL_ROW
}

static const struct {
        const char *name, *title;
        void (*print)(void);
} tables[] = {
        { "frames", "Frames", print_frames },    { "errors", "Errors", print_errors }, { "closes", "Close codes", print_closes },
        { "options", "Options", print_options }, { "limits", "Limits", print_limits }, { "metrics", "Metrics", print_metrics },
        { "keys", "Keys", print_keys },
};

/* The table named so, or all if name is NULL. */
static bool print_tables(const char *name) {
        bool found = false;

        for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
                if (name && strcmp(name, tables[i].name) != 0)
                        continue;
                printf("\n## %s\n\n", tables[i].title);
                tables[i].print();
                found = true;
        }
        return found;
}

int main(int argc, char *argv[]) {
        if (argc == 1) {
                puts("<!-- Made by contract-print from the tables in contract/. Change those. -->\n\n# Reference");
                print_tables(NULL);
        }
        for (int i = 1; i < argc; i++) {
                if (!print_tables(argv[i])) {
                        fprintf(stderr, "contract-print: there is no table \"%s\"\n", argv[i]);
                        return 2;
                }
        }
        return fflush(stdout) == 0 ? 0 : 1;
}
