/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics.c: see metrics.h.
 *
 * A reader may see one counter a moment older than the next: Prometheus expects no more, and nobody waits.
 */
#include "base/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "base/buf.h"

enum kind { KIND_counter, KIND_gauge };

static const struct {
        enum kind kind;
        const char *text, *sentence;
} rows[METRIC_COUNT] = {
#define METRIC_ROW(name, kind, text, sentence) [METRIC_##name] = { KIND_##kind, text, sentence },
#include "contract/metrics.def"
#undef METRIC_ROW
};

enum scale {
#define SCALE_ROW(name, why, ...) SCALE_##name,
#include "contract/metrics.def"
#undef SCALE_ROW
        SCALE_COUNT
};

#define SCALE_ROW(name, why, ...) static const uint64_t bounds_##name[] = { __VA_ARGS__ };
#include "contract/metrics.def"
#undef SCALE_ROW

static const struct {
        const uint64_t *bounds;
        size_t count;
} scales[SCALE_COUNT] = {
#define SCALE_ROW(name, why, ...) [SCALE_##name] = { bounds_##name, sizeof(bounds_##name) / sizeof(bounds_##name[0]) },
#include "contract/metrics.def"
#undef SCALE_ROW
};

#define SCALE_ROW(name, why, ...) static_assert(sizeof(bounds_##name) / sizeof(bounds_##name[0]) <= METRICS_BOUNDS, #name);
#include "contract/metrics.def"
#undef SCALE_ROW

static const struct {
        enum scale scale;
        const char *text, *sentence;
} histograms[HISTOGRAM_COUNT] = {
#define HISTOGRAM_ROW(name, scale, text, sentence) [HISTOGRAM_##name] = { SCALE_##scale, text, sentence },
#include "contract/metrics.def"
#undef HISTOGRAM_ROW
};

static const struct {
        enum kind kind;
        const char *text, *label, *sentence;
} series_rows[SERIES_COUNT] = {
#define SERIES_ROW(name, kind, text, label, sentence) [SERIES_##name] = { KIND_##kind, text, label, sentence },
#include "contract/metrics.def"
#undef SERIES_ROW
};

static const struct {
        enum scale scale;
        const char *text, *sentence;
} series_histograms[SERIES_HISTOGRAM_COUNT] = {
#define SERIES_HISTOGRAM_ROW(name, scale, text, sentence) [SERIES_##name] = { SCALE_##scale, text, sentence },
#include "contract/metrics.def"
#undef SERIES_HISTOGRAM_ROW
};

static const char *const kinds[] = { [KIND_counter] = "counter", [KIND_gauge] = "gauge" };

static size_t size_of(uint32_t slots) {
        return sizeof(struct metrics_page) + slots * sizeof(struct metrics_slot);
}

struct metrics_page *metrics_page_new(uint32_t slots) {
        struct metrics_page *page = mmap(NULL, size_of(slots), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        if (page == MAP_FAILED)
                return NULL;
        page->slots_count = slots;
        return page;
}

struct metrics_page *metrics_page_free(struct metrics_page *page) {
        if (page)
                munmap(page, size_of(page->slots_count));
        return NULL;
}

void metrics_open(struct metrics_page *page, uint32_t index, const char *name) {
        assert(index < page->slots_count);
        struct metrics_slot *slot = &page->slots[index];
        assert(name[0] != '\0' && strlen(name) < sizeof(slot->name));

        for (size_t i = 0; i < METRIC_COUNT; i++) {
                if (rows[i].kind == KIND_gauge)
                        slot->values[i] = 0;
        }
        for (size_t i = 0; i < SERIES_COUNT * METRICS_SERIES; i++) {
                if (series_rows[i % SERIES_COUNT].kind == KIND_gauge)
                        slot->series[i / SERIES_COUNT].values[i % SERIES_COUNT] = 0;
        }
        /* Byte by byte in place: a reader at this moment sees the old name, the new one or a mix, but always its NUL. */
        strncpy(slot->name, name, sizeof(slot->name) - 1);
        process.metrics = slot;
}

/* A label value escapes backslash, quote and line feed (Prometheus text format 0.0.4); HELP only the first and the last. */
static void add_escaped(struct buf *out, const char *text, bool quote) {
        for (; *text; text++) {
                if (*text == '\n') {
                        buf_add_text(out, "\\n");
                        continue;
                }
                if (*text == '\\' || (quote && *text == '"'))
                        buf_add_char(out, '\\');
                buf_add_char(out, *text);
        }
}

static void print_head(const char *text, const char *sentence, const char *kind, struct buf *out) {
        buf_printf(out, "# HELP %s ", text);
        add_escaped(out, sentence, false);
        buf_printf(out, "\n# TYPE %s %s\n", text, kind);
}

static void print_pair(const char *name, const char *value, struct buf *out) {
        buf_add_text(out, name);
        buf_add_text(out, "=\"");
        add_escaped(out, value, true);
        buf_add_char(out, '"');
}

/* series: NULL none. */
static void print_label(const struct metrics_slot *slot, const struct metrics_series *series, const char *text, const char *suffix,
                        struct buf *out) {
        buf_printf(out, "%s%s{", text, suffix);
        print_pair("process", slot->name, out);
        if (!series)
                return;
        print_pair(",provider", series->provider, out);
        print_pair(",app", series->app, out);
}

static void print_value(uint64_t value, struct buf *out) {
        buf_add_text(out, "} ");
        buf_add_uint(out, value);
        buf_add_char(out, '\n');
}

/* A gauge that was lowered once too often shows as -1, not as 18446744073709551615. */
static void print_kind(enum kind kind, const uint64_t *from, struct buf *out) {
        uint64_t value = __atomic_load_n(from, __ATOMIC_RELAXED);

        if (kind == KIND_gauge)
                buf_printf(out, "} %" PRId64 "\n", (int64_t)value);
        else
                print_value(value, out);
}

/* Buckets add up, and the last of them is the count: a reader never sees one that contradicts the others. */
static void print_histogram(const struct metrics_slot *slot, const struct metrics_series *series, const struct metrics_histogram *from,
                            enum scale scale, const char *text, struct buf *out) {
        uint64_t sum = __atomic_load_n(&from->sum, __ATOMIC_RELAXED), count = 0;

