/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scan.c: see scan.h.
 *
 * Two halves. The upper one distrusts every byte: scan_text() is a loop over "a value is due" and "a value has ended", with one
 * bit per open bracket (object or array) where a parser would recurse. The lower one trusts what passed: it finds ends of values
 * by their brackets and quotes alone. Its bounds checks are asserts: they mean that someone skipped scan_text().
 *
 * Stricter than RFC 8259 asks in one point: an escape that is half a surrogate pair (section 8.2) is refused, as it cannot be
 * written in UTF-8, and what we accept must be readable by every client. Names given twice inside a body are the clients' matter.
 */
#include "base/scan.h"

#include <assert.h>

enum { DEPTH_BITS = 64 };

/* What a byte may be. Inside of strings only PLAIN bytes stand for themselves without a further look. */
enum {
        SPACE = 1 << 0, /* RFC 8259 section 2 */
        DIGIT = 1 << 1,
        PLAIN = 1 << 2,   /* 0x20 to 0x7f without quote and backslash */
        ESCAPE = 1 << 3,  /* may stand alone behind a backslash; u is not among them */
        BRACKET = 1 << 4, /* or quote: what matters when looking for the end of an object or array */
};

static const uint8_t classes[256] = {
        ['\t'] = SPACE,          ['\n'] = SPACE,          ['\r'] = SPACE,
        [' '] = SPACE | PLAIN,   ['!'] = PLAIN,           ['"'] = ESCAPE | BRACKET,
        ['#' ... '.'] = PLAIN,   ['/'] = PLAIN | ESCAPE,  ['0' ... '9'] = PLAIN | DIGIT,
        [':' ... 'Z'] = PLAIN,   ['['] = PLAIN | BRACKET, ['\\'] = ESCAPE,
        [']'] = PLAIN | BRACKET, ['^' ... 'a'] = PLAIN,   ['b'] = PLAIN | ESCAPE,
        ['c' ... 'e'] = PLAIN,   ['f'] = PLAIN | ESCAPE,  ['g' ... 'm'] = PLAIN,
        ['n'] = PLAIN | ESCAPE,  ['o' ... 'q'] = PLAIN,   ['r'] = PLAIN | ESCAPE,
        ['s'] = PLAIN,           ['t'] = PLAIN | ESCAPE,  ['u' ... 'z'] = PLAIN,
        ['{'] = PLAIN | BRACKET, ['|'] = PLAIN,           ['}'] = PLAIN | BRACKET,
        ['~' ... 0x7f] = PLAIN,
};

static bool is(const char *at, uint8_t class) {
        return classes[(unsigned char)*at] & class;
}

static const char *skip_space(const char *at, const char *end) {
        while (at < end && is(at, SPACE))
                at++;
        return at;
}

static const char *skip_digits(const char *at, const char *end) {
        while (at < end && is(at, DIGIT))
                at++;
        return at;
}

/* The bytes of one character above 0x7f, or 0 if it is not UTF-8: the table of RFC 3629 section 4. */
static size_t utf8_len(const char *text, const char *end) {
        const unsigned char *at = (const unsigned char *)text;
        size_t len = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
        unsigned char low = 0x80, high = 0xbf; /* of the second byte: what keeps out overlong forms, surrogates and > U+10FFFF */

        if (at[0] < 0xc2 || at[0] > 0xf4 || (size_t)(end - text) < len)
                return 0;
        switch (at[0]) {
        case 0xe0:
                low = 0xa0;
                break;
        case 0xed:
                high = 0x9f;
                break;
        case 0xf0:
                low = 0x90;
                break;
        case 0xf4:
                high = 0x8f;
                break;
        default:
                break;
        }
        if (at[1] < low || at[1] > high)
                return 0;
        for (size_t i = 2; i < len; i++) {
                if ((at[i] & 0xc0) != 0x80)
                        return 0;
        }
        return len;
}

/*
 * Eight bytes at once: are all PLAIN? A byte's top bit comes out set if the byte is above 0x7f, below 0x20, a quote or a
 * backslash. (x - 0x0101…) & ~x has a top bit only where a byte of x was 0, or above such a byte; exact enough for "none at all".
 */
static bool is_plain8(const char *at) {
        const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
        uint64_t x;

        memcpy(&x, at, sizeof(x));
        uint64_t quote = x ^ (ones * '"'), backslash = x ^ (ones * '\\');
        return ((x | (x - ones * 0x20) | ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash)) & tops) == 0;
}

static const char *skip_plain(const char *at, const char *end) {
        while (end - at >= 8 && is_plain8(at))
                at += 8;
        while (at < end && is(at, PLAIN))
                at++;
        return at;
}

