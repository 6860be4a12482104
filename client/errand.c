/* SPDX-License-Identifier: Apache-2.0 */
/* errand.c: see errand.h. The table is outbox in client/schema.h. */
#include "client/errand.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/backoff.h"
#include "base/buf.h"
#include "base/scan.h"
#include "client/db.h"
#include "client/ledger.h"
#include "client/redial.h"
#include "client/tally.h"
#include "client/uuid.h"

enum { ERRAND_REQUEST_BYTES = 4 << 20 };

#define NONE ((struct slice){ NULL, 0 })
#define COLUMNS "id, op, conv, kind, ref, body, state, touched, attempts, created_ms"

void errand_clear(struct errand *errand) {
        free((char *)errand->body.ptr);
        errand->body = NONE;
}

static void copy_text(char *out, size_t size, struct slice text) {
        snprintf(out, size, "%.*s", (int)text.len, text.ptr ? text.ptr : "");
}

static bool read_row(struct db *db, struct sqlite3_stmt *rows, struct errand *errand) {
        struct slice body;
        char *copy;

        if (!db_next(db, rows))
                return false;
        memset(errand, 0, sizeof(*errand));
        errand->id = db_int(rows, 0);
        copy_text(errand->op, sizeof(errand->op), db_text(rows, 1));
        copy_text(errand->conv, sizeof(errand->conv), db_text(rows, 2));
        copy_text(errand->kind, sizeof(errand->kind), db_text(rows, 3));
        errand->ref = db_int(rows, 4);
        body = db_text(rows, 5);
        copy_text(errand->state, sizeof(errand->state), db_text(rows, 6));
        errand->touched = db_int(rows, 7) != 0;
        errand->attempts = db_int(rows, 8);
        errand->created_ms = db_int(rows, 9);
        if (body.ptr) {
                copy = malloc(body.len + 1);
                if (!copy) {
                        db_fail(db, -ENOMEM);
                        return false;
                }
                memcpy(copy, body.ptr, body.len);
                errand->body = (struct slice){ copy, body.len };
        }
        return true;
}

bool errand_find(struct db *db, const char *op, struct errand *ret_errand) {
        struct sqlite3_stmt *rows = db_query(db, "SELECT " COLUMNS " FROM outbox WHERE op = ?", "t", op);
        bool found = read_row(db, rows, ret_errand);

        db_done(rows);
        return found;
}

static void note(struct db *db, const char *op, const char *conv, int64_t seq, const char *word) {
        ledger_note(db, "outbox", slice_of(conv), seq, slice_of(op), slice_of(word));
}

/* ---- adding ---- */

bool errand_is_conv(struct slice id) {
        if (id.len < 1 || id.len > LIMIT_ID_BYTES || !scan_utf8(id))
                return false;
        for (size_t i = 0; i < id.len; i++)
                if ((unsigned char)id.ptr[i] <= ' ' || id.ptr[i] == '/' || id.ptr[i] == 0x7f)
                        return false;
        return true;
}

/* The body stands one level down in its request. The largest request of this body decides: an edit of the last seq. */
int errand_check(struct slice conv, struct slice body, int64_t max_frame) {
        _cleanup_buf_ struct buf request = BUF_INIT(ERRAND_REQUEST_BYTES);
        struct errand largest = { .ref = INT64_MAX, .kind = "delete", .body = body };
        struct scan_value value;

        if (!errand_is_conv(conv) || (body.ptr && scan_text(body, LIMIT_JSON_DEPTH - 1, &value) != 0))
                return ERRAND_E_INVALID;
        memcpy(largest.conv, conv.ptr, conv.len);
        memset(largest.op, 'x', UUID_SIZE - 1);
        errand_print_request(&largest, INT32_MAX, &request);
        return buf_failed(&request) || request.len > (size_t)max_frame ? ERRAND_E_TOO_LARGE : 0;
}

static void insert(struct db *db, const char *op, struct slice conv, const char *kind, int64_t ref, const char *ref_op,
                   struct slice body, int64_t wall_ms) {
        db_run(db,
               "INSERT INTO outbox (op, conv, kind, ref, ref_op, body, state, created_ms, expires_ms) VALUES (?, ?, ?, nullif(?, "
               "0), ?, ?,"
               " 'pending', ?, ?)",
               "tstitsii", op, conv, kind, ref, ref_op, body, wall_ms, wall_ms + LIMIT_CLIENT_EXPIRE_MS);
        ledger_note(db, "outbox", conv, 0, slice_of(op), SLICE("pending"));
}

