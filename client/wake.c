/* SPDX-License-Identifier: Apache-2.0 */
/* wake.c: see wake.h. */
#include "client/wake.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/scan.h"
#include "client/db.h"
#include "client/errand.h"
#include "client/inbound.h"
#include "client/ledger.h"
#include "client/speech.h"
#include "client/tally.h"

enum { OPS_BYTES = 512 << 10, FIELDS = 32 };

enum wake_kind { WAKE_ITEM, WAKE_READ, WAKE_CONVERSATIONS, WAKE_LATEST, WAKE_REPORT };

struct wake_op {
        enum wake_kind kind;
        int64_t seq;
        char name[LIMIT_ID_BYTES + 1]; /* op of an item; after of a page of conversations; else conv */
};

struct wake {
        struct db *db;
        char device[LIMIT_ID_BYTES + 1];
        uint64_t deadline_ms;
        int64_t report_each_ms;
        bool reloads, is_listing;
        int64_t listing; /* of ledger_conversations_begin() */
        char after[LIMIT_ID_BYTES + 1];
        bool began, more, failed;
        int64_t asked; /* the cursor that the present request brought */
        struct wake_result result;
        size_t count;
        struct wake_op ops[LIMIT_SYNC_OPERATIONS];
};

/* Ends the transaction; a failing store ends the sync. */
static bool end(struct wake *wake) {
        int error = db_end(wake->db);

        if (error) {
                wake->result.end = WAKE_STORE;
                wake->result.error = error;
        }
        return error == 0;
}

/* ---- the request ---- */

/* A new op, with what separates it from the one before it. */
static struct wake_op *add_op(struct wake *wake, enum wake_kind kind, const char *name, struct buf *ops) {
        struct wake_op *op = &wake->ops[wake->count++];

        if (ops->len)
                buf_add_char(ops, ',');
        memset(op, 0, sizeof(*op));
        op->kind = kind;
        snprintf(op->name, sizeof(op->name), "%s", name);
        return op;
}

/* speech.h ends each with one. */
static void drop_nul(struct buf *ops) {
        if (ops->len)
                ops->len--;
}

static void add_reads(struct wake *wake, struct buf *ops) {
        char conv[LIMIT_ID_BYTES + 1];
        struct wake_op *op;
        int64_t seq;

        /* One at a time: the next is found when this one is told. */
        if (wake->count == LIMIT_SYNC_OPERATIONS || !ledger_next_read(wake->db, conv, sizeof(conv), &seq))
                return;
        op = add_op(wake, WAKE_READ, conv, ops);
        op->seq = seq;
        speech_read(ops, (int64_t)wake->count, conv, seq);
        drop_nul(ops);
        wake->result.sent++;
}

/* One page at a time, as over a connection (reload.h). */
static void add_reload(struct wake *wake, struct buf *ops) {
        char conv[LIMIT_ID_BYTES + 1];

        if (!wake->reloads || wake->count == LIMIT_SYNC_OPERATIONS)
                return;
        if (ledger_reload_is_due(wake->db)) {
                if (!wake->is_listing) {
                        wake->listing = ledger_conversations_begin(wake->db);
                        wake->is_listing = true;
                        wake->after[0] = '\0';
                }
                add_op(wake, WAKE_CONVERSATIONS, wake->after, ops);
                speech_conversations(ops, (int64_t)wake->count, wake->after);
                drop_nul(ops);
        } else if (ledger_next_to_load(wake->db, conv, sizeof(conv))) {
                add_op(wake, WAKE_LATEST, conv, ops);
                speech_history(ops, (int64_t)wake->count, conv);
                drop_nul(ops);
        }
}

static void add_report(struct wake *wake, int64_t wall_ms, struct buf *ops) {
        if (wake->report_each_ms == 0 || wake->count == LIMIT_SYNC_OPERATIONS ||
            tally_report_due(wake->db, wake->report_each_ms, wall_ms) > wall_ms || !tally_has_news(wake->db))
                return;
        add_op(wake, WAKE_REPORT, "", ops);
        tally_report(wake->db, (int64_t)wake->count, wall_ms, ops);
}

static void add_errands(struct wake *wake, int64_t wall_ms, struct buf *ops) {
        struct errand errand;
        int64_t after = 0;

        errand_expire(wake->db, wall_ms);
        while (wake->count < LIMIT_SYNC_OPERATIONS && ops->len < OPS_BYTES && errand_next(wake->db, after, wall_ms, &errand)) {
                after = errand.id;
                add_op(wake, WAKE_ITEM, errand.op, ops);
                wake->result.sent++;
                errand_print_request(&errand, (int64_t)wake->count, ops);
                errand_start(wake->db, &errand);
                errand_clear(&errand);
        }
}