static int hex_value(char c) {
        if (is(&c, DIGIT))
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The value of four hex digits, or -1. */
static int32_t hex4(const char *at, const char *end) {
        int32_t value = 0;

        if (end - at < 4)
                return -1;
        for (size_t i = 0; i < 4; i++) {
                int digit = hex_value(at[i]);
                if (digit < 0)
                        return -1;
                value = value * 16 + digit;
        }
        return value;
}

static bool is_high_surrogate(int32_t code) {
        return code >= 0xd800 && code <= 0xdbff;
}

static bool is_low_surrogate(int32_t code) {
        return code >= 0xdc00 && code <= 0xdfff;
}

/* at is behind a backslash; returns the byte behind the escape, NULL if it is none. */
static const char *check_escape(const char *at, const char *end) {
        if (at == end)
                return NULL;
        if (is(at, ESCAPE))
                return at + 1;
        if (*at != 'u')
                return NULL;
        int32_t code = hex4(at + 1, end);
        if (code < 0 || is_low_surrogate(code))
                return NULL;
        at += 5;
        if (!is_high_surrogate(code))
                return at;
        if (end - at < 6 || at[0] != '\\' || at[1] != 'u' || !is_low_surrogate(hex4(at + 2, end)))
                return NULL;
        return at + 6;
}

/* All check_… begin at *ret_at and write there where the value ends. This one begins behind the opening quote. */
static int check_string(const char **ret_at, const char *end) {
        const char *at = *ret_at;

        for (;;) {
                at = skip_plain(at, end);
                if (at == end)
                        return SCAN_E_SYNTAX;
                if (*at == '"') {
                        *ret_at = at + 1;
                        return 0;
                }
                if (*at == '\\') {
                        at = check_escape(at + 1, end);
                        if (!at)
                                return SCAN_E_SYNTAX;
                } else if ((unsigned char)*at < 0x80) {
                        return SCAN_E_SYNTAX; /* a control character */
                } else {
                        size_t len = utf8_len(at, end);
                        if (len == 0)
                                return SCAN_E_UTF8;
                        at += len;
                }
        }
}

/* RFC 8259 section 6. */
static int check_number(const char **ret_at, const char *end) {
        const char *at = *ret_at, *digits;

        if (*at == '-')
                at++;
        digits = at;
        at = skip_digits(at, end);
        if (at == digits || (*digits == '0' && at - digits > 1))
                return SCAN_E_SYNTAX;
        if (at < end && *at == '.') {
                digits = at + 1;
                at = skip_digits(digits, end);
                if (at == digits)
                        return SCAN_E_SYNTAX;
        }
        if (at < end && (*at == 'e' || *at == 'E')) {
                at++;
                if (at < end && (*at == '+' || *at == '-'))
                        at++;
                digits = at;
                at = skip_digits(digits, end);
                if (at == digits)
                        return SCAN_E_SYNTAX;
        }
        *ret_at = at;
        return 0;
}

static int check_word(const char **ret_at, const char *end, struct slice word) {
        if ((size_t)(end - *ret_at) < word.len || memcmp(*ret_at, word.ptr, word.len) != 0)
                return SCAN_E_SYNTAX;
        *ret_at += word.len;
        return 0;
}

/* Anything but an object or array. */
static int check_scalar(const char **ret_at, const char *end) {
        switch (**ret_at) {
        case '"':
                (*ret_at)++;
                return check_string(ret_at, end);
        case 't':
                return check_word(ret_at, end, SLICE("true"));
        case 'f':
                return check_word(ret_at, end, SLICE("false"));
        case 'n':
                return check_word(ret_at, end, SLICE("null"));
        default:
                return check_number(ret_at, end);
        }
}

/* From the first byte of a field's name, past the colon, to the first byte of its value. */
static int check_name(const char **ret_at, const char *end) {
        const char *at = *ret_at;

        if (at == end || *at != '"')
                return SCAN_E_SYNTAX;
        at++;
        int r = check_string(&at, end);
        if (r)
                return r;
        at = skip_space(at, end);
        if (at == end || *at != ':')
                return SCAN_E_SYNTAX;
        *ret_at = skip_space(at + 1, end);
        return 0;
}

/* From the first byte of a value to the byte behind it. */
static int check_value(const char **ret_at, const char *end, unsigned depth_max) {
        const char *at = *ret_at;
        uint64_t objects = 0; /* bit n: the n-th open bracket counted from the innermost is an object's */
        unsigned depth = 0;
        int r;

        for (;;) {
                /* A value is due. */
                if (at == end)
                        return SCAN_E_SYNTAX;
                if (*at == '{' || *at == '[') {
                        bool is_object = *at == '{';
                        if (depth == depth_max)
                                return SCAN_E_DEPTH;
                        depth++;
                        objects = objects << 1 | is_object;
                        at = skip_space(at + 1, end);
                        if (at == end)
                                return SCAN_E_SYNTAX;
                        if (*at != (is_object ? '}' : ']')) {
                                if (is_object && (r = check_name(&at, end)))
                                        return r;
                                continue;
                        }
                        /* Empty: its end is met below. */
                } else {
                        r = check_scalar(&at, end);
                        if (r)
                                return r;
                }

                /* A value has ended: close brackets until a comma asks for the next one. */
                for (;;) {
                        if (depth == 0) {
                                *ret_at = at;
                                return 0;
                        }
                        at = skip_space(at, end);
                        if (at == end)
                                return SCAN_E_SYNTAX;
                        if (*at == ',')
                                break;
                        if (*at != (objects & 1 ? '}' : ']'))
                                return SCAN_E_SYNTAX;
                        at++;
                        depth--;
                        objects >>= 1;
                }
                at = skip_space(at + 1, end);
                if ((objects & 1) && (r = check_name(&at, end)))
                        return r;
        }
}

/*
 * From here on text has passed.
 */

/* at is behind the opening quote; returns the byte behind the closing one, which has an even number of backslashes before it. */
static const char *skip_string(const char *at, const char *end) {
        const char *start = at;

        for (;;) {
                const char *quote = memchr(at, '"', (size_t)(end - at)), *before = quote;
                assert(quote); /* scan#1 */
                while (before > start && before[-1] == '\\')
                        before--;
                if ((quote - before) % 2 == 0)
                        return quote + 1;
                at = start = quote + 1;
        }
}

static const char *skip_container(const char *at, const char *end) {
        unsigned depth = 0;

        do {
                while (at < end && !is(at, BRACKET))
                        at++;
                assert(at < end); /* scan#1 */
                if (*at == '"') {
                        at = skip_string(at + 1, end);
                        continue;
                }
                depth += *at == '{' || *at == '[' ? 1u : -1u;
                at++;
        } while (depth > 0);
        return at;
}

/* The value of a whole number, or false if it is none or no int64. */
static bool parse_int(struct slice raw, int64_t *ret_value) {
        bool negative = raw.ptr[0] == '-';
        uint64_t value = 0;

        for (size_t i = negative; i < raw.len; i++) {
                uint64_t digit = (uint64_t)(raw.ptr[i] - '0'); /* huge for . e E + - */
                if (digit > 9 || __builtin_mul_overflow(value, 10u, &value) || __builtin_add_overflow(value, digit, &value))
                        return false;
        }
        if (value > (uint64_t)INT64_MAX + negative)
                return false;
        *ret_value = negative ? (int64_t)(0 - value) : (int64_t)value;
        return true;
}

static enum scan_type type_of(char first) {
        switch (first) {
        case '"':
                return SCAN_STRING;
        case '{':
                return SCAN_OBJECT;
        case '[':
                return SCAN_ARRAY;
        case 't':
        case 'f':
                return SCAN_BOOL;
        case 'n':
                return SCAN_NULL;
        default:
                return SCAN_NUMBER;
        }
}

static struct scan_value value_of(struct slice raw) {
        struct scan_value value = { .type = type_of(raw.ptr[0]), .raw = raw };

        if (value.type == SCAN_BOOL)
                value.integer = raw.ptr[0] == 't';
        else if (value.type == SCAN_NUMBER && parse_int(raw, &value.integer))
                value.type = SCAN_INT;
        return value;
}

/* The value that begins at *ret_at; moves it to the byte behind. */
static struct scan_value take_value(const char **ret_at, const char *end) {
        const char *start = *ret_at, *at = start;

        assert(start < end); /* scan#1 */
        switch (type_of(*start)) {
        case SCAN_STRING:
                at = skip_string(start + 1, end);
                break;
        case SCAN_OBJECT:
        case SCAN_ARRAY:
                at = skip_container(start, end);
                break;
        default:
                /* Words and numbers end where no letter, digit, point or sign goes on. */
                while (at < end && !is(at, SPACE) && *at != ',' && *at != '}' && *at != ']')
                        at++;
        }
        *ret_at = at;
        return value_of((struct slice){ start, (size_t)(at - start) });
}

int scan_text(struct slice text, unsigned depth_max, struct scan_value *ret_value) {
        assert(depth_max <= DEPTH_BITS);

        if (text.len == 0)
                return SCAN_E_SYNTAX; /* and its ptr may be NULL */
        const char *end = text.ptr + text.len, *start = skip_space(text.ptr, end), *at = start;
        int r = check_value(&at, end, depth_max);
        if (r)
                return r;
        if (skip_space(at, end) != end)
                return SCAN_E_SYNTAX;
        *ret_value = value_of((struct slice){ start, (size_t)(at - start) });
        return 0;
}

/* A fields_max of 64 makes comparing each with each cheaper than any table. */
static bool has_name(const struct scan_field *fields, size_t count, struct slice name) {
        for (size_t i = 0; i < count; i++) {
                if (slice_equal(fields[i].name, name))
                        return true;
        }
        return false;
}

int scan_object(struct slice object, struct scan_field *fields, size_t fields_max, size_t *ret_count) {
        assert(object.len >= 2 && object.ptr[0] == '{');
        const char *end = object.ptr + object.len, *at = skip_space(object.ptr + 1, end);
        size_t count = 0;

        *ret_count = 0;
        while (*at != '}') {
                const char *name = at + 1;
                at = skip_string(name, end);
                struct scan_field field = { .name = { name, (size_t)(at - 1 - name) } };
                at = skip_space(at, end);
                assert(at < end && *at == ':'); /* scan#1 */
                at = skip_space(at + 1, end);
                field.value = take_value(&at, end);
                if (has_name(fields, count, field.name))
                        return SCAN_E_DUPLICATE;
                if (count == fields_max)
                        return SCAN_E_MANY;
                fields[count++] = field;
                *ret_count = count;
                at = skip_space(at, end);
                assert(at < end); /* scan#1 */
                if (*at == ',')
                        at = skip_space(at + 1, end);
        }
        return 0;
}

/* *position is 0 at first, then the offset of the byte behind the value given last. */
bool scan_array(struct slice array, size_t *position, struct scan_value *ret_value) {
        assert(array.len >= 2 && array.ptr[0] == '[' && *position < array.len);
        const char *end = array.ptr + array.len, *at = skip_space(array.ptr + (*position > 0 ? *position : 1), end);

        if (*at == ']')
                return false;
        if (*position > 0) {
                assert(*at == ','); /* scan#1 */
                at = skip_space(at + 1, end);
        }
        *ret_value = take_value(&at, end);
        *position = (size_t)(at - array.ptr);
        return true;
}

/* Writes code as UTF-8; returns its bytes. */
static size_t put_utf8(uint32_t code, char out[4]) {
        if (code < 0x80) {
                out[0] = (char)code;
                return 1;
        }
        size_t len = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
        for (size_t i = len - 1; i > 0; i--, code >>= 6)
                out[i] = (char)(0x80 | (code & 0x3f));
        out[0] = (char)((0xf00u >> len & 0xf0) | code); /* 110…, 1110…, 11110… */
        return len;
}

/* at is behind a backslash. Writes what the escape stands for, at most 4 bytes; returns the byte behind it. */
static const char *decode_escape(const char *at, const char *end, char out[4], size_t *ret_len) {
        static const char plain[256] = { ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t' };

        assert(at < end); /* scan#1 */
        if (*at != 'u') {
                char c = plain[(unsigned char)*at];
                out[0] = c ? c : *at;
                *ret_len = 1;
                return at + 1;
        }
        int32_t code = hex4(at + 1, end);
        assert(code >= 0); /* scan#1 */
        at += 5;
        if (is_high_surrogate(code)) {
                int32_t low = hex4(at + 2, end);
                assert(is_low_surrogate(low)); /* scan#1 */
                code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                at += 6;
        }
        *ret_len = put_utf8((uint32_t)code, out);
        return at;
}

int scan_string(struct slice raw, char *out, size_t size_max, size_t *ret_len) {
        assert(raw.len >= 2 && raw.ptr[0] == '"' && raw.ptr[raw.len - 1] == '"');
        const char *at = raw.ptr + 1, *end = raw.ptr + raw.len - 1;
        size_t len = 0;

        while (at < end) {
                const char *escape = memchr(at, '\\', (size_t)(end - at));
                size_t run = (size_t)((escape ? escape : end) - at);
                if (run >= size_max - len)
                        return SCAN_E_LONG;
                memcpy(out + len, at, run);
                len += run;
                at += run;
                if (!escape)
                        break;
                char decoded[4];
                size_t decoded_len;
                at = decode_escape(at + 1, end, decoded, &decoded_len);
                if (decoded_len >= size_max - len)
                        return SCAN_E_LONG;
                memcpy(out + len, decoded, decoded_len);
                len += decoded_len;
        }
        if (len >= size_max)
                return SCAN_E_LONG;
        out[len] = '\0';
        *ret_len = len;
        return 0;
}

const struct scan_value *scan_find(const struct scan_field *fields, size_t count, const char *name) {
        struct slice wanted = slice_of(name);

        for (size_t i = 0; i < count; i++) {
                if (slice_equal(fields[i].name, wanted))
                        return &fields[i].value;
        }
        return NULL;
}

bool scan_utf8(struct slice text) {
        const char *at = text.ptr;

        for (size_t left = text.len; left > 0;) {
                size_t len = (unsigned char)*at < 0x80 ? 1 : utf8_len(at, at + left);
                if (len == 0)
                        return false;
                at += len;
                left -= len;
        }
        return true;
}
