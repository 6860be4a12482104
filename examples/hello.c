/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hello.c: the smallest whole chat on libbelfry: what you type goes into one conversation, what comes is printed.
 *
 *      cc hello.c -o hello $(pkg-config --cflags --libs belfry)
 *      ./hello http://127.0.0.1:8080 TOKEN alice.db lunch
 *
 * Type while the hub is down: it is kept in alice.db and goes out when the hub is back, once, even if you kill this program.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <belfry.h>

enum { LINE_BYTES = 4096 };

/* The value of a string or number field at the top of an object. A real app uses its JSON library here. */
static bool field(const char *json, const char *name, char *out, size_t size) {
        char key[64];
        const char *at, *end;

        snprintf(key, sizeof(key), "\"%s\":", name);
        at = strstr(json, key);
        if (!at)
                return false;
        at += strlen(key);
        end = *at == '"' ? strchr(++at, '"') : at + strcspn(at, ",}");
        snprintf(out, size, "%.*s", end ? (int)(end - at) : 0, at);
        return true;
}

/* Comes from the thread of belfry_run(). What it tells is in the store already. */
static void on_event(struct belfry *client, const char *json, size_t len, void *context) {
        char type[32] = "", from[128] = "", text[512] = "", state[32] = "", seq[32] = "";

        field(json, "type", type, sizeof(type));
        field(json, "state", state, sizeof(state));
        field(json, "seq", seq, sizeof(seq));
        if (strcmp(type, "state") == 0) {
                printf("-- %s\n", state);
        } else if (strcmp(type, "message") == 0 && field(json, "from", from, sizeof(from)) && field(json, "text", text, sizeof(text))) {
                printf("#%s %s: %s\n", seq, from, text);
                belfry_read(client, context, strtoll(seq, NULL, 10)); /* others see that it was read */
        } else if (strcmp(type, "outbox") == 0) {
                printf("   (%s)\n", state); /* pending, sending, synced, failed … */
        } else if (strcmp(type, "fault") == 0) {
                printf("-- the store fails: %s\n", json);
        }
        fflush(stdout);
}

/* {"text":…} with what JSON wants escaped. */
static void make_body(const char *text, char *out, size_t size) {
        size_t len = (size_t)snprintf(out, size, "{\"text\":\"");

        for (; *text && len + 8 < size; text++) {
                if (*text == '"' || *text == '\\')
                        out[len++] = '\\';
                if ((unsigned char)*text >= ' ')
                        out[len++] = *text;
        }
        snprintf(out + len, size - len, "\"}");
}

static int fail(const char *what, int error) {
        fprintf(stderr, "hello: %s: %s\n", what, belfry_error(error));
        return EXIT_FAILURE;
}

int main(int argc, char *argv[]) {
        struct belfry_options options = { .on_event = on_event };
        char line[LINE_BYTES], body[2 * LINE_BYTES];
        struct belfry *client;
        int r;

        if (argc != 5) {
                fprintf(stderr, "hello URL TOKEN STORE CONVERSATION (libbelfry %s)\n", belfry_version());
                return EXIT_FAILURE;
        }
        options.url = argv[1];
        options.token = argv[2];
        options.store = argv[3];
        options.context = argv[4];
        signal(SIGPIPE, SIG_IGN);
        r = belfry_open(&options, &client);
        if (r != BELFRY_OK)
                return fail(argv[3], r);
        r = belfry_run(client);
        if (r == BELFRY_OK)
                belfry_start(client);
        while (r == BELFRY_OK && fgets(line, sizeof(line), stdin)) {
                line[strcspn(line, "\n")] = '\0';
                make_body(line, body, sizeof(body));
                r = belfry_send(client, argv[4], body, NULL);
        }
        belfry_close(client);
        return r == BELFRY_OK ? EXIT_SUCCESS : fail("send", r);
}
