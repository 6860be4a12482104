/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prefs.h: what a user wants not to be disturbed by: muted conversations, quiet hours. Kept here, acted on by who pushes.
 *
 * Functions that ask return 0, FANOUT_E_UNAVAILABLE or -ENOMEM; unless 0, done does not come.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/slice.h"

struct fanout;

struct prefs_change {
        struct slice conv; /* to be muted; "": none */
        int64_t until_ms;  /* wall time; 0 or past: muted no longer */
        bool has_quiet;
        struct slice from, to, zone; /* checked by the functions below; all "": no quiet hours any more */
};

/* answer: 0, FANOUT_E_CONFLICT (too many conversations are muted) or FANOUT_E_UNAVAILABLE */
typedef void (*prefs_done_fn)(void *arg, int answer);
__attribute__((warn_unused_result)) int prefs_set(struct fanout *fanout, struct slice user, const struct prefs_change *change, prefs_done_fn done,
                                                  void *arg);

/* fields: "mute":[{conv,until_ms}…],"quiet_hours":{from,to,zone} or null */
typedef void (*prefs_fields_fn)(void *arg, int answer, struct slice fields);
__attribute__((warn_unused_result)) int prefs_get(struct fanout *fanout, struct slice user, prefs_fields_fn done, void *arg);

/* HH:MM, 00:00 to 23:59 */
bool prefs_is_time(struct slice text);
/* What can be the name of a zone in the IANA time zone database ("Theory and pragmatics": names of POSIX file name letters), such as Europe/Berlin. */
bool prefs_is_zone(struct slice text);
