/* SPDX-License-Identifier: Apache-2.0 */
/* window.c: see window.h. Slow start and congestion avoidance as in TCP (RFC 5681), counted in requests. */
#include "push/window.h"

#include <assert.h>

enum {
        SLOW_GROWTH = 64, /* answers for one more, past the threshold: a limit found by losses is tried again, but seldom */
};

void window_init(struct window *window, uint32_t most) {
        assert(most > 0);
        *window = (struct window){ .most = most, .room = 1, .threshold = most };
}

void window_on_connection(struct window *window) {
        window->is_proven = false;
        window->room = 1;
        window->answered = 0;
}

void window_on_answer(struct window *window, bool is_good) {
        window->is_resting = false;
        if (!window->is_proven) {
                window->is_proven = is_good;
                if (!is_good)
                        return;
        }
        if (window->room >= window->most)
                return;
        if (window->room < window->threshold) {
                window->room++;
        } else if (++window->answered >= SLOW_GROWTH) {
                window->answered = 0;
                window->room++;
        }
}

void window_on_rest(struct window *window) {
        window->is_resting = true;
}

void window_on_loss(struct window *window) {
        window->room = window->room > 1 ? window->room / 2 : 1;
        window->threshold = window->room;
        window->answered = 0;
}

uint32_t window_room(const struct window *window, uint32_t in_flight) {
        uint32_t room = window->is_resting ? 1 : window->room;
        return in_flight < room ? room - in_flight : 0;
}
