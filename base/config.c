/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.c: see config.h. One table, contract/options.def; every source ends in set_option().
 *
 * 1. Later sources win: default, file, environment, flag. An empty environment variable is as good as none, as compose files set
 *    those; to empty a text that the file sets, use a flag (--redis=).
 * 2. A secret and its _file are one option in two forms: the later source wins, and both in one source is a mistake.
 * 3. The value of a SECRET is never part of a message.
 */
#include "base/config.h"

#include <assert.h>
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/section.h"

enum type { STRING, SECRET, INT, MS, BOOL };
enum source { SOURCE_DEFAULT, SOURCE_FILE, SOURCE_ENV, SOURCE_FLAG };

enum {
#define OPTION_ROW(field, type, initial, section, name, flag, env, sentence) OPTION_##field,
#include "contract/options.def"
#undef OPTION_ROW
        OPTIONS
};

static const struct option {
        const char *field, *initial, *section, *name, *flag, *env, *sentence;
        size_t offset; /* in struct config */
        enum type type;
} options[OPTIONS] = {
#define OPTION_ROW(field, type, initial, section, name, flag, env, sentence)                                                     \
        { #field, initial, section, name, flag, env, sentence, offsetof(struct config, field), type },
#include "contract/options.def"
#undef OPTION_ROW
};

static const struct {
        const char *name, *form; /* in --help */
        const char *allowed;     /* in a message: "must be …" */
} types[] = {
        [STRING] = { "text", " TEXT", "text" },
        [SECRET] = { "secret", " TEXT", "text" },
        [INT] = { "number", " N", "a whole number from 0 to 2147483647" },
        [MS] = { "span", " SPAN", "a span of at most 365d, such as 250ms, 8s, 5m, 2h, 1d, or 250 (milliseconds)" },
        [BOOL] = { "switch", "", "yes or no" },
};

enum {
        INT_MAX_VALUE = 2147483647,
        JWT_SECRET_BYTES = 32, /* no shorter than the hash (RFC 7518 section 3.2) */
        ERROR_BYTES = 65536,   /* a path and a value, escaped */
        SHOWN_BYTES = 64,      /* of a wrong value in a message */
        HELP_COLUMN = 28,
        HELP_WIDTH = 100,
};
static const int64_t span_max_ms = INT64_C(365) * 24 * 3600 * 1000;

struct loader {
        struct config *config;
        char *(*getenv_fn)(const char *);
        enum source sources[OPTIONS];
        struct buf error; /* the first mistake, in words */
};

/*
 * Mistakes.
 */

__attribute__((format(printf, 2, 3))) static int invalid(struct loader *loader, const char *format, ...) {
        char *text = NULL;
        va_list args;

        va_start(args, format);
        int len = vasprintf(&text, format, args);
        va_end(args);
        if (len < 0)
                return -ENOMEM;
        buf_add_text(&loader->error, text);
        free(text);
        return CONFIG_E_INVALID;
}

/* where names the place, such as "belfry.ini:12: workers" or "--workers". */
static int invalid_value(struct loader *loader, const struct option *option, const char *where, const char *text,
                         const char *allowed) {
        buf_add_text(&loader->error, where);
        if (option->type != SECRET) { /* config#3 */
                size_t len = strlen(text);
                buf_add_text(&loader->error, " is ");
                buf_add_json(&loader->error, (struct slice){ text, len < SHOWN_BYTES ? len : SHOWN_BYTES });
                buf_add_text(&loader->error, ", but");
        }
        return invalid(loader, " must be %s.", allowed);
}

/* How the present value of an option was given, for a mistake that shows only when all sources are read. */
static const char *source_name(const struct loader *loader, size_t index) {
        const struct option *option = &options[index];

        switch (loader->sources[index]) {
        case SOURCE_ENV:
                return option->env;
        case SOURCE_FLAG:
                return option->flag;
        default:
                return option->name;
        }
}

/*
 * Values.
 */

/* A whole number of at most max, with *ret_rest behind its digits. */
static bool parse_number(const char *text, int64_t max, int64_t *ret_value, const char **ret_rest) {
        int64_t value = 0;
        const char *at = text;

        for (; *at >= '0' && *at <= '9'; at++) {
                value = value * 10 + (*at - '0');
                if (value > max)
                        return false;
        }
        *ret_value = value;
        *ret_rest = at;
        return at > text;
}

static bool parse_int(const char *text, int64_t *ret_value) {
        const char *rest;
        return parse_number(text, INT_MAX_VALUE, ret_value, &rest) && *rest == '\0';
}

static bool parse_span(const char *text, int64_t *ret_ms) {
        static const struct {
                const char *name;
                int64_t ms;
        } units[] = { { "", 1 }, { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 } };
        const char *unit;
        int64_t count;

        if (!parse_number(text, span_max_ms, &count, &unit))
                return false;
        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
                if (strcmp(unit, units[i].name) == 0 && count <= span_max_ms / units[i].ms) {
                        *ret_ms = count * units[i].ms;
                        return true;
                }
        }
        return false;
}

