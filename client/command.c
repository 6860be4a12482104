/* SPDX-License-Identifier: Apache-2.0 */
/* command.c: see command.h. Each drives libbelfry from its own loop, as an app would that has one. */
#include "client/command.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/scan.h"
#include "client/belfry.h"
#include "client/chat.h"
#include "contract/codes.h"

enum { STATUS_DONE, STATUS_NOT_NOW, STATUS_WRONG, DEADLINE_MS = 25000, TEXT_BYTES = 1 << 20 };

#define WHO "say who you are:"

const char command_usage[] =
        "  belfry send --conv C TEXT [--wait MS]                       puts a message into the outbox, or waits until the hub "
        "has it\n"
        "  belfry listen [--json] [--after CHANGE]                     prints what comes, and sends what waits, until it is "
        "ended\n"
        "  belfry sync [--deadline MS]                                 one background sync, as after a silent push\n"
        "  belfry conversations                                        prints what the store knows, a JSON object a line\n"
        "  belfry chat --conv C                                        a small chat in the terminal\n"
        "        each of these with --url URL --token JWT (or BELFRY_TOKEN) --store FILE [--device D] [--ca FILE]\n";

/* ---- the command line ---- */

enum kind { KIND_TEXT, KIND_NUMBER, KIND_FLAG };

static const struct {
        const char *name;
        enum kind kind;
        size_t offset;
} flags[] = {
        { "--url", KIND_TEXT, offsetof(struct command_options, url) },
        { "--token", KIND_TEXT, offsetof(struct command_options, token) },
        { "--store", KIND_TEXT, offsetof(struct command_options, store) },
        { "--device", KIND_TEXT, offsetof(struct command_options, device) },
        { "--ca", KIND_TEXT, offsetof(struct command_options, ca_file) },
        { "--conv", KIND_TEXT, offsetof(struct command_options, conv) },
        { "--body", KIND_TEXT, offsetof(struct command_options, body) },
        { "--wait", KIND_NUMBER, offsetof(struct command_options, wait_ms) },
        { "--deadline", KIND_NUMBER, offsetof(struct command_options, deadline_ms) },
        { "--after", KIND_NUMBER, offsetof(struct command_options, after) },
        { "--json", KIND_FLAG, offsetof(struct command_options, json) },
};

static int refuse(const char *format, const char *what) {
        fputs("belfry: ", stderr);
        fprintf(stderr, "%s %s\n", format, what);
        return STATUS_WRONG;
}

/* Takes the value of one flag: 0, or a status. */
static int take_flag(struct command_options *options, size_t row, const char *value) {
        char *at = (char *)options + flags[row].offset, *end;

        if (flags[row].kind == KIND_FLAG) {
                *(bool *)at = true;
                return 0;
        }
        if (!value)
                return refuse("a value is missing behind", flags[row].name);
        if (flags[row].kind == KIND_TEXT) {
                *(const char **)(void *)at = value;
                return 0;
        }
        errno = 0;
        *(int64_t *)(void *)at = strtoll(value, &end, 10);
        return errno || *end || end == value ? refuse("this is no number:", value) : 0;
}

static int parse_word(struct command_options *options, int argc, char *argv[], int *i) {
        const char *word = argv[*i];
        size_t len = strcspn(word, "=");

        if (strncmp(word, "--", 2) != 0) {
                if (options->text)
                        return refuse("there is a word too many:", word);
                options->text = word;
                return 0;
        }
        for (size_t row = 0; row < sizeof(flags) / sizeof(flags[0]); row++) {
                if (strncmp(flags[row].name, word, len) != 0 || flags[row].name[len])
                        continue;
                if (word[len] == '=')
                        return take_flag(options, row, word + len + 1);
                if (flags[row].kind == KIND_FLAG)
                        return take_flag(options, row, NULL);
                return take_flag(options, row, *i + 1 < argc ? argv[++*i] : NULL);
        }
        return refuse("there is no option", word);
}

/* A text that begins with -- comes behind a --. */
static int parse(struct command_options *options, int argc, char *argv[]) {
        bool words_only = false;
        int status = 0;

        for (int i = 1; i < argc && status == 0; i++) {
                if (!words_only && strcmp(argv[i], "--") == 0)
                        words_only = true;
                else if (words_only && !options->text)
                        options->text = argv[i];
                else
                        status = parse_word(options, argc, argv, &i);
        }
        if (!options->token)
                options->token = getenv("BELFRY_TOKEN");
        if (status == 0 && !options->url)
                status = refuse("say where the hub is:", "--url");
        if (status == 0 && !options->store)
                status = refuse("say where to keep what is sent and received:", "--store");
        return status;
}

/* ---- what all share ---- */

static volatile sig_atomic_t over;

static void on_signal(int number) {
        over = 1;
}

bool command_is_over(void) {
        return over;
}

static void catch_signals(void) {
        struct sigaction end = { .sa_handler = on_signal }, ignore = { .sa_handler = SIG_IGN };

        sigaction(SIGINT, &end, NULL);
        sigaction(SIGTERM, &end, NULL);
        sigaction(SIGPIPE, &ignore, NULL);
}

