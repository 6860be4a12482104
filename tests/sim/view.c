/* SPDX-License-Identifier: Apache-2.0 */
/* view.c: see view.h. */
#include "tests/sim/view.h"

#include <stdlib.h>
#include <string.h>

void view_clear(struct view *view) {
        free(view->have);
        *view = (struct view){ 0 };
}

void view_take(struct view *view, uint64_t seq) {
        if (seq >= view->capacity) {
                uint64_t capacity = view->capacity ? view->capacity : 64;
                while (capacity <= seq)
                        capacity *= 2;
                view->have = realloc(view->have, capacity);
                if (!view->have)
                        abort();
                memset(view->have + view->capacity, 0, capacity - view->capacity);
                view->capacity = capacity;
        }
        view->have[seq] = 1;
}

bool view_has(const struct view *view, uint64_t seq) {
        return seq < view->capacity && view->have[seq];
}

uint64_t view_complete(const struct view *view, uint64_t first) {
        uint64_t seq = first ? first - 1 : 0;
        while (view_has(view, seq + 1))
                seq++;
        return seq;
}
