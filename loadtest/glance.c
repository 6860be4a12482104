/* SPDX-License-Identifier: Apache-2.0 */
/* glance.c: see glance.h. */
#include "loadtest/glance.h"

enum { DIGITS_MAX = 18 };

static const struct {
        struct slice name;
        enum glance_type type;
} types[] = {
        { SLICE("message"), GLANCE_MESSAGE },
        { SLICE("sent"), GLANCE_SENT },
        { SLICE("receipt"), GLANCE_RECEIPT },
        { SLICE("typing"), GLANCE_TYPING },
        { SLICE("send"), GLANCE_SEND },
        { SLICE("presence"), GLANCE_PRESENCE },
        { SLICE("welcome"), GLANCE_WELCOME },
        { SLICE("caught_up"), GLANCE_CAUGHT_UP },
        { SLICE("subscribed"), GLANCE_SUBSCRIBED },
        { SLICE("error"), GLANCE_ERROR },
        { SLICE("gap"), GLANCE_GAP },
        { SLICE("reset"), GLANCE_RESET },
        { SLICE("goaway"), GLANCE_GOAWAY },
        { SLICE("hello"), GLANCE_HELLO },
        { SLICE("subscribe"), GLANCE_SUBSCRIBE },
        { SLICE("edit"), GLANCE_MESSAGE },
        { SLICE("delete"), GLANCE_MESSAGE },
        { SLICE("react"), GLANCE_MESSAGE },
};

static enum glance_type type_of(struct slice name) {
        for (size_t i = 0; i < sizeof types / sizeof *types; i++)
                if (slice_equal(types[i].name, name))
                        return types[i].type;
        return GLANCE_OTHER;
}

int64_t glance_number(struct slice text, size_t from, size_t *ret_end) {
        int64_t number = 0;
        size_t at = from;
        while (at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9' && at - from < DIGITS_MAX)
                number = number * 10 + (text.ptr[at++] - '0');
        *ret_end = at;
        bool longer = at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9';
        return at == from || longer ? -1 : number;
}

/* From the opening quote to behind the closing one; 0 if it does not end. */
static size_t skip_string(struct slice text, size_t at) {
        for (at++; at < text.len; at++) {
                if (text.ptr[at] == '"')
                        return at + 1;
                if (text.ptr[at] == '\\')
                        at++;
        }
        return 0;
}

/* From an opening brace or bracket to behind its partner; 0 if there is none. */
static size_t skip_nested(struct slice text, size_t at) {
        size_t depth = 0;
        while (at < text.len) {
                char c = text.ptr[at];
                if (c == '"') {
                        at = skip_string(text, at);
                        if (at == 0)
                                return 0;
                        continue;
                }
                at++;
                if (c == '{' || c == '[')
                        depth++;
                else if ((c == '}' || c == ']') && --depth == 0)
                        return at;
        }
        return 0;
}

static size_t skip_value(struct slice text, size_t at) {
        if (at >= text.len)
                return 0;
        char c = text.ptr[at];
        if (c == '"')
                return skip_string(text, at);
        if (c == '{' || c == '[')
                return skip_nested(text, at);
        size_t from = at;
        while (at < text.len && text.ptr[at] != ',' && text.ptr[at] != '}')
                at++;
        return at == from ? 0 : at;
}

static struct slice unquoted(struct slice raw) {
        return raw.len >= 2 && raw.ptr[0] == '"' ? (struct slice){ raw.ptr + 1, raw.len - 2 } : (struct slice){ NULL, 0 };
}

static int64_t number_of(struct slice raw) {
        size_t end;
        int64_t number = glance_number(raw, 0, &end);
        return end == raw.len ? number : -1;
}

static void keep(struct glance *glance, struct slice name, struct slice raw) {
        switch (name.ptr[0]) {
        case 't':
                if (slice_is(name, "type"))
                        glance->type = type_of(unquoted(raw));
                else if (slice_is(name, "to"))
                        glance->to = number_of(raw);
                else if (slice_is(name, "temporary"))
                        glance->temporary = slice_is(raw, "true");
                break;
        case 'n':
                if (name.len == 1)
                        glance->n = number_of(raw);
                break;
        case 's':
                if (slice_is(name, "seq"))
                        glance->seq = number_of(raw);
                break;
        case 'c':
                if (slice_is(name, "conv"))
                        glance->conv = unquoted(raw);
                else if (slice_is(name, "code"))
                        glance->code = unquoted(raw);
                break;
        case 'o':
                if (slice_is(name, "op"))
                        glance->op = unquoted(raw);
                break;
        case 'b':
                if (slice_is(name, "body"))
                        glance->body = raw;
                break;
        case 'i':
                if (slice_is(name, "id"))
                        glance->id = number_of(raw);
                break;
        case 'e':
                if (slice_is(name, "epoch"))
                        glance->epoch = unquoted(raw);
                break;
        case 'h':
                if (slice_is(name, "head"))
                        glance->head = number_of(raw);
                break;
        case 'u':
                if (slice_is(name, "user"))
                        glance->user = unquoted(raw);
                break;
        case 'r':
                if (slice_is(name, "retry_after_ms"))
                        glance->retry_after_ms = number_of(raw);
                else if (slice_is(name, "recovered"))
                        glance->unrecovered = slice_is(raw, "false");
                break;
        case 'd':
                if (slice_is(name, "duplicate"))
                        glance->duplicate = slice_is(raw, "true");
                break;
        default:
                break;
        }
}

int glance_read(struct slice text, struct glance *ret_glance) {
        struct glance glance = { .id = -1, .n = -1, .seq = -1, .head = -1, .to = -1, .retry_after_ms = -1 };
        size_t at = 1;
        if (text.len < 2 || text.ptr[0] != '{')
                return 1;
        while (text.ptr[at] != '}') {
                size_t name_end = text.ptr[at] == '"' ? skip_string(text, at) : 0;
                if (name_end == 0 || name_end >= text.len || text.ptr[name_end] != ':')
                        return 1;
                size_t value_end = skip_value(text, name_end + 1);
                if (value_end == 0 || value_end >= text.len)
                        return 1;
                if (name_end - at > 2)
                        keep(&glance, (struct slice){ text.ptr + at + 1, name_end - at - 2 },
                             (struct slice){ text.ptr + name_end + 1, value_end - name_end - 1 });
                at = value_end;
                if (text.ptr[at] == ',' && at + 1 < text.len)
                        at++;
                else if (text.ptr[at] != '}')
                        return 1;
        }
        if (at + 1 != text.len)
                return 1;
        *ret_glance = glance;
        return 0;
}