int command_fail(const char *what, int error) {
        fprintf(stderr, "belfry: %s: %s\n", what, belfry_error(error));
        return error == BELFRY_E_INVALID ? STATUS_WRONG : STATUS_NOT_NOW;
}

bool command_wait(struct belfry *client, int extra_fd, int timeout_ms) {
        struct pollfd fds[2] = { { .fd = belfry_fd(client), .events = POLLIN }, { .fd = extra_fd, .events = POLLIN } };
        int own_ms = belfry_timeout_ms(client);

        if (poll(fds, extra_fd >= 0 ? 2 : 1, own_ms < timeout_ms ? own_ms : timeout_ms) < 0)
                fds[1].revents = 0;
        belfry_step(client);
        return extra_fd >= 0 && fds[1].revents != 0;
}

char *command_body(const char *text) {
        struct buf body = BUF_INIT(TEXT_BYTES);

        buf_add_text(&body, "{\"text\":");
        buf_add_json(&body, slice_of(text));
        buf_add_char(&body, '}');
        return buf_take(&body, NULL);
}

typedef void (*event_fn)(struct belfry *client, const char *json, size_t len, void *context);

static int open_client(const struct command_options *options, event_fn on_event, void *context, struct belfry **ret_client) {
        struct belfry_options open = {
                .url = options->url,
                .token = options->token,
                .device = options->device,
                .store = options->store,
                .ca_file = options->ca_file,
                .shared = true,
                .after = options->after,
                .context = context,
                .on_event = on_event,
        };
        int r = belfry_open(&open, ret_client);

        return r == BELFRY_OK ? 0 : command_fail(r == BELFRY_E_INVALID ? options->url : options->store, r);
}

/* ---- send ---- */

enum { REFUSAL_BYTES = 128 };

struct waiting {
        char refusal[REFUSAL_BYTES]; /* why there will be no connection with this token, when the hub has said so */
        char op[BELFRY_OP_SIZE];
        char state[32];
        char line[512]; /* the event that told it */
};

static void copy_field(const struct scan_field *fields, size_t count, const char *name, char *out, size_t size) {
        const struct scan_value *value = scan_find(fields, count, name);
        size_t len;

        out[0] = '\0';
        if (value && value->type == SCAN_STRING && scan_string(value->raw, out, size, &len) != 0)
                out[0] = '\0';
}

/* An app would fetch a fresh token and go on; a command has the one that it was given. */
static void hear_state(const struct scan_field *fields, size_t count, char refusal[static REFUSAL_BYTES]) {
        const struct scan_value *code = scan_find(fields, count, "code");
        char state[32];

        copy_field(fields, count, "state", state, sizeof(state));
        if (strcmp(state, "stopped") == 0 || (code && strtol(code->raw.ptr, NULL, 10) == CLOSE_TOKEN_EXPIRED))
                copy_field(fields, count, "reason", refusal, REFUSAL_BYTES);
}

/* Takes apart what the client tells, and keeps it in refusal if it is one. */
static bool read_event(const char *json, size_t len, struct scan_field fields[64], size_t *ret_count, char type[32],
                       char refusal[static REFUSAL_BYTES]) {
        struct scan_value value;

        if (scan_text((struct slice){ json, len }, 64, &value) != 0 || scan_object(value.raw, fields, 64, ret_count) != 0)
                return false;
        copy_field(fields, *ret_count, "type", type, 32);
        if (strcmp(type, "state") == 0)
                hear_state(fields, *ret_count, refusal);
        return true;
}

static int tell_refusal(const char *refusal) {
        fprintf(stderr, "belfry: the hub refuses the connection: %s\n", refusal);
        return STATUS_NOT_NOW;
}

static void on_outbox(struct belfry *client, const char *json, size_t len, void *context) {
        struct scan_field fields[64];
        struct waiting *waiting = context;
        char type[32], op[BELFRY_OP_SIZE];
        size_t count;

        if (!read_event(json, len, fields, &count, type, waiting->refusal))
                return;
        copy_field(fields, count, "op", op, sizeof(op));
        if (strcmp(type, "outbox") != 0 || strcmp(op, waiting->op) != 0)
                return;
        copy_field(fields, count, "state", waiting->state, sizeof(waiting->state));
        snprintf(waiting->line, sizeof(waiting->line), "%s", json);
}

static bool is_settled(const char *state) {
        return state[0] && strcmp(state, "pending") != 0 && strcmp(state, "sending") != 0;
}

static int wait_for(struct belfry *client, struct waiting *waiting, int64_t wait_ms) {
        uint64_t until_ms = clock_monotonic_ms() + (uint64_t)wait_ms, now_ms;

        belfry_start(client);
        while (!is_settled(waiting->state) && !waiting->refusal[0] && !over && (now_ms = clock_monotonic_ms()) < until_ms)
                (void)command_wait(client, -1, (int)(until_ms - now_ms < 1000 ? until_ms - now_ms : 1000));
        if (strcmp(waiting->state, "synced") == 0)
                return STATUS_DONE;
        if (is_settled(waiting->state)) {
                fprintf(stderr, "belfry: the hub did not take it: %s\n", waiting->line);
                return STATUS_NOT_NOW;
        }
        if (waiting->refusal[0])
                (void)tell_refusal(waiting->refusal);
        fputs("belfry: it waits in the outbox\n", stderr);
        return STATUS_NOT_NOW;
}

