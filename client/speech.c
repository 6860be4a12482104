/* SPDX-License-Identifier: Apache-2.0 */
/* speech.c: see speech.h. */
#include "client/speech.h"

#include "base/buf.h"

enum { PAGE = 200 };

static void begin(struct buf *out, const char *type, int64_t id) {
        buf_printf(out, "{\"type\":\"%s\",\"id\":", type);
        buf_add_int(out, id);
}

static void end(struct buf *out) {
        buf_add(out, "}", 2); /* with its NUL */
}

static void add_text(struct buf *out, const char *name, const char *text) {
        buf_printf(out, ",\"%s\":", name);
        buf_add_json(out, slice_of(text));
}

static void add_number(struct buf *out, const char *name, int64_t number) {
        buf_printf(out, ",\"%s\":", name);
        buf_add_int(out, number);
}

static void add_place(struct buf *out, const char *name, const char *epoch, const char *number_name, int64_t number) {
        buf_printf(out, ",\"%s\":{\"epoch\":", name);
        buf_add_json(out, slice_of(epoch));
        add_number(out, number_name, number);
        buf_add_char(out, '}');
}

void speech_hello(struct buf *out, int64_t id, const char *token, const char *device, const char *epoch, int64_t n) {
        begin(out, "hello", id);
        add_text(out, "token", token);
        if (device[0])
                add_text(out, "device", device);
        if (epoch[0])
                add_place(out, "cursor", epoch, "n", n);
        add_text(out, "client", "libbelfry/" BELFRY_VERSION);
        end(out);
}

void speech_auth(struct buf *out, int64_t id, const char *token) {
        begin(out, "auth", id);
        add_text(out, "token", token);
        end(out);
}

void speech_ping(struct buf *out, int64_t id) {
        begin(out, "ping", id);
        end(out);
}

void speech_ack(struct buf *out, int64_t n) {
        buf_add_text(out, "{\"type\":\"ack\"");
        add_number(out, "n", n);
        end(out);
}

void speech_conversations(struct buf *out, int64_t id, const char *after) {
        begin(out, "conversations", id);
        if (after[0])
                add_text(out, "after", after);
        add_number(out, "limit", PAGE);
        end(out);
}

void speech_history(struct buf *out, int64_t id, const char *conv) {
        begin(out, "history", id);
        add_text(out, "conv", conv);
        add_number(out, "limit", PAGE);
        end(out);
}

void speech_users(struct buf *out, int64_t id, const char *type, const char (*users)[LIMIT_ID_BYTES + 1], size_t count) {
        begin(out, type, id);
        buf_add_text(out, ",\"users\":[");
        for (size_t i = 0; i < count; i++) {
                if (i)
                        buf_add_char(out, ',');
                buf_add_json(out, slice_of(users[i]));
        }
        buf_add_char(out, ']');
        end(out);
}

void speech_read(struct buf *out, int64_t id, const char *conv, int64_t seq) {
        begin(out, "read", id);
        add_text(out, "conv", conv);
        add_number(out, "seq", seq);
        end(out);
}

void speech_subscribe(struct buf *out, int64_t id, const char *conv, const char *epoch, int64_t seq) {
        begin(out, "subscribe", id);
        add_text(out, "conv", conv);
        if (epoch[0])
                add_place(out, "since", epoch, "seq", seq);
        end(out);
}

void speech_unsubscribe(struct buf *out, int64_t id, const char *conv) {
        begin(out, "unsubscribe", id);
        add_text(out, "conv", conv);
        end(out);
}

void speech_fields(struct buf *out, int64_t id, struct slice fields) {
        buf_add_text(out, "{\"id\":");
        buf_add_int(out, id);
        buf_add_char(out, ',');
        buf_add_slice(out, fields);
        end(out);
}
