/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shelf.h: the store read as lists of JSON objects, each ended by a NUL: what belfry.h hands to the app.
 *
 * Each is a transaction of its own and waits for nobody: 0, -ENOMEM or DB_E_… (then out is of no use).
 */
#pragma once
#include <stdint.h>

struct buf;
struct db;

__attribute__((warn_unused_result)) int shelf_conversations(struct db *db, struct buf *out);
/* Up to limit entries before seq (0: the latest), oldest first. */
__attribute__((warn_unused_result)) int shelf_entries(struct db *db, const char *conv, int64_t before, int64_t limit,
                                                      struct buf *out);
__attribute__((warn_unused_result)) int shelf_outbox(struct db *db, const char *conv, struct buf *out);
__attribute__((warn_unused_result)) int shelf_receipts(struct db *db, const char *conv, struct buf *out);
/* The item of the outbox, or the entry that it has become; nothing if there is neither. */
__attribute__((warn_unused_result)) int shelf_find(struct db *db, const char *op, struct buf *out);
__attribute__((warn_unused_result)) int shelf_place(struct db *db, struct buf *out);
__attribute__((warn_unused_result)) int shelf_metrics(struct db *db, int64_t wall_ms, struct buf *out);