/* Takes away what waits about a message and never left. kinds: a GLOB of them. */
static void drop_about(struct db *db, const char *conv, int64_t ref, const char *ref_op, const char *kinds) {
        struct sqlite3_stmt *rows = db_query(db,
                                             "SELECT op FROM outbox WHERE conv = ?1 AND touched = 0 AND kind GLOB ?4 AND (ref ="
                                             " nullif(?2, 0) OR ref_op = ?3) ORDER BY id",
                                             "titt", conv, ref, ref_op, kinds);

        while (db_next(db, rows))
                ledger_note(db, "outbox", slice_of(conv), 0, db_text(rows, 0), SLICE("cancelled"));
        db_run(db, "DELETE FROM outbox WHERE conv = ?1 AND touched = 0 AND kind GLOB ?4 AND (ref = nullif(?2, 0) OR ref_op = ?3)",
               "titt", conv, ref, ref_op, kinds);
}

/* What is about a message of the outbox goes with it. */
static void drop(struct db *db, const char *op, const char *conv) {
        db_run(db, "DELETE FROM outbox WHERE op = ?", "t", op);
        note(db, op, conv, 0, "cancelled");
        drop_about(db, conv, 0, op, "*");
}

/* An edit or delete of a message that never left this device. */
static void fold(struct db *db, const struct errand *message, const char *kind, struct slice body) {
        if (strcmp(kind, "delete") == 0) {
                drop(db, message->op, message->conv);
                return;
        }
        db_run(db, "UPDATE outbox SET body = ? WHERE op = ?", "st", body, message->op);
        note(db, message->op, message->conv, 0, "edited");
}

/* A waiting edit of the same message that never left takes the new text. True if there was one. */
static bool fold_into_edit(struct db *db, const char *conv, int64_t ref, const char *ref_op, struct slice body, char *ret_op) {
        struct sqlite3_stmt *rows =
                db_query(db,
                         "SELECT op FROM outbox WHERE conv = ?1 AND kind = 'edit' AND touched = 0 AND state = 'pending'"
                         " AND (ref = nullif(?2, 0) OR ref_op = ?3) ORDER BY id DESC LIMIT 1",
                         "tit", conv, ref, ref_op);
        bool found = db_next(db, rows);

        if (found)
                copy_text(ret_op, LIMIT_OP_BYTES + 1, db_text(rows, 0));
        db_done(rows);
        if (!found)
                return false;
        db_run(db, "UPDATE outbox SET body = ? WHERE op = ?", "st", body, ret_op);
        note(db, ret_op, conv, 0, "edited");
        return true;
}

static int add_about(struct db *db, const char *op, struct slice conv, const char *kind, const struct errand_target *target,
                     struct slice body, int64_t wall_ms, char *ret_op) {
        char conv_text[LIMIT_ID_BYTES + 1];
        struct errand message = { .id = 0 };
        const char *ref_op = NULL;
        int64_t ref = target->seq;
        bool waits = false;

        copy_text(conv_text, sizeof(conv_text), conv);
        if (target->op) {
                ref = db_number(db, 0, "SELECT seq FROM entries WHERE op = ? AND conv = ?", "ts", target->op, conv);
                waits = ref == 0 && errand_find(db, target->op, &message);
                if (ref == 0 && !waits)
                        return db_failed(db) ? 0 : ERRAND_E_NOT_FOUND;
                ref_op = target->op;
        }
        if (waits && !message.touched && strcmp(kind, "react") != 0) {
                fold(db, &message, kind, body);
                ret_op[0] = '\0';
        } else if (strcmp(kind, "edit") != 0 || !fold_into_edit(db, conv_text, ref, ref_op, body, ret_op)) {
                if (strcmp(kind, "delete") == 0)
                        drop_about(db, conv_text, ref, ref_op, "[er]*"); /* edits and reactions */
                insert(db, op, conv, kind, ref, ref_op, body, wall_ms);
        }
        errand_clear(&message);
        return 0;
}

int errand_add(struct db *db, const char *op, struct slice conv, const char *kind, const struct errand_target *target,
               struct slice body, int64_t wall_ms, char *ret_op) {
        copy_text(ret_op, LIMIT_OP_BYTES + 1, slice_of(op));
        if (db_number(db, 0, "SELECT count(*) FROM outbox", "") >= LIMIT_CLIENT_OUTBOX)
                return ERRAND_E_FULL;
        if (target)
                return add_about(db, op, conv, kind, target, body, wall_ms, ret_op);
        insert(db, op, conv, kind, 0, NULL, body, wall_ms);
        return 0;
}

/* A refusal that is not temporary says that nothing was stored (PROTOCOL section 5), so the item is untouched again. Refused
 * items are with the app alone; what waits is, as long as it never left. */
int errand_cancel(struct db *db, const char *op) {
        struct errand errand;
        bool waits, may_be_there;

        if (!errand_find(db, op, &errand))
                return ERRAND_E_NOT_FOUND;
        waits = strcmp(errand.state, "pending") == 0 || strcmp(errand.state, "sending") == 0;
        may_be_there = waits && errand.touched;
        if (!may_be_there)
                drop(db, op, errand.conv);
        errand_clear(&errand);
        return may_be_there ? ERRAND_E_MAYBE : 0;
}

