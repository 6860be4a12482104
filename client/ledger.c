/* SPDX-License-Identifier: Apache-2.0 */
/* ledger.c: see ledger.h. The tables are in client/schema.h. */
#include "client/ledger.h"

#include <string.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/scan.h"
#include "client/db.h"
#include "client/errand.h"
#include "client/inbound.h"
#include "client/tally.h"

enum {
        LEDGER_FEED_TRIM = 256, /* changes between two trims */
};

#define NONE ((struct slice){ NULL, 0 })

/* ---- the feed ---- */

void ledger_note(struct db *db, const char *what, struct slice conv, int64_t seq, struct slice name, struct slice word) {
        db_run(db, "INSERT INTO feed (what, conv, seq, name, word) VALUES (?, ?, ?, ?, ?)", "tsiss", what, conv, seq, name, word);
}

int64_t ledger_last_change(struct db *db) {
        return db_number(db, 0, "SELECT seq FROM sqlite_sequence WHERE name = 'feed'", "");
}

static void ledger_trim_feed(struct db *db) {
        int64_t last = ledger_last_change(db);

        if (last % LEDGER_FEED_TRIM == 0)
                db_run(db, "DELETE FROM feed WHERE change <= ?", "i", last - LIMIT_CLIENT_FEED);
}

/* ---- conversations ---- */

static void ledger_make_conversation(struct db *db, const char *conv) {
        db_run(db, "INSERT OR IGNORE INTO conversations (conv, loaded) VALUES (?, 1)", "t", conv);
}

static void ledger_raise_seq(struct db *db, const char *conv, int64_t seq) {
        ledger_make_conversation(db, conv);
        db_run(db, "UPDATE conversations SET seq = ?2, gone = 0 WHERE conv = ?1 AND seq < ?2", "ti", conv, seq);
}

/* ---- entries ---- */

/* The message seq reads otherwise now. */
static void ledger_note_changed(struct db *db, const char *conv, int64_t seq, const char *word) {
        struct sqlite3_stmt *rows = db_query(db, "SELECT op FROM entries WHERE conv = ? AND seq = ?", "ti", conv, seq);

        if (db_next(db, rows))
                ledger_note(db, "changed", slice_of(conv), seq, db_text(rows, 0), slice_of(word));
        db_done(rows);
}

static void ledger_note_entry(struct db *db, const struct inbound *in, bool own) {
        const char *word = own ? "own" : in->ref ? in->kind : "received";

        ledger_note(db, "entry", slice_of(in->conv), in->seq, slice_of(in->op), slice_of(word));
}

/* The message that an edit or a delete is about, if it is here. The latest edit wins; a delete ends it. */
static void ledger_change_message(struct db *db, const struct inbound *in, struct slice body) {
        int64_t changed = 0;

        if (strcmp(in->kind, "edit") == 0 && body.ptr)
                changed = db_run(db,
                                 "UPDATE entries SET body = ?3, edit_seq = ?4, version = version + 1 WHERE conv = ?1 AND seq = ?2"
                                 " AND deleted = 0 AND edit_seq < ?4",
                                 "tisi", in->conv, in->ref, body, in->seq);
        if (strcmp(in->kind, "delete") == 0) {
                changed = db_run(db, "UPDATE entries SET body = NULL, deleted = 1, reactions = NULL WHERE conv = ? AND seq = ?",
                                 "ti", in->conv, in->ref);
                db_run(db, "UPDATE entries SET body = NULL, deleted = 1 WHERE conv = ? AND ref = ? AND kind = 'edit'", "ti",
                       in->conv, in->ref);
        }
        if (changed || strcmp(in->kind, "react") == 0)
                ledger_note_changed(db, in->conv, in->ref,
                                    in->kind[0] == 'e'   ? "edited"
                                    : in->kind[0] == 'd' ? "deleted"
                                                         : "reacted");
}

