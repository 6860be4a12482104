/* SPDX-License-Identifier: Apache-2.0 */
/* test_roster.c: member lists that are remembered, and forgotten in order of use. */
#include "fanout/roster.h"

#include <hiredis/hiredis.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/limits.h"

/* What the store answers: an array of names. */
struct names {
        struct redisReply array, items[8];
        struct redisReply *elements[8];
        char text[8][32];
};

static const struct redisReply *names_of(struct names *names, const char *const *list, size_t count) {
        memset(names, 0, sizeof(*names));
        for (size_t i = 0; i < count; i++) {
                snprintf(names->text[i], sizeof(names->text[i]), "%s", list[i]);
                names->items[i] = (struct redisReply){ .type = REDIS_REPLY_STRING, .str = names->text[i], .len = strlen(list[i]) };
                names->elements[i] = &names->items[i];
        }
        names->array = (struct redisReply){ .type = REDIS_REPLY_ARRAY, .elements = count, .element = names->elements };
        return &names->array;
}

static void update(struct roster_cache *cache, const char *conv, const char *version, const char *one, const char *two) {
        struct names names;
        const char *const list[] = { one, two };
        assert_int_equal(roster_update(cache, slice_of(conv), slice_of(version), names_of(&names, list, two ? 2 : 1)), 0);
        memset(&names, 'x', sizeof(names)); /* a roster keeps nothing of the answer */
}

static void what_was_remembered_is_found(void **state) {
        struct roster_cache *cache = roster_cache_new();
        update(cache, "c1", "7", "ann", "bob");
        struct roster *roster = roster_find(cache, SLICE("c1"));
        assert_non_null(roster);
        assert_string_equal(roster->version, "7");
        assert_int_equal(roster->count, 2);
        assert_true(slice_is(roster->names[0], "ann"));
        assert_true(slice_is(roster->names[1], "bob"));
        assert_null(roster_find(cache, SLICE("c")));
        assert_null(roster_find(cache, SLICE("c12")));
        roster_cache_free(cache);
}

static void a_later_version_replaces_the_earlier(void **state) {
        struct roster_cache *cache = roster_cache_new();
        update(cache, "c1", "7", "ann", "bob");
        update(cache, "c1", "8", "carl", NULL);
        struct roster *roster = roster_find(cache, SLICE("c1"));
        assert_string_equal(roster->version, "8");
        assert_int_equal(roster->count, 1);
        assert_true(slice_is(roster->names[0], "carl"));
        roster_cache_free(cache);
}

static void a_conversation_may_have_no_members(void **state) {
        struct roster_cache *cache = roster_cache_new();
        struct names names;
        assert_int_equal(roster_update(cache, SLICE("c1"), SLICE("1"), names_of(&names, NULL, 0)), 0);
        assert_int_equal(roster_find(cache, SLICE("c1"))->count, 0);
        roster_cache_free(cache);
}

static void a_roster_in_use_outlives_its_place_in_the_cache(void **state) {
        struct roster_cache *cache = roster_cache_new();
        update(cache, "c1", "7", "ann", NULL);
        struct roster *roster = roster_ref(roster_find(cache, SLICE("c1")));
        update(cache, "c1", "8", "bob", NULL);
        roster_forget(cache, SLICE("c1"));
        assert_null(roster_find(cache, SLICE("c1")));
        roster_forget(cache, SLICE("c1")); /* twice is once */
        roster_cache_free(cache);
        assert_int_equal(roster->refs, 1);
        assert_string_equal(roster->version, "7");
        assert_true(slice_is(roster->names[0], "ann"));
        assert_null(roster_unref(roster));
        assert_null(roster_unref(NULL));
        assert_null(roster_cache_free(NULL));
}

static void an_impossible_version_is_refused_and_changes_nothing(void **state) {
        struct roster_cache *cache = roster_cache_new();
        struct names names;
        const char *const list[] = { "ann" };
        update(cache, "c1", "7", "ann", NULL);
        assert_true(roster_update(cache, SLICE("c1"), SLICE("123456789012345678901234"), names_of(&names, list, 1)) < 0);
        assert_string_equal(roster_find(cache, SLICE("c1"))->version, "7");
        roster_cache_free(cache);
}

static const char *conv_name(unsigned i) {
        static char name[16];
        snprintf(name, sizeof(name), "c%u", i);
        return name;
}

static void the_one_used_longest_ago_is_forgotten_first(void **state) {
        struct roster_cache *cache = roster_cache_new();
        for (unsigned i = 0; i < LIMIT_MEMBER_CACHE; i++)
                update(cache, conv_name(i), "1", "ann", NULL);
        assert_non_null(roster_find(cache, SLICE("c0"))); /* all are there; being looked for is use */
        update(cache, "c1", "2", "bob", NULL);            /* so is being renewed */
        update(cache, "new", "1", "ann", NULL);
        assert_null(roster_find(cache, SLICE("c2")));
        update(cache, "newer", "1", "ann", NULL);
        assert_null(roster_find(cache, SLICE("c3")));
        assert_non_null(roster_find(cache, SLICE("c0")));
        assert_non_null(roster_find(cache, SLICE("c1")));
        assert_non_null(roster_find(cache, SLICE("c4")));
        assert_non_null(roster_find(cache, SLICE("new")));
        roster_cache_free(cache);
}

static void names_are_taken_in_portions_until_the_end(void **state) {
        struct roster_cache *cache = roster_cache_new();
        struct names names;
        struct slice taken[3];
        const char *const list[] = { "a", "b", "c", "d", "e" };
        assert_int_equal(roster_update(cache, SLICE("c"), SLICE("1"), names_of(&names, list, 5)), 0);
        struct roster *roster = roster_find(cache, SLICE("c"));
        uint32_t position = 0;
        assert_int_equal(roster_take(roster, NULL, 0, &position, taken, 3), 3);
        assert_true(slice_is(taken[0], "a") && slice_is(taken[2], "c"));
        assert_int_equal(position, 3);
        assert_int_equal(roster_take(roster, NULL, 0, &position, taken, 3), 2);
        assert_true(slice_is(taken[0], "d") && slice_is(taken[1], "e"));
        assert_int_equal(position, roster->count);
        assert_int_equal(roster_take(roster, NULL, 0, &position, taken, 3), 0);
        position = 0; /* another owner has none of them: a standalone store is one */
        assert_int_equal(roster_take(roster, NULL, 1, &position, taken, 3), 0);
        assert_int_equal(position, roster->count);
        roster_cache_free(cache);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_was_remembered_is_found),
                cmocka_unit_test(a_later_version_replaces_the_earlier),
                cmocka_unit_test(a_conversation_may_have_no_members),
                cmocka_unit_test(a_roster_in_use_outlives_its_place_in_the_cache),
                cmocka_unit_test(an_impossible_version_is_refused_and_changes_nothing),
                cmocka_unit_test(the_one_used_longest_ago_is_forgotten_first),
                cmocka_unit_test(names_are_taken_in_portions_until_the_end),
        };
        return cmocka_run_group_tests_name("roster", tests, NULL, NULL);
}
