/* SPDX-License-Identifier: Apache-2.0 */
/* trim.c: see trim.h. */
#include "push/trim.h"

#include <stdbool.h>

static size_t json_len_of(unsigned char c) {
        if (c == '"' || c == '\\' || c == '\b' || c == '\t' || c == '\n' || c == '\f' || c == '\r')
                return 2;
        return c < 0x20 ? 6 : 1;
}

size_t trim_json_len(struct slice text) {
        size_t len = 0;
        for (size_t i = 0; i < text.len; i++)
                len += json_len_of((unsigned char)text.ptr[i]);
        return len;
}

static bool begins_character(char c) {
        return ((unsigned char)c & 0xc0) != 0x80;
}

static struct slice cut_at(struct slice text, size_t end) {
        while (end > 0 && end < text.len && !begins_character(text.ptr[end]))
                end--;
        return (struct slice){ text.ptr, end };
}

struct slice trim_to_json(struct slice text, size_t room) {
        size_t used = 0, end = 0;
        for (; end < text.len; end++) {
                used += json_len_of((unsigned char)text.ptr[end]);
                if (used > room)
                        break;
        }
        return cut_at(text, end);
}

struct slice trim_to_bytes(struct slice text, size_t room) {
        return text.len <= room ? text : cut_at(text, room);
}

void trim_both(struct slice *title, struct slice *text, size_t room) {
        size_t text_len = trim_json_len(*text), title_room = room;
        if (text_len > room / 2)
                title_room = room / 2;
        else
                title_room = room - text_len;
        *title = trim_to_json(*title, title_room);
        *text = trim_to_json(*text, room - trim_json_len(*title));
}