/* An edit or delete that is here already may be about a message that only comes now. */
static void ledger_catch_up_message(struct db *db, const struct inbound *in) {
        db_run(db,
               "UPDATE entries SET (body, edit_seq) = (SELECT e.body, e.seq FROM entries e WHERE e.conv = ?1 AND e.ref = ?2 AND "
               "e.kind = "
               "'edit' AND e.body IS NOT NULL ORDER BY e.seq DESC LIMIT 1), version = max(version, 1) WHERE conv = ?1 AND seq = "
               "?2 AND "
               "deleted = 0 AND EXISTS (SELECT 1 FROM entries e WHERE e.conv = ?1 AND e.ref = ?2 AND e.kind = 'edit' AND e.body "
               "IS NOT NULL)",
               "ti", in->conv, in->seq);
        db_run(db,
               "UPDATE entries SET body = NULL, deleted = 1 WHERE conv = ?1 AND seq = ?2 AND EXISTS (SELECT 1 FROM entries e "
               "WHERE e.conv "
               "= ?1 AND e.ref = ?2 AND e.kind = 'delete')",
               "ti", in->conv, in->seq);
}

/* Adds an entry, or what this way of coming back knows more than the others did. True if it was new. */
static bool ledger_add_entry(struct db *db, const struct inbound *in, struct slice body) {
        struct slice ref_body = in->deleted ? NONE : body;
        bool is_new = db_run(db,
                             "INSERT OR IGNORE INTO entries (conv, seq, n, kind, ref, sender, device, op, at, body, deleted, "
                             "version, reactions)"
                             " VALUES (?, ?, nullif(?, 0), ?, nullif(?, 0), ?, ?, ?, ?, ?, ?, ?, ?)",
                             "tiititttisiis", in->conv, in->seq, in->n, in->kind, in->ref, in->from, in->device, in->op, in->at,
                             ref_body, (int64_t)in->deleted, in->version, in->reactions) == 1;

        if (is_new && in->ref == 0)
                ledger_catch_up_message(db, in);
        if (is_new && in->ref != 0)
                ledger_change_message(db, in, ref_body);
        if (!is_new && in->has_n)
                db_run(db, "UPDATE entries SET n = ?3 WHERE conv = ?1 AND seq = ?2 AND n IS NULL", "tii", in->conv, in->seq,
                       in->n);
        return is_new;
}

static void ledger_take_entry(struct db *db, const struct inbound *in, int64_t wall_ms) {
        struct slice body = in->body;
        struct errand errand;
        bool own = errand_find(db, in->op, &errand) && strcmp(errand.conv, in->conv) == 0;

        if (own && !body.ptr)
                body = errand.body;
        ledger_raise_seq(db, in->conv, in->seq);
        if (own)
                errand_settle(db, &errand, in->seq, wall_ms);
        if (ledger_add_entry(db, in, body)) {
                ledger_note_entry(db, in, own);
                /* Its body was ours to keep, and is gone (the app let go of it): history has it. */
                if (!body.ptr && !in->deleted && strcmp(in->kind, "delete") != 0)
                        db_run(db, "UPDATE conversations SET loaded = 0 WHERE conv = ?", "t", in->conv);
        }
        if (own)
                errand_clear(&errand);
}

void ledger_take_channel(struct db *db, const struct inbound *in) {
        int64_t since = db_number(db, -1, "SELECT since FROM conversations WHERE conv = ? AND subscribed = 1", "t", in->conv);

        if (since < 0 || in->seq <= since)
                return;
        if (ledger_add_entry(db, in, in->body))
                ledger_note_entry(db, in, false);
        db_run(db, "UPDATE conversations SET since = ?2, seq = max(seq, ?2) WHERE conv = ?1", "ti", in->conv, in->seq);
}