bool config_parse_bool(const char *text, bool *ret_value) {
        static const char *const words[][2] = { { "no", "yes" }, { "false", "true" }, { "off", "on" }, { "0", "1" } };

        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
                for (int value = 0; value < 2; value++) {
                        if (strcmp(text, words[i][value]) == 0) {
                                *ret_value = value;
                                return true;
                        }
                }
        }
        return false;
}

static void *field_of(struct config *config, const struct option *option) {
        return (char *)config + option->offset;
}

static void forget_text(char **text) {
        if (*text)
                explicit_bzero(*text, strlen(*text));
        free(*text);
        *text = NULL;
}

static int set_text(char **field, const char *text) {
        char *copy = strdup(text);

        if (!copy)
                return -ENOMEM;
        forget_text(field);
        *field = copy;
        return 0;
}

static int set_option(struct loader *loader, size_t index, enum source source, const char *where, const char *text) {
        const struct option *option = &options[index];
        void *field = field_of(loader->config, option);
        bool good = true;

        assert(source >= loader->sources[index]); /* config#1 */
        switch (option->type) {
        case STRING:
        case SECRET:
                if (set_text(field, text) < 0)
                        return -ENOMEM;
                break;
        case INT:
                good = parse_int(text, field);
                break;
        case MS:
                good = parse_span(text, field);
                break;
        case BOOL:
                good = config_parse_bool(text, field);
                break;
        }
        if (!good)
                return invalid_value(loader, option, where, text, types[option->type].allowed);
        loader->sources[index] = source;
        return 0;
}

static int read_defaults(struct loader *loader) {
        int r = 0;

        for (size_t i = 0; i < OPTIONS && r == 0; i++)
                r = set_option(loader, i, SOURCE_DEFAULT, options[i].name, options[i].initial);
        assert(r <= 0); /* a default in options.def is wrong */
        return r;
}

/*
 * The file. inih tells its handler no line, cuts long lines silently and gives continued lines as if they were new ones:
 * so lines are read by us and counted here.
 */

struct reader {
        struct loader *loader;
        FILE *stream;
        const char *path;
        int line;
        bool indented;
        size_t last; /* the option read last in this section, OPTIONS if none: what an indented line continues */
        bool seen[OPTIONS];
        int r, r_line; /* the first mistake found here, and where */
};

static void reader_fail(struct reader *reader, int r) {
        if (reader->r == 0) {
                reader->r = r;
                reader->r_line = reader->line;
        }
}

static char *on_read(char *out, int size, void *arg) {
        struct reader *reader = arg;
        int len = 0, c;

        if (reader->r != 0)
                return NULL;
        reader->line++;
        while ((c = getc(reader->stream)) != EOF) {
                if (c == '\0' || len == size - 1) {
                        reader_fail(reader, invalid(reader->loader, "%s:%d: this line %s.", reader->path, reader->line,
                                                    c == '\0' ? "has a NUL byte"
                                                              : "is too long; an indented line continues the one above"));
                        return NULL;
                }
                out[len++] = (char)c;
                if (c == '\n')
                        break;
        }
        if (len == 0)
                return NULL;
        out[len] = '\0';
        reader->indented = out[0] == ' ' || out[0] == '\t';
        if (out[0] == '[')
                reader->last = OPTIONS;
        return out;
}

