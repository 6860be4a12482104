/* SPDX-License-Identifier: Apache-2.0 */
/* state.c: see state.h. What may be shown was decided in lua/state.lua: a withheld body does not come here at all. */
#include "fanout/state.h"

#include "base/buf.h"
#include "fanout/event.h"
#include "fanout/store.h"

/* What state_read() in lua/state.lua gives. */
enum { STATE_DELETION, STATE_EDITS, STATE_LATEST, STATE_VERSIONS, STATE_REACTIONS };

static void state_add_item(struct buf *out, uint64_t seq, const struct entry *entry, bool first) {
        buf_add_text(out, first ? "{\"seq\":" : ",{\"seq\":");
        buf_add_uint(out, seq);
        buf_add_text(out, ",\"at\":");
        buf_add_int(out, entry->at);
        buf_add_text(out, ",\"from\":");
        buf_add_json(out, entry->from);
        event_add_body(out, entry->body);
        buf_add_char(out, '}');
}

static void state_add_list(struct buf *out, const struct redisReply *flat, bool first) {
        for (size_t i = 0; i + 1 < store_count(flat); i += 2) {
                struct entry entry = event_parse_entry(store_text(store_item(flat, i + 1)));
                state_add_item(out, (uint64_t)store_int(store_item(flat, i)), &entry, first);
                first = false;
        }
}

/* When, and by whom if it was not the author. */
static void state_add_change(struct buf *out, const char *at, const char *by, const struct entry *change, const struct entry *message) {
        buf_add_text(out, at);
        buf_add_int(out, change->at);
        if (!slice_equal(change->from, message->from)) {
                buf_add_text(out, by);
                buf_add_json(out, change->from);
        }
}

void state_add_entry(struct buf *out, uint64_t seq, struct slice conv, struct slice packed, const struct redisReply *state, bool with_versions) {
        struct entry original = event_parse_entry(packed), shown = original;
        struct slice deletion_text = store_text(store_item(state, STATE_DELETION)), latest_text = store_text(store_item(state, STATE_LATEST));
        struct entry deletion = event_parse_entry(deletion_text), latest = event_parse_entry(latest_text);
        if (latest_text.len)
                shown.body = latest.body;
        event_open_entry(out, seq, conv, &shown);
        if (deletion_text.len)
                state_add_change(out, ",\"deleted_at\":", ",\"deleted_by\":", &deletion, &original);
        if (latest_text.len) {
                buf_add_text(out, ",\"version\":");
                buf_add_int(out, store_int(store_item(state, STATE_EDITS)));
                state_add_change(out, ",\"edited_at\":", ",\"edited_by\":", &latest, &original);
        }
        if (with_versions && original.type == EVENT_MESSAGE) {
                buf_add_text(out, ",\"versions\":[");
                state_add_item(out, seq, &original, true);
                state_add_list(out, store_item(state, STATE_VERSIONS), false);
                buf_add_char(out, ']');
        }
        if (store_count(store_item(state, STATE_REACTIONS))) {
                buf_add_text(out, ",\"reactions\":[");
                state_add_list(out, store_item(state, STATE_REACTIONS), true);
                buf_add_char(out, ']');
        }
        buf_add_char(out, '}');
}
