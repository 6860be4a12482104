/* SPDX-License-Identifier: Apache-2.0 */
/* plot.h: a plot as inline SVG: lines over a shared x axis, with a scale, a grid and a legend. Pure text out of numbers. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct buf;

enum { PLOT_LINES = 4 };

struct plot_line {
        const char *name;
        const double *values; /* points of them; negative: there is none */
};

struct plot {
        const char *title, *x_name, *y_name;
        const double *x;
        uint32_t points, lines_count;
        struct plot_line lines[PLOT_LINES];
        bool logarithmic;            /* y; values below the least positive one stand on the axis */
        const char *const *x_labels; /* instead of numbers, one for each point; NULL: numbers */
};

void plot_print(const struct plot *plot, struct buf *out);
