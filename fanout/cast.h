/* SPDX-License-Identifier: Apache-2.0 */
/* cast.h: something ephemeral to the members of a conversation who are here now. Nothing is stored; it may get lost. */
#pragma once
#include "base/slice.h"

struct fanout;

typedef void (*cast_done_fn)(void *arg, int answer);

/*
 * letter 'T': header "conv user active", body the session. 'S': header "conv from device session", body JSON.
 * done may be NULL. Unless 0 (FANOUT_E_UNAVAILABLE, -ENOMEM) it does not come.
 */
__attribute__((warn_unused_result)) int cast_send(struct fanout *fanout, struct slice conv, struct slice from, char letter,
                                                  struct slice header, struct slice body, cast_done_fn done, void *arg);
