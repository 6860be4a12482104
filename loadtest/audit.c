/* SPDX-License-Identifier: Apache-2.0 */
/* audit.c: see audit.h. */
#include "loadtest/audit.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/limits.h"
#include "loadtest/dice.h"

enum { FAULT_TEXT_BYTES = 200, SLOTS_LEAST = 16 };

/*
 * ops[seq - 1] is the hash of the op, 0 if nobody told of it yet; seqs is a hash table (linear probing, at most half full) from
 * there back to the first seq of each op, 0 in an empty slot. The table is looked at once for a message, not for each device that
 * is shown it.
 */
struct ledger {
        uint64_t *ops;
        uint32_t *seqs;
        uint32_t room_for;
        uint32_t slots, known; /* of seqs */
        uint32_t top;          /* the highest acknowledged seq */
};

/* A hole in what a device was shown, which may still be filled, late. */
struct hole {
        uint32_t device, room;
        uint64_t seq;
};

struct audit {
        struct audit_options options;
        struct audit_counts counts;
        struct ledger *ledgers;
        uint32_t *seqs; /* of each device, in each room of its circle: what it was shown last; SEQ_UNKNOWN after a told loss */
        struct hole *holes;
        uint32_t holes_count;
};

#define SEQ_UNKNOWN UINT32_MAX

struct audit *audit_new(const struct audit_options *options) {
        struct audit *audit = calloc(1, sizeof *audit);
        if (!audit)
                return NULL;
        audit->options = *options;
        size_t rooms = (size_t)options->circles * options->rooms_per_circle;
        size_t places = (size_t)options->devices * options->rooms_per_circle;
        audit->ledgers = calloc(rooms ? rooms : 1, sizeof *audit->ledgers);
        audit->seqs = calloc(places ? places : 1, sizeof *audit->seqs);
        audit->holes = calloc(LIMIT_LOAD_HOLES, sizeof *audit->holes);
        if (!audit->ledgers || !audit->seqs || !audit->holes)
                return audit_free(audit);
        return audit;
}

struct audit *audit_free(struct audit *audit) {
        if (!audit)
                return NULL;
        size_t rooms = (size_t)audit->options.circles * audit->options.rooms_per_circle;
        for (size_t i = 0; audit->ledgers && i < rooms; i++) {
                free(audit->ledgers[i].ops);
                free(audit->ledgers[i].seqs);
        }
        free(audit->ledgers);
        free(audit->seqs);
        free(audit->holes);
        free(audit);
        return NULL;
}

__attribute__((format(printf, 2, 3))) static void complain(struct audit *audit, const char *format, ...) {
        char text[FAULT_TEXT_BYTES];
        va_list args;
        va_start(args, format);
        vsnprintf(text, sizeof text, format, args);
        va_end(args);
        if (audit->options.on_fault)
                audit->options.on_fault(text, audit->options.context);
}

/* Never 0, which stands for "not known". */
static uint64_t hash_of(struct slice op) {
        uint64_t hash = op.len;
        for (size_t i = 0; i < op.len; i++)
                hash = (hash ^ (unsigned char)op.ptr[i]) * 0x100000001b3u; /* FNV-1a */
        return dice_mix(hash) | 1;
}

/* Where the ledger keeps this seq; NULL if it cannot (no memory, or more than a run may bring): then it is not compared. */
static uint64_t *ledger_at(struct ledger *ledger, uint64_t seq) {
        if (seq == 0 || seq > LIMIT_LOAD_LEDGER)
                return NULL;
        if (seq > ledger->room_for) {
                uint32_t more = ledger->room_for ? ledger->room_for * 2 : 8;
                while (more < seq)
                        more *= 2;
                uint64_t *ops = reallocarray(ledger->ops, more, sizeof *ops);
                if (!ops)
                        return NULL;
                memset(ops + ledger->room_for, 0, (more - ledger->room_for) * sizeof *ops);
                ledger->ops = ops;
                ledger->room_for = more;
        }
        return &ledger->ops[seq - 1];
}

/* The slot that has the seq of this op, or else the empty one where it belongs. */
static uint32_t *slot_of(const struct ledger *ledger, uint32_t *seqs, uint32_t slots, uint64_t hash) {
        uint32_t i = (uint32_t)(hash >> 32) & (slots - 1);
        while (seqs[i] != 0 && ledger->ops[seqs[i] - 1] != hash)
                i = (i + 1) & (slots - 1);
        return &seqs[i];
}

