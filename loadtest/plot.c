/* SPDX-License-Identifier: Apache-2.0 */
/* plot.c: see plot.h. */
#include "loadtest/plot.h"
#include <math.h>
#include "base/buf.h"

enum { WIDTH = 860, HEIGHT = 260, LEFT = 70, RIGHT = 20, TOP = 40, BOTTOM = 40, STEPS_MAX = 12 };

static const char *const colours[PLOT_LINES] = { "#1b6ca8", "#d1495b", "#66a182", "#8d6a9f" };

/* From which y to which, as it is drawn: logarithms already taken. */
struct scale {
        double low, high, x_low, x_high;
        bool logarithmic;
};

static struct scale scale_of(const struct plot *plot) {
        double high = 0, least = INFINITY;
        for (uint32_t i = 0; i < plot->lines_count; i++)
                for (uint32_t k = 0; k < plot->points; k++) {
                        double value = plot->lines[i].values[k];
                        high = value > high ? value : high;
                        least = value > 0 && value < least ? value : least;
                }
        struct scale scale = { .high = high > 0 ? high * 1.05 : 1, .logarithmic = plot->logarithmic && high > 0 };
        if (scale.logarithmic) {
                scale.low = floor(log10(least));
                scale.high = ceil(log10(high));
                if (scale.high <= scale.low)
                        scale.high = scale.low + 1;
        }
        scale.x_low = plot->points ? plot->x[0] : 0;
        scale.x_high = plot->points ? plot->x[plot->points - 1] : 1;
        if (scale.x_high <= scale.x_low)
                scale.x_high = scale.x_low + 1;
        return scale;
}

static double y_at(const struct scale *scale, double value) {
        double at = scale->logarithmic ? (value > 0 ? log10(value) : scale->low) : value;
        double share = (at - scale->low) / (scale->high - scale->low);
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM);
}

static double x_at(const struct scale *scale, double value) {
        return LEFT + (value - scale->x_low) / (scale->x_high - scale->x_low) * (WIDTH - LEFT - RIGHT);
}

/* 1, 2 or 5 times a power of ten, so that about five fit. */
static double step_of(double span) {
        double power = pow(10, floor(log10(span / 5))), rest = span / 5 / power;
        return power * (rest < 1.5 ? 1 : rest < 3.5 ? 2 : rest < 7.5 ? 5 : 10);
}

static void add_number(struct buf *out, double value) {
        if (value >= 1e6)
                buf_printf(out, "%.4gM", value / 1e6);
        else if (value >= 1e4)
                buf_printf(out, "%.4gk", value / 1e3);
        else
                buf_printf(out, "%.4g", value);
}

static void add_y_line(const struct scale *scale, double value, struct buf *out) {
        double y = y_at(scale, value);
        buf_printf(out,
                   "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" class=\"grid\"/><text x=\"%d\" y=\"%.1f\" class=\"end\">",
                   LEFT, WIDTH - RIGHT, y, y, LEFT - 6, y + 4);
        add_number(out, value);
        buf_add_text(out, "</text>\n");
}

static void add_y_axis(const struct scale *scale, struct buf *out) {
        if (scale->logarithmic) {
                for (double power = scale->low; power <= scale->high; power += 1)
                        add_y_line(scale, pow(10, power), out);
                return;
        }
        double step = step_of(scale->high);
        for (int i = 0; i <= STEPS_MAX && i * step <= scale->high; i++)
                add_y_line(scale, i * step, out);
}

static void add_x_axis(const struct plot *plot, const struct scale *scale, struct buf *out) {
        if (plot->x_labels) {
                for (uint32_t i = 0; i < plot->points; i++)
                        buf_printf(out, "<text x=\"%.1f\" y=\"%d\" class=\"mid\">%s</text>\n", x_at(scale, plot->x[i]),
                                   HEIGHT - BOTTOM + 16, plot->x_labels[i]);
        } else {
                double step = step_of(scale->x_high - scale->x_low);
                double first = ceil(scale->x_low / step) * step;
                for (int i = 0; i <= STEPS_MAX && first + i * step <= scale->x_high; i++) {
                        buf_printf(out, "<text x=\"%.1f\" y=\"%d\" class=\"mid\">", x_at(scale, first + i * step),
                                   HEIGHT - BOTTOM + 16);
                        add_number(out, first + i * step);
                        buf_add_text(out, "</text>\n");
                }
        }
        buf_printf(out, "<text x=\"%d\" y=\"%d\" class=\"mid\">%s</text>\n", (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6,
                   plot->x_name);
}

/* Does the point stand alone? A line from it to nowhere would not be seen. */
static bool is_alone(const struct plot *plot, const struct plot_line *line, uint32_t at) {
        return line->values[at] >= 0 && (at == 0 || line->values[at - 1] < 0) &&
               (at + 1 == plot->points || line->values[at + 1] < 0);
}

static void add_line(const struct plot *plot, const struct scale *scale, uint32_t index, struct buf *out) {
        const struct plot_line *line = &plot->lines[index];
        bool open = false;
        buf_printf(out, "<path fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\" d=\"", colours[index]);
        for (uint32_t i = 0; i < plot->points; i++) {
                if (line->values[i] < 0) {
                        open = false;
                        continue;
                }
                buf_printf(out, "%s%.1f %.1f", open ? "L" : "M", x_at(scale, plot->x[i]), y_at(scale, line->values[i]));
                open = true;
        }
        buf_add_text(out, "\"/>\n");
        for (uint32_t i = 0; i < plot->points; i++)
                if (is_alone(plot, line, i))
                        buf_printf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\" fill=\"%s\"/>\n", x_at(scale, plot->x[i]),
                                   y_at(scale, line->values[i]), colours[index]);
        buf_printf(out, "<text x=\"%u\" y=\"%d\" style=\"fill: %s\">%s</text>\n", LEFT + 330 + 130 * index, TOP - 18,
                   colours[index], line->name);
}

void plot_print(const struct plot *plot, struct buf *out) {
        struct scale scale = scale_of(plot);
        buf_printf(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n", WIDTH, HEIGHT, plot->title);
        buf_printf(out, "<text x=\"%d\" y=\"%d\" class=\"title\">%s</text><text x=\"%d\" y=\"%d\">%s</text>\n", LEFT, TOP - 18,
                   plot->title, 4, TOP - 4, plot->y_name);
        add_y_axis(&scale, out);
        add_x_axis(plot, &scale, out);
        for (uint32_t i = 0; i < plot->lines_count; i++)
                add_line(plot, &scale, i, out);
        buf_add_text(out, "</svg>\n");
}