static void print_request(struct wake *wake, int64_t cursor, struct slice ops, struct buf *out) {
        char epoch[INBOUND_WORD_BYTES];

        db_get_text(wake->db, "epoch", epoch, sizeof(epoch));
        buf_add_text(out, "{\"device\":");
        buf_add_json(out, slice_of(wake->device));
        if (epoch[0]) {
                buf_add_text(out, ",\"cursor\":{\"epoch\":");
                buf_add_json(out, slice_of(epoch));
                buf_add_text(out, ",\"n\":");
                buf_add_int(out, cursor);
                buf_add_text(out, "},\"ack\":");
                buf_add_int(out, cursor);
        }
        buf_add_text(out, ",\"ops\":[");
        buf_add_slice(out, ops);
        buf_add_text(out, "]}");
}

enum wake_end wake_next(struct wake *wake, uint64_t now_ms, int64_t wall_ms, struct buf *out) {
        _cleanup_buf_ struct buf ops = BUF_INIT(OPS_BYTES + LIMIT_FRAME_BYTES * 2);
        int64_t cursor;
        bool ack;

        if (wake->result.end != WAKE_GOES_ON)
                return wake->result.end;
        if (now_ms >= wake->deadline_ms)
                return wake->result.end = WAKE_LATE;
        wake->count = 0;
        db_begin(wake->db);
        if (!wake->device[0])
                db_get_text(wake->db, "device", wake->device, sizeof(wake->device));
        add_errands(wake, wall_ms, &ops);
        add_reads(wake, &ops);
        add_reload(wake, &ops);
        add_report(wake, wall_ms, &ops);
        cursor = ledger_cursor(wake->db);
        ack = cursor > db_get(wake->db, "acked");
        wake->asked = cursor;
        print_request(wake, cursor, buf_slice(&ops), out);
        if (buf_failed(out) || buf_failed(&ops))
                db_fail(wake->db, -ENOMEM);
        if (!end(wake))
                return wake->result.end;
        if (wake->began && !wake->more && wake->count == 0 && !ack)
                return wake->result.end = WAKE_DONE;
        wake->began = true;
        wake->result.requests++;
        return WAKE_GOES_ON;
}

/* ---- the answer ---- */

/* What is refused here, the next connection asks for. */
static void take_page(struct wake *wake, const struct wake_op *op, const struct inbound *in, int64_t wall_ms) {
        if (op->kind == WAKE_CONVERSATIONS && in->type == INBOUND_CONVERSATIONS) {
                ledger_take_conversations(wake->db, in);
                if (ledger_page_goes_on(in, op->name)) {
                        snprintf(wake->after, sizeof(wake->after), "%s", in->next);
                        return;
                }
                ledger_conversations_end(wake->db, wake->listing);
                wake->is_listing = false;
                wake->reloads = !ledger_reload_is_due(wake->db); /* else somebody else has begun */
        } else if (op->kind == WAKE_LATEST && in->type == INBOUND_HISTORY && strcmp(in->conv, op->name) == 0) {
                ledger_take_history(wake->db, in, true, wall_ms);
        } else if (op->kind == WAKE_LATEST && in->type == INBOUND_ERROR && !in->temporary) {
                ledger_give_up_loading(wake->db, op->name);
        } else {
                wake->reloads = false;
        }
}

static void take_result(struct wake *wake, const struct wake_op *op, const struct inbound *in, int64_t wall_ms, uint64_t chance) {
        int64_t attempts = db_number(wake->db, 0, "SELECT attempts FROM outbox WHERE op = ?", "t", op->name);

        if (op->kind == WAKE_REPORT)
                return;
        if (op->kind == WAKE_CONVERSATIONS || op->kind == WAKE_LATEST) {
                take_page(wake, op, in, wall_ms);
        } else if (op->kind == WAKE_READ) {
                if (in->type == INBOUND_OK || (in->type == INBOUND_ERROR && !in->temporary))
                        ledger_read_told(wake->db, op->name, op->seq);
                else
                        wake->failed = true;
        } else if (in->type == INBOUND_SENT && strcmp(in->op, op->name) == 0) {
                ledger_take_sent(wake->db, in, wall_ms);
        } else if (in->type == INBOUND_ERROR) {
                errand_refuse(wake->db, op->name, in->code, in->message, in->temporary,
                              errand_wait_ms(attempts, in->has_hint ? in->hint_ms : -1, chance), wall_ms);
        } else { /* no reply to it: who asked again at once, and again, would do so until the deadline */
                errand_revert(wake->db, op->name);
                wake->failed = true;
        }
}

