/* SPDX-License-Identifier: Apache-2.0 */
/* event.c: builds the bytes of events. Bodies were checked when they came in and are spliced in as they are. */
#include "fanout/event.h"

#include "base/buf.h"
#include "base/frame.h"
#include "base/limits.h"
#include "fanout/op.h"
#include "fanout/words.h"

/* Twice the largest body leaves room for the envelope of escaped ids. */
enum { EVENT_BYTES = 2 * LIMIT_FRAME_BYTES };

static const struct {
        const char *kind;
        struct slice head;
} event_types[EVENT_TYPES] = {
#define EVENT_TYPE(name, text) [EVENT_##name] = { text, { "{\"type\":\"" text "\",\"n\":", sizeof("{\"type\":\"" text "\",\"n\":") - 1 } }
        EVENT_TYPE(MESSAGE, "message"), EVENT_TYPE(EDIT, "edit"),     EVENT_TYPE(DELETE, "delete"),
        EVENT_TYPE(REACT, "react"),     EVENT_TYPE(MEMBER, "member"), EVENT_TYPE(RECEIPT, "receipt"),
        EVENT_TYPE(NOTIFICATION, "notification"),
#undef EVENT_TYPE
};

struct slice event_head(enum event_type type) {
        return event_types[type].head;
}

struct entry event_parse_entry(struct slice packed) {
        struct slice body = packed;
        struct slice header = words_take(&body, '\n');
        struct entry entry = { .body = body };
        entry.at = (int64_t)words_uint(words_take(&header, ' '));
        entry.kind = words_take(&header, ' ');
        entry.ref = words_take(&header, ' ');
        entry.from = words_take(&header, ' ');
        entry.device = words_take(&header, ' ');
        entry.op = header;
        entry.type = EVENT_MESSAGE;
        for (int i = EVENT_MESSAGE; i <= EVENT_REACT; i++)
                if (slice_is(entry.kind, event_types[i].kind))
                        entry.type = (enum event_type)i;
        return entry;
}

void event_add_body(struct buf *out, struct slice body) {
        buf_add_text(out, body.len ? ",\"body\":" : ",\"deleted\":true");
        buf_add_slice(out, body);
}

static void event_add_fields(struct buf *out, uint64_t seq, struct slice conv, const struct entry *entry, bool with_body) {
        buf_add_text(out, ",\"conv\":");
        buf_add_json(out, conv);
        buf_add_text(out, ",\"seq\":");
        buf_add_uint(out, seq);
        if (entry->ref.len) {
                buf_add_text(out, ",\"ref\":");
                buf_add_slice(out, entry->ref);
        }
        buf_add_text(out, ",\"from\":");
        buf_add_json(out, entry->from);
        if (entry->device.len) {
                buf_add_text(out, ",\"device\":");
                buf_add_json(out, entry->device);
        }
        buf_add_text(out, ",\"op\":");
        char op[OP_PACKED_BYTES];
        buf_add_json(out, op_unpack(entry->op, op));
        buf_add_text(out, ",\"at\":");
        buf_add_int(out, entry->at);
        if (with_body)
                event_add_body(out, entry->body);
}

void event_open_entry(struct buf *out, uint64_t seq, struct slice conv, const struct entry *entry) {
        buf_add_text(out, "{\"type\":\"");
        buf_add_text(out, event_types[entry->type].kind);
        buf_add_char(out, '"');
        event_add_fields(out, seq, conv, entry, true);
}

static struct frame *event_freeze(struct buf *text) {
        return buf_failed(text) ? NULL : frame_new(buf_slice(text));
}

struct frame *event_entry_tail(uint64_t seq, struct slice conv, const struct entry *entry, bool with_body) {
        _cleanup_buf_ struct buf text = BUF_INIT(EVENT_BYTES);
        event_add_fields(&text, seq, conv, entry, with_body);
        buf_add_char(&text, '}');
        return event_freeze(&text);
}

struct frame *event_receipt_tail(struct slice conv, struct slice user, uint64_t delivered, uint64_t read) {
        _cleanup_buf_ struct buf text = BUF_INIT(EVENT_BYTES);
        buf_add_text(&text, ",\"conv\":");
        buf_add_json(&text, conv);
        buf_add_text(&text, ",\"user\":");
        buf_add_json(&text, user);
        buf_add_text(&text, ",\"delivered\":");
        buf_add_uint(&text, delivered);
        buf_add_text(&text, ",\"read\":");
        buf_add_uint(&text, read);
        buf_add_char(&text, '}');
        return event_freeze(&text);
}

struct frame *event_member_tail(int64_t at, struct slice action, struct slice role, struct slice user, struct slice conv) {
        _cleanup_buf_ struct buf text = BUF_INIT(EVENT_BYTES);
        buf_add_text(&text, ",\"conv\":");
        buf_add_json(&text, conv);
        buf_add_text(&text, ",\"action\":");
        buf_add_json(&text, action);
        buf_add_text(&text, ",\"user\":");
        buf_add_json(&text, user);
        buf_add_text(&text, ",\"role\":");
        buf_add_json(&text, role);
        buf_add_text(&text, ",\"at\":");
        buf_add_int(&text, at);
        buf_add_char(&text, '}');
        return event_freeze(&text);
}

struct frame *event_notice_tail(int64_t at, struct slice priority, struct slice op, struct slice content) {
        _cleanup_buf_ struct buf text = BUF_INIT(EVENT_BYTES);
        buf_add_text(&text, ",\"op\":");
        buf_add_json(&text, op);
        buf_add_char(&text, ',');
        buf_add_slice(&text, content);
        buf_add_text(&text, ",\"priority\":");
        buf_add_json(&text, priority);
        buf_add_text(&text, ",\"at\":");
        buf_add_int(&text, at);
        buf_add_char(&text, '}');
        return event_freeze(&text);
}
