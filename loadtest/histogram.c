/* SPDX-License-Identifier: Apache-2.0 */
/* histogram.c: see histogram.h. */
#include "loadtest/histogram.h"
#include <stddef.h>

/* Below 2 * HISTOGRAM_STEPS each value has its own bucket; above, the top seven bits choose it. */
static uint32_t bucket_of(uint64_t value_us) {
        if (value_us < HISTOGRAM_STEPS)
                return (uint32_t)value_us;
        unsigned power = 63u - (unsigned)__builtin_clzll(value_us) - 6;
        if (power >= HISTOGRAM_POWERS)
                return HISTOGRAM_BUCKETS - 1;
        return (power + 1) * HISTOGRAM_STEPS + (uint32_t)((value_us >> power) - HISTOGRAM_STEPS);
}

uint64_t histogram_bucket_us(uint32_t bucket) {
        if (bucket < HISTOGRAM_STEPS)
                return bucket;
        unsigned power = bucket / HISTOGRAM_STEPS - 1;
        uint64_t lowest = (uint64_t)(HISTOGRAM_STEPS + bucket % HISTOGRAM_STEPS) << power;
        return lowest + ((uint64_t)1 << power) - 1;
}

void histogram_record(struct histogram *histogram, uint64_t value_us) {
        histogram->count++;
        histogram->sum_us += value_us;
        if (value_us > histogram->max_us)
                histogram->max_us = value_us;
        histogram->buckets[bucket_of(value_us)]++;
}

void histogram_merge(struct histogram *into, const struct histogram *from) {
        into->count += from->count;
        into->sum_us += from->sum_us;
        if (from->max_us > into->max_us)
                into->max_us = from->max_us;
        for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
                into->buckets[i] += from->buckets[i];
}

void histogram_subtract(struct histogram *from, const struct histogram *earlier) {
        uint64_t max_us = 0;
        from->count = 0; /* counted anew: the two looks may each have been taken between two adds */
        from->sum_us -= earlier->sum_us;
        for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
                from->buckets[i] -= earlier->buckets[i];
                from->count += from->buckets[i];
                if (from->buckets[i])
                        max_us = histogram_bucket_us(i);
        }
        if (max_us < from->max_us)
                from->max_us = max_us;
}

uint64_t histogram_quantile_us(const struct histogram *histogram, double share) {
        uint64_t total = 0;
        for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
                total += histogram->buckets[i];
        double wanted = share * (double)total;
        uint64_t seen = 0;
        for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
                seen += histogram->buckets[i];
                if (histogram->buckets[i] && (double)seen >= wanted) {
                        uint64_t value_us = histogram_bucket_us(i);
                        return value_us < histogram->max_us ? value_us : histogram->max_us;
                }
        }
        return 0;
}

double histogram_mean_us(const struct histogram *histogram) {
        return histogram->count ? (double)histogram->sum_us / (double)histogram->count : 0;
}