/* Each op has its reply, in order; one that has none is not known to be done. */
static void take_results(struct wake *wake, const struct scan_value *results, int64_t wall_ms, uint64_t chance) {
        struct scan_value value;
        struct inbound in;
        size_t position = 0, done = 0;

        while (results && results->type == SCAN_ARRAY && done < wake->count && scan_array(results->raw, &position, &value)) {
                if (value.type != SCAN_OBJECT)
                        continue;
                inbound_read(value.raw, &in);
                take_result(wake, &wake->ops[done++], &in, wall_ms, chance);
        }
        wake->failed |= done < wake->count;
        for (; done < wake->count; done++)
                if (wake->ops[done].kind == WAKE_ITEM)
                        errand_revert(wake->db, wake->ops[done].name);
                else if (wake->ops[done].kind != WAKE_READ)
                        wake->reloads = false;
}

static void take_events(struct wake *wake, const struct scan_value *events, int64_t wall_ms) {
        struct scan_value value;
        enum ledger_verdict verdict;
        struct inbound in;
        size_t position = 0;

        while (events && events->type == SCAN_ARRAY && scan_array(events->raw, &position, &value)) {
                if (value.type != SCAN_OBJECT)
                        continue;
                inbound_read(value.raw, &in);
                verdict = in.type != INBOUND_BAD ? ledger_take(wake->db, &in, wall_ms) : LEDGER_SEEN;
                wake->result.events += verdict != LEDGER_SEEN;
                wake->is_listing &= verdict == LEDGER_SEEN || verdict == LEDGER_TAKEN; /* else from the beginning */
        }
}

static void take_place(struct wake *wake, const struct inbound *in) {
        char epoch[INBOUND_WORD_BYTES];

        db_get_text(wake->db, "epoch", epoch, sizeof(epoch));
        if (!epoch[0]) {
                db_set_text(wake->db, "epoch", slice_of(in->epoch));
                db_set_text(wake->db, "device", slice_of(wake->device));
        }
        if (in->fresh)
                db_set(wake->db, "reload", 1);
        if (wake->asked > db_get(wake->db, "acked"))
                db_set(wake->db, "acked", wake->asked);
        /* Up to here there is nothing else to show: numbers may be skipped. */
        if ((!epoch[0] || strcmp(epoch, in->epoch) == 0) && in->cursor > ledger_cursor(wake->db))
                db_set(wake->db, "cursor", in->cursor);
}

static bool take_answer(struct wake *wake, struct slice body, int64_t wall_ms, uint64_t chance) {
        struct scan_field fields[FIELDS];
        struct scan_value value;
        struct inbound in;
        size_t count;

        if (scan_text(body, LIMIT_JSON_DEPTH + 8, &value) != 0 || value.type != SCAN_OBJECT ||
            scan_object(value.raw, fields, FIELDS, &count) != 0)
                return false;
        inbound_read_item(value.raw, INBOUND_OK, NULL, &in);
        if (in.type != INBOUND_OK || !in.epoch[0] || in.cursor < 0)
                return false;
        take_results(wake, scan_find(fields, count, "results"), wall_ms, chance);
        take_events(wake, scan_find(fields, count, "events"), wall_ms);
        take_place(wake, &in);
        wake->more = in.more;
        return !in.more || wake->count > 0 || ledger_cursor(wake->db) > wake->asked ||
               (wake->reloads && ledger_reload_is_due(wake->db)); /* wake#2 */
}

static void revert_ops(struct wake *wake) {
        for (size_t i = 0; i < wake->count; i++)
                if (wake->ops[i].kind == WAKE_ITEM)
                        errand_revert(wake->db, wake->ops[i].name);
}

void wake_on_answer(struct wake *wake, int status, struct slice body, int64_t wall_ms, uint64_t chance) {
        bool taken = false;

        db_begin(wake->db);
        if (status == 200)
                taken = take_answer(wake, body, wall_ms, chance);
        if (!taken)
                revert_ops(wake);
        if (!end(wake))
                return;
        if (!taken || wake->failed) {
                wake->result.end = status == 401 ? WAKE_UNAUTHORIZED : WAKE_FAILED;
                wake->result.http_status = status;
        }
}

/* ---- life ---- */

struct wake *wake_new(struct db *db, const struct wake_options *options) {
        struct wake *wake = calloc(1, sizeof(*wake));

        if (!wake)
                return NULL;
        wake->db = db;
        wake->deadline_ms = options->deadline_ms;
        wake->reloads = options->reloads;
        wake->report_each_ms = options->report_each_ms;
        snprintf(wake->device, sizeof(wake->device), "%s", options->device);
        return wake;
}

/* Whatever it was, it is counted; a wake that neither brought nor sent anything was one too many. */
struct wake *wake_free(struct wake *wake) {
        if (!wake)
                return NULL;
        db_begin(wake->db);
        tally_count(wake->db, TALLY_WAKES, 1);
        if (wake->result.events == 0 && wake->result.sent == 0)
                tally_count(wake->db, TALLY_EMPTY_WAKES, 1);
        if (db_end(wake->db) != 0)
                db_undo(wake->db); /* a count that is lost harms nothing */
        free(wake);
        return NULL;
}

const struct wake_result *wake_result(const struct wake *wake) {
        return &wake->result;
}
