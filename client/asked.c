/* SPDX-License-Identifier: Apache-2.0 */
/* asked.c: see asked.h. */
#include "client/asked.h"

#include <stdio.h>
#include <string.h>

void asked_init(struct asked *asked) {
        memset(asked, 0, sizeof(*asked));
        asked->next_id = 1;
}

struct asked_row *asked_add(struct asked *asked, enum asked_kind kind, const char *name) {
        for (size_t i = 0; i < ASKED_MAX; i++) {
                struct asked_row *row = &asked->rows[i];

                if (row->kind != ASKED_NOTHING)
                        continue;
                memset(row, 0, sizeof(*row));
                row->kind = kind;
                row->id = asked->next_id++;
                snprintf(row->name, sizeof(row->name), "%s", name);
                return row;
        }
        return NULL;
}

struct asked_row *asked_find(struct asked *asked, int64_t id) {
        for (size_t i = 0; i < ASKED_MAX; i++)
                if (asked->rows[i].kind != ASKED_NOTHING && asked->rows[i].id == id)
                        return &asked->rows[i];
        return NULL;
}

struct asked_row *asked_find_send(struct asked *asked, const char *op) {
        for (size_t i = 0; i < ASKED_MAX; i++)
                if (asked->rows[i].kind == ASKED_SEND && strcmp(asked->rows[i].name, op) == 0)
                        return &asked->rows[i];
        return NULL;
}

void asked_drop(struct asked_row *row) {
        if (row)
                row->kind = ASKED_NOTHING;
}

size_t asked_count(const struct asked *asked, enum asked_kind kind) {
        size_t count = 0;

        for (size_t i = 0; i < ASKED_MAX; i++)
                count += asked->rows[i].kind == kind;
        return count;
}