        for (size_t i = 0; i <= scales[scale].count; i++) {
                count += __atomic_load_n(&from->counts[i], __ATOMIC_RELAXED);
                print_label(slot, series, text, "_bucket", out);
                if (i < scales[scale].count)
                        buf_printf(out, ",le=\"%" PRIu64 "\"", scales[scale].bounds[i]);
                else
                        buf_add_text(out, ",le=\"+Inf\"");
                print_value(count, out);
        }
        print_label(slot, series, text, "_sum", out);
        print_value(sum, out);
        print_label(slot, series, text, "_count", out);
        print_value(count, out);
}

static void observe(struct metrics_histogram *to, enum scale scale, uint64_t value) {
        size_t i = 0;

        while (i < scales[scale].count && value > scales[scale].bounds[i])
                i++;
        to->counts[i]++;
        to->sum += value;
}

void metrics_observe(enum histogram histogram, uint64_t value) {
        observe(&process.metrics->histograms[histogram], histograms[histogram].scale, value);
}

void metrics_observe_series(struct metrics_series *series, enum series_histogram histogram, uint64_t value) {
        observe(&series->histograms[histogram], series_histograms[histogram].scale, value);
}

struct metrics_series *metrics_series(const char *provider, const char *app) {
        struct metrics_series *series = process.metrics->series, *last = series + METRICS_SERIES - 1;

        while (series < last && series->provider[0] && (strcmp(series->provider, provider) != 0 || strcmp(series->app, app) != 0))
                series++;
        if (series->provider[0])
                return series;
        /* The provider last: from then on a reader shows it. */
        strncpy(series->app, app, sizeof(series->app) - 1);
        strncpy(series->provider, provider, sizeof(series->provider) - 1);
        return series;
}

/* Every series that is in use, of every slot that is. */
#define EACH_SERIES(page, slot, series)                                                                                          \
        for (const struct metrics_slot *slot = (page)->slots; slot < (page)->slots + (page)->slots_count; slot++)                \
                for (const struct metrics_series *series = slot->series;                                                         \
                     slot->name[0] && series < slot->series + METRICS_SERIES && series->provider[0]; series++)

static void print_series(const struct metrics_page *page, struct buf *out) {
        for (size_t i = 0; i < SERIES_COUNT; i++) {
                if (i == 0 || strcmp(series_rows[i].text, series_rows[i - 1].text) != 0)
                        print_head(series_rows[i].text, series_rows[i].sentence, kinds[series_rows[i].kind], out);
                EACH_SERIES(page, slot, series) {
                        print_label(slot, series, series_rows[i].text, "", out);
                        buf_printf(out, "%s%s", series_rows[i].label[0] ? "," : "", series_rows[i].label);
                        print_kind(series_rows[i].kind, &series->values[i], out);
                }
        }
        for (size_t i = 0; i < SERIES_HISTOGRAM_COUNT; i++) {
                print_head(series_histograms[i].text, series_histograms[i].sentence, "histogram", out);
                EACH_SERIES(page, slot, series)
                        print_histogram(slot, series, &series->histograms[i], series_histograms[i].scale, series_histograms[i].text, out);
        }
}

void metrics_print(const struct metrics_page *page, struct buf *out) {
        for (size_t i = 0; i < METRIC_COUNT; i++) {
                print_head(rows[i].text, rows[i].sentence, kinds[rows[i].kind], out);
                for (const struct metrics_slot *slot = page->slots; slot < page->slots + page->slots_count; slot++) {
                        if (slot->name[0] == '\0')
                                continue;
                        print_label(slot, NULL, rows[i].text, "", out);
                        print_kind(rows[i].kind, &slot->values[i], out);
                }
        }
        for (size_t i = 0; i < HISTOGRAM_COUNT; i++) {
                print_head(histograms[i].text, histograms[i].sentence, "histogram", out);
                for (const struct metrics_slot *slot = page->slots; slot < page->slots + page->slots_count; slot++) {
                        if (slot->name[0] != '\0')
                                print_histogram(slot, NULL, &slot->histograms[i], histograms[i].scale, histograms[i].text, out);
                }
        }
        print_series(page, out);
}