void ledger_subscribed(struct db *db, const struct inbound *in, int64_t asked_since) {
        bool goes_on = in->recovered && asked_since >= 0;

        db_run(db, "UPDATE conversations SET since = ?2, since_epoch = ?3, kind = 'channel' WHERE conv = ?1", "tit", in->conv,
               goes_on ? asked_since : in->seq, in->epoch);
        if (in->recovered || (asked_since < 0 && in->has_id))
                return;
        db_run(db, "DELETE FROM entries WHERE conv = ?", "t", in->conv); /* what comes does not join on to them */
        ledger_note(db, "recovered", slice_of(in->conv), 0, in->raw, SLICE("false"));
}

void ledger_end_subscription(struct db *db, const char *conv, struct slice raw) {
        if (db_run(db,
                   "UPDATE conversations SET subscribed = 0, since = NULL, since_epoch = NULL WHERE conv = ? AND subscribed = 1",
                   "t", conv))
                ledger_note(db, "ended", slice_of(conv), 0, raw, NONE);
}

bool ledger_take_sent(struct db *db, const struct inbound *sent, int64_t wall_ms) {
        char user[LIMIT_ID_BYTES + 1], device[LIMIT_ID_BYTES + 1];
        struct errand errand;
        struct inbound in;

        if (!errand_find(db, sent->op, &errand))
                return false; /* its event came first */
        db_get_text(db, "user", user, sizeof(user));
        db_get_text(db, "device", device, sizeof(device));
        memset(&in, 0, sizeof(in));
        in.seq = sent->seq;
        in.at = sent->at;
        in.ref = errand.ref;
        memcpy(in.conv, sent->conv, sizeof(in.conv));
        memcpy(in.op, sent->op, sizeof(in.op));
        memcpy(in.kind, errand.kind, sizeof(in.kind));
        memcpy(in.from, user, sizeof(in.from));
        memcpy(in.device, device, sizeof(in.device));
        ledger_make_conversation(db, in.conv);
        errand_settle(db, &errand, sent->seq, wall_ms);
        if (ledger_add_entry(db, &in, errand.body))
                ledger_note_entry(db, &in, true);
        if (sent->duplicate)
                tally_count(db, TALLY_DUPLICATES, 1);
        errand_clear(&errand);
        return true;
}

/* ---- other events ---- */

static void ledger_take_receipt(struct db *db, const struct inbound *in) {
        char user[LIMIT_ID_BYTES + 1];

        db_run(db,
               "INSERT INTO receipts VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET delivered = max(delivered, ?3), read = "
               "max(read, ?4)",
               "ttii", in->conv, in->user, in->delivered > in->read ? in->delivered : in->read, in->read);
        db_get_text(db, "user", user, sizeof(user));
        if (strcmp(user, in->user) == 0)
                db_run(db,
                       "UPDATE conversations SET read = max(read, ?2), read_sent = max(read_sent, ?2), delivered = "
                       "max(delivered, ?3)"
                       " WHERE conv = ?1",
                       "tii", in->conv, in->read, in->delivered);
        ledger_note(db, "receipt", slice_of(in->conv), 0, slice_of(in->user), NONE);
}

static void ledger_take_member(struct db *db, const struct inbound *in) {
        char user[LIMIT_ID_BYTES + 1];
        bool gone = strcmp(in->action, "left") == 0 || strcmp(in->action, "removed") == 0;

        db_get_text(db, "user", user, sizeof(user));
        ledger_make_conversation(db, in->conv);
        if (gone)
                db_run(db, "DELETE FROM members WHERE conv = ? AND user = ?", "tt", in->conv, in->user);
        else
                db_run(db, "INSERT INTO members VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET role = ?3", "ttt", in->conv,
                       in->user, in->role);
        if (strcmp(user, in->user) == 0)
                db_run(db, "UPDATE conversations SET gone = ?2 WHERE conv = ?1", "ti", in->conv, (int64_t)gone);
        ledger_note(db, "member", slice_of(in->conv), in->n, in->raw, slice_of(in->action));
}

