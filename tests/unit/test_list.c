/* SPDX-License-Identifier: Apache-2.0 */
/* The order of a list after each of its moves, and its two invariants. */
#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct item {
        char name;
        struct list link;
};

struct world {
        struct list head, other;
        struct item a, b, c;
};

static void set_up(struct world *world) {
        *world = (struct world){ .a.name = 'a', .b.name = 'b', .c.name = 'c' };
        list_init(&world->head);
        list_init(&world->other);
        list_init(&world->a.link);
        list_init(&world->b.link);
        list_init(&world->c.link);
        list_append(&world->head, &world->a.link);
        list_append(&world->head, &world->b.link);
        list_append(&world->head, &world->c.link);
}

static void assert_order(const struct list *head, const char *names) {
        const struct list *prev = head;
        size_t i = 0;

        for (const struct list *link = head->next; link != head; prev = link, link = link->next) {
                assert_ptr_equal(link->prev, prev);
                assert_int_equal(LIST_CONTAINER(link, struct item, link)->name, names[i++]);
        }
        assert_ptr_equal(head->prev, prev);
        assert_int_equal(names[i], '\0');
}

static void appends_stand_in_order(void **state) {
        struct world world;

        set_up(&world);
        assert_order(&world.head, "abc");
        assert_ptr_equal(list_first(&world.head), &world.a.link);
        assert_null(list_first(&world.other));
        assert_false(list_is_empty(&world.head));
        assert_true(list_is_empty(&world.other));
}

static void removing_twice_or_from_no_list_is_harmless(void **state) {
        struct world world;

        set_up(&world);
        list_remove(&world.b.link);
        list_remove(&world.b.link); /* list#2 */
        assert_order(&world.head, "ac");
        assert_true(list_is_empty(&world.b.link)); /* list#1 */
        list_append(&world.head, &world.b.link);
        assert_order(&world.head, "acb");
}

static void splicing_moves_all_to_the_end(void **state) {
        struct world world;

        set_up(&world);
        list_splice(&world.head, &world.other); /* nothing */
        assert_order(&world.head, "abc");
        list_remove(&world.a.link);
        list_append(&world.other, &world.a.link);
        list_splice(&world.other, &world.head);
        assert_order(&world.other, "abc");
        assert_order(&world.head, "");
        list_splice(&world.head, &world.other); /* into an empty one */
        assert_order(&world.head, "abc");
        assert_order(&world.other, "");
}

static void the_visited_link_may_be_removed(void **state) {
        struct world world;
        size_t visited = 0;

        set_up(&world);
        LIST_FOR_EACH(link, &world.head) {
                visited++;
                list_remove(link);
                list_append(&world.other, link);
        }
        assert_int_equal(visited, 3);
        assert_order(&world.other, "abc");
        assert_order(&world.head, "");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(appends_stand_in_order),
                cmocka_unit_test(removing_twice_or_from_no_list_is_harmless),
                cmocka_unit_test(splicing_moves_all_to_the_end),
                cmocka_unit_test(the_visited_link_may_be_removed),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
