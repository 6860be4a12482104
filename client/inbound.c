/* SPDX-License-Identifier: Apache-2.0 */
/* inbound.c: see inbound.h. One table of fields for all objects; then what each type cannot do without. */
#include "client/inbound.h"

#include <stddef.h>
#include <string.h>

#include "base/scan.h"

#define WORDS(type, word)                                                                                                        \
        { type, word }
static const struct {
        enum inbound_type type;
        const char *word;
} types[] = {
        WORDS(INBOUND_WELCOME, "welcome"),
        WORDS(INBOUND_CAUGHT_UP, "caught_up"),
        WORDS(INBOUND_ENTRY, "message"),
        WORDS(INBOUND_ENTRY, "edit"),
        WORDS(INBOUND_ENTRY, "delete"),
        WORDS(INBOUND_ENTRY, "react"),
        WORDS(INBOUND_MEMBER, "member"),
        WORDS(INBOUND_NOTIFICATION, "notification"),
        WORDS(INBOUND_RECEIPT, "receipt"),
        WORDS(INBOUND_GAP, "gap"),
        WORDS(INBOUND_RESET, "reset"),
        WORDS(INBOUND_SENT, "sent"),
        WORDS(INBOUND_OK, "ok"),
        WORDS(INBOUND_PONG, "pong"),
        WORDS(INBOUND_HISTORY, "history"),
        WORDS(INBOUND_CONVERSATIONS, "conversations"),
        WORDS(INBOUND_MEMBERS, "members"),
        WORDS(INBOUND_SUBSCRIBED, "subscribed"),
        WORDS(INBOUND_WATCHING, "watching"),
        WORDS(INBOUND_ERROR, "error"),
        WORDS(INBOUND_TYPING, "typing"),
        WORDS(INBOUND_SIGNAL, "signal"),
        WORDS(INBOUND_PRESENCE, "presence"),
        WORDS(INBOUND_GOAWAY, "goaway"),
        WORDS(INBOUND_TOKEN_EXPIRING, "token_expiring"),
};

/* Where a field goes. TEXT has a size; SLICE takes any value as it stands. */
enum { NUMBER, FLAG, TEXT, SLICE };
#define AT(kind, name, field)                                                                                                    \
        { name, kind, offsetof(struct inbound, field), sizeof(((struct inbound *)0)->field) }
static const struct {
        const char *name;
        int kind;
        size_t offset, size;
} fields[] = {
        AT(NUMBER, "id", id),
        AT(NUMBER, "n", n),
        AT(NUMBER, "seq", seq),
        AT(NUMBER, "ref", ref),
        AT(NUMBER, "at", at),
        AT(NUMBER, "to", to_n),
        AT(NUMBER, "cursor", cursor),
        AT(NUMBER, "head", head),
        AT(NUMBER, "delivered", delivered),
        AT(NUMBER, "read", read),
        AT(NUMBER, "unread", unread),
        AT(NUMBER, "ttl_ms", ttl_ms),
        AT(NUMBER, "retry_after_ms", hint_ms),
        AT(NUMBER, "in_ms", in_ms),
        AT(NUMBER, "version", version),
        AT(NUMBER, "ping_ms", ping_ms),
        AT(NUMBER, "window", window),
        AT(NUMBER, "max_frame", max_frame),
        AT(FLAG, "active", active),
        AT(FLAG, "more", more),
        AT(FLAG, "fresh", fresh),
        AT(FLAG, "temporary", temporary),
        AT(FLAG, "deleted", deleted),
        AT(FLAG, "duplicate", duplicate),
        AT(FLAG, "recovered", recovered),
        AT(TEXT, "kind", kind),
        AT(TEXT, "epoch", epoch),
        AT(TEXT, "code", code),
        AT(TEXT, "action", action),
        AT(TEXT, "role", role),
        AT(TEXT, "conv", conv),
        AT(TEXT, "from", from),
        AT(TEXT, "device", device),
        AT(TEXT, "user", user),
        AT(TEXT, "next", next),
        AT(TEXT, "op", op),
        AT(TEXT, "message", message),
        AT(SLICE, "body", body),
        AT(SLICE, "reactions", reactions),
};

enum { FIELDS_MAX = 64 };
#define NUMBER_MAX ((INT64_C(1) << 53) - 1)

/* A whole number that every client can count with (RFC 8259 section 6: up to 2^53 - 1); beyond it there is none of the protocol's. */
static bool is_number(const struct scan_value *value) {
        return value && value->type == SCAN_INT && value->integer <= NUMBER_MAX && value->integer >= -NUMBER_MAX;
}

/* Takes one value into its field; what is of another type, or too long, is as good as absent. */
static void take_value(struct inbound *out, size_t row, const struct scan_value *value) {
        char *at = (char *)out + fields[row].offset;
        size_t len;

        switch (fields[row].kind) {
        case NUMBER:
                if (is_number(value))
                        *(int64_t *)(void *)at = value->integer;
                break;
        case FLAG:
                if (value->type == SCAN_BOOL)
                        *(bool *)at = value->integer != 0;
                break;
        case TEXT:
                if (value->type == SCAN_STRING && (scan_string(value->raw, at, fields[row].size, &len) != 0 || strlen(at) != len))
                        *at = '\0'; /* too long, or with a NUL inside: no id of ours */
                break;
        default:
                *(struct slice *)(void *)at = value->raw;
                break;
        }
}