static int run_send(const struct command_options *options) {
        struct waiting waiting = { .op = "" };
        struct belfry *client;
        char *body;
        int status, r;

        if (!options->conv)
                return refuse("say where it goes:", "--conv");
        if (!options->text == !options->body)
                return refuse("say what to send:", "TEXT, or --body JSON");
        if (options->wait_ms >= 0 && !options->token)
                return refuse(WHO, "--token, or BELFRY_TOKEN");
        body = options->body ? strdup(options->body) : command_body(options->text);
        if (!body)
                return command_fail("send", BELFRY_E_MEMORY);
        status = open_client(options, on_outbox, &waiting, &client);
        if (status == 0) {
                r = belfry_send(client, options->conv, body, waiting.op);
                if (r != BELFRY_OK)
                        status = command_fail("send", r);
                else if (puts(waiting.op) < 0 || fflush(stdout) != 0)
                        status = STATUS_NOT_NOW;
                if (status == 0 && options->wait_ms >= 0)
                        status = wait_for(client, &waiting, options->wait_ms);
                belfry_close(client);
        }
        free(body);
        return status;
}

/* ---- listen ---- */

static void print_line(struct belfry *client, const char *json, size_t len, void *context) {
        struct scan_field fields[64];
        char type[32];
        size_t count;

        (void)read_event(json, len, fields, &count, type, context);
        if (fwrite(json, 1, len, stdout) != len || putchar('\n') == EOF || fflush(stdout) != 0)
                over = 1; /* nobody reads any more */
}

/* For people: what is a message, and nothing else. */
static void print_message(struct belfry *client, const char *json, size_t len, void *context) {
        struct scan_field fields[64];
        const struct scan_value *body;
        char type[32], conv[256], from[256];
        size_t count;

        if (!read_event(json, len, fields, &count, type, context))
                return;
        copy_field(fields, count, "conv", conv, sizeof(conv));
        copy_field(fields, count, "from", from, sizeof(from));
        body = scan_find(fields, count, "body");
        if (strcmp(type, "message") != 0 || !body)
                return;
        if (printf("%s %s: %.*s\n", conv, from, (int)body->raw.len, body->raw.ptr) < 0 || fflush(stdout) != 0)
                over = 1;
}

static int run_listen(const struct command_options *options) {
        char refusal[REFUSAL_BYTES] = "";
        struct belfry *client;
        int status;

        if (!options->token)
                return refuse(WHO, "--token, or BELFRY_TOKEN");
        status = open_client(options, options->json ? print_line : print_message, refusal, &client);
        if (status)
                return status;
        belfry_start(client);
        while (!over && !refusal[0])
                (void)command_wait(client, -1, 1000);
        belfry_close(client);
        return refusal[0] ? tell_refusal(refusal) : STATUS_DONE;
}

/* ---- sync, conversations ---- */

static int run_sync(const struct command_options *options) {
        struct belfry_synced synced = { .events = 0 };
        struct belfry *client;
        int status = open_client(options, options->json ? print_line : NULL, NULL, &client), r;

        if (status)
                return status;
        r = belfry_sync_once(client, options->deadline_ms, &synced);
        if (options->json)
                (void)command_wait(client, -1, 0);
        belfry_close(client);
        if (r != BELFRY_OK)
                return command_fail("sync", r);
        fprintf(options->json ? stderr : stdout, "sent %" PRId64 ", received %" PRId64 ", requests %" PRId64 "\n", synced.sent,
                synced.events, synced.requests);
        return STATUS_DONE;
}

static bool print_item(void *context, const char *json, size_t len) {
        return puts(json) >= 0;
}

static int run_conversations(const struct command_options *options) {
        struct belfry *client;
        int status = open_client(options, NULL, NULL, &client), r;

        if (status)
                return status;
        r = belfry_conversations(client, print_item, NULL);
        belfry_close(client);
        return r == BELFRY_OK ? STATUS_DONE : command_fail("conversations", r);
}

/* ---- which ---- */

static int run_chat(const struct command_options *options) {
        return options->conv ? chat_run(options) : refuse("say in which conversation:", "--conv");
}

static const struct {
        const char *name;
        int (*run)(const struct command_options *options);
} commands[] = { { "send", run_send },
                 { "listen", run_listen },
                 { "sync", run_sync },
                 { "conversations", run_conversations },
                 { "chat", run_chat } };

bool command_knows(const char *name) {
        for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
                if (strcmp(commands[i].name, name) == 0)
                        return true;
        return false;
}

int command_run(int argc, char *argv[]) {
        struct command_options options = { .wait_ms = -1, .deadline_ms = DEADLINE_MS };
        int status = parse(&options, argc, argv);

        if (status)
                return status;
        catch_signals();
        for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
                if (strcmp(commands[i].name, argv[0]) == 0)
                        return commands[i].run(&options);
        return STATUS_WRONG;
}
