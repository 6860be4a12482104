/* SPDX-License-Identifier: Apache-2.0 */
/* Each fault that the history checker looks for, planted: it is found, counted as what it is, and nothing else is. */
#include "loadtest/audit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/limits.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

/* Two circles of two devices with two rooms each: devices 0 and 1 are in rooms 0 and 1, devices 2 and 3 in rooms 2 and 3. */
static struct audit *make(void) {
        struct audit *audit =
                audit_new(&(struct audit_options){ .circles = 2, .devices_per_circle = 2, .rooms_per_circle = 2, .devices = 4 });
        assert_non_null(audit);
        return audit;
}

enum step_kind { END, ACKNOWLEDGED, SHOWN, TOLD, NUMBERED, INVENTED, ALTERED };

struct step {
        enum step_kind kind;
        uint32_t device, room;
        uint64_t seq;
        const char *op;
};

static void play(struct audit *audit, const struct step *step) {
        for (; step->kind != END; step++) {
                if (step->kind == ACKNOWLEDGED)
                        audit_acknowledged(audit, step->room, step->seq, slice_of(step->op));
                if (step->kind == SHOWN)
                        audit_shown(audit, step->device, step->room, step->seq, slice_of(step->op));
                if (step->kind == TOLD)
                        audit_told(audit, step->device);
                if (step->kind == NUMBERED)
                        audit_numbered(audit, step->device, step->seq, step->room);
                if (step->kind == INVENTED)
                        audit_invented(audit, step->device, slice_of(step->op));
                if (step->kind == ALTERED)
                        audit_altered(audit, step->device, slice_of(step->op));
        }
}

