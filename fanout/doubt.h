/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doubt.h: an answer that something is not there, doubted: in the second until a wipe of the store is noticed here, it would be a lie.
 */
#pragma once

struct fanout;

/* answer: FANOUT_E_NOT_FOUND, or FANOUT_E_UNAVAILABLE if the store is not the one we know. */
typedef void (*doubt_done_fn)(void *arg, int answer);

/* Asks the store for its epoch. 0, FANOUT_E_UNAVAILABLE or -ENOMEM: unless 0, done does not come. */
__attribute__((warn_unused_result)) int doubt_start(struct fanout *fanout, doubt_done_fn done, void *arg);
