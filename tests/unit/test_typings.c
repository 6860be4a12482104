/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_typings.c: what sessions say of typists, and what each user is told. In virtual time; ttl 6000 ms.
 *
 * Alice types in the room, on the sessions a1 and a2; bob is told, and carol. Said: "bob on", "bob off", with the session whose doing it was.
 */
#include "fanout/typings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/frame.h"
#include "base/limits.h"
#include "base/wheel.h"

enum { TTL_MS = 6000, TICK_MS = 10 };

static struct {
        struct wheel *wheel;
        struct typings *typings;
        struct typings_ear bob, carol;
        uint64_t now_ms;
        char said[1024];
} t;

static void on_said(struct typings_ear *ear, struct typings_typist *typist, bool active, struct slice session) {
        size_t len = strlen(t.said);
        snprintf(t.said + len, sizeof(t.said) - len, "%s%s %s%s%.*s", len ? ", " : "", ear == &t.bob ? "bob" : "carol", active ? "on" : "off",
                 session.len ? " by " : "", (int)session.len, session.ptr);
        assert_non_null(typings_frame(typist, active));
}

static int set_up(void **state) {
        memset(&t, 0, sizeof(t));
        t.now_ms = 50000;
        t.wheel = wheel_new(TICK_MS, t.now_ms);
        t.typings = typings_new(&(struct typings_options){ .wheel = t.wheel, .ttl_ms = TTL_MS, .on_said = on_said });
        typings_ear_init(&t.bob);
        typings_ear_init(&t.carol);
        return t.wheel && t.typings ? 0 : -1;
}

static int tear_down(void **state) {
        typings_ear_deinit(&t.bob);
        typings_ear_deinit(&t.carol);
        typings_free(t.typings);
        wheel_free(t.wheel);
        return 0;
}

static void hear(struct typings_ear *ear, const char *session, bool active) {
        struct slice by = slice_of(session);
        struct typings_typist *typist = active ? typings_begin(t.typings, SLICE("room"), SLICE("alice"), by) :
                                                 typings_find(t.typings, SLICE("room"), SLICE("alice"));
        if (typist && (active || typings_ends(typist, by)))
                typings_step(typist, ear, active, by, t.now_ms);
        typings_unref(typist);
}

/* A message of alice's, or word that she left the room. */
static void end(struct typings_ear *ear, const char *session) {
        struct typings_typist *typist = typings_find(t.typings, SLICE("room"), SLICE("alice"));
        if (typist)
                typings_step(typist, ear, false, slice_of(session), t.now_ms);
        typings_unref(typist);
}

static void pass(uint64_t ms) {
        for (uint64_t until_ms = t.now_ms + ms; t.now_ms < until_ms;) {
                t.now_ms += TICK_MS;
                wheel_advance(t.wheel, t.now_ms);
        }
}

#define assert_said(text)                        \
        do {                                     \
                assert_string_equal(t.said, text); \
                t.said[0] = '\0';                \
        } while (0)

static bool is_known(void) {
        struct typings_typist *typist = typings_find(t.typings, SLICE("room"), SLICE("alice"));
        typings_unref(typist);
        return typist;
}

static void sessions_of_a_typist_are_told_as_one(void **state) {
        hear(&t.bob, "a1", true);
        hear(&t.bob, "a2", true);
        assert_said("bob on by a1");
        pass(1950);
        hear(&t.bob, "a2", true); /* its own 2 s after the first, but for what the way took */
        assert_said("bob on by a2");
        pass(1000);
        hear(&t.bob, "a1", true);
        assert_said("");
}

static void a_message_by_whatever_way_ends_it_for_good(void **state) {
        hear(&t.bob, "a1", true);
        hear(&t.bob, "a2", true);
        end(&t.bob, "a1");
        assert_said("bob on by a1, bob off by a1");
        end(&t.bob, "");
        hear(&t.bob, "a2", false);
        pass(20000);
        assert_said("");
        assert_false(is_known());
}

static void who_begins_again_too_early_is_told_of_when_that_time_is_over(void **state) {
        hear(&t.bob, "a1", true);
        pass(200);
        hear(&t.bob, "a1", false); /* its session ended */
        pass(100);
        hear(&t.bob, "a3", true); /* its next */
        assert_said("bob on by a1, bob off by a1");
        pass(1690);
        assert_said("");
        pass(20);
        assert_said("bob on");
        hear(&t.bob, "a3", false);
        assert_said("bob off by a3");
        hear(&t.bob, "a3", true);
        end(&t.bob, "a3"); /* over before it could be told */
        pass(20000);
        assert_said("");
}

