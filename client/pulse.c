/* SPDX-License-Identifier: Apache-2.0 */
/* pulse.c: see pulse.h. */
#include "client/pulse.h"

void pulse_begin(struct pulse *pulse, uint64_t every_ms, uint64_t now_ms) {
        pulse->every_ms = every_ms;
        pulse->beats = true;
        pulse_heard(pulse, now_ms);
}

void pulse_end(struct pulse *pulse) {
        pulse->beats = false;
        pulse->asked_ms = 0;
}

void pulse_heard(struct pulse *pulse, uint64_t now_ms) {
        pulse->heard_ms = now_ms;
        pulse->asked_ms = 0; /* pulse#1 */
}

uint64_t pulse_due_ms(const struct pulse *pulse) {
        if (!pulse->beats)
                return 0;
        if (pulse->asked_ms)
                return pulse->asked_ms + PULSE_DEAD_MS;
        return pulse->every_ms ? pulse->heard_ms + pulse->every_ms * (pulse->quiet ? PULSE_QUIET_TIMES : 1) : 0;
}

enum pulse_word pulse_step(struct pulse *pulse, uint64_t now_ms) {
        uint64_t due_ms = pulse_due_ms(pulse);

        if (due_ms == 0 || due_ms > now_ms)
                return PULSE_NOTHING;
        if (pulse->asked_ms)
                return PULSE_DEAD;
        return pulse_probe(pulse, 0, now_ms);
}

enum pulse_word pulse_probe(struct pulse *pulse, uint64_t silence_ms, uint64_t now_ms) {
        if (!pulse->beats || pulse->asked_ms || now_ms - pulse->heard_ms < silence_ms)
                return PULSE_NOTHING;
        pulse->asked_ms = now_ms;
        return PULSE_PING;
}
