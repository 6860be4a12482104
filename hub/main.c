/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c: the program belfry: its commands, and the map of its files.
 *
 * - main.c         reads the command and calls one of these:
 *   - settings.c     the configuration, looked at as a whole        (base/config.c reads it, option by option)
 *     - secrets.c      what development mode makes in the data folder
 *     - auth.c         verifies and signs tokens
 *   - supervisor.c   `belfry serve`: starts and watches the other processes
 *     - child.c        when a child is started, told to end, killed: pure
 *     - port.c         the address: parsed, found free, held
 *     - store_server.c the private Redis: folder, locks, arguments
 *     - spawn.c        makes a worker process
 *       - worker.c         what it runs: one loop, its connections
 *       - push/program.c   or this: what wakes devices that are away
 *   - client/command.c   `belfry send`, `listen`, `sync`, `conversations`, `chat`: a client, on libbelfry
 */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "client/command.h"
#include "hub/auth.h"
#include "hub/secrets.h"
#include "hub/settings.h"
#include "hub/supervisor.h"
#include "push/inquiry.h"

enum {
        EXIT_WRONG = 2, /* what was asked for is wrong, and would be wrong again; 1 is for what may work later */
        PRINT_LIMIT_BYTES = 1 << 16,
        TOKEN_TTL_S = 3600,
        TOKEN_TTL_MAX_S = 10 * 366 * 86400,
};

static const char usage[] =
        "belfry " BELFRY_VERSION ": a real-time delivery hub\n"
        "\n"
        "  belfry serve [options]                                      runs the hub; --dev needs nothing else\n"
        "  belfry token --user U [--device D] [--ttl 3600] [options]   prints a token of a user, signed with the secret\n"
        "  belfry push-test --user U [options]                         tells which devices of a user would be pushed to now, and why not\n"
        "  belfry config                                               prints a commented sample of the configuration file\n"
        "  belfry help                                                 prints this\n"
        "  belfry --version\n"
        "\n"
        "A client:\n"
        "\n";
static const char usage_end[] =
        "\n"
        "Exit status: 0 ended as told, 1 something failed, 2 the command line or configuration is wrong.\n"
        "\n";