int errand_retry(struct db *db, const char *op, int64_t wall_ms) {
        struct errand errand;
        bool waits;

        if (!errand_find(db, op, &errand))
                return ERRAND_E_NOT_FOUND;
        waits = strcmp(errand.state, "pending") == 0 || strcmp(errand.state, "sending") == 0;
        errand_clear(&errand);
        if (waits)
                return ERRAND_E_DONE;
        db_run(db,
               "UPDATE outbox SET id = (SELECT max(id) + 1 FROM outbox), state = 'pending', reason = NULL, message = NULL, "
               "attempts = 0,"
               " due_ms = 0, expires_ms = ?2 WHERE op = ?1",
               "ti", op, wall_ms + LIMIT_CLIENT_EXPIRE_MS);
        note(db, op, errand.conv, 0, "pending");
        return 0;
}

/* ---- on its way ---- */

/*
 * The first that waits in each conversation with nothing under way (errand#2). What is about a message of the outbox waits until
 * that is stored (ref is known then); it holds up those behind it only if the message waits itself.
 */
bool errand_next(struct db *db, int64_t after, int64_t wall_ms, struct errand *ret_errand) {
        struct sqlite3_stmt *rows = db_query(
                db,
                "SELECT " COLUMNS
                " FROM outbox o WHERE id > ?1 AND state = 'pending' AND due_ms <= ?2 AND (ref_op IS NULL OR ref IS"
                " NOT NULL) AND NOT EXISTS (SELECT 1 FROM outbox p WHERE p.conv = o.conv AND (p.state = 'sending' OR (p.state ="
                " 'pending' AND p.id < o.id AND (p.ref_op IS NULL OR p.ref IS NOT NULL)))) ORDER BY id LIMIT 1",
                "ii", after, wall_ms);
        bool found = read_row(db, rows, ret_errand);

        db_done(rows);
        return found;
}

int64_t errand_next_due(struct db *db) {
        return db_number(
                db, 0,
                "SELECT min(due) FROM (SELECT min(expires_ms) AS due FROM outbox WHERE state IN ('pending', 'sending') UNION ALL"
                " SELECT min(due_ms) FROM outbox WHERE state = 'pending' AND due_ms > 0)",
                "");
}

void errand_start(struct db *db, const struct errand *errand) {
        db_run(db, "UPDATE outbox SET state = 'sending', touched = 1 WHERE id = ?", "i", errand->id);
        if (errand->touched)
                tally_count(db, TALLY_RETRIES, 1);
        note(db, errand->op, errand->conv, 0, "sending");
}

void errand_revert(struct db *db, const char *op) {
        struct sqlite3_stmt *rows = db_query(
                db, "SELECT op, conv FROM outbox WHERE state = 'sending' AND (?1 IS NULL OR op = ?1) ORDER BY id", "t", op);

        while (db_next(db, rows))
                ledger_note(db, "outbox", db_text(rows, 1), 0, db_text(rows, 0), SLICE("pending"));
        db_run(db, "UPDATE outbox SET state = 'pending' WHERE state = 'sending' AND (?1 IS NULL OR op = ?1)", "t", op);
}

void errand_settle(struct db *db, const struct errand *errand, int64_t seq, int64_t wall_ms) {
        db_run(db, "DELETE FROM outbox WHERE id = ?", "i", errand->id);
        db_run(db, "UPDATE outbox SET ref = ?2 WHERE ref_op = ?1 AND ref IS NULL", "ti", errand->op, seq);
        tally_count(db, TALLY_SYNCED, 1);
        tally_sample(db, TALLY_OP_TO_SYNCED, wall_ms - errand->created_ms);
        note(db, errand->op, errand->conv, seq, "synced");
}

int64_t errand_wait_ms(int64_t attempts, int64_t hint_ms, uint64_t random) {
        struct backoff backoff = { .base_ms = REDIAL_BASE_MS, .max_ms = REDIAL_MAX_MS, .attempts = (uint32_t)attempts };

        if (hint_ms >= 0)
                return hint_ms > REDIAL_HINT_MAX_MS ? REDIAL_HINT_MAX_MS : hint_ms;
        return (int64_t)backoff_step(&backoff, random);
}

