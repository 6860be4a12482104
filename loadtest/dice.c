/* SPDX-License-Identifier: Apache-2.0 */
/* dice.c: see dice.h. */
#include "loadtest/dice.h"
#include <math.h>

uint64_t dice_mix(uint64_t number) {
        number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9u;
        number = (number ^ (number >> 27)) * 0x94d049bb133111ebu;
        return number ^ (number >> 31);
}

uint64_t dice_throw(struct dice *dice) {
        dice->state += 0x9e3779b97f4a7c15u;
        return dice_mix(dice->state);
}

double dice_unit(struct dice *dice) {
        return (double)((dice_throw(dice) >> 11) + 1) * 0x1p-53;
}

uint32_t dice_below(struct dice *dice, uint32_t count) {
        return (uint32_t)(((dice_throw(dice) >> 32) * count) >> 32);
}

double dice_exponential(struct dice *dice, double mean) {
        return -log(dice_unit(dice)) * mean;
}

double dice_weight(struct dice *dice) {
        /* Box and Muller, 1958. */
        double normal = sqrt(-2 * log(dice_unit(dice))) * cos(2 * M_PI * dice_unit(dice));
        return exp(normal);
}