static void ledger_take_notification(struct db *db, const struct inbound *in) {
        db_run(db, "INSERT OR IGNORE INTO notifications (op, n, event) VALUES (?, ?, ?)", "tis", in->op, in->n, in->raw);
        ledger_note(db, "notification", NONE, in->n, slice_of(in->op), NONE);
}

static void ledger_want_reload(struct db *db, const struct inbound *in, const char *what) {
        db_set(db, "reload", 1);
        db_set(db, "listing", db_get(db, "listing") + 1); /* one that is under way knows nothing of this */
        ledger_note(db, what, NONE, 0, in->raw, NONE);
}

/* The store of the hub lost its past, and with it all that we know of it. What is in the outbox is ours and stays. */
static void ledger_forget(struct db *db, const struct inbound *in) {
        db_run(db,
               "UPDATE conversations SET had = EXISTS (SELECT 1 FROM entries e WHERE e.conv = conversations.conv), seq = 0, "
               "delivered = 0,"
               " read = 0, read_sent = 0",
               "");
        db_run(db, "DELETE FROM entries", "");
        db_run(db, "DELETE FROM receipts", "");
        db_run(db, "DELETE FROM members", "");
        db_run(db, "DELETE FROM notifications", "");
        db_run(db, "DELETE FROM conversations WHERE had = 0 AND subscribed = 0", "");
        db_set_text(db, "epoch", slice_of(in->epoch));
        db_set(db, "cursor", in->head);
        db_set(db, "acked", 0);
        tally_count(db, TALLY_RESETS, 1);
        ledger_want_reload(db, in, "reset");
}

int64_t ledger_cursor(struct db *db) {
        return db_get(db, "cursor");
}

enum ledger_verdict ledger_take(struct db *db, const struct inbound *in, int64_t wall_ms) {
        int64_t cursor = ledger_cursor(db), n = in->type == INBOUND_GAP ? in->to_n : in->n;
        enum ledger_verdict verdict = LEDGER_TAKEN;

        if (in->type == INBOUND_RESET) {
                ledger_forget(db, in);
                return LEDGER_RESET;
        }
        if (n <= cursor) {
                tally_count(db, TALLY_REPEATS, 1);
                return LEDGER_SEEN;
        }
        if (in->type == INBOUND_GAP) {
                tally_count(db, TALLY_GAPS, 1);
                ledger_want_reload(db, in, "gap");
                verdict = LEDGER_GAP;
        } else if (in->type == INBOUND_ENTRY) {
                ledger_take_entry(db, in, wall_ms);
        } else if (in->type == INBOUND_RECEIPT) {
                ledger_take_receipt(db, in);
        } else if (in->type == INBOUND_MEMBER) {
                ledger_take_member(db, in);
        } else if (in->type == INBOUND_NOTIFICATION) {
                ledger_take_notification(db, in);
        }
        db_set(db, "cursor", n);
        tally_count(db, TALLY_EVENTS, 1);
        ledger_trim_feed(db);
        return verdict;
}

void ledger_begin(struct db *db, struct slice user, struct slice device, struct slice epoch, int64_t cursor) {
        char known[LIMIT_ID_BYTES + 1];

        db_set_text(db, "user", user);
        db_set_text(db, "device", device);
        db_get_text(db, "epoch", known, sizeof(known));
        if (known[0])
                return; /* an epoch that changed is told by reset, too */
        db_set_text(db, "epoch", epoch);
        db_set(db, "cursor", cursor);
        db_set(db, "acked", cursor);
        db_set(db, "reload", 1);
}

/* Our own watermarks, as the hub knows them. */
static void ledger_raise_own(struct db *db, const char *conv, int64_t delivered, int64_t read) {
        db_run(db,
               "INSERT INTO receipts SELECT ?1, value, max(?2, ?3), ?3 FROM facts WHERE name = 'user' ON CONFLICT DO UPDATE SET "
               "delivered ="
               " max(delivered, ?2, ?3), read = max(read, ?3)",
               "tii", conv, delivered, read);
}

