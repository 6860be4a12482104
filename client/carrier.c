/* SPDX-License-Identifier: Apache-2.0 */
/* carrier.c: see carrier.h. */
#include "client/carrier.h"

#include "base/buf.h"
#include "client/asked.h"
#include "client/db.h"
#include "client/errand.h"
#include "client/inbound.h"

enum { REPLY_MS = 10000 }; /* then an item that was not answered is sent again */

void carrier_expire(struct carrier *carrier, struct db *db, int64_t wall_ms) {
        errand_expire(db, wall_ms);
        carrier->due_ms = errand_next_due(db);
}

void carrier_pump(struct carrier *carrier, struct db *db, uint64_t now_ms, int64_t wall_ms, struct asked *asked,
                  struct buf *out) {
        struct errand errand;
        struct asked_row *request;
        int64_t after = 0;

        errand_expire(db, wall_ms);
        while (asked_count(asked, ASKED_SEND) < ERRAND_UNDER_WAY && errand_next(db, after, wall_ms, &errand)) {
                after = errand.id;
                request = asked_add(asked, ASKED_SEND, errand.op);
                if (request) {
                        request->due_ms = now_ms + REPLY_MS;
                        errand_start(db, &errand);
                        errand_print_request(&errand, request->id, out);
                        buf_add(out, "", 1);
                }
                errand_clear(&errand);
                if (!request)
                        break;
        }
        carrier->due_ms = errand_next_due(db);
}

void carrier_on_error(struct db *db, const struct asked_row *request, const struct inbound *in, int64_t wall_ms,
                      uint64_t (*chance)(void *context), void *context) {
        int64_t attempts = db_number(db, 0, "SELECT attempts FROM outbox WHERE op = ?", "t", request->name);
        int64_t hint_ms = in->has_hint ? in->hint_ms : -1, wait_ms = 0;

        if (in->temporary && attempts + 1 < ERRAND_ATTEMPTS)
                wait_ms = errand_wait_ms(attempts, hint_ms, hint_ms < 0 ? chance(context) : 0);
        errand_refuse(db, request->name, in->code, in->message, in->temporary, wait_ms, wall_ms);
}

bool carrier_revert_late(struct db *db, uint64_t now_ms, struct asked *asked) {
        bool late = false;

        for (size_t i = 0; i < ASKED_MAX; i++) {
                struct asked_row *row = &asked->rows[i];

                if (row->kind != ASKED_SEND || row->due_ms > now_ms)
                        continue;
                errand_revert(db, row->name);
                asked_drop(row);
                late = true;
        }
        return late;
}

uint64_t carrier_late_ms(const struct asked *asked) {
        uint64_t first_ms = 0;

        for (size_t i = 0; i < ASKED_MAX; i++)
                if (asked->rows[i].kind == ASKED_SEND && (first_ms == 0 || asked->rows[i].due_ms < first_ms))
                        first_ms = asked->rows[i].due_ms;
        return first_ms;
}