static void take_retry(struct inbound *out, const struct scan_value *value) {
        struct scan_field each[FIELDS_MAX];
        const struct scan_value *at;
        size_t count;

        if (!value || value->type != SCAN_OBJECT || scan_object(value->raw, each, FIELDS_MAX, &count) != 0)
                return;
        at = scan_find(each, count, "base_ms");
        out->retry_base_ms = is_number(at) ? at->integer : 0;
        at = scan_find(each, count, "max_ms");
        out->retry_max_ms = is_number(at) ? at->integer : 0;
        at = scan_find(each, count, "reset_ms");
        out->retry_reset_ms = is_number(at) ? at->integer : 0;
}

static void take_fields(struct inbound *out, const struct scan_field *each, size_t count) {
        const struct scan_value *value;

        for (size_t row = 0; row < sizeof(fields) / sizeof(fields[0]); row++) {
                value = scan_find(each, count, fields[row].name);
                if (value)
                        take_value(out, row, value);
        }
        out->has_id = is_number(scan_find(each, count, "id"));
        out->has_n = is_number(scan_find(each, count, "n"));
        out->has_seq = is_number(scan_find(each, count, "seq"));
        out->has_hint = is_number(scan_find(each, count, "retry_after_ms"));
        value = scan_find(each, count, "from");
        if (is_number(value))
                out->from_n = value->integer; /* of a gap */
        take_retry(out, scan_find(each, count, "retry"));
        value = scan_find(each, count,
                          out->type == INBOUND_HISTORY    ? "entries"
                          : out->type == INBOUND_WATCHING ? "presence"
                                                          : "items");
        if (value && value->type == SCAN_ARRAY)
                out->items = value->raw;
}

static bool is_positive(int64_t number) {
        return number > 0;
}

/* Is all there that its type cannot do without? */
static bool is_whole(const struct inbound *in) {
        switch (in->type) {
        case INBOUND_WELCOME:
                return in->epoch[0] && in->user[0] && in->device[0] && in->cursor >= 0 && in->head >= 0;
        case INBOUND_CAUGHT_UP:
                return in->has_n && in->n >= 0;
        case INBOUND_ENTRY:
                return in->conv[0] && in->op[0] && in->from[0] && is_positive(in->seq) && (!in->has_n || is_positive(in->n));
        case INBOUND_MEMBER:
                return in->conv[0] && in->user[0] && in->action[0] && is_positive(in->n);
        case INBOUND_NOTIFICATION:
                return in->op[0] && is_positive(in->n);
        case INBOUND_RECEIPT:
                return in->conv[0] && in->user[0] && is_positive(in->n);
        case INBOUND_GAP:
                return is_positive(in->to_n);
        case INBOUND_RESET:
                return in->epoch[0] && in->head >= 0;
        case INBOUND_SENT:
                return in->op[0] && in->conv[0] && is_positive(in->seq);
        case INBOUND_HISTORY:
                return in->conv[0] && in->items.ptr;
        case INBOUND_CONVERSATIONS:
                return in->items.ptr;
        case INBOUND_MEMBERS:
                return in->conv[0] && in->items.ptr;
        case INBOUND_CONVERSATION:
                return in->conv[0] && in->seq >= 0;
        case INBOUND_ERROR:
                return in->code[0];
        default:
                return true;
        }
}

/* The word of a type; false if there is none. */
static bool read_type(const struct scan_field *each, size_t count, const char *name, char word[INBOUND_WORD_BYTES]) {
        const struct scan_value *type = scan_find(each, count, name);
        size_t len;

        return type && type->type == SCAN_STRING && scan_string(type->raw, word, INBOUND_WORD_BYTES, &len) == 0;
}

static enum inbound_type type_of(const char *word) {
        for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
                if (strcmp(word, types[i].word) == 0)
                        return types[i].type;
        return INBOUND_UNKNOWN;
}

/* word is the type of an entry. */
static void finish(struct inbound *in, const struct scan_field *each, size_t count, const char *conv, const char *word) {
        take_fields(in, each, count);
        if (in->type == INBOUND_ENTRY)
                memcpy(in->kind, word, INBOUND_WORD_BYTES);
        if (!in->conv[0] && conv)
                memcpy(in->conv, conv, strlen(conv) + 1);
        if (!is_whole(in))
                in->type = INBOUND_BAD;
}

void inbound_read(struct slice object, struct inbound *in) {
        struct scan_field each[FIELDS_MAX];
        char word[INBOUND_WORD_BYTES] = "";
        size_t count;

        memset(in, 0, sizeof(*in));
        in->raw = object;
        in->type = INBOUND_BAD;
        if (scan_object(object, each, FIELDS_MAX, &count) != 0 || !read_type(each, count, "type", word))
                return;
        in->type = type_of(word);
        finish(in, each, count, NULL, word);
}

void inbound_read_item(struct slice object, enum inbound_type type, const char *conv, struct inbound *in) {
        struct scan_field each[FIELDS_MAX];
        char word[INBOUND_WORD_BYTES] = "";
        size_t count;

        memset(in, 0, sizeof(*in));
        in->raw = object;
        in->type = INBOUND_BAD;
        if (scan_object(object, each, FIELDS_MAX, &count) != 0)
                return;
        if (type == INBOUND_ENTRY && !read_type(each, count, "type", word) && !read_type(each, count, "kind", word))
                return;
        if (type == INBOUND_ENTRY && type_of(word) != INBOUND_ENTRY)
                return;
        in->type = type;
        finish(in, each, count, conv, word);
}