void errand_refuse(struct db *db, const char *op, const char *code, const char *message, bool temporary, int64_t wait_ms,
                   int64_t wall_ms) {
        const char *state = strcmp(code, "conflict") == 0 ? "conflicted" : "failed";
        bool final = strcmp(code, "bad_request") == 0 || strcmp(code, "too_large") == 0;
        struct errand errand;

        if (!errand_find(db, op, &errand))
                return;
        if (temporary && errand.attempts + 1 < ERRAND_ATTEMPTS)
                state = "pending";
        db_run(db,
               "UPDATE outbox SET state = ?2, reason = ?3, message = ?4, retryable = ?5, attempts = attempts + 1, due_ms = ?6,"
               " touched = touched AND ?7 WHERE op = ?1",
               "ttttiii", op, state, code, message, (int64_t)!final, state[0] == 'p' ? wall_ms + wait_ms : 0, (int64_t)temporary);
        if (state[0] != 'p')
                tally_count(db, state[0] == 'c' ? TALLY_CONFLICTED : TALLY_FAILED, 1);
        note(db, op, errand.conv, 0, state);
        errand_clear(&errand);
}

void errand_expire(struct db *db, int64_t wall_ms) {
        struct sqlite3_stmt *rows =
                db_query(db, "SELECT op, conv FROM outbox WHERE state = 'pending' AND expires_ms <= ? ORDER BY id", "i", wall_ms);

        while (db_next(db, rows)) {
                ledger_note(db, "outbox", db_text(rows, 1), 0, db_text(rows, 0), SLICE("expired"));
                tally_count(db, TALLY_EXPIRED, 1);
        }
        db_run(db, "UPDATE outbox SET state = 'expired', retryable = 1 WHERE state = 'pending' AND expires_ms <= ?", "i",
               wall_ms);
}

/* ---- printing ---- */

void errand_print_request(const struct errand *errand, int64_t id, struct buf *out) {
        buf_add_text(out, "{\"type\":\"send\",\"id\":");
        buf_add_int(out, id);
        buf_add_text(out, ",\"conv\":");
        buf_add_json(out, slice_of(errand->conv));
        buf_add_text(out, ",\"op\":");
        buf_add_json(out, slice_of(errand->op));
        if (strcmp(errand->kind, "message") != 0) {
                buf_add_text(out, ",\"kind\":");
                buf_add_json(out, slice_of(errand->kind));
                buf_add_text(out, ",\"ref\":");
                buf_add_int(out, errand->ref);
        }
        if (errand->body.ptr) {
                buf_add_text(out, ",\"body\":");
                buf_add_slice(out, errand->body);
        }
        buf_add_char(out, '}');
}

void errand_depth(struct db *db, int64_t wall_ms, int64_t *ret_depth, int64_t *ret_oldest_ms) {
        int64_t oldest = db_number(db, 0, "SELECT min(created_ms) FROM outbox WHERE state IN ('pending', 'sending')", "");

        *ret_depth = db_number(db, 0, "SELECT count(*) FROM outbox WHERE state IN ('pending', 'sending')", "");
        *ret_oldest_ms = oldest > 0 && wall_ms > oldest ? wall_ms - oldest : 0;
}

static void add_field(struct buf *out, const char *name, struct slice text) {
        if (!text.ptr)
                return;
        buf_add_text(out, name);
        buf_add_json(out, text);
}

bool errand_print(struct db *db, struct slice op, struct slice word, struct slice conv, int64_t seq, struct buf *out) {
        struct sqlite3_stmt *rows =
                db_query(db,
                         "SELECT conv, kind, ref, body, state, reason, message, retryable, attempts, created_ms FROM"
                         " outbox WHERE op = ?",
                         "s", op);
        bool found = db_next(db, rows);

        buf_add_text(out, "\"type\":\"outbox\",\"op\":");
        buf_add_json(out, op);
        if (!found) {
                add_field(out, ",\"conv\":", conv);
                add_field(out, ",\"state\":", word);
                if (seq) {
                        buf_add_text(out, ",\"seq\":");
                        buf_add_int(out, seq);
                }
                db_done(rows);
                return word.ptr != NULL;
        }
        add_field(out, ",\"conv\":", db_text(rows, 0));
        add_field(out, ",\"kind\":", db_text(rows, 1));
        if (!db_is_null(rows, 2)) {
                buf_add_text(out, ",\"ref\":");
                buf_add_int(out, db_int(rows, 2));
        }
        add_field(out, ",\"state\":", word.ptr ? word : db_text(rows, 4));
        if (!db_is_null(rows, 5)) {
                add_field(out, ",\"reason\":", db_text(rows, 5));
                add_field(out, ",\"message\":", db_text(rows, 6));
                buf_add_text(out, db_int(rows, 7) ? ",\"retryable\":true" : ",\"retryable\":false");
        }
        buf_add_text(out, ",\"attempts\":");
        buf_add_int(out, db_int(rows, 8));
        buf_add_text(out, ",\"at\":");
        buf_add_int(out, db_int(rows, 9));
        if (!db_is_null(rows, 3)) {
                buf_add_text(out, ",\"body\":");
                ledger_add_line(out, db_text(rows, 3));
        }
        db_done(rows);
        return true;
}