static bool find_option(const char *section, const char *name, size_t *ret_index, bool *ret_section) {
        *ret_section = false;
        for (size_t i = 0; i < OPTIONS; i++) {
                if (strcmp(options[i].section, section) != 0)
                        continue;
                *ret_section = true;
                if (strcmp(options[i].name, name) == 0) {
                        *ret_index = i;
                        return true;
                }
        }
        return false;
}

/* Adds a continued line to a text, with a space between. */
static int continue_option(struct reader *reader, size_t index, const char *where, const char *text) {
        struct loader *loader = reader->loader;
        char *longer = NULL, **field = field_of(loader->config, &options[index]);

        if (options[index].type != STRING)
                return invalid(loader, "%s cannot be continued on an indented line.", where);
        if (asprintf(&longer, "%s%s%s", *field, **field ? " " : "", text) < 0)
                return -ENOMEM;
        free(*field);
        *field = longer;
        return 0;
}

/* An option of a section [push.PROVIDER.NAME]. */
static int read_push_option(struct reader *reader, const char *section, const char *name, const char *text) {
        struct loader *loader = reader->loader;
        struct config_push *push;
        const char *problem;
        int r = section_get(&loader->config->pushes, &loader->config->pushes_count, section, &push);

        if (r == 1)
                return invalid(loader,
                               "%s:%d: [%s] is no push.PROVIDER.NAME: apns, fcm, webpush or webhook; a word of at most %d bytes; at most "
                               "%d of them.",
                               reader->path, reader->line, section, LIMIT_PUSH_APP_BYTES, LIMIT_PUSH_APPS);
        if (r == 0)
                r = section_set(push, name, text, &problem);
        return r == 1 ? invalid(loader, "%s:%d: %s %s.", reader->path, reader->line, name, problem) : r;
}

static int read_option(struct reader *reader, const char *section, const char *name, const char *text) {
        struct loader *loader = reader->loader;
        bool known_section;
        size_t index;

        if (strncmp(section, "push.", 5) == 0)
                return read_push_option(reader, section, name, text);
        if (section[0] == '\0')
                return invalid(loader, "%s:%d: \"%s\" stands before the first [section].", reader->path, reader->line, name);
        if (!find_option(section, name, &index, &known_section)) {
                if (known_section)
                        return invalid(loader, "%s:%d: section [%s] has no option \"%s\".", reader->path, reader->line, section,
                                       name);
                return invalid(loader, "%s:%d: there is no section [%s].", reader->path, reader->line, section);
        }

        char *where;
        int r;
        if (asprintf(&where, "%s:%d: %s", reader->path, reader->line, name) < 0)
                return -ENOMEM;
        if (reader->indented && reader->last == index)
                r = continue_option(reader, index, where, text);
        else if (reader->seen[index])
                r = invalid(loader, "%s is set for the second time.", where);
        else
                r = set_option(loader, index, SOURCE_FILE, where, text);
        reader->seen[index] = true;
        reader->last = index;
        free(where);
        return r;
}

static int on_option(void *arg, const char *section, const char *name, const char *text) {
        struct reader *reader = arg;
        int r = read_option(reader, section, name, text);

        reader_fail(reader, r);
        return r == 0;
}

static int read_file(struct loader *loader, const char *path) {
        struct reader reader = { .loader = loader, .path = path, .stream = fopen(path, "re"), .last = OPTIONS };

        if (!reader.stream)
                return errno == ENOMEM ? -ENOMEM : invalid(loader, "%s: %s.", path, strerror(errno));
        int line = ini_parse_stream(on_read, &reader, on_option, &reader);
        int read_errno = ferror(reader.stream) ? errno : 0;
        fclose(reader.stream);
        if (line < 0)
                return -ENOMEM;
        /* inih names the line of the first mistake; one that comes before ours is one of syntax. */
        if (line > 0 && (reader.r == 0 || line < reader.r_line)) {
                buf_clear(&loader->error);
                return invalid(loader, "%s:%d: this line is neither [section], name = value nor # comment.", path, line);
        }
        if (reader.r != 0)
                return reader.r;
        return read_errno ? invalid(loader, "%s: %s.", path, strerror(read_errno)) : 0;
}

/*
 * Environment and flags.
 */

