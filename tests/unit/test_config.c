/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every option by every way it names, which way wins, and what an operator reads after a mistake. The rows of
 * contract/options.def are looped over, so a new option is tested when it is added.
 */
#include "base/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/limits.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SECRET32 "0123456789abcdef0123456789abcdef"

enum type { STRING, SECRET, INT, MS, BOOL };

static const struct row {
        const char *field, *initial, *section, *name, *flag, *env, *sentence;
        size_t offset;
        enum type type;
} rows[] = {
#define OPTION_ROW(field, type, initial, section, name, flag, env, sentence)                                                     \
        { #field, initial, section, name, flag, env, sentence, offsetof(struct config, field), type },
#include "contract/options.def"
#undef OPTION_ROW
};

static struct {
        char folder[64];
        const char *env[8][2]; /* name, value; ends with NULL */
        struct config *config;
        char *error;
} t;

static char *get_env(const char *name) {
        for (size_t i = 0; i < COUNT(t.env) && t.env[i][0]; i++) {
                if (strcmp(t.env[i][0], name) == 0)
                        return (char *)t.env[i][1];
        }
        return NULL;
}

static void set_env(const char *name, const char *value) {
        size_t i = 0;

        while (t.env[i][0] && strcmp(t.env[i][0], name) != 0)
                i++;
        assert_true(i < COUNT(t.env) - 1);
        t.env[i][0] = name;
        t.env[i][1] = value;
}

static void forget(void) {
        t.config = config_free(t.config);
        free(t.error);
        t.error = NULL;
        memset(t.env, 0, sizeof(t.env));
}

/* Paths are relative to the test's own folder. */
static void write_bytes(const char *name, const void *bytes, size_t len) {
        FILE *file = fopen(name, "w");

        assert_non_null(file);
        assert_int_equal(fwrite(bytes, 1, len, file), len);
        assert_int_equal(fclose(file), 0);
}

static void write_text(const char *name, const char *text) {
        write_bytes(name, text, strlen(text));
}

#define LOAD(...) load((const char *[]){ "serve", __VA_ARGS__, NULL })
#define LOAD_BARE() load((const char *[]){ "serve", NULL })

static int load(const char *const argv[]) {
        int argc = 0;

        while (argv[argc])
                argc++;
        t.config = config_free(t.config);
        free(t.error);
        t.error = NULL;
        return config_load(argc, (char *const *)argv, get_env, &t.config, &t.error);
}

static int set_up(void **state) {
        memset(&t, 0, sizeof(t));
        snprintf(t.folder, sizeof(t.folder), "/tmp/belfry-config-XXXXXX");
        return mkdtemp(t.folder) && chdir(t.folder) == 0 ? 0 : -1;
}

static int tear_down(void **state) {
        static const char *const files[] = { "b.ini", "secret", "keys", "sample.ini" };

        forget();
        for (size_t i = 0; i < COUNT(files); i++)
                unlink(files[i]);
        return chdir("/") == 0 && rmdir(t.folder) == 0 ? 0 : -1;
}

/*
 * Each option, each way. A probe is a value that is no option's default and does not upset another one.
 */

struct probe {
        const char *text[3]; /* one for each source */
        int64_t number[3];
};

static struct probe probe_of(const struct row *row) {
        if (strcmp(row->field, "log_level") == 0)
                return (struct probe){ .text = { "error", "warning", "debug" } };
        if (strcmp(row->field, "jwt_secret") == 0)
                return (struct probe){ .text = { SECRET32 "1", SECRET32 "2", SECRET32 "3" } };
        switch (row->type) {
        case INT:
                return (struct probe){ .text = { "11", "12", "13" }, .number = { 11, 12, 13 } };
        case MS:
                return (struct probe){ .text = { "11s", "12m", "13" }, .number = { 11000, 720000, 13 } };
        case BOOL:
                return (struct probe){ .text = { "yes", "no", "yes" }, .number = { 1, 0, 1 } };
        default:
                return (struct probe){ .text = { "sample.ini", "./sample.ini", ".//sample.ini" } }; /* may be read as a file */
        }
}

static bool holds(const struct row *row, const struct probe *probe, int source) {
        const void *field = (const char *)t.config + row->offset;

        switch (row->type) {
        case INT:
        case MS:
                return *(const int64_t *)field == probe->number[source];
        case BOOL:
                return *(const bool *)field == probe->number[source];
        default:
                return strcmp(*(char *const *)field, probe->text[source]) == 0;
        }
}

/* TLS needs both of its files: the other one gets a value too. */
static const char *twin_of(const struct row *row) {
        return strcmp(row->field, "tls_cert") == 0  ? "BELFRY_TLS_KEY"
               : strcmp(row->field, "tls_key") == 0 ? "BELFRY_TLS_CERT"
                                                    : "X";
}

static void write_option(const struct row *row, const char *value) {
        char text[512];

        snprintf(text, sizeof(text), "[%s]\n%s = %s\n", row->section, row->name, value);
        write_text("b.ini", text);
}

static void expect(int r, const struct row *row, const struct probe *probe, int source, const char *way) {
        if (r != 0)
                fail_msg("%s by %s: %d, %s", row->field, way, r, t.error ? t.error : "");
        if (!holds(row, probe, source))
                fail_msg("%s by %s has another value", row->field, way);
}

static void every_option_can_be_set_by_each_way_it_names(void **state) {
        write_text("sample.ini", SECRET32);
        for (size_t i = 0; i < COUNT(rows); i++) {
                const struct row *row = &rows[i];
                struct probe probe = probe_of(row);
                char joined[200];

                forget();
                set_env(twin_of(row), "x");
                write_option(row, probe.text[0]);
                expect(LOAD("--config", "b.ini"), row, &probe, 0, "file");

                write_text("b.ini", "");
                if (row->env[0]) {
                        set_env(row->env, probe.text[0]);
                        expect(LOAD_BARE(), row, &probe, 0, "environment");
                        set_env(row->env, NULL);
                }
                if (row->flag[0]) {
                        snprintf(joined, sizeof(joined), "%s=%s", row->flag, probe.text[0]);
                        expect(LOAD(joined), row, &probe, 0, "flag with =");
                        if (row->type == BOOL)
                                expect(LOAD(row->flag), row, &probe, 0, "flag alone");
                        else
                                expect(LOAD(row->flag, probe.text[0]), row, &probe, 0, "flag");
                }
        }
}

static void later_sources_win(void **state) {
        write_text("sample.ini", SECRET32);
        for (size_t i = 0; i < COUNT(rows); i++) {
                const struct row *row = &rows[i];
                struct probe probe = probe_of(row);
                char joined[200];

                forget();
                set_env(twin_of(row), "x");
                write_option(row, probe.text[0]);
                if (row->env[0]) {
                        set_env(row->env, probe.text[1]);
                        expect(LOAD("--config=b.ini"), row, &probe, 1, "environment over file");
                        set_env(row->env, "");
                        expect(LOAD("--config=b.ini"), row, &probe, 0, "file under an empty variable");
                        set_env(row->env, probe.text[1]);
                }
                if (row->flag[0]) {
                        snprintf(joined, sizeof(joined), "%s=%s", row->flag, probe.text[2]);
                        expect(LOAD(joined, "--config=b.ini"), row, &probe, 2, "flag over all");
                }
        }
}

static void defaults_are_those_of_the_table(void **state) {
        assert_int_equal(LOAD_BARE(), 0);
        assert_string_equal(t.config->listen, "127.0.0.1:8080");
        assert_string_equal(t.config->redis, "");
        assert_int_equal(t.config->workers, 0);
        assert_false(t.config->dev);
        assert_int_equal(t.config->offline_grace_ms, 8000);
        assert_int_equal(t.config->retry_base_ms, 500);
        assert_int_equal(t.config->stall_ms, 120000);
        assert_null(t.config->file);
        assert_null(config_free(NULL));
}

static void flags_come_in_their_forms(void **state) {
        assert_int_equal(LOAD("--dev", "--listen", "[::1]:0", "--workers=2", "--redis="), 0);
        assert_true(t.config->dev);
        assert_string_equal(t.config->listen, "[::1]:0");
        assert_int_equal(t.config->workers, 2);
        assert_int_equal(LOAD("--workers", "3", "--workers", "4"), 0); /* the last one */
        assert_int_equal(t.config->workers, 4);
        assert_int_equal(LOAD("--dev", "--dev=off"), 0);
        assert_false(t.config->dev);
        assert_int_equal(LOAD("--data", "a=b"), 0);
        assert_string_equal(t.config->data, "a=b");
        assert_int_equal(LOAD("--data=--dev"), 0);
        assert_string_equal(t.config->data, "--dev");
        assert_false(t.config->dev);
        set_env("BELFRY_REDIS", "redis://x");
        assert_int_equal(LOAD("--redis="), 0); /* a flag can empty what was set before */
        assert_string_equal(t.config->redis, "");
        write_text("b.ini", "");
        assert_int_equal(LOAD("--config", "b.ini"), 0);
        assert_string_equal(t.config->file, "b.ini");
}

static void help_is_answered_whatever_else_is_wrong(void **state) {
        assert_int_equal(LOAD("--help"), CONFIG_E_HELP);
        assert_int_equal(LOAD("-h"), CONFIG_E_HELP);
        assert_int_equal(LOAD("--bogus", "--workers", "x", "--help"), CONFIG_E_HELP);
        assert_null(t.error);
        assert_null(t.config);
}

static void values_are_read_as_their_type(void **state) {
        static const struct {
                const char *flag, *value;
                int64_t expected; /* -1: refused */
        } values[] = {
                { "--workers", "0", 0 },
                { "--workers", "2147483647", 2147483647 },
                { "--workers", "2147483648", -1 },
                { "--workers", "99999999999999999999", -1 },
                { "--workers", "", -1 },
                { "--workers", "-1", -1 },
                { "--workers", "+1", -1 },
                { "--workers", " 1", -1 },
                { "--workers", "1 ", -1 },
                { "--workers", "1.5", -1 },
                { "--workers", "0x10", -1 },
                { "--workers", "many", -1 },
                { "BELFRY_PING", "250", 250 },
                { "BELFRY_PING", "250ms", 250 },
                { "BELFRY_PING", "0", 0 },
                { "BELFRY_PING", "8s", 8000 },
                { "BELFRY_PING", "5m", 300000 },
                { "BELFRY_PING", "2h", 7200000 },
                { "BELFRY_PING", "1d", 86400000 },
                { "BELFRY_PING", "365d", INT64_C(31536000000) },
                { "BELFRY_PING", "31536000000", INT64_C(31536000000) },
                { "BELFRY_PING", "31536000001", -1 },
                { "BELFRY_PING", "366d", -1 },
                { "BELFRY_PING", "9223372036854775807d", -1 },
                { "BELFRY_PING", "s", -1 },
                { "BELFRY_PING", "8 s", -1 },
                { "BELFRY_PING", "8S", -1 },
                { "BELFRY_PING", "8sec", -1 },
                { "BELFRY_PING", "1.5s", -1 },
                { "BELFRY_PING", "-8s", -1 },
                { "BELFRY_DEV", "yes", 1 },
                { "BELFRY_DEV", "true", 1 },
                { "BELFRY_DEV", "on", 1 },
                { "BELFRY_DEV", "1", 1 },
                { "BELFRY_DEV", "no", 0 },
                { "BELFRY_DEV", "false", 0 },
                { "BELFRY_DEV", "off", 0 },
                { "BELFRY_DEV", "0", 0 },
                { "BELFRY_DEV", "Yes", -1 },
                { "BELFRY_DEV", "2", -1 },
                { "BELFRY_DEV", "y", -1 },
        };

        for (size_t i = 0; i < COUNT(values); i++) {
                char joined[100];
                int r;
                forget();
                if (values[i].flag[0] == '-') {
                        snprintf(joined, sizeof(joined), "%s=%s", values[i].flag, values[i].value);
                        r = LOAD(joined);
                } else {
                        set_env(values[i].flag, values[i].value);
                        r = LOAD_BARE();
                }
                if (values[i].expected < 0) {
                        if (r != CONFIG_E_INVALID)
                                fail_msg("%s was taken for %s", values[i].value, values[i].flag);
                        continue;
                }
                assert_int_equal(r, 0);
                int64_t got = values[i].flag[0] == '-'                     ? t.config->workers
                              : strcmp(values[i].flag, "BELFRY_PING") == 0 ? t.config->ping_ms
                                                                           : t.config->dev;
                assert_true(got == values[i].expected);
        }
}

static void a_mistake_in_a_flag_or_variable_is_one_clear_line(void **state) {
        static const struct {
                const char *arg1, *arg2, *message;
        } mistakes[] = {
                { "--workers", "many", "--workers is \"many\", but must be a whole number from 0 to 2147483647." },
                { "--dev=maybe", NULL, "--dev is \"maybe\", but must be yes or no." },
                { "--bogus", NULL, "There is no flag --bogus; see --help." },
                { "--bogus=1", NULL, "There is no flag --bogus; see --help." },
                { "--", NULL, "There is no flag --; see --help." },
                { "--work", "1", "There is no flag --work; see --help." },
                { "--workers2", "1", "There is no flag --workers2; see --help." },
                { "serve", NULL, "\"serve\" is not a flag; see --help." },
                { "-x", NULL, "\"-x\" is not a flag; see --help." },
                { "", NULL, "\"\" is not a flag; see --help." },
                { "--listen", NULL, "--listen needs a value." },
                { "--listen", "--dev", "--listen needs a value." },
                { "--config", NULL, "--config needs a value." },
                { "--config", "none.ini", "none.ini: No such file or directory." },
                { "--config", ".", ".: Is a directory." },
                { "--log-level", "loud", "--log-level is \"loud\", but must be error, warning, info or debug." },
                { "--redis-prefix", "a{b}",
                  "--redis-prefix is \"a{b}\", but must be printable ASCII without spaces and braces." },
                { "--redis-prefix=", NULL, "--redis-prefix is \"\", but must be printable ASCII without spaces and braces." },
                { "--redis-prefix", "b\xff", "--redis-prefix is \"b\xff\", but must be printable ASCII without spaces and braces." },
                { "--tls-cert", "x", "--tls-cert is set, but tls_key is not; TLS needs both." },
                { "--tls-key", "x", "--tls-key is set, but tls_cert is not; TLS needs both." },
                { "--workers", "1\n2\"\x7f", "--workers is \"1\\n2\\\"?\", but must be a whole number from 0 to 2147483647." },
                { "--a\nb", NULL, "There is no flag --a?b; see --help." },
        };

        for (size_t i = 0; i < COUNT(mistakes); i++) {
                assert_int_equal(LOAD(mistakes[i].arg1, mistakes[i].arg2), CONFIG_E_INVALID);
                assert_string_equal(t.error, mistakes[i].message);
                assert_null(t.config);
        }
        set_env("BELFRY_GRACE", "soon");
        assert_int_equal(LOAD_BARE(), CONFIG_E_INVALID);
        assert_string_equal(t.error,
                            "BELFRY_GRACE is \"soon\", but must be a span of at most 365d, such as 250ms, 8s, 5m, 2h, 1d, or 250 "
                            "(milliseconds).");
}

static void a_mistake_in_the_file_is_told_with_its_line(void **state) {
        static const struct {
                const char *text, *message;
        } mistakes[] = {
                { "[hub]\nlisten = a\nworkers = 12q\n",
                  "b.ini:3: workers is \"12q\", but must be a whole number from 0 to 2147483647." },
                { "# hello\n\n[hub]\nlisen = x\n", "b.ini:4: section [hub] has no option \"lisen\"." },
                { "[hub]\nurl = x\n", "b.ini:2: section [hub] has no option \"url\"." },
                { "[hubs]\nlisten = x\n", "b.ini:2: there is no section [hubs]." },
                { "[push]\nx = y\n", "b.ini:2: section [push] has no option \"x\"." },
                { "[push.apns.a]\nsubject = y\n", "b.ini:2: subject is no option of this section." },
                { "[push.fcm.a]\nservice_account = y\nservice_account = z\n", "b.ini:3: service_account is set for the second time." },
                { "[push.webhook.a]\nallow_private = maybe\n", "b.ini:2: allow_private must be yes or no." },
                { "[push.webhook.a]\nurl = https://a.example\n", "b.ini: section [push.webhook.a] needs url and secret." },
                { "[push.webpush.a]\nsubject = mailto:a@b.example\n", "b.ini: section [push.webpush.a] needs vapid_key and subject." },
                { "[push.fcm.a]\nurl = x\n", "b.ini: section [push.fcm.a] needs service_account." },
                { "[push.apns.a]\ntopic = x\nkey_file = k\n",
                  "b.ini: section [push.apns.a] needs key_file, key_id and team_id, or cert_file." },
                { "[push.apns.a]\ntopic = x\nkey_file = k\ncert_file = c\n", "b.ini: section [push.apns.a] has a key and cert_file; choose one." },
                { "[push.apns]\ntopic = x\n",
                  "b.ini:2: [push.apns] is no push.PROVIDER.NAME: apns, fcm, webpush or webhook; a word of at most 32 bytes; at most 64 of them." },
                { "[push.sms.a]\nurl = x\n",
                  "b.ini:2: [push.sms.a] is no push.PROVIDER.NAME: apns, fcm, webpush or webhook; a word of at most 32 bytes; at most 64 of them." },
                { "listen = x\n[hub]\n", "b.ini:1: \"listen\" stands before the first [section]." },
                { "[hub]\nlisten = x\n\nlisten = y\n", "b.ini:4: listen is set for the second time." },
                { "[hub]\nlisten = x\n[redis]\n[hub]\nlisten = x", "b.ini:5: listen is set for the second time." },
                { "[hub]\njust words\n", "b.ini:2: this line is neither [section], name = value nor # comment." },
                { "[hub\nlisten = x\n", "b.ini:1: this line is neither [section], name = value nor # comment." },
                { "[hub]\njust words\nworkers = x\n", "b.ini:2: this line is neither [section], name = value nor # comment." },
                { "[hub]\nlisten = x\n[hub]\n  listen = x", "b.ini:4: listen is set for the second time." },
                { "[hub]\nworkers = x\njust words\n",
                  "b.ini:2: workers is \"x\", but must be a whole number from 0 to 2147483647." },
                { "[hub]\nworkers = 1\n  2\n", "b.ini:3: workers cannot be continued on an indented line." },
                { "[hub]\nlog_level = loud\n", "log_level is \"loud\", but must be error, warning, info or debug." },
        };

        for (size_t i = 0; i < COUNT(mistakes); i++) {
                write_text("b.ini", mistakes[i].text);
                assert_int_equal(LOAD("--config", "b.ini"), CONFIG_E_INVALID);
                assert_string_equal(t.error, mistakes[i].message);
        }

        write_bytes("b.ini", "[hub]\nlisten = a\0b\n", 19);
        assert_int_equal(LOAD("--config", "b.ini"), CONFIG_E_INVALID);
        assert_string_equal(t.error, "b.ini:2: this line has a NUL byte.");
}

static void a_file_may_have_comments_spaces_and_long_values(void **state) {
        write_text("b.ini",
                   "\xef\xbb\xbf; comment\r\n[hub]\r\n  # indented comment\n  listen=a:1   \r\n\ndata = a = b ; not this\n"
                   "[auth]\norigins = https://a.example\n\thttps://b.example\n"
                   "  https://c.example\naudience =\n[hub]\nworkers : 3");
        if (LOAD("--config", "b.ini") != 0)
                fail_msg("%s", t.error);
        assert_string_equal(t.config->listen, "a:1");
        assert_string_equal(t.config->data, "a = b");
        assert_string_equal(t.config->origins, "https://a.example https://b.example https://c.example");
        assert_string_equal(t.config->jwt_audience, "");
        assert_int_equal(t.config->workers, 3);
}

static void sections_of_push_may_be_repeated_under_other_names(void **state) {
        write_text("b.ini", "[push.webhook.sms]\nurl = https://a.example\nsecret = s1 s2\n[push]\ndelay_ms = 1500\n[push.apns.main]\n"
                            "  key_file = k\nkey_id = i\nteam_id = t\ntopic = app.example\n[push.webhook.mail.eu]\nurl = https://b.example\n"
                            "secret = s\nallow_private = yes\n[push.webhook.sms]\nca_file = ca.pem\n");
        if (LOAD("--config", "b.ini") != 0)
                fail_msg("%s", t.error);
        assert_int_equal(t.config->push_delay_ms, 1500);
        assert_int_equal(t.config->pushes_count, 3);
        const struct config_push *sms = &t.config->pushes[0], *apns = &t.config->pushes[1], *mail = &t.config->pushes[2];
        assert_string_equal(sms->provider, "webhook");
        assert_string_equal(sms->name, "sms");
        assert_string_equal(sms->secret, "s1 s2");
        assert_string_equal(sms->ca_file, "ca.pem");
        assert_string_equal(sms->topic, "");
        assert_false(sms->allow_private);
        assert_string_equal(apns->key_id, "i");
        assert_string_equal(mail->name, "mail.eu");
        assert_true(mail->allow_private);
}

/* inih would cut it and read the rest as a line of its own. */
static void a_line_too_long_is_not_cut_silently(void **state) {
        char text[600];

        for (size_t len = 1; len < 500; len++) {
                int head = snprintf(text, sizeof(text), "[hub]\ndata = ");
                memset(text + head, 'd', len);
                text[(size_t)head + len] = '\0';
                write_text("b.ini", text);
                int r = LOAD("--config", "b.ini");
                if (r == 0)
                        assert_int_equal(strlen(t.config->data), len);
                else
                        assert_string_equal(t.error, "b.ini:2: this line is too long; an indented line continues the one above.");
                assert_int_equal(r, len < 150 ? 0 : len > 250 ? CONFIG_E_INVALID : r);
        }
}

static void secrets_are_read_from_their_files(void **state) {
        static const struct {
                const char *written, *read;
        } files[] = {
                { SECRET32, SECRET32 },
                { SECRET32 "\n", SECRET32 },
                { SECRET32 "\r\n", SECRET32 },
                { SECRET32 "\n\n", SECRET32 },
                { SECRET32 "\nsecond\n", SECRET32 "\nsecond" },
                { " " SECRET32 " \n", " " SECRET32 " " },
        };

        set_env("BELFRY_JWT_SECRET_FILE", "secret");
        set_env("BELFRY_API_KEY_FILE", "keys");
        for (size_t i = 0; i < COUNT(files); i++) {
                write_text("secret", files[i].written);
                write_text("keys", files[i].written);
                assert_int_equal(LOAD_BARE(), 0);
                assert_string_equal(t.config->jwt_secret, files[i].read);
                assert_string_equal(t.config->api_key, files[i].read);
        }
}

static void a_secret_file_that_is_no_use_is_refused(void **state) {
        static char long_text[LIMIT_SECRET_FILE_BYTES + 1];

        set_env("BELFRY_API_KEY_FILE", "keys");
        assert_int_equal(LOAD_BARE(), CONFIG_E_INVALID);
        assert_string_equal(t.error, "BELFRY_API_KEY_FILE is \"keys\", which cannot be read: No such file or directory.");
        write_text("keys", "");
        assert_int_equal(LOAD_BARE(), CONFIG_E_INVALID);
        assert_string_equal(t.error, "BELFRY_API_KEY_FILE is \"keys\", which is empty.");
        write_text("keys", "\n\r\n");
        assert_int_equal(LOAD_BARE(), CONFIG_E_INVALID);
        write_bytes("keys", "a\0b", 3);
        assert_int_equal(LOAD_BARE(), CONFIG_E_INVALID);
        assert_string_equal(t.error, "BELFRY_API_KEY_FILE is \"keys\", which has a NUL byte.");

        memset(long_text, 'k', sizeof(long_text));
        write_bytes("keys", long_text, LIMIT_SECRET_FILE_BYTES);
        assert_int_equal(LOAD_BARE(), 0);
        assert_int_equal(strlen(t.config->api_key), LIMIT_SECRET_FILE_BYTES);
        write_bytes("keys", long_text, LIMIT_SECRET_FILE_BYTES + 1);
        assert_int_equal(LOAD_BARE(), CONFIG_E_INVALID);
        assert_string_equal(t.error, "BELFRY_API_KEY_FILE is \"keys\", which holds more than 4096 bytes.");

        set_env("BELFRY_API_KEY_FILE", ".");
        assert_int_equal(LOAD_BARE(), CONFIG_E_INVALID);
        assert_string_equal(t.error, "BELFRY_API_KEY_FILE is \".\", which cannot be read: Is a directory.");
}

static void a_secret_and_its_file_are_one_option(void **state) {
        write_text("secret", SECRET32 "-of-the-file");
        write_text("b.ini", "[auth]\njwt_secret = " SECRET32 "-of-the-ini\n");
        set_env("BELFRY_JWT_SECRET_FILE", "secret");
        assert_int_equal(LOAD("--config", "b.ini"), 0);
        assert_string_equal(t.config->jwt_secret, SECRET32 "-of-the-file"); /* the later source */

        write_text("b.ini", "[auth]\njwt_secret_file = secret\n");
        set_env("BELFRY_JWT_SECRET_FILE", NULL);
        set_env("BELFRY_JWT_SECRET", SECRET32 "-of-the-env");
        assert_int_equal(LOAD("--config", "b.ini"), 0);
        assert_string_equal(t.config->jwt_secret, SECRET32 "-of-the-env");

        set_env("BELFRY_JWT_SECRET_FILE", "secret");
        assert_int_equal(LOAD("--config", "b.ini"), CONFIG_E_INVALID);
        assert_string_equal(t.error, "Both BELFRY_JWT_SECRET and BELFRY_JWT_SECRET_FILE are set; choose one.");
}

static void a_short_jwt_secret_is_refused_but_none_is_fine(void **state) {
        set_env("BELFRY_JWT_SECRET", "0123456789abcdef0123456789abcde");
        assert_int_equal(LOAD_BARE(), CONFIG_E_INVALID);
        assert_string_equal(t.error, "jwt_secret has 31 bytes, but must have at least 32.");
        assert_int_equal(LOAD("--dev"), 0);
        set_env("BELFRY_JWT_SECRET", SECRET32);
        assert_int_equal(LOAD_BARE(), 0);
        set_env("BELFRY_JWT_SECRET", NULL);
        assert_int_equal(LOAD_BARE(), 0);
        assert_string_equal(t.config->jwt_secret, "");
}

static void no_message_holds_a_secret(void **state) {
        write_text("b.ini", "[auth]\napi_key = hush-hush\napi_key = hush-hush\n");
        assert_int_equal(LOAD("--config", "b.ini"), CONFIG_E_INVALID);
        assert_null(strstr(t.error, "hush"));
        write_text("b.ini", "[auth]\napi_key = hush-hush\n  hush-hush\n");
        assert_int_equal(LOAD("--config", "b.ini"), CONFIG_E_INVALID);
        assert_null(strstr(t.error, "hush"));
        write_text("b.ini", "[auth]\njwt_secret = hush-hush\n");
        assert_int_equal(LOAD("--config", "b.ini"), CONFIG_E_INVALID);
        assert_null(strstr(t.error, "hush"));
}

static void help_names_every_option_and_fits_a_screen(void **state) {
        _cleanup_buf_ struct buf help = BUF_INIT(1 << 16);

        config_print_help(&help);
        assert_false(buf_failed(&help));
        for (size_t i = 0; i < COUNT(rows); i++) {
                if (!strstr(help.ptr, rows[i].flag) || !strstr(help.ptr, rows[i].env) || !strstr(help.ptr, rows[i].name))
                        fail_msg("%s is missing", rows[i].field);
        }
        assert_non_null(strstr(help.ptr, "--config FILE"));
        for (const char *line = help.ptr; *line; line = strchr(line, '\n') + 1) {
                size_t len = strcspn(line, "\n");
                if (len > 110 || (len > 0 && line[len - 1] == ' '))
                        fail_msg("%.*s", (int)len, line);
        }
}

/* The sample as it is changes nothing; with every option uncommented it still changes nothing, as it shows the defaults. */
static void the_sample_parses_and_shows_the_defaults(void **state) {
        _cleanup_buf_ struct buf sample = BUF_INIT(1 << 16), uncommented = BUF_INIT(1 << 16);
        size_t sections = 0, set = 0;

        config_print_sample(&sample);
        assert_false(buf_failed(&sample));
        for (size_t i = 0; i < COUNT(rows); i++) {
                if (!strstr(sample.ptr, rows[i].sentence))
                        fail_msg("%s is missing", rows[i].field);
        }
        write_text("sample.ini", sample.ptr);
        if (LOAD("--config", "sample.ini") != 0)
                fail_msg("%s", t.error);

        for (const char *line = sample.ptr; *line; line = strchr(line, '\n') + 1) {
                bool is_option = line[0] == '#' && line[1] != ' ';
                sections += line[0] == '[';
                set += is_option;
                buf_add(&uncommented, line + is_option, strcspn(line, "\n") + 1 - is_option);
        }
        assert_int_equal(set, COUNT(rows));
        assert_int_equal(sections, 8); /* each once, though the rows of [hub] do not stand together */

        write_text("sample.ini", uncommented.ptr);
        struct config *plain = NULL;
        assert_int_equal(LOAD_BARE(), 0);
        plain = t.config;
        t.config = NULL;
        if (LOAD("--config", "sample.ini") != 0)
                fail_msg("%s", t.error);
        for (size_t i = 0; i < COUNT(rows); i++) {
                const char *a = (const char *)plain + rows[i].offset, *b = (const char *)t.config + rows[i].offset;
                if (rows[i].type == STRING || rows[i].type == SECRET)
                        assert_string_equal(*(char *const *)(const void *)a, *(char *const *)(const void *)b);
                else
                        assert_memory_equal(a, b, rows[i].type == BOOL ? sizeof(bool) : sizeof(int64_t));
        }
        config_free(plain);
}

int main(void) {
#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                CASE(every_option_can_be_set_by_each_way_it_names),
                CASE(later_sources_win),
                CASE(defaults_are_those_of_the_table),
                CASE(flags_come_in_their_forms),
                CASE(help_is_answered_whatever_else_is_wrong),
                CASE(values_are_read_as_their_type),
                CASE(a_mistake_in_a_flag_or_variable_is_one_clear_line),
                CASE(a_mistake_in_the_file_is_told_with_its_line),
                CASE(a_file_may_have_comments_spaces_and_long_values),
                CASE(sections_of_push_may_be_repeated_under_other_names),
                CASE(a_line_too_long_is_not_cut_silently),
                CASE(secrets_are_read_from_their_files),
                CASE(a_secret_file_that_is_no_use_is_refused),
                CASE(a_secret_and_its_file_are_one_option),
                CASE(a_short_jwt_secret_is_refused_but_none_is_fine),
                CASE(no_message_holds_a_secret),
                CASE(help_names_every_option_and_fits_a_screen),
                CASE(the_sample_parses_and_shows_the_defaults),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
