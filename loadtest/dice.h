/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dice.h: chance that can be repeated: the same seed gives the same run.
 *
 * SplitMix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014). Good enough to decide who
 * speaks when; secrets come from base/chance.h.
 */
#pragma once
#include <stdint.h>

struct dice {
        uint64_t state;
};

uint64_t dice_throw(struct dice *dice);
/* Uniform in (0, 1]: never 0, so it has a logarithm. */
double dice_unit(struct dice *dice);
/* Uniform in [0, count), count > 0. */
uint32_t dice_below(struct dice *dice, uint32_t count);
/* The time to the next arrival of a Poisson process with this mean between arrivals. */
double dice_exponential(struct dice *dice, double mean);
/* What one of many does compared to the others: log-normal with sigma 1, median 1: a few do much, most do little. */
double dice_weight(struct dice *dice);

/* The last step of the generator, as a hash of one number. */
uint64_t dice_mix(uint64_t number);