static int read_environment(struct loader *loader) {
        for (size_t i = 0; i < OPTIONS; i++) {
                const char *text = options[i].env[0] ? loader->getenv_fn(options[i].env) : NULL;
                if (!text || text[0] == '\0') /* config#1 */
                        continue;
                int r = set_option(loader, i, SOURCE_ENV, options[i].env, text);
                if (r)
                        return r;
        }
        return 0;
}

/* The option whose flag begins arg, up to its end or a =. OPTIONS if there is none. */
static size_t find_flag(const char *arg) {
        size_t len = strcspn(arg, "="), i = 0;

        while (i < OPTIONS && (len == 0 || strlen(options[i].flag) != len || memcmp(options[i].flag, arg, len) != 0))
                i++;
        return i;
}

static bool is_help(const char *arg) {
        return strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0;
}

/*
 * Reads one flag at *ret_at and moves on. The file must be read before any other flag, so flags are walked twice: once for
 * --config and the mistakes that need no value, once for the values.
 */
static int read_flag(struct loader *loader, int argc, char *const argv[], int *ret_at, bool set) {
        const char *arg = argv[(*ret_at)++], *value = strchr(arg, '=');
        int name_len = (int)strcspn(arg, "=");
        bool is_config = name_len == 8 && memcmp(arg, "--config", 8) == 0;
        size_t index = find_flag(arg);

        if (strncmp(arg, "--", 2) != 0)
                return invalid(loader, "\"%s\" is not a flag; see --help.", arg);
        if (!is_config && index == OPTIONS)
                return invalid(loader, "There is no flag %.*s; see --help.", name_len, arg);
        if (value)
                value++;
        else if (!is_config && options[index].type == BOOL)
                value = "yes";
        else if (*ret_at < argc && strncmp(argv[*ret_at], "--", 2) != 0)
                value = argv[(*ret_at)++];
        else
                return invalid(loader, "%s needs a value.", arg);

        if (is_config)
                return set ? 0 : set_text(&loader->config->file, value);
        return set ? set_option(loader, index, SOURCE_FLAG, options[index].flag, value) : 0;
}

static int read_flags(struct loader *loader, int argc, char *const argv[], bool set) {
        int r = 0;

        for (int at = 1; at < argc && r == 0;)
                r = read_flag(loader, argc, argv, &at, set);
        return r;
}

/*
 * What concerns more than one value.
 */

static int read_secret_file(struct loader *loader, size_t file, size_t secret, const char *path) {
        char text[LIMIT_SECRET_FILE_BYTES + 1];
        FILE *stream = fopen(path, "re");
        size_t len = stream ? fread(text, 1, sizeof(text), stream) : 0;
        int read_errno = !stream || ferror(stream) ? errno : 0, r;

        if (stream)
                fclose(stream);
        if (read_errno) {
                r = invalid(loader, "%s is \"%s\", which cannot be read: %s.", source_name(loader, file), path,
                            strerror(read_errno));
        } else if (len > LIMIT_SECRET_FILE_BYTES) {
                r = invalid(loader, "%s is \"%s\", which holds more than %d bytes.", source_name(loader, file), path,
                            LIMIT_SECRET_FILE_BYTES);
        } else {
                while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
                        len--;
                text[len] = '\0';
                if (len == 0 || strlen(text) != len)
                        r = invalid(loader, "%s is \"%s\", which %s.", source_name(loader, file), path,
                                    len == 0 ? "is empty" : "has a NUL byte");
                else
                        r = set_text(field_of(loader->config, &options[secret]), text);
        }
        explicit_bzero(text, sizeof(text));
        return r;
}

/* For every SECRET that has a twin named …_file. */
static int read_secret_files(struct loader *loader) {
        for (size_t secret = 0; secret < OPTIONS; secret++) {
                size_t len = strlen(options[secret].field), file = 0;
                while (file < OPTIONS && (strncmp(options[file].field, options[secret].field, len) != 0 ||
                                          strcmp(options[file].field + len, "_file") != 0))
                        file++;
                if (options[secret].type != SECRET || file == OPTIONS)
                        continue;

                char **path = field_of(loader->config, &options[file]), **text = field_of(loader->config, &options[secret]);
                if (**path == '\0' || loader->sources[file] < loader->sources[secret])
                        continue; /* config#2 */
                if (loader->sources[file] == loader->sources[secret] && **text)
                        return invalid(loader, "Both %s and %s are set; choose one.", source_name(loader, secret),
                                       source_name(loader, file));
                int r = read_secret_file(loader, file, secret, *path);
                if (r)
                        return r;
        }
        return 0;
}

