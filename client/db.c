/* SPDX-License-Identifier: Apache-2.0 */
/* db.c: see db.h. The tables are in client/schema.h. */
#include "client/db.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sqlite3.h>

#include "client/schema.h"

enum { DB_STATEMENTS = 96 };

struct db {
        sqlite3 *handle;
        bool in_transaction;
        int error; /* the first one of this transaction */
        char reason[200];
        size_t count;
        struct {
                const char *sql;
                sqlite3_stmt *stmt;
        } kept[DB_STATEMENTS];
};

static int db_error_of(int code) {
        switch (code & 0xff) {
        case SQLITE_NOMEM:
                return -ENOMEM;
        case SQLITE_FULL:
        case SQLITE_TOOBIG:
                return DB_E_FULL;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
                return DB_E_LOCKED;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
                return DB_E_CORRUPT;
        default:
                return DB_E_IO;
        }
}

void db_fail(struct db *db, int error) {
        if (!db->error)
                db->error = error;
}

/* Keeps the first failure with SQLite's own words. */
static void db_note(struct db *db, int code) {
        if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE || db->error)
                return;
        snprintf(db->reason, sizeof(db->reason), "%s", sqlite3_errmsg(db->handle));
        db->error = db_error_of(code);
}

bool db_failed(const struct db *db) {
        return db->error != 0;
}

const char *db_reason(const struct db *db) {
        return db->reason;
}

static void db_exec(struct db *db, const char *sql) {
        if (!db->error)
                db_note(db, sqlite3_exec(db->handle, sql, NULL, NULL, NULL));
}

static void db_start(struct db *db, const char *sql) {
        assert(!db->in_transaction);
        db->error = 0;
        db_exec(db, sql);
        db->in_transaction = !db->error;
}

void db_begin(struct db *db) {
        db_start(db, "BEGIN IMMEDIATE");
}

void db_begin_read(struct db *db) {
        db_start(db, "BEGIN");
}

static void db_rollback(struct db *db) {
        /* SQLite may have rolled back by itself (disk full); then this says so and changes nothing. */
        if (!sqlite3_get_autocommit(db->handle))
                (void)sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
        db->in_transaction = false;
}

int db_end(struct db *db) {
        int error;

        if (db->in_transaction && !db->error)
                db_exec(db, "COMMIT");
        if (db->error)
                db_rollback(db);
        db->in_transaction = false;
        error = db->error;
        db->error = 0;
        return error;
}

void db_undo(struct db *db) {
        db_rollback(db);
        db->error = 0;
}

/* ---- statements ---- */

static sqlite3_stmt *db_statement(struct db *db, const char *sql) {
        sqlite3_stmt *stmt = NULL;

        if (db->error)
                return NULL;
        for (size_t i = 0; i < db->count; i++)
                if (db->kept[i].sql == sql)
                        return db->kept[i].stmt;
        assert(db->count < DB_STATEMENTS); /* one for each literal in client/ */
        db_note(db, sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL));
        if (!stmt)
                return NULL;
        db->kept[db->count].sql = sql;
        db->kept[db->count++].stmt = stmt;
        return stmt;
}

static sqlite3_stmt *db_bind(struct db *db, const char *sql, const char *format, va_list args) {
        sqlite3_stmt *stmt = db_statement(db, sql);
        int index = 0;

        if (!stmt)
                return NULL;
        sqlite3_reset(stmt);
        for (const char *at = format; *at; at++) {
                int code;

                index++;
                if (*at == 'i') {
                        code = sqlite3_bind_int64(stmt, index, va_arg(args, int64_t));
                } else {
                        struct slice text = *at == 's' ? va_arg(args, struct slice) : slice_of(va_arg(args, const char *));

                        code = text.ptr ? sqlite3_bind_text64(stmt, index, text.ptr, text.len, SQLITE_TRANSIENT, SQLITE_UTF8)
                                        : sqlite3_bind_null(stmt, index);
                }
                db_note(db, code);
        }
        assert(index == sqlite3_bind_parameter_count(stmt));
        return db->error ? NULL : stmt;
}

int64_t db_run(struct db *db, const char *sql, const char *format, ...) {
        sqlite3_stmt *stmt;
        va_list args;

        va_start(args, format);
        stmt = db_bind(db, sql, format, args);
        va_end(args);
        if (!stmt)
                return 0;
        db_note(db, sqlite3_step(stmt));
        sqlite3_reset(stmt);
        return db->error ? 0 : sqlite3_changes64(db->handle);
}