static bool make_slots(struct ledger *ledger) {
        uint32_t more = ledger->slots ? ledger->slots * 2 : SLOTS_LEAST;
        uint32_t *seqs = calloc(more, sizeof *seqs);
        if (!seqs)
                return false;
        for (uint32_t i = 0; i < ledger->slots; i++)
                if (ledger->seqs[i] != 0)
                        *slot_of(ledger, seqs, more, ledger->ops[ledger->seqs[i] - 1]) = ledger->seqs[i];
        free(ledger->seqs);
        ledger->seqs = seqs;
        ledger->slots = more;
        return true;
}

/* The op has a seq, of which nobody told before: has it another one already? */
static void ledger_know(struct audit *audit, uint32_t room, uint32_t seq, uint64_t hash, struct slice op) {
        struct ledger *ledger = &audit->ledgers[room];
        if ((ledger->known + 1) * 2 > ledger->slots && !make_slots(ledger))
                return;
        uint32_t *slot = slot_of(ledger, ledger->seqs, ledger->slots, hash);
        if (*slot != 0) {
                audit->counts.repeated++;
                return complain(audit, "repeated: %.*s is seq %" PRIu32 " and seq %" PRIu32 " of room %" PRIu32, (int)op.len,
                                op.ptr, *slot, seq, room);
        }
        *slot = seq;
        ledger->known++;
}

static void ledger_write(struct audit *audit, uint32_t room, uint64_t seq, struct slice op) {
        uint64_t hash = hash_of(op), *at = ledger_at(&audit->ledgers[room], seq);
        if (!at || *at == hash)
                return;
        if (*at == 0) {
                ledger_know(audit, room, (uint32_t)seq, hash, op);
                *at = hash;
                return;
        }
        audit->counts.invented++;
        complain(audit, "invented: seq %" PRIu64 " of room %" PRIu32 " was told for two messages, one of them %.*s", seq, room,
                 (int)op.len, op.ptr);
}

static uint32_t rooms_count(const struct audit *audit) {
        return audit->options.circles * audit->options.rooms_per_circle;
}

/* Where the device is in the room, or NULL if it is not in it. */
static uint32_t *seq_at(const struct audit *audit, uint32_t device, uint32_t room) {
        uint32_t circle = device / audit->options.devices_per_circle, per_circle = audit->options.rooms_per_circle;
        if (room >= rooms_count(audit) || room / per_circle != circle)
                return NULL;
        return &audit->seqs[(size_t)device * per_circle + room % per_circle];
}

void audit_acknowledged(struct audit *audit, uint32_t room, uint64_t seq, struct slice op) {
        if (room >= rooms_count(audit) || seq == 0 || seq >= SEQ_UNKNOWN) {
                audit->counts.invented++;
                return complain(audit, "invented: %.*s was acknowledged as seq %" PRIu64, (int)op.len, op.ptr, seq);
        }
        ledger_write(audit, room, seq, op);
        audit_raise(audit, room, seq);
}

void audit_raise(struct audit *audit, uint32_t room, uint64_t seq) {
        if (seq > audit->ledgers[room].top && seq < SEQ_UNKNOWN)
                audit->ledgers[room].top = (uint32_t)seq;
}

/* What the device was not shown although something behind it was. What there is no room to remember is lost at once. */
static void open_holes(struct audit *audit, uint32_t device, uint32_t room, uint64_t from, uint64_t to) {
        for (uint64_t seq = from; seq < to; seq++) {
                if (audit->holes_count == LIMIT_LOAD_HOLES) {
                        audit->counts.lost += to - seq;
                        return;
                }
                audit->holes[audit->holes_count++] = (struct hole){ device, room, seq };
        }
}

static bool close_hole(struct audit *audit, uint32_t device, uint32_t room, uint64_t seq) {
        for (uint32_t i = audit->holes_count; i-- > 0;) {
                const struct hole *hole = &audit->holes[i];
                if (hole->device == device && hole->room == room && hole->seq == seq) {
                        audit->holes[i] = audit->holes[--audit->holes_count];
                        return true;
                }
        }
        return false;
}