/* Braces would move the hash tag; and messages with keys in them need bytes that no key has (fanout/lua/tell.lua). */
static bool is_prefix(const char *text) {
        for (const char *c = text; *c; c++)
                if (*c <= ' ' || *c > '~' || *c == '{' || *c == '}')
                        return false;
        return *text;
}

static int check_whole(struct loader *loader) {
        const struct config *config = loader->config;
        enum log_level level;

        if (log_parse_level(config->log_level, &level) != 0)
                return invalid_value(loader, &options[OPTION_log_level], source_name(loader, OPTION_log_level), config->log_level,
                                     "error, warning, info or debug");
        if (!is_prefix(config->redis_prefix))
                return invalid_value(loader, &options[OPTION_redis_prefix], source_name(loader, OPTION_redis_prefix),
                                     config->redis_prefix, "printable ASCII without spaces and braces");
        if (!config->tls_cert[0] != !config->tls_key[0])
                return invalid(loader, "%s is set, but %s is not; TLS needs both.",
                               source_name(loader, config->tls_cert[0] ? OPTION_tls_cert : OPTION_tls_key),
                               config->tls_cert[0] ? "tls_key" : "tls_cert");
        if (config->jwt_secret[0] && strlen(config->jwt_secret) < JWT_SECRET_BYTES && !config->dev)
                return invalid(loader, "jwt_secret has %zu bytes, but must have at least %d.", strlen(config->jwt_secret),
                               JWT_SECRET_BYTES);
        for (size_t i = 0; i < config->pushes_count; i++) {
                const char *lacks = section_lacks(&config->pushes[i]);
                if (lacks)
                        return invalid(loader, "%s: section [push.%s.%s] %s.", config->file, config->pushes[i].provider, config->pushes[i].name,
                                       lacks);
        }
        return 0;
}

static int read_all(struct loader *loader, int argc, char *const argv[]) {
        int r = read_defaults(loader);

        if (r == 0)
                r = read_flags(loader, argc, argv, false);
        if (r == 0 && loader->config->file)
                r = read_file(loader, loader->config->file);
        if (r == 0)
                r = read_environment(loader);
        if (r == 0)
                r = read_flags(loader, argc, argv, true);
        if (r == 0)
                r = read_secret_files(loader);
        return r == 0 ? check_whole(loader) : r;
}

/* A path or a file may hold line feeds; the message is one line all the same. */
static void make_one_line(char *text) {
        for (; *text; text++) {
                if ((unsigned char)*text < 0x20 || *text == 0x7f)
                        *text = '?';
        }
}

int config_load(int argc, char *const argv[], char *(*getenv_fn)(const char *), struct config **ret_config, char **ret_error) {
        struct loader loader = { .getenv_fn = getenv_fn, .error = BUF_INIT(ERROR_BYTES) };
        char *error = NULL;

        for (int i = 1; i < argc; i++) {
                if (is_help(argv[i]))
                        return CONFIG_E_HELP;
        }
        loader.config = calloc(1, sizeof(*loader.config));
        if (!loader.config)
                return -ENOMEM;
        int r = read_all(&loader, argc, argv);
        if (r == CONFIG_E_INVALID) {
                error = buf_failed(&loader.error) ? strdup("An option is too long to be shown.") : buf_take(&loader.error, NULL);
                if (!error)
                        r = -ENOMEM;
        }
        buf_deinit(&loader.error);
        if (r) {
                config_free(loader.config);
                if (error) {
                        make_one_line(error);
                        *ret_error = error;
                }
                return r;
        }
        *ret_config = loader.config;
        return 0;
}

struct config *config_free(struct config *config) {
        if (!config)
                return NULL;
        for (size_t i = 0; i < OPTIONS; i++) {
                if (options[i].type == STRING || options[i].type == SECRET)
                        forget_text(field_of(config, &options[i]));
        }
        section_free_all(config->pushes, config->pushes_count);
        free(config->file);
        free(config);
        return NULL;
}

