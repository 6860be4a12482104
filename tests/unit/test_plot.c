/* SPDX-License-Identifier: Apache-2.0 */
/* A plot draws all its points inside its frame, whatever the numbers are. */
#include "loadtest/plot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"

static const double seconds[] = { 1, 2, 3, 4 };

/* How many points the line has, and how many pieces; each within the frame. */
static void assert_path(const struct buf *out, int points, int pieces) {
        const char *at = strstr(out->ptr, " d=\"");
        assert_non_null(at);
        for (at += 4; *at != '"'; points--) {
                char *end;
                assert_true(*at == 'M' || *at == 'L');
                pieces -= *at == 'M';
                double x = strtod(at + 1, &end), y = strtod(end, &end);
                assert_true(x >= 70 && x <= 840);
                assert_true(y >= 40 && y <= 220);
                at = end;
        }
        assert_int_equal(points, 0);
        assert_int_equal(pieces, 0);
}

/* What stands alone is a dot, as a path of one point is not seen. */
static int dots(const struct buf *out) {
        int count = 0;
        for (const char *at = out->ptr; (at = strstr(at, "<circle ")); at++)
                count++;
        return count;
}

static void points_stay_inside_whatever_they_are(void **state) {
        static const struct {
                double values[4];
                bool logarithmic;
                int points, pieces, dots;
        } rows[] = {
                { { 1, 2, 3, 4 }, false, 4, 1, 0 },
                { { 0, 0, 0, 0 }, false, 4, 1, 0 },
                { { 0, 0, 0, 0 }, true, 4, 1, 0 },
                { { 5, -1, 7, 8 }, false, 3, 2, 1 },
                { { -1, 6, -1, 8 }, true, 2, 2, 2 },
                { { 5, 0, 7e9, 1e-6 }, true, 4, 1, 0 },
                { { -1, -1, -1, -1 }, true, 0, 0, 0 },
                { { 1e12, 1e12, 1e12, 1e12 }, true, 4, 1, 0 },
        };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                _cleanup_buf_ struct buf out = BUF_INIT(1 << 16);
                plot_print(&(struct plot){ .title = "t",
                                           .x_name = "x",
                                           .y_name = "y",
                                           .x = seconds,
                                           .points = 4,
                                           .lines_count = 1,
                                           .lines = { { "line", rows[i].values } },
                                           .logarithmic = rows[i].logarithmic },
                           &out);
                assert_false(buf_failed(&out));
                assert_null(strstr(out.ptr, "nan"));
                assert_null(strstr(out.ptr, "inf"));
                assert_path(&out, rows[i].points, rows[i].pieces);
                assert_int_equal(dots(&out), rows[i].dots);
        }
}

static void none_or_one_point_is_a_plot_too(void **state) {
        for (uint32_t points = 0; points < 2; points++) {
                _cleanup_buf_ struct buf out = BUF_INIT(1 << 16);
                static const double values[] = { 3 };
                plot_print(&(struct plot){ .title = "t",
                                           .x_name = "x",
                                           .y_name = "y",
                                           .x = seconds,
                                           .points = points,
                                           .lines_count = 1,
                                           .lines = { { "line", values } } },
                           &out);
                assert_path(&out, (int)points, (int)points);
                assert_int_equal(dots(&out), points);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(points_stay_inside_whatever_they_are),
                cmocka_unit_test(none_or_one_point_is_a_plot_too),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