static void each_planted_fault_is_found_and_nothing_else(void **state) {
        static const struct {
                const char *name;
                struct audit_counts expected;
                struct step steps[12];
        } rows[] = {
                { "all is well",
                  { .shown = 4 },
                  { { SHOWN, 0, 0, 1, "a" },
                    { ACKNOWLEDGED, 0, 0, 1, "a" },
                    { SHOWN, 1, 0, 1, "a" },
                    { ACKNOWLEDGED, 0, 0, 2, "b" },
                    { SHOWN, 1, 0, 2, "b" },
                    { SHOWN, 0, 0, 2, "b" } } },
                { "nothing was acknowledged, so nothing need be shown to all", { .shown = 1 }, { { SHOWN, 0, 0, 1, "a" } } },
                { "the last message is missing at one device",
                  { .shown = 1, .lost = 1 },
                  { { ACKNOWLEDGED, 0, 0, 1, "a" }, { SHOWN, 0, 0, 1, "a" } } },
                { "and at both, of a room where more was acknowledged",
                  { .lost = 4 },
                  { { ACKNOWLEDGED, 0, 3, 1, "a" }, { ACKNOWLEDGED, 0, 3, 2, "b" } } },
                { "one in the middle is missing",
                  { .shown = 3, .lost = 1 },
                  { { SHOWN, 0, 0, 1, "a" }, { SHOWN, 0, 0, 2, "b" }, { SHOWN, 0, 0, 4, "d" } } },
                { "the first is missing", { .shown = 1, .lost = 1 }, { { SHOWN, 0, 1, 2, "b" } } },
                { "one is shown again",
                  { .shown = 3, .repeated = 1 },
                  { { SHOWN, 0, 0, 1, "a" }, { SHOWN, 0, 0, 2, "b" }, { SHOWN, 0, 0, 1, "a" } } },
                { "the latest is shown again",
                  { .shown = 2, .repeated = 1 },
                  { { SHOWN, 0, 0, 1, "a" }, { SHOWN, 0, 0, 1, "a" } } },
                { "two are swapped: late, but not lost",
                  { .shown = 3, .reordered = 1 },
                  { { SHOWN, 0, 0, 1, "a" }, { SHOWN, 0, 0, 3, "c" }, { SHOWN, 0, 0, 2, "b" } } },
                { "a late one comes twice",
                  { .shown = 4, .reordered = 1, .repeated = 1 },
                  { { SHOWN, 0, 0, 1, "a" }, { SHOWN, 0, 0, 3, "c" }, { SHOWN, 0, 0, 2, "b" }, { SHOWN, 0, 0, 2, "b" } } },
                { "somebody of the other circle is shown one",
                  { .shown = 3, .leaked = 1 },
                  { { SHOWN, 0, 0, 1, "a" }, { SHOWN, 2, 0, 1, "a" }, { SHOWN, 1, 0, 1, "a" }, { ACKNOWLEDGED, 0, 0, 1, "a" } } },
                { "a message of a strange room", { .shown = 1, .leaked = 1 }, { { SHOWN, 0, AUDIT_STRANGE_ROOM, 1, "a" } } },
                { "a room that is none", { .shown = 1, .leaked = 1 }, { { SHOWN, 3, 4, 1, "a" } } },
                { "one seq is two messages to two devices",
                  { .shown = 2, .invented = 1 },
                  { { SHOWN, 0, 0, 1, "a" }, { SHOWN, 1, 0, 1, "b" } } },
                { "another message is shown than was acknowledged there",
                  { .shown = 2, .invented = 2 },
                  { { ACKNOWLEDGED, 0, 0, 1, "a" }, { SHOWN, 0, 0, 1, "b" }, { SHOWN, 1, 0, 1, "b" } } },
                { "two are acknowledged as one: the first was forgotten",
                  { .shown = 2, .invented = 1 },
                  { { ACKNOWLEDGED, 0, 0, 1, "a" },
                    { ACKNOWLEDGED, 0, 0, 1, "b" },
                    { SHOWN, 0, 0, 1, "a" },
                    { SHOWN, 1, 0, 1, "a" } } },
                { "one is stored twice, under two numbers: once, however many are shown both",
                  { .shown = 6, .repeated = 1 },
                  { { ACKNOWLEDGED, 0, 0, 1, "a" },
                    { SHOWN, 0, 0, 1, "a" },
                    { SHOWN, 0, 0, 2, "a" },
                    { SHOWN, 1, 0, 1, "a" },
                    { SHOWN, 1, 0, 2, "a" },
                    { SHOWN, 1, 0, 3, "c" },
                    { SHOWN, 0, 0, 3, "c" } } },
                { "… and three times",
                  { .shown = 4, .repeated = 2 },
                  { { SHOWN, 0, 0, 1, "a" }, { SHOWN, 0, 0, 2, "b" }, { SHOWN, 0, 0, 3, "a" }, { SHOWN, 0, 0, 4, "a" } } },
                { "its sender hears of two numbers, one after the other",
                  { .shown = 4, .repeated = 1 },
                  { { ACKNOWLEDGED, 0, 0, 1, "a" },
                    { ACKNOWLEDGED, 0, 0, 1, "a" },
                    { ACKNOWLEDGED, 0, 0, 2, "a" },
                    { SHOWN, 0, 0, 1, "a" },
                    { SHOWN, 0, 0, 2, "a" },
                    { SHOWN, 1, 0, 1, "a" },
                    { SHOWN, 1, 0, 2, "a" } } },
                { "… and the second is another one's",
                  { .shown = 3, .invented = 1 },
                  { { SHOWN, 0, 0, 1, "a" }, { SHOWN, 1, 0, 1, "a" }, { SHOWN, 0, 0, 2, "b" }, { ACKNOWLEDGED, 0, 0, 1, "b" } } },
                { "two rooms do not share their ops", { .shown = 2 }, { { SHOWN, 0, 0, 1, "a" }, { SHOWN, 0, 1, 1, "a" } } },
                { "seq 0, and one beyond all",
                  { .shown = 1, .invented = 3 },
                  { { SHOWN, 0, 0, 0, "a" }, { ACKNOWLEDGED, 0, 0, 0, "a" }, { ACKNOWLEDGED, 0, 0, UINT64_MAX, "a" } } },
                { "who was told of a loss goes on from where it is",
                  { .shown = 4, .told = 1 },
                  { { SHOWN, 0, 0, 1, "a" },
                    { TOLD, 0, 0, 0, "" },
                    { SHOWN, 0, 0, 7, "g" },
                    { SHOWN, 0, 0, 8, "h" },
                    { SHOWN, 0, 1, 3, "c" } } },
                { "… and can lose again",
                  { .shown = 2, .told = 1, .lost = 1 },
                  { { TOLD, 0, 0, 0, "" }, { SHOWN, 0, 0, 7, "g" }, { SHOWN, 0, 0, 9, "i" } } },
                { "n rises", { .shown = 0 }, { { NUMBERED, 0, 4, 5, "" } } },
                { "n stays", { .repeated = 1 }, { { NUMBERED, 0, 5, 5, "" } } },
                { "n falls", { .reordered = 1 }, { { NUMBERED, 0, 5, 4, "" } } },
                { "nobody sent it", { .invented = 1 }, { { INVENTED, 0, 0, 0, "x" } } },
                { "somebody wrote another body",
                  { .shown = 1, .altered = 1 },
                  { { SHOWN, 0, 0, 1, "a" }, { ALTERED, 0, 0, 1, "a" } } },
        };
        for (size_t i = 0; i < COUNT(rows); i++) {
                struct audit *audit = make();
                play(audit, rows[i].steps);
                audit_finish(audit);
                const struct audit_counts *counts = audit_get_counts(audit);
                if (memcmp(counts, &rows[i].expected, sizeof *counts) != 0)
                        fail_msg("%s: shown %d, lost %d, repeated %d, reordered %d, leaked %d, invented %d, altered %d, told %d",
                                 rows[i].name, (int)counts->shown, (int)counts->lost, (int)counts->repeated,
                                 (int)counts->reordered, (int)counts->leaked, (int)counts->invented, (int)counts->altered,
                                 (int)counts->told);
                audit_free(audit);
        }
}