static void of_several_sessions_the_latest_ends_it(void **state) {
        hear(&t.bob, "a1", true);
        hear(&t.bob, "a2", true);
        hear(&t.bob, "a1", false);
        assert_said("bob on by a1");
        hear(&t.bob, "a2", false);
        assert_said("bob off by a2");
        pass(3000);
        hear(&t.bob, "a2", true);
        hear(&t.bob, "a1", true);
        hear(&t.bob, "a1", false);
        assert_said("bob on by a2, bob off by a1");
}

static void it_ends_by_itself_if_no_session_says_so(void **state) {
        hear(&t.bob, "a1", true);
        assert_said("bob on by a1");
        pass(TTL_MS + 1990);
        assert_said("");
        pass(20);
        assert_said("bob off");
        assert_false(is_known());
}

static void each_is_told_of_what_it_was_told(void **state) {
        hear(&t.bob, "a1", true);
        pass(1000);
        hear(&t.carol, "a1", true); /* of a large group, the next call */
        end(&t.bob, "a1");
        assert_said("bob on by a1, carol on by a1, bob off by a1");
        end(&t.carol, "a1");
        assert_said("carol off by a1");
        hear(&t.carol, "a1", false);
        hear(&t.bob, "a1", false);
        assert_said("");
}

static void who_goes_is_told_nothing_more(void **state) {
        hear(&t.bob, "a1", true);
        hear(&t.carol, "a1", true);
        typings_ear_deinit(&t.bob);
        end(&t.carol, "");
        assert_said("bob on by a1, carol on by a1, carol off");
        typings_ear_deinit(&t.carol);
        assert_false(is_known());
        pass(20000);
        assert_said("");
}

static void an_ear_hears_of_so_many_at_a_time(void **state) {
        char user[8];
        int told = 0;
        for (int i = 0; i < LIMIT_TYPISTS + 5; i++) {
                t.said[0] = '\0';
                snprintf(user, sizeof(user), "u%d", i);
                struct typings_typist *typist = typings_begin(t.typings, SLICE("room"), slice_of(user), SLICE("s"));
                typings_step(typist, &t.bob, true, SLICE("s"), t.now_ms);
                typings_unref(typist);
                told += strcmp(t.said, "bob on by s") == 0;
        }
        assert_int_equal(told, LIMIT_TYPISTS);
        t.said[0] = '\0';
        hear(&t.bob, "a1", true);
        assert_said("");
        assert_false(is_known());
        pass(TTL_MS + 2010);
        t.said[0] = '\0';
        hear(&t.bob, "a1", true);
        assert_said("bob on by a1");
}

static struct slice text_of(const struct frame *frame) {
        return (struct slice){ frame->bytes, frame->len };
}

static void frames_say_it_as_clients_read_it(void **state) {
        struct typings_typist *typist = typings_begin(t.typings, SLICE("room"), SLICE("a\"b"), SLICE("s"));
        struct slice on = text_of(typings_frame(typist, true)), off = text_of(typings_frame(typist, false));
        assert_true(slice_is(on, "{\"type\":\"typing\",\"conv\":\"room\",\"user\":\"a\\\"b\",\"active\":true,\"ttl_ms\":6000}"));
        assert_true(slice_is(off, "{\"type\":\"typing\",\"conv\":\"room\",\"user\":\"a\\\"b\",\"active\":false,\"ttl_ms\":6000}"));
        assert_ptr_equal(typings_frame(typist, true), typings_frame(typist, true));
        typings_unref(typist);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(sessions_of_a_typist_are_told_as_one),
                CASE(a_message_by_whatever_way_ends_it_for_good),
                CASE(who_begins_again_too_early_is_told_of_when_that_time_is_over),
                CASE(of_several_sessions_the_latest_ends_it),
                CASE(it_ends_by_itself_if_no_session_says_so),
                CASE(each_is_told_of_what_it_was_told),
                CASE(who_goes_is_told_nothing_more),
                CASE(an_ear_hears_of_so_many_at_a_time),
                CASE(frames_say_it_as_clients_read_it),
        };
        return cmocka_run_group_tests_name("typings", tests, NULL, NULL);
}
