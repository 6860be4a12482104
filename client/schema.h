/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema.h: the tables of a device's store.
 *
 * 1. facts.cursor moves in the transaction that holds what the events up to it brought; so does facts.epoch.
 * 2. An entry is there once: (conv, seq) is the key, and (conv, sender, op) names one entry.
 * 3. What is in outbox has not been stored by the hub, as far as this device knows. What was stored is in entries, and the
 *    one becomes the other in one transaction.
 * 4. outbox.touched is 1 from before its first byte may have left: the hub may have it, so its content is fixed (only its
 *    state changes), as the same op must never mean two things.
 * 5. feed numbers every change in the order in which it was committed. It names what changed and never copies it.
 */
#pragma once

#define SCHEMA_VERSION 1

static const char schema_sql[] =
        "CREATE TABLE facts (name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
        "CREATE TABLE conversations (conv TEXT PRIMARY KEY, kind TEXT, epoch TEXT, seq INTEGER NOT NULL DEFAULT 0,"
        " delivered INTEGER NOT NULL DEFAULT 0, read INTEGER NOT NULL DEFAULT 0, read_sent INTEGER NOT NULL DEFAULT 0,"
        " gone INTEGER NOT NULL DEFAULT 0, loaded INTEGER NOT NULL DEFAULT 1, had INTEGER NOT NULL DEFAULT 0, subscribed INTEGER NOT NULL DEFAULT 0, since INTEGER,"
        " since_epoch TEXT) WITHOUT ROWID;"
        "CREATE TABLE entries (conv TEXT NOT NULL, seq INTEGER NOT NULL, n INTEGER, kind TEXT NOT NULL, ref INTEGER, sender TEXT NOT NULL,"
        " device TEXT, op TEXT NOT NULL, at INTEGER NOT NULL, body TEXT, deleted INTEGER NOT NULL DEFAULT 0, version INTEGER NOT NULL DEFAULT 0,"
        " edit_seq INTEGER NOT NULL DEFAULT 0, reactions TEXT, PRIMARY KEY (conv, seq)) WITHOUT ROWID;"
        "CREATE INDEX entries_op ON entries (op);"
        "CREATE INDEX entries_ref ON entries (conv, ref) WHERE ref IS NOT NULL;"
        "CREATE TABLE receipts (conv TEXT NOT NULL, user TEXT NOT NULL, delivered INTEGER NOT NULL, read INTEGER NOT NULL,"
        " PRIMARY KEY (conv, user)) WITHOUT ROWID;"
        "CREATE TABLE members (conv TEXT NOT NULL, user TEXT NOT NULL, role TEXT, PRIMARY KEY (conv, user)) WITHOUT ROWID;"
        "CREATE TABLE notifications (op TEXT PRIMARY KEY, n INTEGER NOT NULL, event TEXT NOT NULL, read INTEGER NOT NULL DEFAULT 0)"
        " WITHOUT ROWID;"
        "CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, op TEXT NOT NULL UNIQUE, conv TEXT NOT NULL, kind TEXT NOT NULL,"
        " ref INTEGER, ref_op TEXT, body TEXT, state TEXT NOT NULL, reason TEXT, message TEXT, retryable INTEGER NOT NULL DEFAULT 0,"
        " touched INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0, due_ms INTEGER NOT NULL DEFAULT 0,"
        " created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL);"
        "CREATE INDEX outbox_conv ON outbox (conv, id);"
        "CREATE TABLE feed (change INTEGER PRIMARY KEY AUTOINCREMENT, what TEXT NOT NULL, conv TEXT, seq INTEGER, name TEXT, word TEXT);"
        "CREATE TABLE samples (what TEXT NOT NULL, slot INTEGER NOT NULL, ms INTEGER NOT NULL, PRIMARY KEY (what, slot)) WITHOUT ROWID;"
        "PRAGMA user_version = 1;";
