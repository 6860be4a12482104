/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine.c: see engine.h.
 *
 * Each input does its part inside one transaction at most, and then pump() sends what may be sent now. Times are absolute and
 * monotonic, 0 for none; what must outlive the process (an item's due time) is wall time in the store.
 */
#include "client/engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/scan.h"
#include "client/asked.h"
#include "client/carrier.h"
#include "client/db.h"
#include "client/errand.h"
#include "client/follow.h"
#include "client/inbound.h"
#include "client/ledger.h"
#include "client/pulse.h"
#include "client/redial.h"
#include "client/reload.h"
#include "client/speech.h"
#include "client/tally.h"

enum {
        WELCOME_MS = 10000, /* from the dial to welcome */
        STUCK_MS = 5000,    /* so long without a welcome, and the network has changed: dialled anew */
        ACK_MS = 200,
        ACK_SHARE = 4,         /* of the window: then at once */
        PING_MAX_MS = 3600000, /* of welcome; more is as good as never */
        AGAIN_MS = 1000,       /* until what the hub refused for now is asked for again, if it named no delay */
        FRAME_BYTES = 1 << 20,
};

struct engine {
        struct db *db;
        struct engine_port port;
        char user[LIMIT_ID_BYTES + 1], device[LIMIT_ID_BYTES + 1];
        char token[LIMIT_TOKEN_BYTES + 1];
        enum engine_state state;
        int error;
        struct redial retry;
        uint64_t now_ms;
        int64_t wall_ms;
        bool has_token, token_refused;
        bool is_open;      /* the WebSocket is */
        bool renew;        /* renew: the token is about to expire */
        int64_t goaway_ms; /* -1: none */

        uint64_t retry_at, welcome_at, ack_at;
        uint64_t soonest_at; /* no hint ends the wait before this, as the hub named its delay */
        uint64_t welcomed_ms;
        int64_t acked, acked_noted, stored, window, max_frame, caught_up_count;
        bool catching_up;
        int64_t report_each_ms, report_due; /* wall time, 0: not known */

        struct pulse pulse;
        struct carrier carrier;
        struct follow follow;
        struct reload reload;
        struct asked asked;
        struct buf out; /* of the present transaction: frames, each ended by a NUL */
};

/* ---- frames ---- */

/* Hands over what the transaction that has just ended wanted to say. */
static void flush(struct engine *engine) {
        struct buf out = engine->out;
        size_t start = 0;

        buf_init(&engine->out, FRAME_BYTES);
        while (start < out.len && engine->is_open) {
                struct slice text = slice_of(out.ptr + start);

                engine->port.send(engine->port.context, text);
                start += text.len + 1;
        }
        buf_deinit(&out);
}

/* ---- states ---- */

static uint64_t draw(struct engine *engine) {
        return engine->port.chance(engine->port.context);
}

static void become(struct engine *engine, enum engine_state state, int code, const char *reason) {
        engine->state = state;
        engine->port.become(engine->port.context, state, code, reason);
}

static void forget_connection(struct engine *engine) {
        engine->is_open = false;
        engine->welcome_at = engine->ack_at = 0;
        pulse_end(&engine->pulse);
        engine->reload = (struct reload){ .again_ms = 0 };
        asked_init(&engine->asked);
        buf_clear(&engine->out);
}

/* What the hub was told is only of use to a later sync, so it is written with what is written anyway. */
static void note_acked(struct engine *engine) {
        if (engine->acked > engine->acked_noted)
                db_set(engine->db, "acked", engine->acked);
        engine->acked_noted = engine->acked;
}

/* Ends a transaction. If the store failed, the connection is over (engine#2). */
static int end(struct engine *engine);

static void wait_after(struct engine *engine, const struct redial_end *how, const char *reason) {
        struct redial_plan plan = redial_step(&engine->retry, how, draw(engine));

        int code = how->close_code ? how->close_code : how->http_status;

        engine->goaway_ms = -1;
        if (plan.need == REDIAL_NEEDS_TOKEN)
                engine->has_token = false, engine->token_refused = true;
        if (plan.stop) {
                become(engine, ENGINE_STOPPED, code, reason);
                return;
        }
        engine->soonest_at = plan.told ? engine->now_ms + plan.delay_ms : 0;
        engine->retry_at = engine->now_ms + plan.delay_ms + (engine->pulse.quiet ? engine->retry.backoff.max_ms : 0);
        become(engine, ENGINE_WAITING, code, reason);
}

/* The connection is over. */
static void lose(struct engine *engine, int code, const char *reason) {
        bool was_online = engine->state == ENGINE_ONLINE;
        struct redial_end how = {
                .close_code = code,
                .hint_ms = engine->goaway_ms,
                .alive_ms = was_online ? engine->now_ms - engine->welcomed_ms : 0,
        };
        int error;

        forget_connection(engine);
        db_begin(engine->db);
        errand_revert(engine->db, NULL);
        note_acked(engine);
        if (code / 100 == 43)
                db_set(engine->db, "reload", 1);
        if (was_online && (code < 4000 || code > 4999))
                tally_count(engine->db, TALLY_LOSSES, 1);
        error = db_end(engine->db);
        if (error) {
                engine->error = error;
                engine->port.fail(engine->port.context, error);
        }
        wait_after(engine, &how, reason);
}

static void give_up(struct engine *engine, const char *reason) {
        if (engine->state != ENGINE_CONNECTING && engine->state != ENGINE_ONLINE)
                return;
        engine->port.hang_up(engine->port.context);
        lose(engine, 1006, reason);
}

static void store_failed(struct engine *engine, int error) {
        engine->error = error;
        buf_clear(&engine->out);
        engine->port.fail(engine->port.context, error);
        give_up(engine, "the store failed");
}

static int end(struct engine *engine) {
        int error;

        if (buf_failed(&engine->out))
                db_fail(engine->db, -ENOMEM);
        error = db_end(engine->db);
        if (error) {
                store_failed(engine, error);
                return ENGINE_E_STORE;
        }
        engine->error = 0;
        return 0;
}

static void dial(struct engine *engine) {
        engine->retry_at = 0;
        if (!engine->has_token) {
                engine->has_token =
                        engine->port.token(engine->port.context, engine->token_refused, engine->token, sizeof(engine->token));
                engine->token_refused = false;
        }
        if (!engine->has_token) {
                wait_after(engine, &(struct redial_end){ .hint_ms = -1 }, "there is no token");
                return;
        }
        db_begin(engine->db);
        tally_count(engine->db, TALLY_CONNECTS, 1);
        if (db_end(engine->db) != 0)
                db_undo(engine->db); /* a count that is lost harms nothing */
        engine->goaway_ms = -1;
        engine->welcome_at = engine->now_ms + WELCOME_MS;
        become(engine, ENGINE_CONNECTING, 0, NULL);
        engine->port.dial(engine->port.context);
}

/* ---- what is sent while online ---- */

static void pump_read(struct engine *engine) {
        char conv[LIMIT_ID_BYTES + 1];
        struct asked_row *request;
        int64_t seq;

        if (asked_count(&engine->asked, ASKED_READ) > 0 || !ledger_next_read(engine->db, conv, sizeof(conv), &seq))
                return;
        request = asked_add(&engine->asked, ASKED_READ, conv);
        if (!request)
                return;
        request->seq = seq;
        speech_read(&engine->out, request->id, conv, seq);
}

/* How it went, if the app wants it told, and is told nothing more urgent. */
static void pump_report(struct engine *engine) {
        struct asked_row *request;

        if (engine->report_due > engine->wall_ms + engine->report_each_ms)
                engine->report_due = 0; /* the clock was set back */
        if (engine->report_each_ms == 0 || engine->catching_up || engine->report_due > engine->wall_ms)
                return;
        engine->report_due = tally_report_due(engine->db, engine->report_each_ms, engine->wall_ms);
        request = engine->report_due <= engine->wall_ms ? asked_add(&engine->asked, ASKED_REPORT, "") : NULL;
        if (!request)
                return;
        if (tally_has_news(engine->db)) {
                tally_report(engine->db, request->id, engine->wall_ms, &engine->out);
                buf_add(&engine->out, "", 1);
        } else {
                asked_drop(request);
        }
        engine->report_due = engine->wall_ms + engine->report_each_ms;
}

static void pump_online(struct engine *engine) {
        reload_pump(&engine->reload, engine->db, engine->now_ms, &engine->asked, &engine->out);
        follow_pump(&engine->follow, engine->db, engine->now_ms, &engine->asked, &engine->out);
        pump_read(engine);
        carrier_pump(&engine->carrier, engine->db, engine->now_ms, engine->wall_ms, &engine->asked, &engine->out);
        pump_report(engine);
}

/* Offline there is only what expires. */
static void pump(struct engine *engine) {
        db_begin(engine->db);
        if (engine->state == ENGINE_ONLINE) {
                pump_online(engine);
        } else {
                carrier_expire(&engine->carrier, engine->db, engine->wall_ms);
        }
        if (end(engine) == 0)
                flush(engine);
}

static void say_hello(struct engine *engine) {
        struct asked_row *request = asked_add(&engine->asked, ASKED_HELLO, "");
        char epoch[INBOUND_WORD_BYTES];

        db_begin_read(engine->db);
        db_get_text(engine->db, "epoch", epoch, sizeof(epoch));
        speech_hello(&engine->out, request->id, engine->token, engine->device, epoch, ledger_cursor(engine->db));
        if (end(engine) == 0)
                flush(engine);
}

/* A word of pulse.h's. */
static void say_ping(struct engine *engine, enum pulse_word word) {
        struct asked_row *request = word == PULSE_PING ? asked_add(&engine->asked, ASKED_PING, "") : NULL;

        if (request)
                speech_ping(&engine->out, request->id);
        flush(engine);
}

static void say_ack(struct engine *engine) {
        engine->ack_at = 0;
        if (engine->stored <= engine->acked || engine->state != ENGINE_ONLINE)
                return;
        speech_ack(&engine->out, engine->stored);
        engine->acked = engine->stored;
        flush(engine);
}

static void say_token(struct engine *engine) {
        struct asked_row *request = asked_add(&engine->asked, ASKED_AUTH, "");

        if (request)
                speech_auth(&engine->out, request->id, engine->token);
        flush(engine);
}

/* ---- frames of the hub, inside a transaction ---- */

static void on_welcome(struct engine *engine, const struct inbound *in) {
        struct db *db = engine->db;

        ledger_begin(db, slice_of(in->user), slice_of(in->device), slice_of(in->epoch), in->cursor);
        if (in->fresh)
                db_set(db, "reload", 1);
        tally_count(db, TALLY_WELCOMES, 1);
        engine->acked = engine->acked_noted = engine->stored = ledger_cursor(db); /* hello told it */
        db_set(db, "acked", engine->acked);
        snprintf(engine->user, sizeof(engine->user), "%s", in->user);
        snprintf(engine->device, sizeof(engine->device), "%s", in->device);
        engine->window = in->window > 0 ? in->window : LIMIT_WINDOW_EVENTS;
        engine->max_frame = in->max_frame > 0 ? in->max_frame : LIMIT_FRAME_BYTES;
        pulse_begin(&engine->pulse, in->ping_ms > 0 && in->ping_ms <= PING_MAX_MS ? (uint64_t)in->ping_ms : 0, engine->now_ms);
        if (in->retry_base_ms > 0 && in->retry_max_ms >= in->retry_base_ms) {
                engine->retry.backoff.base_ms = (uint64_t)in->retry_base_ms;
                engine->retry.backoff.max_ms = (uint64_t)in->retry_max_ms;
                engine->retry.reset_ms = (uint64_t)in->retry_reset_ms;
        }
        engine->welcomed_ms = engine->now_ms;
        engine->welcome_at = 0;
        engine->catching_up = true;
        engine->caught_up_count = 0;
        become(engine, ENGINE_ONLINE, 0, NULL);
        follow_begin(&engine->follow);
}

static void on_caught_up(struct engine *engine) {
        if (!engine->catching_up)
                return;
        engine->catching_up = false;
        tally_sample(engine->db, TALLY_CATCH_UP, (int64_t)(engine->now_ms - engine->welcomed_ms));
        tally_sample(engine->db, TALLY_CATCH_UP_SIZE, engine->caught_up_count);
        tally_count(engine->db, TALLY_CATCH_UP_EVENTS, engine->caught_up_count);
}

static void on_numbered(struct engine *engine, const struct inbound *in) {
        enum ledger_verdict verdict = ledger_take(engine->db, in, engine->wall_ms);
        struct asked_row *request = in->type == INBOUND_ENTRY ? asked_find_send(&engine->asked, in->op) : NULL;

        if (request)
                request->kind = ASKED_NOTHING;
        if (verdict != LEDGER_SEEN && engine->catching_up)
                engine->caught_up_count++;
        if (verdict == LEDGER_RESET)
                engine->acked = 0;
        if (verdict == LEDGER_RESET || verdict == LEDGER_GAP)
                reload_restart(&engine->reload, &engine->asked);
        engine->stored = ledger_cursor(engine->db);
        if (engine->stored > engine->acked && engine->ack_at == 0)
                engine->ack_at = engine->now_ms + ACK_MS;
}

/* The hub cannot have it now: a channel, or ("") the users. */
static void follow_again(struct engine *engine, const struct inbound *in, const char *conv) {
        uint64_t wait_ms = (uint64_t)errand_wait_ms(0, in->has_hint ? in->hint_ms : AGAIN_MS, 0);

        if (follow_refused(&engine->follow, conv, engine->now_ms + wait_ms))
                db_fail(engine->db, -ENOMEM);
}

static void on_error(struct engine *engine, const struct inbound *in, struct asked_row *request) {
        if (!request) {
                if (in->conv[0])
                        ledger_end_subscription(engine->db, in->conv, in->raw); /* error without id, about a channel */
                return;
        }
        switch (request->kind) {
        case ASKED_SEND:
                carrier_on_error(engine->db, request, in, engine->wall_ms, engine->port.chance, engine->port.context);
                break;
        case ASKED_READ:
                if (!in->temporary)
                        ledger_read_told(engine->db, request->name, request->seq);
                break;
        case ASKED_CONVERSATIONS:
        case ASKED_LATEST:
                reload_on_error(&engine->reload, engine->db, in, request, engine->now_ms);
                break;
        case ASKED_SUBSCRIBE:
                if (!in->temporary)
                        ledger_end_subscription(engine->db, request->name, in->raw);
                else
                        follow_again(engine, in, request->name);
                break;
        case ASKED_WATCH:
                if (in->temporary)
                        follow_again(engine, in, "");
                break;
        default:
                break;
        }
}

/* A reply, or what belongs to one. request: a copy of what it answers, kind NONE if it answers nothing we know. */
static void on_reply(struct engine *engine, const struct inbound *in, struct asked_row *request) {
        struct asked_row *send;

        switch (in->type) {
        case INBOUND_SENT:
                send = asked_find_send(&engine->asked, in->op);
                if (send)
                        send->kind = ASKED_NOTHING;
                ledger_take_sent(engine->db, in, engine->wall_ms);
                break;
        case INBOUND_OK:
                if (request->kind == ASKED_READ)
                        ledger_read_told(engine->db, request->name, request->seq);
                break;
        case INBOUND_CONVERSATIONS:
                if (request->kind == ASKED_CONVERSATIONS)
                        reload_on_conversations(&engine->reload, engine->db, in, request, &engine->asked, &engine->out);
                break;
        case INBOUND_HISTORY:
                if (request->kind == ASKED_LATEST)
                        reload_on_history(&engine->reload);
                ledger_take_history(engine->db, in, request->kind == ASKED_LATEST, engine->wall_ms);
                break;
        case INBOUND_MEMBERS:
                ledger_take_members(engine->db, in);
                break;
        case INBOUND_SUBSCRIBED:
                ledger_subscribed(engine->db, in, request->kind == ASKED_SUBSCRIBE ? request->seq : -1);
                break;
        case INBOUND_ERROR:
                on_error(engine, in, request->kind == ASKED_NOTHING ? NULL : request);
                break;
        default:
                break;
        }
}

static void renew_token(struct engine *engine) {
        engine->renew = false;
        if (engine->port.token(engine->port.context, true, engine->token, sizeof(engine->token)))
                say_token(engine);
}

/* What is of the moment, what the app asked for, and what went wrong: all else it is told by the feed of changes. */
static bool is_for_app(const struct inbound *in, enum asked_kind asked) {
        switch (in->type) {
        case INBOUND_WELCOME:
        case INBOUND_CAUGHT_UP:
        case INBOUND_SUBSCRIBED:
        case INBOUND_TYPING:
        case INBOUND_SIGNAL:
        case INBOUND_PRESENCE:
        case INBOUND_GOAWAY:
                return true;
        case INBOUND_ERROR:
                return asked != ASKED_SEND;
        default:
                return asked == ASKED_BY_APP || asked == ASKED_WATCH;
        }
}

static void on_object(struct engine *engine, struct slice text) {
        struct asked_row request = { .kind = ASKED_NOTHING }, *found;
        struct inbound in;

        inbound_read(text, &in);
        if (engine->state != ENGINE_ONLINE && in.type != INBOUND_WELCOME && in.type != INBOUND_ERROR && in.type != INBOUND_GOAWAY)
                return;
        found = in.has_id ? asked_find(&engine->asked, in.id) : NULL;
        if (found) {
                request = *found;
                found->kind = ASKED_NOTHING;
        }
        switch (in.type) {
        case INBOUND_WELCOME:
                if (engine->state == ENGINE_CONNECTING)
                        on_welcome(engine, &in);
                break;
        case INBOUND_CAUGHT_UP:
                on_caught_up(engine);
                break;
        case INBOUND_ENTRY:
                if (in.has_n)
                        on_numbered(engine, &in);
                else
                        ledger_take_channel(engine->db, &in);
                break;
        case INBOUND_MEMBER:
        case INBOUND_NOTIFICATION:
        case INBOUND_RECEIPT:
        case INBOUND_GAP:
        case INBOUND_RESET:
                on_numbered(engine, &in);
                break;
        case INBOUND_GOAWAY:
                engine->goaway_ms = in.has_hint ? in.hint_ms : -1;
                break;
        case INBOUND_TOKEN_EXPIRING:
                engine->renew = true; /* the app is asked when the transaction has ended */
                break;
        default:
                on_reply(engine, &in, &request);
                break;
        }
        if (is_for_app(&in, request.kind))
                engine->port.hear(engine->port.context, text);
}

/* ---- the network ---- */

void engine_on_heard(struct engine *engine) {
        pulse_heard(&engine->pulse, engine->now_ms);
}

void engine_on_open(struct engine *engine) {
        if (engine->state != ENGINE_CONNECTING)
                return;
        engine->is_open = true;
        asked_init(&engine->asked);
        say_hello(engine);
}

/* An array is not in the protocol for the hub's side; an object alone is. */
void engine_on_texts(struct engine *engine, const struct slice *texts, size_t count) {
        struct scan_value value;

        if (!engine->is_open)
                return;
        db_begin(engine->db);
        for (size_t i = 0; i < count; i++)
                if (scan_text(texts[i], LIMIT_JSON_DEPTH + 4, &value) == 0 && value.type == SCAN_OBJECT)
                        on_object(engine, value.raw);
        if (engine->state == ENGINE_ONLINE)
                pump_online(engine);
        note_acked(engine);
        if (end(engine) != 0)
                return;
        pulse_heard(&engine->pulse, engine->now_ms);
        if (engine->renew)
                renew_token(engine);
        flush(engine);
        if (engine->stored - engine->acked >= engine->window / ACK_SHARE)
                say_ack(engine);
}

void engine_on_closed(struct engine *engine, int code, const char *reason) {
        if (engine->state == ENGINE_CONNECTING || engine->state == ENGINE_ONLINE)
                lose(engine, code, reason);
}

void engine_on_refused(struct engine *engine, int http_status, int64_t retry_after_ms, const char *reason) {
        struct redial_end how = { .http_status = http_status, .hint_ms = retry_after_ms };

        if (engine->state != ENGINE_CONNECTING)
                return;
        forget_connection(engine);
        wait_after(engine, &how, reason);
}

/* ---- time ---- */

void engine_at(struct engine *engine, uint64_t now_ms, int64_t wall_ms) {
        engine->now_ms = now_ms;
        engine->wall_ms = wall_ms;
}

static void sooner(uint64_t *due_ms, uint64_t other_ms) {
        if (other_ms && (*due_ms == 0 || other_ms < *due_ms))
                *due_ms = other_ms;
}

/* A wall time as a monotonic one. */
static uint64_t due_at(const struct engine *engine, int64_t wall_ms) {
        int64_t in_ms = wall_ms - engine->wall_ms;

        return engine->now_ms + (in_ms > 0 ? (uint64_t)in_ms : 1);
}

uint64_t engine_due(const struct engine *engine) {
        uint64_t due_ms = 0;

        if (engine->state == ENGINE_WAITING)
                sooner(&due_ms, engine->retry_at);
        sooner(&due_ms, engine->welcome_at);
        sooner(&due_ms, engine->ack_at);
        sooner(&due_ms, pulse_due_ms(&engine->pulse));
        sooner(&due_ms, engine->reload.again_ms);
        if (engine->state == ENGINE_ONLINE)
                sooner(&due_ms, follow_due_ms(&engine->follow));
        if (engine->report_due > engine->wall_ms &&
            engine->state == ENGINE_ONLINE) /* what is overdue waits for caught_up, or a place */
                sooner(&due_ms, due_at(engine, engine->report_due));
        if (engine->carrier.due_ms)
                sooner(&due_ms, due_at(engine, engine->carrier.due_ms));
        sooner(&due_ms, carrier_late_ms(&engine->asked));
        return due_ms;
}

static bool is_due(const struct engine *engine, uint64_t at) {
        return at && at <= engine->now_ms;
}

/* Items that were not answered in time wait again; pump() sends them with the same op. */
static bool revert_late(struct engine *engine) {
        bool late;

        db_begin(engine->db);
        late = carrier_revert_late(engine->db, engine->now_ms, &engine->asked);
        return end(engine) == 0 && late;
}

void engine_on_time(struct engine *engine) {
        enum pulse_word word = pulse_step(&engine->pulse, engine->now_ms);
        bool late = false;

        if (is_due(engine, engine->welcome_at)) {
                give_up(engine, "no welcome came");
        } else if (word == PULSE_DEAD) {
                give_up(engine, "the link is dead");
        } else if (engine->state == ENGINE_WAITING && is_due(engine, engine->retry_at)) {
                dial(engine);
        }
        if (engine->state == ENGINE_ONLINE) {
                if (is_due(engine, engine->ack_at))
                        say_ack(engine);
                say_ping(engine, word);
                late = revert_late(engine);
        }
        pump(engine);
        if (late && engine->state == ENGINE_ONLINE)
                say_ping(engine, pulse_probe(&engine->pulse, PULSE_SILENCE_MS, engine->now_ms));
}

/* ---- the app ---- */

void engine_start(struct engine *engine) {
        if (engine->state != ENGINE_OFF && engine->state != ENGINE_STOPPED)
                return;
        redial_forget(&engine->retry);
        dial(engine);
}

void engine_stop(struct engine *engine) {
        bool connected = engine->state == ENGINE_CONNECTING || engine->state == ENGINE_ONLINE;

        if (engine->state == ENGINE_OFF)
                return;
        say_ack(engine);
        engine->retry_at = 0;
        if (connected)
                engine->port.hang_up(engine->port.context);
        forget_connection(engine);
        db_begin(engine->db);
        errand_revert(engine->db, NULL);
        note_acked(engine);
        engine->state = ENGINE_OFF; /* so that a failing store is not a lost connection, too */
        (void)end(engine);
        become(engine, ENGINE_OFF, 0, NULL);
}

/* The next attempt is now, as if there had been none before. */
static void dial_anew(struct engine *engine) {
        redial_forget(&engine->retry);
        dial(engine);
}

/* Without what the background added to it. */
static void end_wait_at(struct engine *engine, uint64_t at) {
        if (at >= engine->retry_at)
                return;
        engine->retry_at = at;
        become(engine, ENGINE_WAITING, 0, NULL);
}

/* Somebody looks, or the network is back: no wait that is our own, and is the link alive? */
static void come_back(struct engine *engine, uint64_t silence_ms) {
        if (engine->state == ENGINE_WAITING && engine->soonest_at <= engine->now_ms) {
                dial_anew(engine);
        } else if (engine->state == ENGINE_WAITING) {
                end_wait_at(engine, engine->soonest_at);
        } else if (engine->state == ENGINE_CONNECTING && engine->welcome_at < engine->now_ms + WELCOME_MS - STUCK_MS) {
                engine->port.hang_up(engine->port.context);
                forget_connection(engine);
                dial_anew(engine);
        } else {
                say_ping(engine, pulse_probe(&engine->pulse, silence_ms, engine->now_ms));
        }
}

void engine_hint(struct engine *engine, enum engine_hint hint) {
        switch (hint) {
        case ENGINE_HINT_OFFLINE:
                give_up(engine, "there is no network");
                break;
        case ENGINE_HINT_ONLINE: /* another network, it may be, and our link was of the old one */
                come_back(engine, 0);
                break;
        case ENGINE_HINT_FOREGROUND:
                engine->pulse.quiet = false;
                come_back(engine, PULSE_SILENCE_MS);
                break;
        case ENGINE_HINT_BACKGROUND:
                engine->pulse.quiet = true;
                say_ack(engine); /* the process may be frozen the next moment */
                break;
        }
}

void engine_take_token(struct engine *engine, const char *token) {
        snprintf(engine->token, sizeof(engine->token), "%s", token);
        engine->has_token = true;
        if (engine->state == ENGINE_ONLINE)
                say_token(engine);
        else if (engine->state == ENGINE_WAITING && engine->soonest_at <= engine->now_ms)
                dial_anew(engine); /* it may be what we waited for */
}

void engine_look_again(struct engine *engine) {
        pump(engine);
}

enum engine_state engine_state(const struct engine *engine) {
        return engine->state;
}

uint64_t engine_wait_ms(const struct engine *engine) {
        return engine->retry_at > engine->now_ms ? engine->retry_at - engine->now_ms : 0;
}

int engine_error(const struct engine *engine) {
        return engine->error;
}

static int answer_of(int errand_answer) {
        static const int answers[] = {
                [0] = 0,
                [ERRAND_E_FULL] = ENGINE_E_FULL,
                [ERRAND_E_NOT_FOUND] = ENGINE_E_NOT_FOUND,
                [ERRAND_E_MAYBE] = ENGINE_E_MAYBE,
                [ERRAND_E_DONE] = ENGINE_E_WAITS,
                [ERRAND_E_INVALID] = ENGINE_E_REQUEST,
                [ERRAND_E_TOO_LARGE] = ENGINE_E_TOO_LARGE,
        };

        return answers[errand_answer];
}

/* Ends a transaction of the app's: what it is told is what is in the store. */
static int end_call(struct engine *engine, int answer) {
        int error = db_end(engine->db);

        engine->error = error;
        if (error) {
                buf_clear(&engine->out); /* it was not done, so it is not said */
                return ENGINE_E_STORE;
        }
        pump(engine);
        return answer_of(answer);
}

int engine_send(struct engine *engine, const char *op, struct slice conv, const char *kind, const struct errand_target *target,
                struct slice body, char *ret_op) {
        int r = answer_of(errand_check(conv, body, engine->max_frame));

        if (r)
                return r;
        db_begin(engine->db);
        r = errand_add(engine->db, op, conv, kind, target, body, engine->wall_ms, ret_op);
        return end_call(engine, r);
}

int engine_cancel(struct engine *engine, const char *op) {
        db_begin(engine->db);
        return end_call(engine, errand_cancel(engine->db, op));
}

int engine_retry(struct engine *engine, const char *op) {
        db_begin(engine->db);
        return end_call(engine, errand_retry(engine->db, op, engine->wall_ms));
}

int engine_read(struct engine *engine, struct slice conv, int64_t seq) {
        if (!errand_is_conv(conv) || seq < 1)
                return ENGINE_E_REQUEST;
        db_begin(engine->db);
        ledger_read(engine->db, conv, seq);
        return end_call(engine, 0);
}

int engine_subscribe(struct engine *engine, struct slice conv, bool wanted) {
        bool online = engine->state == ENGINE_ONLINE;
        char id[LIMIT_ID_BYTES + 1];

        if (!errand_is_conv(conv))
                return ENGINE_E_REQUEST;
        snprintf(id, sizeof(id), "%.*s", (int)conv.len, conv.ptr);
        db_begin(engine->db);
        if (wanted)
                follow_subscribe(&engine->follow, engine->db, id, online, &engine->asked, &engine->out);
        else
                follow_unsubscribe(engine->db, id, online, &engine->asked, &engine->out);
        return end_call(engine, 0);
}

int engine_watch(struct engine *engine, struct slice user, bool wanted) {
        struct asked_row *request;
        char id[LIMIT_ID_BYTES + 1];
        int r = 0;

        if (!errand_is_conv(user))
                return ENGINE_E_REQUEST;
        snprintf(id, sizeof(id), "%.*s", (int)user.len, user.ptr);
        if (wanted)
                r = follow_watch(&engine->follow, id);
        else if (!follow_unwatch(&engine->follow, id))
                return ENGINE_E_NOT_FOUND;
        if (r == FOLLOW_E_FULL)
                return ENGINE_E_FULL;
        db_begin(engine->db);
        if (r)
                db_fail(engine->db, r);
        request = !wanted && engine->state == ENGINE_ONLINE ? asked_add(&engine->asked, ASKED_BY_APP, "") : NULL;
        if (request)
                speech_users(&engine->out, request->id, "unwatch", &id, 1);
        return end_call(engine, 0);
}

void engine_report_each(struct engine *engine, int64_t each_ms) {
        engine->report_each_ms = each_ms;
        engine->report_due = 0;
}

int engine_ask(struct engine *engine, struct slice fields) {
        struct asked_row *request;

        if (engine->state != ENGINE_ONLINE)
                return ENGINE_E_OFFLINE;
        if (fields.len > (size_t)engine->max_frame - 64)
                return ENGINE_E_TOO_LARGE;
        request = asked_add(&engine->asked, ASKED_BY_APP, "");
        if (!request)
                return ENGINE_E_FULL;
        speech_fields(&engine->out, request->id, fields);
        flush(engine);
        return 0;
}

void engine_recover(struct engine *engine) {
        db_begin(engine->db);
        errand_revert(engine->db, NULL);
        carrier_expire(&engine->carrier, engine->db, engine->wall_ms);
        engine->error = db_end(engine->db);
}

/* ---- life ---- */

struct engine *engine_new(struct db *db, const struct engine_port *port, const char *user, const char *device) {
        struct engine *engine = calloc(1, sizeof(*engine));

        if (!engine)
                return NULL;
        engine->db = db;
        engine->port = *port;
        engine->retry = REDIAL_INIT;
        engine->goaway_ms = -1;
        engine->window = LIMIT_WINDOW_EVENTS;
        engine->max_frame = LIMIT_FRAME_BYTES;
        asked_init(&engine->asked);
        snprintf(engine->user, sizeof(engine->user), "%s", user);
        snprintf(engine->device, sizeof(engine->device), "%s", device);
        buf_init(&engine->out, FRAME_BYTES);
        return engine;
}

struct engine *engine_free(struct engine *engine) {
        if (!engine)
                return NULL;
        follow_deinit(&engine->follow);
        buf_deinit(&engine->out);
        free(engine);
        return NULL;
}
