/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit.h: the history checker: what each device was shown, held against what was acknowledged.
 *
 * Each conversation is a ledger of ops by seq, written by whoever tells of a seq first: the acknowledgement to the sender or the
 * first device that is shown it. Each device must be shown each of its conversations as 1, 2, 3 … and no op has two seqs. So a
 * run of any length is checked as it goes, with 16 to 24 bytes for a message and 4 for a device in a conversation. Beyond
 * LIMIT_LOAD_LEDGER messages of a conversation, or without memory, ops are not compared any more; the order is.
 *
 * Devices sit in circles: circle c is the devices c * devices_per_circle … and has the rooms c * rooms_per_circle …, all of them
 * for all of its devices. A channel is one circle. Numbers are those of this process.
 *
 * 1. lost       an acknowledged message was not shown to a device of its circle by the end, or the device was shown a later one
 * and never it.
 * 2. repeated   a device was shown a message again, or a message has a second seq, be it shown or acknowledged (counted once,
 * however many are shown it; in a channel once in each process).
 * 3. reordered  a device was shown a message after a later one of the conversation, or a number n below an earlier one.
 * 4. leaked     a device was shown a message of a conversation in which it is not.
 * 5. invented   a message was shown that nobody sent, or one seq was told for two messages.
 * 6. altered    a message was shown with another body than it was sent with.
 * 7. told       the server said that something is missing (gap, reset, recovered:false). The next of each conversation is
 * believed.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/slice.h"

struct audit;

struct audit_counts {
        uint64_t shown, lost, repeated, reordered, leaked, invented, altered, told;
};

struct audit_options {
        uint32_t circles, devices_per_circle, rooms_per_circle;
        uint32_t devices; /* the last circle may have fewer */
        void *context;
        void (*on_fault)(const char *text, void *context); /* the text is lent; for a person, so the first few are enough */
};

enum { AUDIT_STRANGE_ROOM = UINT32_MAX };

struct audit *audit_new(const struct audit_options *options); /* NULL without memory */
struct audit *audit_free(struct audit *audit);

/* A sender heard that op has this seq, for the first time or again. */
void audit_acknowledged(struct audit *audit, uint32_t room, uint64_t seq, struct slice op);
/* A device was shown a message; room may be AUDIT_STRANGE_ROOM. */
void audit_shown(struct audit *audit, uint32_t device, uint32_t room, uint64_t seq, struct slice op);
/* A device was shown an event with number n, after the one with last_n: false if it must not be shown. */
bool audit_numbered(struct audit *audit, uint32_t device, uint64_t n, uint64_t last_n);
/* A message was shown that no device of this run sent. */
void audit_invented(struct audit *audit, uint32_t device, struct slice op);
/* A message was shown with a body that is not its own. */
void audit_altered(struct audit *audit, uint32_t device, struct slice op);
void audit_told(struct audit *audit, uint32_t device);

/* Where a device is in a conversation, and up to which seq it is acknowledged. */
uint64_t audit_seq(const struct audit *audit, uint32_t device, uint32_t room);
uint64_t audit_top(const struct audit *audit, uint32_t room);
/* Another process knows of an acknowledged seq (channels). */
void audit_raise(struct audit *audit, uint32_t room, uint64_t seq);
/* Is nothing acknowledged missing at this device? Tells how many of its rooms lag. */
bool audit_is_complete(const struct audit *audit, uint32_t device);
/* One number for what the ledger holds up to seq: two processes that saw the same have the same. */
uint64_t audit_fold(const struct audit *audit, uint32_t room, uint64_t seq);

/* The end: counts what never came. */
void audit_finish(struct audit *audit);
const struct audit_counts *audit_get_counts(const struct audit *audit);