/* ---- reloading ---- */

bool ledger_reload_is_due(struct db *db) {
        return db_get(db, "reload") != 0;
}

/* loaded: -1 not seen in this list yet, 0 its latest page is due, 1 it is here. */
int64_t ledger_conversations_begin(struct db *db) {
        int64_t listing = db_get(db, "listing") + 1;

        db_set(db, "listing", listing);
        db_run(db, "UPDATE conversations SET loaded = -1 WHERE kind IS NULL OR kind != 'channel'", "");
        return listing;
}

bool ledger_page_goes_on(const struct inbound *page, const char *after) {
        struct scan_value item;
        size_t position = 0;

        return strcmp(page->next, after) > 0 && scan_array(page->items, &position, &item);
}

void ledger_take_conversations(struct db *db, const struct inbound *page) {
        struct scan_value item;
        struct inbound in;
        size_t position = 0;

        while (scan_array(page->items, &position, &item)) {
                if (item.type != SCAN_OBJECT)
                        continue;
                inbound_read_item(item.raw, INBOUND_CONVERSATION, NULL, &in);
                if (in.type != INBOUND_CONVERSATION)
                        continue;
                db_run(db,
                       "INSERT INTO conversations (conv, kind, epoch, seq, delivered, read, read_sent, loaded) VALUES (?1, ?2, "
                       "?3, ?4, ?5,"
                       " ?6, ?6, 1) ON CONFLICT DO UPDATE SET kind = ?2, epoch = ?3, seq = max(seq, ?4), delivered = "
                       "max(delivered, ?5),"
                       " read = max(read, ?6), read_sent = max(read_sent, ?6), gone = 0, loaded = 1",
                       "tttiii", in.conv, in.kind, in.epoch, in.seq, in.delivered, in.read);
                db_run(db,
                       "UPDATE conversations SET loaded = 0 WHERE conv = ?1 AND (had = 1 OR seq > (SELECT max(seq) FROM entries "
                       "e WHERE e.conv"
                       " = ?1))",
                       "t", in.conv);
                ledger_raise_own(db, in.conv, in.delivered, in.read);
                ledger_note(db, "conversation", slice_of(in.conv), in.seq, NONE, NONE);
        }
}

void ledger_conversations_end(struct db *db, int64_t listing) {
        if (db_get(db, "listing") != listing)
                return;
        db_run(db, "UPDATE conversations SET gone = 1, loaded = 1 WHERE loaded = -1", "");
        db_set(db, "reload", 0);
        ledger_note(db, "reloaded", NONE, 0, SLICE("{\"type\":\"reloaded\"}"), NONE);
}

bool ledger_next_to_load(struct db *db, char *conv, size_t size) {
        struct sqlite3_stmt *rows = db_query(db, "SELECT conv FROM conversations WHERE loaded = 0 ORDER BY conv LIMIT 1", "");
        bool found = db_next(db, rows) && db_text(rows, 0).len < size;

        if (found) {
                memcpy(conv, db_text(rows, 0).ptr, db_text(rows, 0).len);
                conv[db_text(rows, 0).len] = '\0';
        }
        db_done(rows);
        return found;
}

void ledger_give_up_loading(struct db *db, const char *conv) {
        db_run(db, "UPDATE conversations SET loaded = 1, had = 0 WHERE conv = ?", "t", conv);
}

/* One entry as history shows it, in its present state, which goes before what we had. */
static void ledger_take_past(struct db *db, struct inbound *in, int64_t wall_ms) {
        struct errand errand = { .id = 0 };
        struct slice body = in->deleted ? NONE : in->body;
        bool own = errand_find(db, in->op, &errand);

        in->n = 0;
        in->has_n = false;
        own = own && strcmp(errand.conv, in->conv) == 0;
        if (own)
                errand_settle(db, &errand, in->seq, wall_ms);
        if (ledger_add_entry(db, in, body))
                ledger_note_entry(db, in, own);
        else if (db_run(db,
                        "UPDATE entries SET body = ?3, deleted = ?4, version = ?5, reactions = ?6 WHERE conv = ?1 AND seq = ?2 "
                        "AND deleted = 0"
                        " AND version <= ?5 AND (body IS NOT ?3 OR deleted != ?4 OR reactions IS NOT ?6)",
                        "tisiis", in->conv, in->seq, body, (int64_t)in->deleted, in->version, in->reactions))
                ledger_note_changed(db, in->conv, in->seq, in->deleted ? "deleted" : "edited");
        errand_clear(&errand);
}