static void a_device_is_complete_when_it_has_all_that_is_acknowledged(void **state) {
        struct audit *audit = make();
        assert_true(audit_is_complete(audit, 0));
        audit_acknowledged(audit, 1, 1, SLICE("a"));
        assert_false(audit_is_complete(audit, 0));
        assert_true(audit_is_complete(audit, 2));
        audit_shown(audit, 0, 1, 1, SLICE("a"));
        assert_true(audit_is_complete(audit, 0));
        assert_false(audit_is_complete(audit, 1));
        assert_int_equal(audit_seq(audit, 0, 1), 1);
        assert_int_equal(audit_seq(audit, 0, 3), 0);

        audit_raise(audit, 1, 3); /* as another process heard */
        assert_int_equal(audit_top(audit, 1), 3);
        assert_false(audit_is_complete(audit, 0));
        audit_finish(audit);
        assert_int_equal(audit_get_counts(audit)->lost, 2 + 3);
        audit_free(audit);
}

static void two_processes_have_the_same_fold_if_they_saw_the_same(void **state) {
        struct audit *one = make(), *two = make();
        for (uint64_t seq = 1; seq <= 100; seq++) {
                char op[8];
                snprintf(op, sizeof op, "op%d", (int)seq);
                audit_shown(one, 0, 0, seq, slice_of(op));
                audit_shown(two, 1, 0, seq, slice_of(seq == 70 ? "op69" : op));
        }
        assert_true(audit_fold(one, 0, 69) == audit_fold(two, 0, 69));
        assert_true(audit_fold(one, 0, 70) != audit_fold(two, 0, 70));
        assert_true(audit_fold(one, 0, 69) != audit_fold(one, 0, 70));
        audit_free(one);
        audit_free(two);
}

/* A server that skips a million must not cost a million holes. */
static void more_holes_than_fit_are_lost_at_once(void **state) {
        struct audit *audit = make();
        audit_shown(audit, 0, 0, 1000001, SLICE("z"));
        assert_int_equal(audit_get_counts(audit)->lost, 1000000 - LIMIT_LOAD_HOLES);
        audit_finish(audit);
        assert_int_equal(audit_get_counts(audit)->lost, 1000000);
        audit_free(audit);
}

/* Each of a thousand messages is known again when it comes under another seq, as the table grows. */
static void a_thousand_that_are_stored_twice_are_all_found(void **state) {
        enum { MESSAGES = 1000 };
        struct audit *audit = make();
        for (uint64_t round = 0; round < 2; round++)
                for (uint64_t seq = 1; seq <= MESSAGES; seq++) {
                        char op[8];
                        snprintf(op, sizeof op, "op%d", (int)seq);
                        audit_shown(audit, 0, 0, round * MESSAGES + seq, slice_of(op));
                        assert_int_equal(audit_get_counts(audit)->repeated, round * seq);
                }
        audit_shown(audit, 0, 0, 2 * MESSAGES + 1, SLICE("another"));
        assert_int_equal(audit_get_counts(audit)->repeated, MESSAGES);
        assert_int_equal(audit_get_counts(audit)->lost, 0);
        audit_free(audit);
}

static void count_fault(const char *text, void *context) {
        assert_non_null(strstr(text, "leaked: device 3"));
        ++*(int *)context;
}

static void each_fault_is_told_in_a_sentence(void **state) {
        int faults = 0;
        struct audit *audit = audit_new(&(struct audit_options){ .circles = 4,
                                                                 .devices_per_circle = 1,
                                                                 .rooms_per_circle = 1,
                                                                 .devices = 4,
                                                                 .context = &faults,
                                                                 .on_fault = count_fault });
        audit_shown(audit, 3, 0, 1, SLICE("a"));
        assert_int_equal(faults, 1);
        audit_free(audit);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_planted_fault_is_found_and_nothing_else),
                cmocka_unit_test(a_device_is_complete_when_it_has_all_that_is_acknowledged),
                cmocka_unit_test(two_processes_have_the_same_fold_if_they_saw_the_same),
                cmocka_unit_test(more_holes_than_fit_are_lost_at_once),
                cmocka_unit_test(a_thousand_that_are_stored_twice_are_all_found),
                cmocka_unit_test(each_fault_is_told_in_a_sentence),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
