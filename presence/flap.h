/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flap.h: decides when a flicker of presence counts. Pure: state, observation and time in; what to say out.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum flap_status { FLAP_OFFLINE, FLAP_AWAY, FLAP_ONLINE };

struct flap {
        enum flap_status announced; /* what watchers were told */
        enum flap_status observed;  /* what the sessions say now */
        int64_t gone_ms;            /* when observed became offline; 0 while it is not */
};

/* What was found at first is taken as told. */
void flap_init(struct flap *flap, enum flap_status observed);

/*
 * observed at now_ms; gone_ms: since when, if it is offline (a crash is noticed later than it happened).
 * True: announced has changed and is to be told. *ret_due_ms: when to call flap_due(), 0 never.
 */
bool flap_step(struct flap *flap, enum flap_status observed, int64_t gone_ms, int64_t grace_ms, int64_t now_ms, int64_t *ret_due_ms);
/* The time has come: true if offline is to be told now. */
bool flap_due(struct flap *flap, int64_t grace_ms, int64_t now_ms);

const char *flap_text(enum flap_status status);