/* Nothing of this conversation was missed between what is here and a page that begins with first? Else what is here goes. */
static void ledger_join(struct db *db, const char *conv, int64_t first) {
        int64_t known = db_number(db, 0, "SELECT max(seq) FROM entries WHERE conv = ? AND seq < ?", "ti", conv, first);

        if (known > 0 && known < first - 1)
                db_run(db, "DELETE FROM entries WHERE conv = ? AND seq < ?", "ti", conv, first);
}

void ledger_take_history(struct db *db, const struct inbound *page, bool latest, int64_t wall_ms) {
        struct scan_value item;
        struct inbound in;
        size_t position = 0;
        int64_t first = 0, last = 0;

        ledger_make_conversation(db, page->conv);
        while (scan_array(page->items, &position, &item)) {
                if (item.type != SCAN_OBJECT)
                        continue;
                inbound_read_item(item.raw, INBOUND_ENTRY, page->conv, &in);
                if (in.type != INBOUND_ENTRY || strcmp(in.conv, page->conv) != 0)
                        continue;
                ledger_take_past(db, &in, wall_ms);
                first = first == 0 || in.seq < first ? in.seq : first;
                last = in.seq > last ? in.seq : last;
        }
        if (latest && first > 0)
                ledger_join(db, page->conv, first);
        db_run(db, "UPDATE conversations SET seq = max(seq, ?2) WHERE conv = ?1", "ti", page->conv, last);
        if (latest)
                ledger_give_up_loading(db, page->conv);
}

void ledger_take_members(struct db *db, const struct inbound *page) {
        struct scan_value item;
        struct inbound in;
        size_t position = 0;

        db_run(db, "DELETE FROM members WHERE conv = ?", "t", page->conv);
        while (scan_array(page->items, &position, &item)) {
                if (item.type != SCAN_OBJECT)
                        continue;
                inbound_read_item(item.raw, INBOUND_UNKNOWN, page->conv, &in);
                if (!in.user[0])
                        continue;
                db_run(db, "INSERT OR REPLACE INTO members VALUES (?, ?, ?)", "ttt", page->conv, in.user, in.role);
                db_run(db,
                       "INSERT INTO receipts VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET delivered = max(delivered, ?3), "
                       "read ="
                       " max(read, ?4)",
                       "ttii", page->conv, in.user, in.delivered, in.read);
        }
        ledger_note(db, "members", slice_of(page->conv), 0, NONE, NONE);
}

/* ---- reading ---- */

void ledger_read(struct db *db, struct slice conv, int64_t seq) {
        db_run(db,
               "INSERT INTO conversations (conv, read, loaded) VALUES (?1, ?2, 1) ON CONFLICT DO UPDATE SET read = max(read, ?2)",
               "si", conv, seq);
}

bool ledger_next_read(struct db *db, char *conv, size_t size, int64_t *ret_seq) {
        struct sqlite3_stmt *rows =
                db_query(db, "SELECT conv, read FROM conversations WHERE read > read_sent AND gone = 0 LIMIT 1", "");
        bool found = db_next(db, rows) && db_text(rows, 0).len < size;

        if (found) {
                memcpy(conv, db_text(rows, 0).ptr, db_text(rows, 0).len);
                conv[db_text(rows, 0).len] = '\0';
                *ret_seq = db_int(rows, 1);
        }
        db_done(rows);
        return found;
}

