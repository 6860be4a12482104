/* SPDX-License-Identifier: Apache-2.0 */
/* typist.c: see typist.h. */
#include "hub/typist.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/config.h"
#include "base/limits.h"
#include "base/metrics.h"
#include "fanout/cast.h"
#include "fanout/typing.h"
#include "hub/answer.h"
#include "hub/hub.h"
#include "hub/session.h"

struct typist_row {
        struct list link;
        struct wheel_timer timer;
        struct session *session;
        struct typing typing;
        uint64_t typed, told; /* session->typed at the latest frame that said on, and at the latest when it was spread */
        size_t conv_len;
        char conv[];
};

/* Nobody waits for the answer, but who types in a channel is told of the mistake. */
static void typist_on_cast(void *arg, int answer) {
        struct session *session = arg;
        if (answer == FANOUT_E_CHANNEL && session_is_open(session))
                session_error_id(session, false, 0, answer_code(answer), answer_message(answer));
        session_unref(session);
}

static void typist_cast(struct typist_row *row, bool active) {
        struct session *session = row->session;
        char header[2 * LIMIT_ID_BYTES + 8];
        int len = snprintf(header, sizeof(header), "%.*s %s %d", (int)row->conv_len, row->conv, session->user, active);
        metrics_add(TYPING, 1);
        if (cast_send(&session->hub->fanout, (struct slice){ row->conv, row->conv_len }, session->subscriber.user, 'T',
                      (struct slice){ header, (size_t)len }, session->subscriber.session, typist_on_cast, session_ref(session))) {
                metrics_add(EPHEMERAL_DROPPED, 1);
                session_unref(session);
        }
}

static void typist_free(struct typist_row *row) {
        wheel_stop(&row->timer);
        list_remove(&row->link);
        free(row);
}

static void typist_do(struct typist_row *row, enum typing_action action) {
        if (action == TYPING_SAY_ON)
                row->told = row->typed;
        if (action != TYPING_NOTHING)
                typist_cast(row, action == TYPING_SAY_ON);
}

static void typist_wait(struct typist_row *row) {
        wheel_start(row->session->hub->wheel, &row->timer, (uint64_t)typing_due_ms(&row->typing));
}

static void typist_on_due(struct wheel_timer *timer, uint64_t now_ms) {
        struct typist_row *row = LIST_CONTAINER(timer, struct typist_row, timer);
        typist_do(row, typing_on_due(&row->typing, (int64_t)now_ms));
        if (typing_is_over(&row->typing, (int64_t)now_ms))
                typist_free(row);
        else
                typist_wait(row);
}

static struct typist_row *typist_find(struct session *session, struct slice conv, size_t *ret_count) {
        size_t count = 0;
        LIST_FOR_EACH(link, &session->typings) {
                struct typist_row *row = LIST_CONTAINER(link, struct typist_row, link);
                count++;
                if (slice_equal((struct slice){ row->conv, row->conv_len }, conv))
                        return row;
        }
        *ret_count = count;
        return NULL;
}

void typist_end(struct session *session, struct slice conv) {
        size_t count;
        struct typist_row *row = typist_find(session, conv, &count);
        if (!row)
                return;
        typing_end(&row->typing);
        typist_wait(row);
}

void typist_sent(struct session *session, struct slice conv, uint64_t typed) {
        size_t count;
        struct typist_row *row = typist_find(session, conv, &count);
        if (!row || row->told > typed)
                return; /* of what was typed since, all were told behind the message */
        bool again = row->typed > typed && (row->typing.active || row->typing.waits);
        typing_end(&row->typing);
        row->typing.waits = again;
        typist_wait(row);
}

void typist_step(struct session *session, struct slice conv, bool active) {
        size_t count = 0;
        struct typist_row *row = typist_find(session, conv, &count);
        if (!row && (!active || count >= LIMIT_TYPING_ACTIVE))
                return;
        if (!row) {
                row = calloc(1, sizeof(*row) + conv.len);
                if (!row)
                        return;
                row->session = session;
                row->conv_len = conv.len;
                memcpy(row->conv, conv.ptr, conv.len);
                wheel_timer_init(&row->timer, typist_on_due);
                list_append(&session->typings, &row->link);
        }
        struct typing_rules rules = { .ttl_ms = session->hub->config->typing_ttl_ms };
        if (active)
                row->typed = ++session->typed;
        typist_do(row, typing_step(&row->typing, active, &rules, (int64_t)uv_now(session->hub->loop)));
        typist_wait(row);
}

void typist_deinit(struct session *session) {
        LIST_FOR_EACH(link, &session->typings) {
                struct typist_row *row = LIST_CONTAINER(link, struct typist_row, link);
                typist_do(row, typing_end(&row->typing));
                typist_free(row);
        }
}
