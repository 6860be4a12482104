/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chat.c: see chat.h. Lines go up, what is typed goes out when Enter is pressed:
 *
 *      12:31 bob     Pizza?
 *      12:31 you     Yes! …            waits here
 *                    ✓ Yes!            the hub has it
 *                    ✓✓ up to #17      a device of every reader has it; "read by bob"
 *
 * /typing tells that you type, /older loads what was before, /who lists members, /quit ends. On a terminal in its normal mode,
 * so that it needs no library and works through a pipe.
 */
#include "client/chat.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/scan.h"
#include "client/belfry.h"
#include "client/command.h"

enum { FIELDS = 64, PAGE = 20, LINE_BYTES = 16384 };

struct chat {
        struct belfry *client;
        const char *conv;
        int64_t seen; /* the highest seq shown */
        bool full;    /* the line that is typed is too long */
        size_t len;
        char line[LINE_BYTES];
};

struct event {
        struct scan_field fields[FIELDS];
        size_t count;
        char type[32], conv[LIMIT_ID_BYTES + 1], user[LIMIT_ID_BYTES + 1], from[LIMIT_ID_BYTES + 1], state[32], text[1024];
        int64_t seq, at;
};

static void read_text(const struct event *event, const char *name, char *out, size_t size) {
        const struct scan_value *value = scan_find(event->fields, event->count, name);
        size_t len;

        out[0] = '\0';
        if (value && value->type == SCAN_STRING && scan_string(value->raw, out, size, &len) != 0)
                out[0] = '\0';
}

static int64_t read_number(const struct event *event, const char *name) {
        const struct scan_value *value = scan_find(event->fields, event->count, name);

        return value && value->type == SCAN_INT ? value->integer : 0;
}

/* What others wrote goes to a terminal: no control byte of it does. */
static void make_harmless(char *text) {
        for (; *text; text++)
                if ((unsigned char)*text < ' ' || *text == 0x7f)
                        *text = ' ';
}

/* body.text, or the body as it is. */
static void read_body(struct event *event) {
        const struct scan_value *body = scan_find(event->fields, event->count, "body"), *text = NULL;
        struct scan_field inner[FIELDS];
        size_t count, len;

        event->text[0] = '\0';
        if (!body)
                return;
        if (body->type == SCAN_OBJECT && scan_object(body->raw, inner, FIELDS, &count) == 0)
                text = scan_find(inner, count, "text");
        if (!text)
                text = body;
        if (text->type != SCAN_STRING || scan_string(text->raw, event->text, sizeof(event->text), &len) != 0)
                snprintf(event->text, sizeof(event->text), "%.*s", (int)text->raw.len, text->raw.ptr);
        make_harmless(event->text);
}

static bool read_event(const char *json, size_t len, struct event *event) {
        struct scan_value value;

        if (scan_text((struct slice){ json, len }, 64, &value) != 0 || value.type != SCAN_OBJECT ||
            scan_object(value.raw, event->fields, FIELDS, &event->count) != 0)
                return false;
        read_text(event, "type", event->type, sizeof(event->type));
        read_text(event, "conv", event->conv, sizeof(event->conv));
        read_text(event, "user", event->user, sizeof(event->user));
        read_text(event, "from", event->from, sizeof(event->from));
        read_text(event, "state", event->state, sizeof(event->state));
        event->seq = read_number(event, "seq");
        event->at = read_number(event, "at");
        read_body(event);
        return true;
}

static void print_clock(int64_t at_ms) {
        time_t seconds = (time_t)(at_ms / 1000);
        struct tm parts;

        if (at_ms > 0 && localtime_r(&seconds, &parts))
                printf("%02d:%02d ", parts.tm_hour, parts.tm_min);
        else
                fputs("      ", stdout);
}

static void show_entry(struct chat *chat, const struct event *event) {
        print_clock(event->at);
        if (scan_find(event->fields, event->count, "deleted"))
                printf("%-12s (deleted)  #%" PRId64 "\n", event->from, event->seq);
        else
                printf("%-12s %s  #%" PRId64 "\n", event->from, event->text, event->seq);
        if (event->seq > chat->seen) {
                chat->seen = event->seq;
                (void)belfry_read(chat->client, chat->conv, event->seq); /* a store that fails is told by an event */
        }
}

static void show_outbox(const struct event *event) {
        char reason[128];

        if (strcmp(event->state, "pending") == 0) {
                printf("      ... %s\n", event->text);
        } else if (strcmp(event->state, "synced") == 0) {
                printf("      ✓ #%" PRId64 "\n", event->seq);
        } else if (strcmp(event->state, "sending") != 0) {
                read_text(event, "message", reason, sizeof(reason));
                make_harmless(reason);
                printf("      ✗ %s %s\n", event->state, reason);
        }
}

static void show_receipt(const struct event *event) {
        int64_t read = read_number(event, "read"), delivered = read_number(event, "delivered");

        if (read > 0)
                printf("      ✓✓ %s has read up to #%" PRId64 "\n", event->user, read);
        else
                printf("      ✓✓ %s has up to #%" PRId64 "\n", event->user, delivered);
}

static void show_presence(const struct event *event) {
        char status[32];

        read_text(event, "status", status, sizeof(status));
        printf("      (%s is %s)\n", event->user, status);
}