struct sqlite3_stmt *db_query(struct db *db, const char *sql, const char *format, ...) {
        sqlite3_stmt *stmt;
        va_list args;

        va_start(args, format);
        stmt = db_bind(db, sql, format, args);
        va_end(args);
        return stmt;
}

bool db_next(struct db *db, struct sqlite3_stmt *rows) {
        int code;

        if (!rows || db->error)
                return false;
        code = sqlite3_step(rows);
        if (code == SQLITE_ROW)
                return true;
        db_note(db, code);
        sqlite3_reset(rows);
        return false;
}

void db_done(struct sqlite3_stmt *rows) {
        if (rows)
                sqlite3_reset(rows);
}

int64_t db_int(struct sqlite3_stmt *rows, int column) {
        return sqlite3_column_int64(rows, column);
}

struct slice db_text(struct sqlite3_stmt *rows, int column) {
        const char *text = (const char *)sqlite3_column_text(rows, column);

        return (struct slice){ text, text ? (size_t)sqlite3_column_bytes(rows, column) : 0 };
}

bool db_is_null(struct sqlite3_stmt *rows, int column) {
        return sqlite3_column_type(rows, column) == SQLITE_NULL;
}

int64_t db_number(struct db *db, int64_t missing, const char *sql, const char *format, ...) {
        sqlite3_stmt *stmt;
        int64_t value = missing;
        va_list args;

        va_start(args, format);
        stmt = db_bind(db, sql, format, args);
        va_end(args);
        if (db_next(db, stmt) && !db_is_null(stmt, 0))
                value = db_int(stmt, 0);
        db_done(stmt);
        return value;
}

/* ---- numbers and texts by name ---- */

int64_t db_get(struct db *db, const char *name) {
        return db_number(db, 0, "SELECT value FROM facts WHERE name = ?", "t", name);
}

void db_get_text(struct db *db, const char *name, char *out, size_t size) {
        sqlite3_stmt *rows = db_query(db, "SELECT value FROM facts WHERE name = ?", "t", name);

        out[0] = '\0';
        if (db_next(db, rows) && db_text(rows, 0).len < size)
                snprintf(out, size, "%s", db_text(rows, 0).ptr ? db_text(rows, 0).ptr : "");
        db_done(rows);
}

void db_set(struct db *db, const char *name, int64_t value) {
        db_run(db, "INSERT INTO facts VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2", "ti", name, value);
}

void db_set_text(struct db *db, const char *name, struct slice value) {
        db_run(db, "INSERT INTO facts VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2", "ts", name, value);
}

int64_t db_version(struct db *db) {
        return db_number(db, 0, "PRAGMA data_version", "");
}

void db_limit_pages(struct db *db, int64_t pages) {
        char sql[64];

        snprintf(sql, sizeof(sql), "PRAGMA max_page_count=%lld", (long long)pages);
        (void)sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
}

/* ---- opening ---- */

static void db_migrate(struct db *db) {
        int64_t version;

        db_begin(db);
        version = db_number(db, 0, "PRAGMA user_version", "");
        if (!db->error && version > SCHEMA_VERSION)
                db_fail(db, DB_E_NEWER);
        if (version == 0)
                db_exec(db, schema_sql);
}

static int db_prepare(struct db *db) {
        /* WAL survives in the file, but asking costs nothing. A killed process leaves a -wal behind, which is read here. */
        db_exec(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=OFF");
        if (!db->error) {
                db_migrate(db);
                return db_end(db);
        }
        return db->error;
}

int db_open(const char *path, struct db **ret_db) {
        struct db *db = calloc(1, sizeof(*db));
        int r;

        if (!db)
                return -ENOMEM;
        r = sqlite3_open_v2(path, &db->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
        if (r != SQLITE_OK) {
                db_free(db);
                return db_error_of(r);
        }
        sqlite3_extended_result_codes(db->handle, 1);
        sqlite3_busy_timeout(db->handle, DB_BUSY_MS);
        r = db_prepare(db);
        if (r) {
                db_free(db);
                return r;
        }
        *ret_db = db;
        return 0;
}

struct db *db_free(struct db *db) {
        if (!db)
                return NULL;
        for (size_t i = 0; i < db->count; i++)
                sqlite3_finalize(db->kept[i].stmt);
        sqlite3_close(db->handle);
        free(db);
        return NULL;
}
