/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wheel.c: see wheel.h.
 *
 *      tick        0     1     2     3   …   511   512   513          a timer due at ms 25 of a wheel with ticks of 10 ms
 *      slot        0     1     2     3   …   511     0     1          stands in slot 3, that is at tick ceil(25 / 10)
 *
 * A slot holds the timers of its tick in every round, so each is looked at once a round until its tick comes. With 512 slots
 * and ticks of 100 ms a round is 51 s, longer than almost every timer we have.
 *
 * Timers started with a time already past are not in a slot but in `late`, and fire first at the next wheel_advance(): a callback
 * that starts its own timer for now cannot keep the loop in wheel_advance() for ever.
 */
#include "base/wheel.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

enum { SLOTS = 512 };

struct wheel {
        uint64_t tick_ms;
        uint64_t now_ms; /* the latest wheel_advance() */
        uint64_t tick;   /* all ticks up to this one are done */
        bool advancing;
        struct list late;         /* struct wheel_timer, link */
        struct list slots[SLOTS]; /* struct wheel_timer, link */
};

/* The first tick that is not early. (due + tick_ms - 1) / tick_ms would overflow for a timer that is due "never". */
static uint64_t tick_of(const struct wheel *wheel, uint64_t due_ms) {
        return due_ms / wheel->tick_ms + (due_ms % wheel->tick_ms != 0);
}

static struct wheel_timer *timer_of(struct list *link) {
        return LIST_CONTAINER(link, struct wheel_timer, link);
}

void wheel_timer_init(struct wheel_timer *timer, void (*on_due)(struct wheel_timer *timer, uint64_t now_ms)) {
        *timer = (struct wheel_timer){ .on_due = on_due };
        list_init(&timer->link);
}

struct wheel *wheel_new(uint64_t tick_ms, uint64_t now_ms) {
        assert(tick_ms > 0);

        struct wheel *wheel = malloc(sizeof(*wheel));
        if (!wheel)
                return NULL;
        wheel->tick_ms = tick_ms;
        wheel->now_ms = now_ms;
        wheel->tick = now_ms / tick_ms;
        wheel->advancing = false;
        list_init(&wheel->late);
        for (size_t i = 0; i < SLOTS; i++)
                list_init(&wheel->slots[i]);
        return wheel;
}

static void forget_all(struct list *timers) {
        for (struct list *link; (link = list_first(timers));)
                wheel_stop(timer_of(link));
}

struct wheel *wheel_free(struct wheel *wheel) {
        if (!wheel)
                return NULL;
        assert(!wheel->advancing);
        forget_all(&wheel->late);
        for (size_t i = 0; i < SLOTS; i++)
                forget_all(&wheel->slots[i]);
        free(wheel);
        return NULL;
}

void wheel_start(struct wheel *wheel, struct wheel_timer *timer, uint64_t due_ms) {
        list_remove(&timer->link); /* wheel#1 */
        timer->due_ms = due_ms > 0 ? due_ms : 1;
        list_append(due_ms <= wheel->now_ms ? &wheel->late : &wheel->slots[tick_of(wheel, due_ms) % SLOTS], &timer->link);
}

void wheel_stop(struct wheel_timer *timer) {
        list_remove(&timer->link);
        timer->due_ms = 0;
}

/* The list is taken apart from its head, as a callback may stop, move or free any timer still in it (wheel#2). */
static void fire(struct wheel *wheel, struct list *due) {
        for (struct list *link; (link = list_first(due));) {
                struct wheel_timer *timer = timer_of(link);
                wheel_stop(timer);
                timer->on_due(timer, wheel->now_ms);
        }
}

/* Moves the timers of this tick out of its slot; those of later rounds stay. Returns whether there were any of either kind. */
static bool take_due(struct wheel *wheel, uint64_t tick, struct list *due) {
        struct list *slot = &wheel->slots[tick % SLOTS];
        bool any = !list_is_empty(slot);

        LIST_FOR_EACH(link, slot) {
                if (tick_of(wheel, timer_of(link)->due_ms) <= tick) {
                        list_remove(link);
                        list_append(due, link);
                }
        }
        return any;
}

void wheel_advance(struct wheel *wheel, uint64_t now_ms) {
        struct list due;
        unsigned empty = 0; /* slots seen empty in a row */

        assert(!wheel->advancing);
        wheel->advancing = true;
        if (now_ms > wheel->now_ms)
                wheel->now_ms = now_ms;
        uint64_t last = wheel->now_ms / wheel->tick_ms;

        list_init(&due);
        list_splice(&due, &wheel->late);
        fire(wheel, &due);
        while (wheel->tick < last) {
                wheel->tick++;
                empty = take_due(wheel, wheel->tick, &due) ? 0 : empty + 1;
                fire(wheel, &due);
                if (empty == SLOTS) /* a whole round: nothing is left, however long the loop slept */
                        wheel->tick = last;
        }
        wheel->advancing = false;
}
