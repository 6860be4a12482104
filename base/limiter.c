/* SPDX-License-Identifier: Apache-2.0 */
/* limiter.c: see limiter.h. The hash keeps its rows in the order of their last use, so forgetting looks only at the oldest. */
#include "base/limiter.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/limits.h"

struct limiter_row {
        UT_hash_handle hh;
        uint64_t clock_us; /* the virtual clock: ahead of now by what is used of the burst */
        size_t len;
        char name[];
};

struct limiter {
        struct limiter_row *rows; /* the one used longest ago first */
        uint64_t step_us;         /* what one costs */
        uint64_t ahead_us;        /* how far the clock may run ahead */
};

struct limiter *limiter_new(uint64_t per_s, uint64_t burst) {
        struct limiter *limiter = calloc(1, sizeof(*limiter));
        if (!limiter)
                return NULL;
        limiter_set(limiter, per_s, burst);
        return limiter;
}

void limiter_set(struct limiter *limiter, uint64_t per_s, uint64_t burst) {
        limiter->step_us = per_s ? (1000000 + per_s - 1) / per_s : 0;
        limiter->ahead_us = limiter->step_us * (burst ? burst : 1);
}

static void limiter_drop(struct limiter *limiter, struct limiter_row *row) {
        HASH_DEL(limiter->rows, row);
        free(row);
}

struct limiter *limiter_free(struct limiter *limiter) {
        if (!limiter)
                return NULL;
        while (limiter->rows)
                limiter_drop(limiter, limiter->rows);
        free(limiter);
        return NULL;
}

static void limiter_forget(struct limiter *limiter, uint64_t now_us) {
        /* Two at each call outrun the one that is added. */
        for (int i = 0; i < 2 && limiter->rows && limiter->rows->clock_us <= now_us; i++)
                limiter_drop(limiter, limiter->rows);
}

static struct limiter_row *limiter_row(struct limiter *limiter, struct slice name) {
        struct limiter_row *row = NULL;
        HASH_FIND(hh, limiter->rows, name.ptr, name.len, row);
        if (row) {
                HASH_DEL(limiter->rows, row); /* to the end of the order */
        } else {
                if (HASH_COUNT(limiter->rows) >= LIMIT_LIMITER_NAMES)
                        return NULL;
                row = calloc(1, sizeof(*row) + name.len);
                if (!row)
                        return NULL;
                row->len = name.len;
                memcpy(row->name, name.ptr, name.len);
        }
        HASH_ADD_KEYPTR(hh, limiter->rows, row->name, row->len, row);
        return row;
}

bool limiter_allow(struct limiter *limiter, struct slice name, uint64_t now_ms, uint64_t *ret_retry_ms) {
        uint64_t now_us = now_ms * 1000;
        *ret_retry_ms = 0;
        if (limiter->step_us == 0)
                return true;
        limiter_forget(limiter, now_us);
        struct limiter_row *row = limiter_row(limiter, name);
        if (!row)
                return true;
        uint64_t clock_us = row->clock_us > now_us ? row->clock_us : now_us;
        if (clock_us + limiter->step_us > now_us + limiter->ahead_us) {
                *ret_retry_ms = (clock_us + limiter->step_us - now_us - limiter->ahead_us + 999) / 1000;
                return false;
        }
        row->clock_us = clock_us + limiter->step_us;
        return true;
}
