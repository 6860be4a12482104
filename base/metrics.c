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

static void print_sample(const struct metrics_slot *slot, enum metric metric, struct buf *out) {
        uint64_t value = __atomic_load_n(&slot->values[metric], __ATOMIC_RELAXED);

        buf_printf(out, "%s{process=\"", rows[metric].text);
        add_escaped(out, slot->name, true);
        buf_add_text(out, "\"} ");
        /* A gauge that was lowered once too often shows as -1, not as 18446744073709551615. */
        if (rows[metric].kind == KIND_gauge)
                buf_add_int(out, (int64_t)value);
        else
                buf_add_uint(out, value);
        buf_add_char(out, '\n');
}

void metrics_print(const struct metrics_page *page, struct buf *out) {
        static const char *const kinds[] = { [KIND_counter] = "counter", [KIND_gauge] = "gauge" };

        for (size_t i = 0; i < METRIC_COUNT; i++) {
                buf_printf(out, "# HELP %s ", rows[i].text);
                add_escaped(out, rows[i].sentence, false);
                buf_printf(out, "\n# TYPE %s %s\n", rows[i].text, kinds[rows[i].kind]);
                for (uint32_t s = 0; s < page->slots_count; s++) {
                        if (page->slots[s].name[0] != '\0')
                                print_sample(&page->slots[s], (enum metric)i, out);
                }
        }
}
