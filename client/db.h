/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db.h: SQLite as the rest of client/ sees it: transactions, statements, and five ways to fail.
 *
 * 1. Inside a transaction the first failure sticks: what follows does nothing and yields no row, and db_end() rolls back and
 *    returns it. So whoever writes may go on without looking, as with a struct buf, and asks once.
 * 2. What db_end() returned 0 for is on the disk (WAL, synchronous=FULL). Anything else left no trace.
 * 3. Several processes may hold the same file. A transaction takes the right to write at its beginning, so that what it reads is
 *    still true when it writes; who waits for that longer than DB_BUSY_MS gets DB_E_LOCKED.
 *
 * Formats of arguments: 's' struct slice (NULL if its ptr is), 't' const char * (NULL is NULL), 'i' int64_t.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/slice.h"

struct db;
struct sqlite3_stmt;

enum {
        DB_E_FULL = 1, /* the disk, or the quota of this file, is full */
        DB_E_LOCKED,   /* another process holds the file for too long */
        DB_E_CORRUPT,  /* this is no database, or a damaged one */
        DB_E_IO,       /* it cannot be opened, read or written */
        DB_E_NEWER,    /* written by a later version of this library */
};

enum { DB_BUSY_MS = 5000 };

/* Opens or makes the file, and brings its tables to this version. 0, -ENOMEM or DB_E_…. */
__attribute__((warn_unused_result)) int db_open(const char *path, struct db **ret_db);
struct db *db_free(struct db *db);

void db_begin(struct db *db);
/* The same for who only reads: it waits for nobody. */
void db_begin_read(struct db *db);
__attribute__((warn_unused_result)) int db_end(struct db *db);
/* Ends the transaction as if nothing had happened. */
void db_undo(struct db *db);
bool db_failed(const struct db *db);
/* Makes the transaction fail with error, unless it has failed already. */
void db_fail(struct db *db, int error);

/* One statement without rows. sql is a literal: statements are kept by its address. Returns how many rows it changed. */
int64_t db_run(struct db *db, const char *sql, const char *format, ...);

/* Rows: query, then next until it is false. A query that is left early needs db_done(). */
struct sqlite3_stmt *db_query(struct db *db, const char *sql, const char *format, ...);
bool db_next(struct db *db, struct sqlite3_stmt *rows);
void db_done(struct sqlite3_stmt *rows);
int64_t db_int(struct sqlite3_stmt *rows, int column);
struct slice db_text(struct sqlite3_stmt *rows, int column); /* lent until the next db_next() */
bool db_is_null(struct sqlite3_stmt *rows, int column);

/* One number of one row; missing if there is no row or it is NULL. */
int64_t db_number(struct db *db, int64_t missing, const char *sql, const char *format, ...);

/* Numbers and texts by name. */
int64_t db_get(struct db *db, const char *name);                           /* 0 if not set */
void db_get_text(struct db *db, const char *name, char *out, size_t size); /* "" if not set, or too long */
void db_set(struct db *db, const char *name, int64_t value);
void db_set_text(struct db *db, const char *name, struct slice value);

/* A number that changes whenever another connection has written. */
int64_t db_version(struct db *db);
/* Limits the file to so many pages, as a full disk would. */
void db_limit_pages(struct db *db, int64_t pages);
/* What SQLite said of the latest failure. Lives until the next call. */
const char *db_reason(const struct db *db);
