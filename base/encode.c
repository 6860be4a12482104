/* SPDX-License-Identifier: Apache-2.0 */
/* encode.c: see encode.h. Decoders are strict: for each value one text, so nothing signed can be written in two ways. */
#include "base/encode.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t encode_base64url(const void *bytes, size_t len, char *out) {
        const unsigned char *in = bytes;
        char *at = out;
        uint32_t bits = 0;
        unsigned bits_count = 0;

        for (size_t i = 0; i < len; i++) {
                bits = (bits << 8) | in[i];
                for (bits_count += 8; bits_count >= 6; bits_count -= 6)
                        *at++ = letters[(bits >> (bits_count - 6)) & 63];
        }
        if (bits_count > 0)
                *at++ = letters[(bits << (6 - bits_count)) & 63];
        return (size_t)(at - out);
}

static int letter_value(char c) {
        if (c >= 'A' && c <= 'Z')
                return c - 'A';
        if (c >= 'a' && c <= 'z')
                return c - 'a' + 26;
        if (c >= '0' && c <= '9')
                return c - '0' + 52;
        return c == '-' ? 62 : c == '_' ? 63 : -1;
}

int encode_base64url_decode(struct slice text, void *out, size_t out_max, size_t *ret_len) {
        unsigned char *at = out;
        uint32_t bits = 0;
        unsigned bits_count = 0;

        if (text.len % 4 == 1 || text.len / 4 * 3 + text.len % 4 * 6 / 8 > out_max)
                return 1;
        for (size_t i = 0; i < text.len; i++) {
                int value = letter_value(text.ptr[i]);
                if (value < 0)
                        return 1;
                bits = (bits << 6) | (uint32_t)value;
                bits_count += 6;
                if (bits_count >= 8) {
                        bits_count -= 8;
                        *at++ = (unsigned char)(bits >> bits_count);
                }
        }
        if ((bits & ((1u << bits_count) - 1)) != 0)
                return 1; /* spare bits (RFC 4648 section 3.5) */
        *ret_len = (size_t)(at - (unsigned char *)out);
        return 0;
}

static int hex_value(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int encode_percent_decode(struct slice text, char *out, size_t out_max, size_t *ret_len) {
        size_t len = 0;

        for (size_t i = 0; i < text.len; i++) {
                char c = text.ptr[i];
                if (c == '%') {
                        int high = i + 2 < text.len ? hex_value(text.ptr[i + 1]) : -1;
                        int low = i + 2 < text.len ? hex_value(text.ptr[i + 2]) : -1;
                        if (high < 0 || low < 0)
                                return 1;
                        c = (char)(high * 16 + low);
                        i += 2;
                }
                if (len == out_max)
                        return 1;
                out[len++] = c;
        }
        *ret_len = len;
        return 0;
}