/*
 * The table in words.
 */

/* Is this the first option of its section? Options of one section need not stand together in the table. */
static bool begins_section(size_t index) {
        for (size_t i = 0; i < index; i++) {
                if (strcmp(options[i].section, options[index].section) == 0)
                        return false;
        }
        return true;
}

static void add_spaces(struct buf *out, size_t count) {
        buf_printf(out, "%*s", (int)count, "");
}

/* Words from the given column on, broken at HELP_WIDTH, each new line indented to HELP_COLUMN; ends the line. */
static void add_words(struct buf *out, size_t column, const char *text) {
        bool first = true;

        while (*text) {
                size_t len = strcspn(text, " ");
                if (column + 1 + len > HELP_WIDTH) {
                        buf_add_char(out, '\n');
                        column = 0;
                        first = true;
                }
                if (column < HELP_COLUMN) {
                        add_spaces(out, HELP_COLUMN - column);
                        column = HELP_COLUMN;
                }
                if (!first)
                        buf_add_char(out, ' ');
                column += len + !first;
                first = false;
                buf_add(out, text, len);
                text += len + strspn(text + len, " ");
        }
        buf_add_char(out, '\n');
}

static void add_help(struct buf *out, const char *left, const char *form, const char *text) {
        size_t column = 2 + strlen(left) + strlen(form);

        buf_printf(out, "  %s%s", left, form);
        if (column + 2 > HELP_COLUMN) {
                buf_add_char(out, '\n');
                column = 0;
        }
        add_words(out, column, text);
}

static void add_option_help(struct buf *out, const struct option *option) {
        bool has_flag = option->flag[0];

        if (has_flag)
                add_help(out, option->flag, types[option->type].form, option->sentence);
        else
                add_help(out, option->env[0] ? option->env : option->name, "", option->sentence);
        add_spaces(out, HELP_COLUMN);
        buf_printf(out, "%s%s%s", option->name, has_flag && option->env[0] ? ", " : "", has_flag ? option->env : "");
        if (option->initial[0] && option->type != SECRET)
                buf_printf(out, "; default %s", option->initial);
        buf_add_char(out, '\n');
}

void config_print_help(struct buf *out) {
        buf_add_text(out, "Options, by section of the file: the flag or else the environment variable; below it the name in the\n"
                          "file and the other way to set it. Later sources win: default, file, environment, flag.\n\n");
        add_help(out, "--config", " FILE", "File with these options (INI).");
        add_help(out, "--help", "", "Prints this.");
        for (size_t section = 0; section < OPTIONS; section++) {
                if (!begins_section(section))
                        continue;
                buf_printf(out, "\n[%s]\n", options[section].section);
                for (size_t i = section; i < OPTIONS; i++) {
                        if (strcmp(options[i].section, options[section].section) == 0)
                                add_option_help(out, &options[i]);
                }
        }
        section_print_help(out);
}

static void add_option_sample(struct buf *out, const struct option *option) {
        buf_printf(out, "\n# %s\n# A %s", option->sentence, types[option->type].name);
        if (option->flag[0])
                buf_printf(out, "; also %s", option->flag);
        if (option->env[0])
                buf_printf(out, "%s %s", option->flag[0] ? "," : "; also", option->env);
        buf_printf(out, ".\n#%s =%s%s\n", option->name, option->initial[0] ? " " : "", option->initial);
}

void config_print_sample(struct buf *out) {
        buf_add_text(out, "# Every option with its default. Later sources win: this file, the environment, flags.\n"
                          "# Spans are written as 250ms, 8s, 5m, 2h, 1d; switches as yes or no. An indented line continues the "
                          "one above.\n");
        for (size_t section = 0; section < OPTIONS; section++) {
                if (!begins_section(section))
                        continue;
                buf_printf(out, "\n[%s]\n", options[section].section);
                for (size_t i = section; i < OPTIONS; i++) {
                        if (strcmp(options[i].section, options[section].section) == 0)
                                add_option_sample(out, &options[i]);
                }
        }
        section_print_sample(out);
}
