/* SPDX-License-Identifier: Apache-2.0 */
/* target.c: see target.h. A newline parts the arguments of a query: decoded, they may hold any byte but a control. */
#include "hub/target.h"

#include <string.h>

static int target_digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        c = (char)(c | 0x20);
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One byte of text, decoded (RFC 3986 section 2.1); -1 if it is none. */
static int target_next(struct slice text, size_t *at) {
        unsigned char c = (unsigned char)text.ptr[(*at)++];
        if (c == '%') {
                if (text.len - *at < 2)
                        return -1;
                int high = target_digit(text.ptr[*at]), low = target_digit(text.ptr[*at + 1]);
                if (high < 0 || low < 0)
                        return -1;
                *at += 2;
                c = (unsigned char)(high << 4 | low);
        }
        return c < 0x20 || c == 0x7f ? -1 : c;
}

/* Nothing is resolved here: who writes ".." into a target means no path of ours. */
static int target_check_path(const char *path) {
        if (path[0] != '/')
                return TARGET_E_INVALID;
        for (const char *at = path; at; at = strchr(at, '/')) {
                at++;
                size_t len = strcspn(at, "/");
                if ((len == 1 && at[0] == '.') || (len == 2 && at[0] == '.' && at[1] == '.'))
                        return TARGET_E_INVALID;
        }
        return 0;
}

int target_parse(struct slice text, char *path, char *query, size_t size) {
        size_t at = 0, len = 0;
        char *out = path;
        query[0] = '\0';
        while (at < text.len) {
                bool mark = text.ptr[at] == '?' && out == path, part = text.ptr[at] == '&' && out == query;
                if (len + 1 >= size)
                        return TARGET_E_LONG;
                if (mark) {
                        out[len] = '\0';
                        out = query;
                        len = 0;
                        at++;
                        continue;
                }
                int c = target_next(text, &at);
                if (c < 0)
                        return TARGET_E_INVALID;
                out[len++] = part ? '\n' : (char)c;
        }
        out[len] = '\0';
        return target_check_path(path);
}