void ledger_read_told(struct db *db, const char *conv, int64_t seq) {
        db_run(db, "UPDATE conversations SET read_sent = max(read_sent, ?2) WHERE conv = ?1", "ti", conv, seq);
        ledger_raise_own(db, conv, seq, seq);
}

/* ---- printing ---- */

void ledger_add_line(struct buf *out, struct slice json) {
        size_t start = 0;

        for (size_t i = 0; i < json.len; i++) {
                if (json.ptr[i] != '\n' && json.ptr[i] != '\r')
                        continue;
                buf_add(out, json.ptr + start, i - start);
                buf_add_char(out, ' ');
                start = i + 1;
        }
        buf_add(out, json.ptr + start, json.len - start);
}

static void add_text(struct buf *out, const char *name, struct slice text) {
        if (!text.ptr)
                return;
        buf_add_text(out, name);
        buf_add_json(out, text);
}

static void add_number(struct buf *out, const char *name, struct sqlite3_stmt *rows, int column) {
        if (db_is_null(rows, column))
                return;
        buf_add_text(out, name);
        buf_add_int(out, db_int(rows, column));
}

/* Reactions by the entries that are here; those that only history told of, as it told them. */
static void print_reactions(struct db *db, struct slice conv, int64_t seq, struct slice told, struct buf *out) {
        struct sqlite3_stmt *rows =
                db_query(db, "SELECT seq, sender, body FROM entries WHERE conv = ? AND ref = ? AND kind = 'react' ORDER BY seq",
                         "si", conv, seq);
        size_t count = 0;

        while (db_next(db, rows)) {
                buf_add_text(out, count++ ? ",{" : ",\"reactions\":[{");
                add_number(out, "\"seq\":", rows, 0);
                add_text(out, ",\"from\":", db_text(rows, 1));
                buf_add_text(out, ",\"body\":");
                ledger_add_line(out, db_is_null(rows, 2) ? SLICE("null") : db_text(rows, 2));
                buf_add_char(out, '}');
        }
        if (count > 0) {
                buf_add_char(out, ']');
        } else if (told.ptr) {
                buf_add_text(out, ",\"reactions\":");
                ledger_add_line(out, told);
        }
}

bool ledger_print_entry(struct db *db, struct slice conv, int64_t seq, bool with_outbox, struct buf *out) {
        struct sqlite3_stmt *rows = db_query(db,
                                             "SELECT kind, n, seq, ref, sender, device, op, at, CASE WHEN ?3 THEN ifnull((SELECT "
                                             "o.body FROM outbox o WHERE o.conv ="
                                             " e.conv AND o.kind = 'edit' AND o.state IN ('pending', 'sending') AND (o.ref = "
                                             "e.seq OR o.ref_op = e.op) ORDER BY"
                                             " o.id DESC LIMIT 1), body) ELSE body END, deleted OR (?3 AND EXISTS (SELECT 1 FROM "
                                             "outbox o WHERE o.conv = e.conv"
                                             " AND o.kind = 'delete' AND o.state IN ('pending', 'sending') AND (o.ref = e.seq OR "
                                             "o.ref_op = e.op))), version OR"
                                             " edit_seq, reactions FROM entries e WHERE conv = ?1 AND seq = ?2",
                                             "sii", conv, seq, (int64_t)with_outbox);
        bool found = db_next(db, rows);

        if (found) {
                add_text(out, "\"type\":", db_text(rows, 0));
                add_number(out, ",\"n\":", rows, 1);
                add_text(out, ",\"conv\":", conv);
                add_number(out, ",\"seq\":", rows, 2);
                add_number(out, ",\"ref\":", rows, 3);
                add_text(out, ",\"from\":", db_text(rows, 4));
                if (db_text(rows, 5).len)
                        add_text(out, ",\"device\":", db_text(rows, 5));
                add_text(out, ",\"op\":", db_text(rows, 6));
                add_number(out, ",\"at\":", rows, 7);
                if (db_int(rows, 9)) {
                        buf_add_text(out, ",\"deleted\":true");
                } else {
                        if (!db_is_null(rows, 8)) {
                                buf_add_text(out, ",\"body\":");
                                ledger_add_line(out, db_text(rows, 8));
                        }
                        if (db_int(rows, 10))
                                buf_add_text(out, ",\"edited\":true");
                        print_reactions(db, conv, seq, db_text(rows, 11), out);
                }
        }
        db_done(rows);
        return found;
}

