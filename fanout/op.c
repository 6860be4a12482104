/* SPDX-License-Identifier: Apache-2.0 */
/* op.c: see op.h. */
#include "fanout/op.h"

#include <stdbool.h>
#include <string.h>

#include "base/encode.h"

enum { OP_UUID_BYTES = 16, OP_UUID_TEXT = 36, OP_UUID_PACKED = 1 + ENCODE_BASE64URL_LEN(OP_UUID_BYTES) };

static int digit_value(char c) {
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_dash_at(size_t index) {
        return index == 8 || index == 13 || index == 18 || index == 23;
}

static bool read_uuid(struct slice text, unsigned char *out) {
        if (text.len != OP_UUID_TEXT)
                return false;
        unsigned digits = 0;
        memset(out, 0, OP_UUID_BYTES);
        for (size_t i = 0; i < text.len; i++) {
                if (is_dash_at(i)) {
                        if (text.ptr[i] != '-')
                                return false;
                        continue;
                }
                int value = digit_value(text.ptr[i]);
                if (value < 0)
                        return false;
                out[digits / 2] = (unsigned char)(out[digits / 2] << 4 | value);
                digits++;
        }
        return true;
}

static void write_uuid(const unsigned char *bytes, char *out) {
        unsigned digits = 0;
        for (size_t i = 0; i < OP_UUID_TEXT; i++) {
                if (is_dash_at(i)) {
                        out[i] = '-';
                        continue;
                }
                out[i] = "0123456789abcdef"[digits % 2 ? bytes[digits / 2] & 15 : bytes[digits / 2] >> 4];
                digits++;
        }
}

struct slice op_pack(struct slice op, char *out) {
        unsigned char bytes[OP_UUID_BYTES];
        if (read_uuid(op, bytes)) {
                out[0] = '~';
                return (struct slice){ out, 1 + encode_base64url(bytes, sizeof(bytes), out + 1) };
        }
        if (op.len == 0 || op.ptr[0] != '~')
                return op;
        out[0] = '~';
        memcpy(out + 1, op.ptr, op.len);
        return (struct slice){ out, op.len + 1 };
}

struct slice op_unpack(struct slice packed, char *out) {
        unsigned char bytes[OP_UUID_BYTES];
        size_t len;
        if (packed.len < 2 || packed.ptr[0] != '~')
                return packed;
        struct slice rest = { packed.ptr + 1, packed.len - 1 };
        if (rest.ptr[0] == '~')
                return rest;
        if (packed.len != OP_UUID_PACKED || encode_base64url_decode(rest, bytes, sizeof(bytes), &len))
                return packed;
        write_uuid(bytes, out);
        return (struct slice){ out, OP_UUID_TEXT };
}
