/* SPDX-License-Identifier: Apache-2.0 */
/* outbox.c: see outbox.h. */
#include "hub/outbox.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/frame.h"
#include "base/limits.h"

enum outbox_kind { OUTBOX_EVENT, OUTBOX_MARK, OUTBOX_EPHEMERAL, OUTBOX_REPLY, OUTBOX_CONTROL };
enum { OUTBOX_FIRST = 8, OUTBOX_TYPE_SHIFT = 56, OUTBOX_KIND_SHIFT = 60 };

#define OUTBOX_N_MASK ((UINT64_C(1) << OUTBOX_TYPE_SHIFT) - 1)

static uint64_t outbox_what(enum outbox_kind kind, enum event_type type, uint64_t n) {
        return (uint64_t)kind << OUTBOX_KIND_SHIFT | (uint64_t)type << OUTBOX_TYPE_SHIFT | (n & OUTBOX_N_MASK);
}

static enum outbox_kind outbox_kind(const struct outbox_slot *slot) {
        return (enum outbox_kind)(slot->what >> OUTBOX_KIND_SHIFT);
}

static struct outbox_slot *outbox_slot(const struct outbox *outbox, uint32_t index) {
        return &outbox->slots[(outbox->head + index) % outbox->capacity];
}

void outbox_deinit(struct outbox *outbox) {
        for (uint32_t i = 0; i < outbox->count; i++)
                frame_unref(outbox_slot(outbox, i)->frame);
        free(outbox->slots);
        *outbox = (struct outbox){ 0 };
}

static bool outbox_grow(struct outbox *outbox) {
        uint32_t capacity = outbox->capacity ? outbox->capacity * 2 : OUTBOX_FIRST;
        struct outbox_slot *slots = calloc(capacity, sizeof(*slots));
        if (!slots)
                return false;
        for (uint32_t i = 0; i < outbox->count; i++)
                slots[i] = *outbox_slot(outbox, i);
        free(outbox->slots);
        outbox->slots = slots;
        outbox->capacity = capacity;
        outbox->head = 0;
        return true;
}

static bool outbox_add(struct outbox *outbox, struct frame *frame, uint64_t what) {
        if (outbox->count == outbox->capacity && !outbox_grow(outbox))
                return false;
        *outbox_slot(outbox, outbox->count) = (struct outbox_slot){ frame_ref(frame), what };
        outbox->count++;
        outbox->bytes += frame->len;
        return true;
}

static bool outbox_has_room(const struct outbox *outbox, struct frame *frame, uint32_t frames, size_t bytes) {
        return outbox->count < frames && (outbox->count == 0 || outbox->bytes + frame->len <= bytes);
}

bool outbox_add_event(struct outbox *outbox, enum event_type type, uint64_t n, struct frame *tail) {
        if (!outbox_has_room(outbox, tail, LIMIT_OUTBOX_FRAMES, LIMIT_OUTBOX_BYTES) ||
            !outbox_add(outbox, tail, outbox_what(OUTBOX_EVENT, type, n)))
                return false;
        outbox->events++;
        return true;
}

bool outbox_add_ephemeral(struct outbox *outbox, struct frame *text) {
        return outbox_has_room(outbox, text, LIMIT_OUTBOX_FRAMES / 2, LIMIT_OUTBOX_BYTES / 2) &&
               outbox_add(outbox, text, outbox_what(OUTBOX_EPHEMERAL, 0, 0));
}

/* Once queued it stays: what is in half an outbox is little, and the frame is shared by the whole audience. */
bool outbox_add_entry(struct outbox *outbox, struct frame *text) {
        return outbox_add_ephemeral(outbox, text);
}

bool outbox_add_reply(struct outbox *outbox, struct frame *text) {
        if (!outbox_add(outbox, text, outbox_what(OUTBOX_REPLY, 0, 0)))
                return false;
        outbox->reply_bytes += text->len;
        return true;
}

bool outbox_add_mark(struct outbox *outbox, uint64_t n, struct frame *text) {
        if (!outbox_add(outbox, text, outbox_what(OUTBOX_MARK, 0, n)))
                return false;
        outbox->reply_bytes += text->len;
        return true;
}

/* Control frames are held as they go out. Payload: at most 125 bytes. */
static bool outbox_add_control(struct outbox *outbox, unsigned char opcode, const void *payload, size_t len) {
        char bytes[2 + 125] = { (char)(0x80 | opcode), (char)len };
        memcpy(bytes + 2, payload, len);
        struct frame *frame = frame_new((struct slice){ bytes, 2 + len });
        bool added = frame && outbox_add(outbox, frame, outbox_what(OUTBOX_CONTROL, 0, 0));
        frame_unref(frame);
        return added;
}

/* With a payload, as libwebsockets 4.1 does not tell of a pong that has none: whoever only answers pings would seem dead. */
bool outbox_add_ping(struct outbox *outbox) {
        return outbox->count < LIMIT_OUTBOX_FRAMES && outbox_add_control(outbox, 0x9, "b", 1);
}