void audit_shown(struct audit *audit, uint32_t device, uint32_t room, uint64_t seq, struct slice op) {
        uint32_t *last = room == AUDIT_STRANGE_ROOM ? NULL : seq_at(audit, device, room);
        audit->counts.shown++;
        if (!last) {
                audit->counts.leaked++;
                return complain(audit, "leaked: device %" PRIu32 " was shown %.*s, which is not for it", device, (int)op.len,
                                op.ptr);
        }
        if (seq == 0 || seq >= SEQ_UNKNOWN) {
                audit->counts.invented++;
                return complain(audit, "invented: device %" PRIu32 " was shown seq %" PRIu64, device, seq);
        }
        ledger_write(audit, room, seq, op);
        if (*last != SEQ_UNKNOWN && seq <= *last) {
                bool late = close_hole(audit, device, room, seq);
                *(late ? &audit->counts.reordered : &audit->counts.repeated) += 1;
                return complain(audit, "%s: device %" PRIu32 " was shown seq %" PRIu64 " of room %" PRIu32 " after %" PRIu32,
                                late ? "reordered" : "repeated", device, seq, room, *last);
        }
        if (*last != SEQ_UNKNOWN && seq > (uint64_t)*last + 1)
                open_holes(audit, device, room, (uint64_t)*last + 1, seq);
        *last = (uint32_t)seq;
}

bool audit_numbered(struct audit *audit, uint32_t device, uint64_t n, uint64_t last_n) {
        if (n > last_n)
                return true;
        *(n == last_n ? &audit->counts.repeated : &audit->counts.reordered) += 1;
        complain(audit, "%s: device %" PRIu32 " was shown n %" PRIu64 " after %" PRIu64, n == last_n ? "repeated" : "reordered",
                 device, n, last_n);
        return false;
}

void audit_invented(struct audit *audit, uint32_t device, struct slice op) {
        audit->counts.invented++;
        complain(audit, "invented: device %" PRIu32 " was shown %.*s, which nobody sent", device, (int)op.len, op.ptr);
}

void audit_altered(struct audit *audit, uint32_t device, struct slice op) {
        audit->counts.altered++;
        complain(audit, "altered: device %" PRIu32 " was shown %.*s with another body than was sent", device, (int)op.len,
                 op.ptr);
}

void audit_told(struct audit *audit, uint32_t device) {
        uint32_t per_circle = audit->options.rooms_per_circle;
        audit->counts.told++;
        for (uint32_t i = 0; i < per_circle; i++)
                audit->seqs[(size_t)device * per_circle + i] = SEQ_UNKNOWN;
        complain(audit, "told: device %" PRIu32 " was told that something is missing", device);
}

uint64_t audit_seq(const struct audit *audit, uint32_t device, uint32_t room) {
        const uint32_t *seq = seq_at(audit, device, room);
        return seq && *seq != SEQ_UNKNOWN ? *seq : 0;
}

uint64_t audit_top(const struct audit *audit, uint32_t room) {
        return audit->ledgers[room].top;
}

/* How much of what is acknowledged the device was not shown at its end. */
static uint64_t behind(const struct audit *audit, uint32_t device, uint32_t index) {
        uint32_t per_circle = audit->options.rooms_per_circle;
        uint32_t room = device / audit->options.devices_per_circle * per_circle + index;
        uint32_t seq = audit->seqs[(size_t)device * per_circle + index], top = audit->ledgers[room].top;
        return seq < top ? top - seq : 0;
}

bool audit_is_complete(const struct audit *audit, uint32_t device) {
        for (uint32_t i = 0; i < audit->options.rooms_per_circle; i++)
                if (behind(audit, device, i) > 0)
                        return false;
        return true;
}

uint64_t audit_fold(const struct audit *audit, uint32_t room, uint64_t seq) {
        const struct ledger *ledger = &audit->ledgers[room];
        uint64_t fold = 0;
        for (uint64_t i = 0; i < seq && i < ledger->room_for; i++)
                fold ^= dice_mix(ledger->ops[i] + i);
        return fold;
}

void audit_finish(struct audit *audit) {
        for (uint32_t i = 0; i < audit->holes_count; i++) {
                const struct hole *hole = &audit->holes[i];
                complain(audit, "lost: device %" PRIu32 " was never shown seq %" PRIu64 " of room %" PRIu32, hole->device,
                         hole->seq, hole->room);
        }
        audit->counts.lost += audit->holes_count;
        audit->holes_count = 0;
        for (uint32_t device = 0; device < audit->options.devices; device++)
                for (uint32_t i = 0; i < audit->options.rooms_per_circle; i++) {
                        uint64_t missing = behind(audit, device, i);
                        audit->counts.lost += missing;
                        if (missing)
                                complain(audit,
                                         "lost: device %" PRIu32 " was not shown the last %" PRIu64 " of its room %" PRIu32,
                                         device, missing, i);
                }
}

const struct audit_counts *audit_get_counts(const struct audit *audit) {
        return &audit->counts;
}