static bool print_receipt(struct db *db, struct slice conv, struct slice user, struct buf *out) {
        struct sqlite3_stmt *rows =
                db_query(db, "SELECT delivered, read FROM receipts WHERE conv = ? AND user = ?", "ss", conv, user);
        bool found = db_next(db, rows);

        if (found) {
                add_text(out, "\"type\":\"receipt\",\"conv\":", conv);
                add_text(out, ",\"user\":", user);
                add_number(out, ",\"delivered\":", rows, 0);
                add_number(out, ",\"read\":", rows, 1);
        }
        db_done(rows);
        return found;
}

/* The inside of a JSON object, without its braces. */
static bool print_object(struct slice object, struct buf *out) {
        if (object.len < 2)
                return false;
        ledger_add_line(out, (struct slice){ object.ptr + 1, object.len - 2 });
        return true;
}

static bool print_notification(struct db *db, struct slice op, struct buf *out) {
        struct sqlite3_stmt *rows = db_query(db, "SELECT event FROM notifications WHERE op = ?", "s", op);
        bool found = db_next(db, rows) && print_object(db_text(rows, 0), out);

        db_done(rows);
        return found;
}

static bool print_conversation(struct db *db, struct slice conv, struct buf *out) {
        struct sqlite3_stmt *rows =
                db_query(db, "SELECT kind, seq, delivered, read FROM conversations WHERE conv = ?", "s", conv);
        bool found = db_next(db, rows);

        if (found) {
                add_text(out, "\"type\":\"conversation\",\"conv\":", conv);
                add_text(out, ",\"kind\":", db_text(rows, 0));
                add_number(out, ",\"seq\":", rows, 1);
                add_number(out, ",\"delivered\":", rows, 2);
                add_number(out, ",\"read\":", rows, 3);
        }
        db_done(rows);
        return found;
}

/* The inside of the object; false if what it is about is no more. */
static bool print_what(struct db *db, const struct ledger_change *change, struct buf *out) {
        bool found;

        if (slice_is(change->what, "entry"))
                return ledger_print_entry(db, change->conv, change->seq, false, out);
        if (slice_is(change->what, "receipt"))
                return print_receipt(db, change->conv, change->name, out);
        if (slice_is(change->what, "notification"))
                return print_notification(db, change->name, out);
        if (slice_is(change->what, "conversation"))
                return print_conversation(db, change->conv, out);
        if (slice_is(change->what, "outbox"))
                return errand_print(db, change->name, change->word, change->conv, change->seq, out);
        if (slice_is(change->what, "members")) {
                add_text(out, "\"type\":\"members\",\"conv\":", change->conv);
                return true;
        }
        if (!slice_is(change->what, "changed"))
                return print_object(change->name, out); /* member, gap, reset: small, and kept as they came */
        found = ledger_print_entry(db, change->conv, change->seq, false, out);
        add_text(out, ",\"changed\":", change->word);
        return found;
}

bool ledger_print_change(struct db *db, const struct ledger_change *change, struct buf *out) {
        size_t before = out->len;
        bool found;

        buf_add_char(out, '{');
        found = print_what(db, change, out);
        buf_add_text(out, ",\"change\":");
        buf_add_int(out, change->change);
        buf_add_char(out, '}');
        if (!found && !buf_failed(out)) {
                out->len = before;
                out->ptr[before] = '\0';
        }
        return found && !buf_failed(out);
}