bool outbox_add_close(struct outbox *outbox, int code, struct slice reason) {
        char payload[125] = { (char)(code >> 8), (char)code };
        size_t len = reason.len < sizeof(payload) - 2 ? reason.len : sizeof(payload) - 2;
        memcpy(payload + 2, reason.ptr, len);
        return outbox_add_control(outbox, 0x8, payload, len + 2);
}

static void outbox_move_place(const struct outbox_slot *slot, struct outbox_place *place) {
        uint64_t n = slot->what & OUTBOX_N_MASK;
        if (outbox_kind(slot) == OUTBOX_EVENT)
                place->event = n;
        if (outbox_kind(slot) <= OUTBOX_MARK && n > place->n)
                place->n = n;
}

/* Drops, from index first on, the slots of kinds up to this one. */
static void outbox_drop(struct outbox *outbox, uint32_t first, enum outbox_kind last) {
        uint32_t kept = first;
        for (uint32_t i = first; i < outbox->count; i++) {
                struct outbox_slot slot = *outbox_slot(outbox, i);
                if (outbox_kind(&slot) > last) {
                        *outbox_slot(outbox, kept++) = slot;
                        continue;
                }
                if (outbox_kind(&slot) == OUTBOX_EVENT)
                        outbox->events--;
                else
                        outbox->reply_bytes -= slot.frame->len;
                outbox->bytes -= slot.frame->len;
                frame_unref(slot.frame);
        }
        outbox->count = kept;
}

uint32_t outbox_drop_events(struct outbox *outbox, struct outbox_place *ret_place) {
        uint32_t first = outbox->count, before = outbox->events;
        while (first && outbox_kind(outbox_slot(outbox, first - 1)) != OUTBOX_MARK)
                first--;
        for (uint32_t i = 0; i < first; i++)
                outbox_move_place(outbox_slot(outbox, i), ret_place);
        outbox_drop(outbox, first, OUTBOX_EVENT);
        return before - outbox->events;
}

void outbox_drop_all(struct outbox *outbox) {
        outbox_drop(outbox, 0, OUTBOX_MARK);
}

static void outbox_add_header(struct buf *out, size_t len) {
        unsigned char header[10] = { 0x81 }; /* FIN, text */
        size_t bytes = 2;
        if (len < 126) {
                header[1] = (unsigned char)len;
        } else if (len <= 0xffff) {
                header[1] = 126;
                header[2] = (unsigned char)(len >> 8);
                header[3] = (unsigned char)len;
                bytes = 4;
        } else {
                header[1] = 127;
                for (size_t i = 0; i < 8; i++)
                        header[2 + i] = (unsigned char)((uint64_t)len >> (56 - 8 * i));
                bytes = 10;
        }
        buf_add(out, header, bytes);
}

static size_t outbox_digits(uint64_t n, char *digits) {
        char reversed[20];
        size_t count = 0;
        do {
                reversed[count++] = (char)('0' + n % 10);
                n /= 10;
        } while (n);
        for (size_t i = 0; i < count; i++)
                digits[i] = reversed[count - 1 - i];
        return count;
}

static void outbox_write(const struct outbox_slot *slot, struct buf *out) {
        struct slice text = { slot->frame->bytes, slot->frame->len };
        if (outbox_kind(slot) == OUTBOX_CONTROL) {
                buf_add_slice(out, text);
                return;
        }
        if (outbox_kind(slot) != OUTBOX_EVENT) {
                outbox_add_header(out, text.len);
                buf_add_slice(out, text);
                return;
        }
        char digits[20];
        size_t count = outbox_digits(slot->what & OUTBOX_N_MASK, digits);
        struct slice head = event_head((enum event_type)((slot->what >> OUTBOX_TYPE_SHIFT) & 15));
        outbox_add_header(out, head.len + count + text.len);
        buf_add_slice(out, head);
        buf_add(out, digits, count);
        buf_add_slice(out, text);
}

uint32_t outbox_gather(struct outbox *outbox, struct buf *out, size_t limit, struct outbox_place *ret_place) {
        enum { ENVELOPE = 64 }; /* header, head and digits */
        uint32_t frames = 0;
        while (outbox->count) {
                struct outbox_slot *slot = outbox_slot(outbox, 0);
                size_t len = slot->frame->len;
                if (frames && out->len + len + ENVELOPE > limit)
                        break;
                outbox_write(slot, out);
                frames++;
                outbox_move_place(slot, ret_place);
                if (outbox_kind(slot) == OUTBOX_EVENT)
                        outbox->events--;
                else if (outbox_kind(slot) == OUTBOX_REPLY || outbox_kind(slot) == OUTBOX_MARK)
                        outbox->reply_bytes -= len;
                outbox->bytes -= len;
                frame_unref(slot->frame);
                outbox->head = (outbox->head + 1) % outbox->capacity;
                outbox->count--;
        }
        if (outbox->count == 0) {
                free(outbox->slots);
                *outbox = (struct outbox){ 0 };
        }
        return frames;
}
