/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event.h: events as the bytes that clients get.
 *
 * An event differs between users only in n, so its text is cut behind n: {"type":"message","n":  18  ,"conv":…}
 * The head comes from event_head(), the tail is one frame shared by all who get the event.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/slice.h"

struct buf;
struct frame;

enum event_type {
        EVENT_MESSAGE,
        EVENT_EDIT,
        EVENT_DELETE,
        EVENT_REACT,
        EVENT_MEMBER,
        EVENT_RECEIPT,
        EVENT_NOTIFICATION,
        EVENT_TYPES,
};

/* {"type":"message","n":  */
struct slice event_head(enum event_type type);

/* An entry of a log, taken apart: slices of the packed text. */
struct entry {
        int64_t at;
        enum event_type type;
        struct slice kind, ref, from, device;
        struct slice op;   /* packed (op.h) */
        struct slice body; /* empty: withheld, as the message is deleted */
};

struct entry event_parse_entry(struct slice packed);

/* The tails; the caller owns the frame, NULL without memory. */
struct frame *event_entry_tail(uint64_t seq, struct slice conv, const struct entry *entry, bool with_body);
struct frame *event_receipt_tail(struct slice conv, struct slice user, uint64_t delivered, uint64_t read);
struct frame *event_member_tail(int64_t at, struct slice action, struct slice role, struct slice user, struct slice conv);
/* content: fields of JSON, without braces */
struct frame *event_notice_tail(int64_t at, struct slice priority, struct slice op, struct slice content);

/* ,"body":… or, for a text that is withheld, ,"deleted":true */
void event_add_body(struct buf *out, struct slice body);
/* An entry as an object without n, as history shows it; without its last brace, so that more fields can follow. */
void event_open_entry(struct buf *out, uint64_t seq, struct slice conv, const struct entry *entry);
