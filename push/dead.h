/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dead.h: dead letters: pushes that were given up. They are kept in the store until someone looks, tries them again, or throws them away.
 *
 * Functions that ask return 0, FANOUT_E_UNAVAILABLE or -ENOMEM; unless 0, done does not come.
 */
#pragma once
#include "base/slice.h"

struct fanout;

enum dead_fate { DEAD_FORGET, DEAD_REPLAY };

/* fields of a JSON object, without braces */
typedef void (*dead_fields_fn)(void *arg, int answer, struct slice fields);

/* items, and next: what the next call gives as after. */
__attribute__((warn_unused_result)) int dead_list(struct fanout *fanout, struct slice after, unsigned limit, dead_fields_fn done, void *arg);
/* One: FANOUT_E_NOT_FOUND if it is not there, or what it is about is gone. */
__attribute__((warn_unused_result)) int dead_end(struct fanout *fanout, struct slice id, enum dead_fate fate, dead_fields_fn done, void *arg);
/* All that are there; fields: how many. */
__attribute__((warn_unused_result)) int dead_end_all(struct fanout *fanout, enum dead_fate fate, dead_fields_fn done, void *arg);