static void on_state(struct chat *chat, const struct event *event) {
        printf("      (%s)\n", event->state);
        if (strcmp(event->state, "online") != 0)
                return;
        (void)belfry_load(chat->client, chat->conv, 0, PAGE);
        (void)belfry_load_members(chat->client, chat->conv);
}

/* Follow the presence of everyone we hear of by their receipts and members. */
static bool watch_member(void *context, const char *json, size_t len) {
        struct event event;

        if (read_event(json, len, &event) && event.user[0])
                (void)belfry_watch(context, event.user, true);
        return true;
}

static void on_event(struct belfry *client, const char *json, size_t len, void *context) {
        struct chat *chat = context;
        struct event event;

        if (!read_event(json, len, &event))
                return;
        if (strcmp(event.type, "state") == 0)
                on_state(chat, &event);
        else if (strcmp(event.type, "presence") == 0)
                show_presence(&event);
        else if (strcmp(event.type, "fault") == 0)
                printf("      (the store fails: %.*s)\n", (int)len, json);
        else if (strcmp(event.conv, chat->conv) != 0)
                return;
        else if (strcmp(event.type, "message") == 0)
                show_entry(chat, &event);
        else if (strcmp(event.type, "outbox") == 0)
                show_outbox(&event);
        else if (strcmp(event.type, "receipt") == 0)
                show_receipt(&event);
        else if (strcmp(event.type, "members") == 0)
                (void)belfry_receipts(client, chat->conv, watch_member, client);
        else if (strcmp(event.type, "typing") == 0 && scan_find(event.fields, event.count, "active")->integer)
                printf("      (%s is typing)\n", event.user);
        fflush(stdout);
}

/* ---- what is typed ---- */

static void list_members(struct chat *chat);

static bool print_member(void *context, const char *json, size_t len) {
        struct event event;

        if (read_event(json, len, &event))
                printf("      %s: has #%" PRId64 ", read #%" PRId64 "\n", event.user, read_number(&event, "delivered"),
                       read_number(&event, "read"));
        return true;
}

static void list_members(struct chat *chat) {
        (void)belfry_receipts(chat->client, chat->conv, print_member, NULL);
}

static bool show_item(void *context, const char *json, size_t len) {
        struct event event;

        if (read_event(json, len, &event))
                show_entry(context, &event);
        return true;
}

static bool first_seq(void *context, const char *json, size_t len) {
        struct event event;

        if (read_event(json, len, &event))
                *(int64_t *)context = event.seq;
        return false;
}

static void load_older(struct chat *chat) {
        int64_t first = 0;
        int r;

        (void)belfry_entries(chat->client, chat->conv, 0, INT32_MAX, first_seq, &first);
        r = first > 1 ? belfry_load(chat->client, chat->conv, first, PAGE) : BELFRY_OK;
        if (r != BELFRY_OK)
                printf("      (%s)\n", belfry_error(r));
}

static void say(struct chat *chat, const char *text) {
        char *body = command_body(text);
        int r = body ? belfry_send(chat->client, chat->conv, body, NULL) : BELFRY_E_MEMORY;

        if (r != BELFRY_OK)
                printf("      ✗ %s\n", belfry_error(r));
        free(body);
}

/* False: the chat is over. */
static bool on_line(struct chat *chat, const char *line) {
        if (strcmp(line, "/quit") == 0)
                return false;
        if (strcmp(line, "/who") == 0)
                list_members(chat);
        else if (strcmp(line, "/older") == 0)
                load_older(chat);
        else if (strcmp(line, "/typing") == 0)
                (void)belfry_typing(chat->client, chat->conv, true);
        else if (*line)
                say(chat, line);
        fflush(stdout);
        return true;
}

static bool on_char(struct chat *chat, char c) {
        bool goes_on = true;

        if (c != '\n') {
                if (chat->len + 1 < sizeof(chat->line))
                        chat->line[chat->len++] = c;
                else
                        chat->full = true;
                return true;
        }
        chat->line[chat->len] = '\0';
        if (chat->full)
                puts("      ✗ the line is too long");
        else
                goes_on = on_line(chat, chat->line);
        chat->len = 0;
        chat->full = false;
        return goes_on;
}

static bool on_input(struct chat *chat) {
        char bytes[1024];
        ssize_t count = read(STDIN_FILENO, bytes, sizeof(bytes));

        if (count <= 0)
                return false;
        for (ssize_t i = 0; i < count; i++)
                if (!on_char(chat, bytes[i]))
                        return false;
        return true;
}

int chat_run(const struct command_options *options) {
        static struct chat chat;
        struct belfry_options open = {
                .url = options->url,
                .token = options->token,
                .device = options->device,
                .store = options->store,
                .ca_file = options->ca_file,
                .shared = true,
                .context = &chat,
                .on_event = on_event,
        };
        int r = belfry_open(&open, &chat.client);
        bool goes_on = true;

        if (r != BELFRY_OK)
                return command_fail("chat", r);
        chat.conv = options->conv;
        (void)belfry_entries(chat.client, chat.conv, 0, PAGE, show_item, &chat);
        fflush(stdout);
        belfry_start(chat.client);
        while (goes_on && !command_is_over())
                if (command_wait(chat.client, STDIN_FILENO, 1000))
                        goes_on = on_input(&chat);
        belfry_close(chat.client);
        return 0;
}
