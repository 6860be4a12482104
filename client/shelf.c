/* SPDX-License-Identifier: Apache-2.0 */
/* shelf.c: see shelf.h. */
#include "client/shelf.h"

#include <stdbool.h>

#include "base/buf.h"
#include "client/db.h"
#include "client/errand.h"
#include "client/ledger.h"
#include "client/tally.h"

/* Prints one row without its braces; false to leave it out. */
typedef bool (*print_fn)(struct db *db, struct sqlite3_stmt *rows, struct buf *out);

static int each_row(struct db *db, struct sqlite3_stmt *rows, print_fn print, struct buf *out) {
        size_t before;

        while (db_next(db, rows)) {
                before = out->len;
                buf_add_char(out, '{');
                if (print(db, rows, out)) {
                        buf_add(out, "}", 2);
                } else if (out->ptr) {
                        out->len = before;
                        out->ptr[before] = '\0';
                }
        }
        db_done(rows);
        return db_end(db);
}

static void add_column(struct buf *out, const char *name, struct sqlite3_stmt *rows, int column) {
        buf_printf(out, "%s\"%s\":", out->len && out->ptr[out->len - 1] != '{' ? "," : "", name);
        if (db_is_null(rows, column))
                buf_add_text(out, "null");
        else
                buf_add_int(out, db_int(rows, column));
}

static void add_text_column(struct buf *out, const char *name, struct sqlite3_stmt *rows, int column) {
        if (db_is_null(rows, column))
                return;
        buf_printf(out, "%s\"%s\":", out->len && out->ptr[out->len - 1] != '{' ? "," : "", name);
        buf_add_json(out, db_text(rows, column));
}

static bool print_conversation(struct db *db, struct sqlite3_stmt *rows, struct buf *out) {
        add_text_column(out, "conv", rows, 0);
        add_text_column(out, "kind", rows, 1);
        add_column(out, "seq", rows, 2);
        add_column(out, "delivered", rows, 3);
        add_column(out, "read", rows, 4);
        add_column(out, "unread", rows, 5);
        add_column(out, "waiting", rows, 6);
        add_column(out, "at", rows, 7);
        return true;
}

int shelf_conversations(struct db *db, struct buf *out) {
        db_begin_read(db);
        return each_row(
                db,
                db_query(db,
                         "SELECT conv, kind, seq, delivered, read, (SELECT count(*) FROM entries e WHERE e.conv = c.conv AND "
                         "e.seq >"
                         " c.read AND e.kind = 'message' AND e.deleted = 0 AND e.sender IS NOT (SELECT value FROM facts WHERE "
                         "name ="
                         " 'user')), (SELECT count(*) FROM outbox o WHERE o.conv = c.conv), (SELECT max(at) FROM entries e WHERE"
                         " e.conv = c.conv) AS at FROM conversations c WHERE gone = 0 ORDER BY at DESC, conv",
                         ""),
                print_conversation, out);
}

static bool print_entry(struct db *db, struct sqlite3_stmt *rows, struct buf *out) {
        return ledger_print_entry(db, db_text(rows, 0), db_int(rows, 1), true, out);
}

int shelf_entries(struct db *db, const char *conv, int64_t before, int64_t limit, struct buf *out) {
        db_begin_read(db);
        return each_row(db,
                        db_query(db,
                                 "SELECT conv, seq FROM (SELECT conv, seq FROM entries WHERE conv = ?1 AND kind = 'message' AND "
                                 "(?2 = 0 OR seq < ?2) "
                                 "ORDER BY seq"
                                 " DESC LIMIT ?3) ORDER BY seq",
                                 "tii", conv, before, limit),
                        print_entry, out);
}

static bool print_errand(struct db *db, struct sqlite3_stmt *rows, struct buf *out) {
        return errand_print(db, db_text(rows, 0), (struct slice){ NULL, 0 }, (struct slice){ NULL, 0 }, 0, out);
}

int shelf_outbox(struct db *db, const char *conv, struct buf *out) {
        db_begin_read(db);
        return each_row(db, db_query(db, "SELECT op FROM outbox WHERE ?1 IS NULL OR conv = ?1 ORDER BY id", "t", conv),
                        print_errand, out);
}

static bool print_receipt(struct db *db, struct sqlite3_stmt *rows, struct buf *out) {
        add_text_column(out, "user", rows, 0);
        add_column(out, "delivered", rows, 1);
        add_column(out, "read", rows, 2);
        return true;
}

int shelf_receipts(struct db *db, const char *conv, struct buf *out) {
        db_begin_read(db);
        return each_row(db, db_query(db, "SELECT user, delivered, read FROM receipts WHERE conv = ? ORDER BY user", "t", conv),
                        print_receipt, out);
}

int shelf_find(struct db *db, const char *op, struct buf *out) {
        db_begin_read(db);
        if (db_number(db, 0, "SELECT 1 FROM outbox WHERE op = ?", "t", op))
                return each_row(db, db_query(db, "SELECT op FROM outbox WHERE op = ?", "t", op), print_errand, out);
        return each_row(db, db_query(db, "SELECT conv, seq FROM entries WHERE op = ?", "t", op), print_entry, out);
}

static bool print_place(struct db *db, struct sqlite3_stmt *rows, struct buf *out) {
        add_text_column(out, "epoch", rows, 0);
        add_column(out, "n", rows, 1);
        add_column(out, "change", rows, 2);
        return true;
}

int shelf_place(struct db *db, struct buf *out) {
        db_begin_read(db);
        return each_row(
                db,
                db_query(db,
                         "SELECT (SELECT value FROM facts WHERE name = 'epoch'), (SELECT value FROM facts WHERE name = 'cursor'),"
                         " (SELECT seq FROM sqlite_sequence WHERE name = 'feed')",
                         ""),
                print_place, out);
}

int shelf_metrics(struct db *db, int64_t wall_ms, struct buf *out) {
        db_begin_read(db);
        tally_print(db, wall_ms, out);
        buf_add(out, "", 1);
        return db_end(db);
}
