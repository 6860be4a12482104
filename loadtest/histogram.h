/* SPDX-License-Identifier: Apache-2.0 */
/*
 * histogram.h: how often each duration came, for percentiles that can be believed.
 *
 * Log-linear as in HdrHistogram (Gil Tene): each power of two is cut into 64 equal buckets, so a value is known to within
 * 1/64 (1.6 %), from one microsecond to 19 hours. It has a fixed size and no pointers: it lives in shared memory and is
 * merged, or subtracted, by adding, or subtracting, its counts.
 *
 * 1. What was recorded is never reported lower than it was, and at most 1/64 higher.
 * 2. The order of recording and merging changes nothing.
 */
#pragma once
#include <stdint.h>

enum {
        HISTOGRAM_STEPS = 64, /* buckets of one power of two */
        HISTOGRAM_POWERS = 31,
        HISTOGRAM_BUCKETS = HISTOGRAM_STEPS * (HISTOGRAM_POWERS + 1),
};

struct histogram {
        uint64_t count;
        uint64_t sum_us;
        uint64_t max_us; /* exact, as far as it fits a bucket */
        uint64_t buckets[HISTOGRAM_BUCKETS];
};

/* What is longer than the last bucket counts as the last bucket. */
void histogram_record(struct histogram *histogram, uint64_t value_us);
void histogram_merge(struct histogram *into, const struct histogram *from);
/* What came between two looks at the same histogram. Its max is that of the highest bucket that grew. */
void histogram_subtract(struct histogram *from, const struct histogram *earlier);

/* The value that the given share (0.99) of all values does not exceed; 0 if there are none. */
uint64_t histogram_quantile_us(const struct histogram *histogram, double share);
double histogram_mean_us(const struct histogram *histogram);

/* The highest value that falls into a bucket. */
uint64_t histogram_bucket_us(uint32_t bucket);