static int print(void (*print_fn)(struct buf *), const char *before) {
        _cleanup_buf_ struct buf text = BUF_INIT(PRINT_LIMIT_BYTES);
        print_fn(&text);
        if (buf_failed(&text))
                return EXIT_FAILURE;
        fputs(before, stdout);
        fwrite(text.ptr, 1, text.len, stdout);
        return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int print_help(void) {
        fputs(usage, stdout);
        fputs(command_usage, stdout);
        return print(config_print_help, usage_end);
}

/* One line, then the status. Takes error, which is NULL when there was no memory for it. */
static int refuse(int status, char *take_error) {
        fprintf(stderr, "belfry: %s\n", take_error ? take_error : "out of memory");
        free(take_error);
        return take_error ? status : EXIT_FAILURE;
}

/*
 * Begins anew with a malloc() that asks for huge pages, which glibc 2.35 and later can be told by the environment only, before main() (glibc
 * manual, "Memory Allocation Tunables"). Else each connection costs its first touch of some fresh pages: up to a sixth of a handshake. Who
 * sets GLIBC_TUNABLES decides for us. A program with privileges of its own is never told anything by it, and would begin anew for ever; of one
 * that was given to the dynamic loader as an argument, /proc/self/exe is the loader, and it has no base (getauxval(3)).
 */
static void prefer_huge_pages(char *argv[]) {
        char program[PATH_MAX];
        ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);
        if (len < 0 || getenv("GLIBC_TUNABLES") || getauxval(AT_SECURE) || !getauxval(AT_BASE))
                return;
        program[len] = '\0';
        if (setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1", 1) == 0)
                (void)execv(program, argv); /* if it cannot be, small pages do */
}

static int serve(int argc, char *argv[]) {
        struct config *config = NULL;
        char *error = NULL;
        int r = settings_load(argc, argv, &config, &error);
        if (r == SETTINGS_E_HELP)
                return print_help();
        if (r != 0)
                return refuse(EXIT_WRONG, error);
        int status = supervisor_run(argc, argv, config);
        config_free(config);
        return status;
}

/* ---- belfry token ---- */

struct token_options {
        const char *user, *device, *ttl;
};

/* Is argv[*i] this option, as "--name value" or "--name=value"? Then its value, and *i at the last word used. */
static bool take_option(int argc, char *argv[], int *i, const char *name, const char **ret_value) {
        size_t len = strlen(name);
        if (strncmp(argv[*i], name, len) != 0 || (argv[*i][len] != '\0' && argv[*i][len] != '='))
                return false;
        if (argv[*i][len] == '=')
                *ret_value = argv[*i] + len + 1;
        else
                *ret_value = *i + 1 < argc ? argv[++*i] : "";
        return true;
}

/* Takes its own options out of argv; what stays is for config_load(). Returns how many words stay. */
static int split_options(int argc, char *argv[], struct token_options *options) {
        int kept = 1;
        for (int i = 1; i < argc; i++)
                if (!take_option(argc, argv, &i, "--user", &options->user) &&
                    !take_option(argc, argv, &i, "--device", &options->device) &&
                    !take_option(argc, argv, &i, "--ttl", &options->ttl))
                        argv[kept++] = argv[i];
        argv[kept] = NULL;
        return kept;
}

static const char *check_options(const struct token_options *options, int64_t *ret_ttl_s) {
        if (!options->user)
                return "--user is missing";
        if (!auth_is_id(slice_of(options->user)))
                return "--user is no valid id: 1 to 128 bytes of UTF-8 without controls, spaces or '/'";
        if (options->device && !auth_is_id(slice_of(options->device)))
                return "--device is no valid id: 1 to 128 bytes of UTF-8 without controls, spaces or '/'";
        *ret_ttl_s = TOKEN_TTL_S;
        if (!options->ttl)
                return NULL;
        char *end;
        errno = 0;
        long long ttl_s = strtoll(options->ttl, &end, 10);
        if (errno != 0 || *end || end == options->ttl || ttl_s < 1 || ttl_s > TOKEN_TTL_MAX_S)
                return "--ttl is no number of seconds between 1 and 316224000 (ten years)";
        *ret_ttl_s = ttl_s;
        return NULL;
}

static int print_token(const struct config *config, const struct token_options *options, int64_t ttl_s) {
        char *error = NULL;
        struct auth *auth = NULL;
        if (auth_new(config, &auth, &error) != 0)
                return refuse(EXIT_WRONG, error);
        char *token = auth_sign(auth, options->user, options->device, clock_wall_ms(), ttl_s);
        auth_free(auth);
        if (!token)
                return refuse(EXIT_FAILURE, strdup("the token cannot be signed"));
        bool printed = puts(token) >= 0 && fflush(stdout) == 0;
        free(token);
        return printed ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Which secrets are too short is for the hub to say that is to take the token, so here development mode rules. */
static char *token_environment(const char *name) {
        static char yes[] = "yes";
        return strcmp(name, "BELFRY_DEV") == 0 ? yes : getenv(name);
}

static int token(int argc, char *argv[]) {
        struct token_options options = { .user = NULL };
        argc = split_options(argc, argv, &options);
        struct config *config = NULL;
        char *error = NULL;
        int r = config_load(argc, argv, token_environment, &config, &error);
        if (r == CONFIG_E_HELP)
                return print_help();
        if (r == 0)
                r = secrets_fill(config, false, &error);
        int64_t ttl_s = 0;
        const char *wrong = r == 0 ? check_options(&options, &ttl_s) : NULL;
        if (r == 0 && !wrong && !config->jwt_secret[0])
                wrong = "no secret to sign with: set BELFRY_JWT_SECRET or BELFRY_JWT_SECRET_FILE, or name the --data folder of a "
                        "hub started with --dev";
        int status;
        if (r != 0)
                status = refuse(EXIT_WRONG, error);
        else if (wrong)
                status = refuse(EXIT_WRONG, strdup(wrong));
        else
                status = print_token(config, &options, ttl_s);
        config_free(config);
        return status;
}

/* ---- belfry push-test ---- */

static int push_test(int argc, char *argv[]) {
        struct token_options options = { .user = NULL };
        argc = split_options(argc, argv, &options);
        struct config *config = NULL;
        char *error = NULL;
        int r = config_load(argc, argv, getenv, &config, &error);
        if (r == CONFIG_E_HELP)
                return print_help();
        if (r != 0)
                return refuse(EXIT_WRONG, error);
        int status;
        log_set_level(LOG_WARNING);
        if (!options.user || !auth_is_id(slice_of(options.user)))
                status = refuse(EXIT_WRONG, strdup("--user is missing, or no valid id"));
        else if (!config->redis[0] && chdir(config->data) != 0)
                status = refuse(EXIT_WRONG, strdup("--data is not the folder of a hub, and no --redis is given"));
        else /* a path of a socket is short, and so reached from within its folder */
                status = inquiry_run(config, config->redis[0] ? config->redis : "unix:///proc/self/cwd/redis.sock", options.user);
        config_free(config);
        return status;
}

int main(int argc, char *argv[]) {
        const char *command = argc > 1 ? argv[1] : "";
        if (strcmp(command, "serve") == 0) {
                prefer_huge_pages(argv);
                return serve(argc - 1, argv + 1);
        }
        if (strcmp(command, "token") == 0)
                return token(argc - 1, argv + 1);
        if (strcmp(command, "push-test") == 0)
                return push_test(argc - 1, argv + 1);
        if (strcmp(command, "config") == 0)
                return print(config_print_sample, "");
        if (command_knows(command))
                return command_run(argc - 1, argv + 1);
        if (strcmp(command, "help") == 0 || strcmp(command, "--help") == 0 || strcmp(command, "-h") == 0)
                return print_help();
        if (strcmp(command, "version") == 0 || strcmp(command, "--version") == 0)
                return puts("belfry " BELFRY_VERSION) >= 0 ? EXIT_SUCCESS : EXIT_FAILURE;
        if (*command)
                fprintf(stderr, "belfry: there is no command %s; belfry help shows them\n", command);
        else
                fputs("belfry: say what to do, such as belfry serve --dev; belfry help shows the rest\n", stderr);
        return EXIT_WRONG;
}
