/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_golden.c: libbelfry replays the transcripts of tests/golden (its README says what one is).
 *
 *      test_golden FOLDER            all of them
 *      test_golden TRANSCRIPT …
 *
 * The engine and the background sync are driven as client/host.c drives them, but by the transcript: time is a number, chance a
 * list, the network a list of frames. The store is a real one, in a temporary folder. Prints TAP.
 */
#include <dirent.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <jansson.h>

#include "base/buf.h"
#include "client/db.h"
#include "client/engine.h"
#include "client/errand.h"
#include "client/ledger.h"
#include "client/shelf.h"
#include "client/uuid.h"
#include "client/wake.h"

#define MONOTONIC_START_MS 1000000
#define LONE "@half of a pair@" /* what jansson will not read */

struct replay {
        char folder[64], path[128];
        struct db *db;
        struct engine *engine;
        struct wake *wake;
        uint64_t wake_until_ms;
        json_t *given, *names, *convs; /* names: "$m1" -> op, "#h" -> id; convs: op -> conv */
        size_t tokens_used, chance_used;
        unsigned char made;            /* ops so far */
        int64_t wall_ms, set_ms, told; /* set_ms: by how much the system's clock was set */
        /* what came out in this step */
        json_t *frames, *waits, *shows, *tells, *posts;
        const char *state;
        int64_t dials;
        bool alive;
        char problem[1024];
};

static uint64_t now_of(const struct replay *replay) {
        return MONOTONIC_START_MS +
               (uint64_t)(replay->wall_ms - replay->set_ms - json_integer_value(json_object_get(replay->given, "now")));
}

/* ---- the port ---- */

static void on_dial(void *context) {
        ((struct replay *)context)->dials++;
}

static void on_hang_up(void *context) {
}

static void on_send(void *context, struct slice text) {
        struct replay *replay = context;
        json_t *frame = json_loadb(text.ptr, text.len, 0, NULL);

        json_array_append_new(replay->frames, frame ? frame : json_string("what is no JSON"));
}

static bool on_token(void *context, bool fresh, char *out, size_t size) {
        struct replay *replay = context;
        json_t *tokens = json_object_get(replay->given, "tokens");
        size_t last = json_array_size(tokens) - 1, at = replay->tokens_used < last ? replay->tokens_used++ : last;

        snprintf(out, size, "%s", json_string_value(json_array_get(tokens, at)));
        return true;
}

static void on_become(void *context, enum engine_state state, int code, const char *reason) {
        static const char *const names[] = { "off", "connecting", "online", "waiting", "stopped" };
        struct replay *replay = context;

        replay->state = names[state];
        if (state == ENGINE_WAITING)
                json_array_append_new(replay->waits, json_integer((json_int_t)engine_wait_ms(replay->engine)));
}

static void on_hear(void *context, struct slice frame) {
}

static void on_fail(void *context, int error) {
        struct replay *replay = context;

        snprintf(replay->problem, sizeof(replay->problem), "the store failed: %d %s", error, db_reason(replay->db));
}

static uint64_t on_chance(void *context) {
        struct replay *replay = context;
        json_t *number = json_array_get(json_object_get(replay->given, "chance"), replay->chance_used++);

        return (uint64_t)json_integer_value(number);
}

/* ---- life ---- */

static void set_given(struct replay *replay) {
        json_t *cursor = json_object_get(replay->given, "cursor");

        db_begin(replay->db);
        db_set_text(replay->db, "user", slice_of(json_string_value(json_object_get(replay->given, "user"))));
        if (json_is_object(cursor)) {
                db_set_text(replay->db, "epoch", slice_of(json_string_value(json_object_get(cursor, "epoch"))));
                db_set(replay->db, "cursor", json_integer_value(json_object_get(cursor, "n")));
        }
        if (db_end(replay->db) != 0)
                abort();
}

static void open_client(struct replay *replay) {
        struct engine_port port = { replay, on_dial, on_hang_up, on_send, on_token, on_become, on_hear, on_fail, on_chance };
        bool first = access(replay->path, F_OK) != 0;

        if (db_open(replay->path, &replay->db) != 0)
                abort();
        if (first)
                set_given(replay);
        replay->engine = engine_new(replay->db, &port, json_string_value(json_object_get(replay->given, "user")),
                                    json_string_value(json_object_get(replay->given, "device")));
        engine_at(replay->engine, now_of(replay), replay->wall_ms);
        engine_report_each(replay->engine, json_integer_value(json_object_get(replay->given, "report_ms")));
        engine_recover(replay->engine);
        db_begin_read(replay->db);
        replay->told = ledger_last_change(replay->db);
        if (db_end(replay->db) != 0)
                abort();
}

static void close_client(struct replay *replay) {
        replay->wake = wake_free(replay->wake);
        replay->engine = engine_free(replay->engine);
        replay->db = db_free(replay->db);
}

/* ---- background sync, as host.c does it ---- */

static void end_sync(struct replay *replay) {
        replay->wake = wake_free(replay->wake);
}

static void go_on_syncing(struct replay *replay) {
        _cleanup_buf_ struct buf body = BUF_INIT(1 << 20);

        if (wake_next(replay->wake, now_of(replay), replay->wall_ms, &body) == WAKE_GOES_ON)
                json_array_append_new(replay->posts, json_loadb(body.ptr, body.len, 0, NULL));
        else
                end_sync(replay);
}

static void answer_sync(struct replay *replay, int status, const char *text) {
        if (!replay->wake)
                return;
        wake_on_answer(replay->wake, status, slice_of(text), replay->wall_ms, on_chance(replay));
        go_on_syncing(replay);
}

/* ---- names ---- */

/* A copy of value with its names replaced by what they stand for. */
static json_t *fill(struct replay *replay, json_t *value) {
        const char *key, *text = json_string_value(value);
        json_t *each, *known = text ? json_object_get(replay->names, text) : NULL, *copy;
        size_t i;

        if (known)
                return json_incref(known);
        if (json_is_array(value)) {
                copy = json_array();
                json_array_foreach(value, i, each) json_array_append_new(copy, fill(replay, each));
                return copy;
        }
        if (!json_is_object(value))
                return json_incref(value);
        copy = json_object();
        json_object_foreach(value, key, each) json_object_set_new(copy, key, fill(replay, each));
        return copy;
}

static bool complain(struct replay *replay, const char *where, json_t *actual, json_t *expected) {
        char *is = actual ? json_dumps(actual, JSON_ENCODE_ANY | JSON_COMPACT) : strdup("absent");
        char *not = json_dumps(expected, JSON_ENCODE_ANY | JSON_COMPACT);

        snprintf(replay->problem, sizeof(replay->problem), "%.200s is %.350s, not %.350s", where, is, not );
        free(is);
        free(not );
        return false;
}

static bool agrees(struct replay *replay, json_t *expected, json_t *actual, const char *where) {
        const char *text = json_string_value(expected), *key;
        char inner[256];
        json_t *each, *known;
        size_t i;

        if (text && (text[0] == '$' || text[0] == '#')) {
                known = json_object_get(replay->names, text);
                if (!known && actual)
                        json_object_set(replay->names, text, actual);
                known = json_object_get(replay->names, text);
                return known && json_equal(known, actual) ? true : complain(replay, where, actual, expected);
        }
        if (json_is_null(expected))
                return !actual || json_is_null(actual) ? true : complain(replay, where, actual, expected);
        if (json_is_array(expected)) {
                if (json_array_size(actual) != json_array_size(expected))
                        return complain(replay, where, actual, expected);
                json_array_foreach(expected, i, each) {
                        snprintf(inner, sizeof(inner), "%s[%zu]", where, i);
                        if (!agrees(replay, each, json_array_get(actual, i), inner))
                                return false;
                }
                return true;
        }
        if (json_is_object(expected)) {
                if (!json_is_object(actual))
                        return complain(replay, where, actual, expected);
                json_object_foreach(expected, key, each) {
                        snprintf(inner, sizeof(inner), "%s.%s", where, key);
                        if (!agrees(replay, each, json_object_get(actual, key), inner))
                                return false;
                }
                return true;
        }
        if (json_is_number(expected) && json_is_number(actual) && json_number_value(expected) == json_number_value(actual))
                return true;
        return json_equal(expected, actual) ? true : complain(replay, where, actual, expected);
}

/* ---- what the app is told ---- */

static void add_show(struct replay *replay, struct slice op, const char *what) {
        const char *key;
        char text[256];
        json_t *each;

        snprintf(text, sizeof(text), "%.*s", (int)op.len, op.ptr);
        json_object_foreach(replay->names, key,
                            each) if (key[0] == '$' && json_string_value(each) && strcmp(json_string_value(each), text) == 0)
                snprintf(text, sizeof(text), "%s", key);
        json_array_append_new(replay->shows, json_sprintf("%s %s", text, what));
}

static void show_outbox(struct replay *replay, struct slice op, struct slice word) {
        struct sqlite3_stmt *rows;
        char what[128];

        snprintf(what, sizeof(what), "%.*s", (int)word.len, word.ptr);
        if (slice_is(word, "failed")) {
                rows = db_query(replay->db, "SELECT reason, retryable FROM outbox WHERE op = ?", "s", op);
                if (db_next(replay->db, rows))
                        snprintf(what, sizeof(what), "failed %s%s", db_text(rows, 0).ptr, db_int(rows, 1) ? "" : " final");
                db_done(rows);
        }
        add_show(replay, op, what);
}

static void read_feed(struct replay *replay) {
        struct sqlite3_stmt *rows;

        db_begin_read(replay->db);
        rows = db_query(replay->db, "SELECT change, what, conv, name, word FROM feed WHERE change > ? ORDER BY change", "i",
                        replay->told);
        while (db_next(replay->db, rows)) {
                struct slice what = db_text(rows, 1), conv = db_text(rows, 2), name = db_text(rows, 3), word = db_text(rows, 4);
                char text[64];

                replay->told = db_int(rows, 0);
                snprintf(text, sizeof(text), "%.*s", (int)word.len, word.ptr ? word.ptr : "");
                if (slice_is(what, "outbox"))
                        show_outbox(replay, name, word);
                else if ((slice_is(what, "entry") && slice_is(word, "received")) || slice_is(what, "changed"))
                        add_show(replay, name, text);
                else if (slice_is(what, "gap") || slice_is(what, "reset") || slice_is(what, "notification"))
                        json_array_append_new(replay->tells, json_stringn(what.ptr, what.len));
                else if (slice_is(what, "recovered") || slice_is(what, "ended"))
                        json_array_append_new(replay->tells,
                                              json_sprintf("%.*s %.*s", (int)what.len, what.ptr, (int)conv.len, conv.ptr));
        }
        db_done(rows);
        if (db_end(replay->db) != 0)
                snprintf(replay->problem, sizeof(replay->problem), "the feed cannot be read");
}

/* ---- inputs ---- */

/* The body of a step as text, {ptr NULL} without one. */
static char *body_of(json_t *step) {
        json_t *body = json_object_get(step, "body");
        char *text = body ? json_dumps(body, JSON_ENCODE_ANY | JSON_COMPACT) : NULL, *lone = text ? strstr(text, LONE) : NULL;

        if (lone) {
                memcpy(lone, "\\ud83d", 6);
                memmove(lone + 6, lone + strlen(LONE), strlen(lone + strlen(LONE)) + 1);
        }
        return text;
}

static const char *text_of(struct replay *replay, json_t *step, const char *name) {
        json_t *value = json_object_get(step, name), *known;

        known = json_is_string(value) ? json_object_get(replay->names, json_string_value(value)) : NULL;
        return json_string_value(known ? known : value);
}

static bool expect_answer(struct replay *replay, json_t *step, int answer) {
        json_t *result = json_object_get(step, "result"), *fails = json_object_get(step, "fails");
        const char *code = answer == ENGINE_E_REQUEST ? "bad_request" : answer == ENGINE_E_TOO_LARGE ? "too_large" : "";

        if (fails ? strcmp(code, json_string_value(fails)) == 0 : result ? json_is_true(result) == (answer == 0) : answer == 0)
                return true;
        snprintf(replay->problem, sizeof(replay->problem), "the call is answered with %d", answer);
        return false;
}

static bool do_send(struct replay *replay, json_t *step, const char *kind) {
        unsigned char chance[10] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, ++replay->made };
        json_t *of = json_object_get(step, "of"), *as = json_object_get(step, "as"), *made;
        bool agreed;
        struct errand_target target = { .op = NULL };
        char op[UUID_SIZE], ret_op[LIMIT_OP_BYTES + 1] = "", *body = body_of(step);
        const char *conv = json_string_value(json_object_get(step, "conv"));
        int r;

        uuid_print(op, replay->wall_ms, chance);
        if (json_is_object(of)) {
                conv = json_string_value(json_object_get(of, "conv"));
                target.seq = json_integer_value(json_object_get(of, "seq"));
        } else if (of) {
                target.op = text_of(replay, step, "of");
                conv = json_string_value(json_object_get(replay->convs, target.op));
        }
        r = engine_send(replay->engine, op, slice_of(conv), kind, of ? &target : NULL, slice_of(body), ret_op);
        free(body);
        if (r == 0 && ret_op[0])
                json_object_set_new(replay->convs, ret_op, json_string(conv));
        made = json_string(ret_op);
        agreed = !as || r != 0 || agrees(replay, as, made, "the op");
        json_decref(made);
        return agreed && expect_answer(replay, step, r);
}

static bool do_sync(struct replay *replay, json_t *step) {
        replay->wake_until_ms = now_of(replay) + (uint64_t)json_integer_value(json_object_get(step, "deadline_ms"));
        replay->wake =
                wake_new(replay->db, &(struct wake_options){
                                             .device = json_string_value(json_object_get(replay->given, "device")),
                                             .deadline_ms = replay->wake_until_ms,
                                             .reloads = true,
                                             .report_each_ms = json_integer_value(json_object_get(replay->given, "report_ms")),
                                     });
        go_on_syncing(replay);
        return true;
}

static void do_hint(struct replay *replay, const char *hint) {
        static const char *const names[] = { "online", "offline", "foreground", "background" };

        for (int i = 0; i < 4; i++)
                if (strcmp(hint, names[i]) == 0)
                        engine_hint(replay->engine, (enum engine_hint)i);
}

static bool do_watch(struct replay *replay, json_t *step, bool watch) {
        json_t *users = json_object_get(step, "users"), *user;
        bool ok = true;
        size_t i;

        json_array_foreach(users, i, user) ok = ok && engine_watch(replay->engine, slice_of(json_string_value(user)), watch) == 0;
        return ok;
}

static bool do_it(struct replay *replay, json_t *step, const char *what) {
        static const char *const kinds[] = { "edit", "delete", "react" };

        if (strcmp(what, "start") == 0) {
                engine_start(replay->engine);
        } else if (strcmp(what, "stop") == 0) {
                engine_stop(replay->engine);
        } else if (strcmp(what, "restart") == 0) {
                close_client(replay);
                open_client(replay);
        } else if (strcmp(what, "hint") == 0) {
                do_hint(replay, json_string_value(json_object_get(step, "hint")));
        } else if (strcmp(what, "sync") == 0) {
                return do_sync(replay, step);
        } else if (strcmp(what, "read") == 0) {
                return expect_answer(replay, step,
                                     engine_read(replay->engine, slice_of(text_of(replay, step, "conv")),
                                                 json_integer_value(json_object_get(step, "seq"))));
        } else if (strcmp(what, "subscribe") == 0 || strcmp(what, "unsubscribe") == 0) {
                return expect_answer(replay, step,
                                     engine_subscribe(replay->engine, slice_of(text_of(replay, step, "conv")), what[0] == 's'));
        } else if (strcmp(what, "watch") == 0 || strcmp(what, "unwatch") == 0) {
                return do_watch(replay, step, what[0] == 'w');
        } else if (strcmp(what, "cancel") == 0) {
                return expect_answer(replay, step, engine_cancel(replay->engine, text_of(replay, step, "of")));
        } else if (strcmp(what, "retry") == 0) {
                return expect_answer(replay, step, engine_retry(replay->engine, text_of(replay, step, "of")));
        } else {
                for (int i = 0; i < 3; i++)
                        if (strcmp(what, kinds[i]) == 0)
                                return do_send(replay, step, kinds[i]);
                return do_send(replay, step, "message");
        }
        return true;
}

static void set_missing(json_t *frame, const char *name, json_t *take_value) {
        if (json_object_get(frame, name))
                json_decref(take_value);
        else
                json_object_set_new(frame, name, take_value);
}

/* What a frame of the hub has without being named. */
static json_t *complete(struct replay *replay, json_t *frame) {
        json_t *whole = fill(replay, frame);
        const char *type = json_string_value(json_object_get(whole, "type"));

        if (strcmp(type, "welcome") == 0) {
                set_missing(whole, "session", json_string("s1"));
                set_missing(whole, "user", json_incref(json_object_get(replay->given, "user")));
                set_missing(whole, "device", json_incref(json_object_get(replay->given, "device")));
                set_missing(whole, "epoch", json_string("e1"));
                set_missing(whole, "cursor", json_integer(0));
                set_missing(whole, "head", json_integer(0));
                set_missing(whole, "server_time", json_integer(replay->wall_ms));
                set_missing(whole, "ping_ms", json_integer(25000));
                set_missing(whole, "window", json_integer(256));
                set_missing(whole, "max_frame", json_integer(65536));
                set_missing(whole, "retry", json_pack("{s:i,s:i,s:i}", "base_ms", 500, "max_ms", 30000, "reset_ms", 30000));
        }
        if (json_object_get(whole, "op") || strcmp(type, "receipt") == 0)
                set_missing(whole, "at", json_integer(replay->wall_ms));
        return whole;
}

static void hub_says(struct replay *replay, json_t *said) {
        struct slice texts[64];
        size_t count = json_is_array(said) ? json_array_size(said) : 1;

        for (size_t i = 0; i < count; i++) {
                json_t *whole = complete(replay, json_is_array(said) ? json_array_get(said, i) : said);

                texts[i] = slice_of(json_dumps(whole, JSON_COMPACT));
                json_decref(whole);
        }
        engine_on_texts(replay->engine, texts, count);
        for (size_t i = 0; i < count; i++)
                free((char *)texts[i].ptr);
}

static void net_does(struct replay *replay, json_t *step, const char *what) {
        json_t *hint = json_object_get(step, "retry_after_ms");

        if (strcmp(what, "open") == 0)
                engine_on_open(replay->engine);
        else if (strcmp(what, "close") == 0)
                engine_on_closed(replay->engine, (int)json_integer_value(json_object_get(step, "code")), "");
        else
                engine_on_refused(replay->engine, (int)json_integer_value(json_object_get(step, "status")),
                                  hint ? json_integer_value(hint) : -1, "");
}

static void http_answers(struct replay *replay, json_t *answer) {
        json_t *body = json_object_get(answer, "body"), *whole = body ? fill(replay, body) : NULL;
        char *text = whole ? json_dumps(whole, JSON_COMPACT) : NULL;

        answer_sync(replay, (int)json_integer_value(json_object_get(answer, "status")), text);
        free(text);
        json_decref(whole);
}

static void set_clock(struct replay *replay, int64_t by_ms) {
        replay->wall_ms += by_ms;
        replay->set_ms += by_ms;
}

/* One timer after another, as they come due; who has nothing to do sleeps. */
enum { TURNS_MAX = 100 };

static void pass_time(struct replay *replay, int64_t ms) {
        uint64_t until = now_of(replay) + (uint64_t)ms, due;

        for (int turns = 0;; turns++) {
                if (turns == TURNS_MAX) {
                        snprintf(replay->problem, sizeof(replay->problem), "it finds no rest");
                        break;
                }
                bool wakes;

                due = engine_due(replay->engine);
                wakes = replay->wake && (due == 0 || replay->wake_until_ms < due);
                due = wakes ? replay->wake_until_ms : due;
                if (due == 0 || due > until)
                        break;
                if (due > now_of(replay))
                        replay->wall_ms += (int64_t)(due - now_of(replay));
                engine_at(replay->engine, now_of(replay), replay->wall_ms);
                if (wakes) {
                        wake_on_answer(replay->wake, 0, slice_of(NULL), replay->wall_ms, 0);
                        end_sync(replay);
                } else {
                        engine_on_time(replay->engine);
                }
        }
        replay->wall_ms += (int64_t)(until - now_of(replay));
}

/* ---- checks ---- */

/* The objects of a list of shelf.h. */
static json_t *list_of(struct buf *lines) {
        json_t *list = json_array();
        size_t start = 0;

        while (start < lines->len) {
                json_array_append_new(list, json_loads(lines->ptr + start, 0, NULL));
                start += strlen(lines->ptr + start) + 1;
        }
        buf_deinit(lines);
        return list;
}

static json_t *outbox_of(struct replay *replay) {
        struct buf lines = BUF_INIT(1 << 20);

        if (shelf_outbox(replay->db, NULL, &lines) != 0)
                abort();
        return list_of(&lines);
}

/* What waits about an item of the outbox shows on it. */
static void overlay(struct replay *replay, json_t *item) {
        struct sqlite3_stmt *rows =
                db_query(replay->db, "SELECT body FROM outbox WHERE ref_op = ? AND kind = 'edit' ORDER BY id DESC", "t",
                         json_string_value(json_object_get(item, "op")));

        if (db_next(replay->db, rows))
                json_object_set_new(item, "body", json_loads(db_text(rows, 0).ptr, JSON_DECODE_ANY, NULL));
        db_done(rows);
}

static json_t *screen_of(struct replay *replay, const char *conv) {
        struct buf lines = BUF_INIT(1 << 20);
        json_t *screen, *outbox = outbox_of(replay), *item;
        size_t i;

        if (shelf_entries(replay->db, conv, 0, 1000, &lines) != 0)
                abort();
        screen = list_of(&lines);
        json_array_foreach(screen, i, item) set_missing(item, "reactions", json_array());
        db_begin_read(replay->db);
        json_array_foreach(outbox, i, item) {
                if (strcmp(json_string_value(json_object_get(item, "conv")), conv) != 0 ||
                    strcmp(json_string_value(json_object_get(item, "kind")), "message") != 0)
                        continue;
                json_object_set(item, "from", json_object_get(replay->given, "user"));
                overlay(replay, item);
                json_array_append(screen, item);
        }
        if (db_end(replay->db) != 0)
                abort();
        json_decref(outbox);
        return screen;
}

static json_t *receipts_of(struct replay *replay, const char *conv) {
        struct buf lines = BUF_INIT(1 << 20);
        json_t *list, *users = json_object(), *each;
        size_t i;

        if (shelf_receipts(replay->db, conv, &lines) != 0)
                abort();
        list = list_of(&lines);
        json_array_foreach(list, i, each) json_object_set(users, json_string_value(json_object_get(each, "user")), each);
        json_decref(list);
        return users;
}

static json_t *one_of(int error, struct buf *lines) {
        json_t *list = error ? json_array() : list_of(lines), *first = json_incref(json_array_get(list, 0));

        json_decref(list);
        return first;
}

static bool check_convs(struct replay *replay, json_t *expected, json_t *(*read)(struct replay *, const char *),
                        const char *name) {
        const char *conv;
        json_t *each;

        json_object_foreach(expected, conv, each) {
                json_t *actual = read(replay, conv);
                bool ok = agrees(replay, each, actual, name);

                json_decref(actual);
                if (!ok)
                        return false;
        }
        return true;
}

static bool check_one(struct replay *replay, json_t *expected, json_t *take_actual, const char *name) {
        bool ok = !expected || agrees(replay, expected, take_actual, name);

        json_decref(take_actual);
        return ok;
}

static bool check_store(struct replay *replay, json_t *step) {
        struct buf place = BUF_INIT(4096), metrics = BUF_INIT(65536);
        int r = shelf_place(replay->db, &place), s = shelf_metrics(replay->db, replay->wall_ms, &metrics);

        bool place_ok = check_one(replay, json_object_get(step, "cursor"), one_of(r, &place), "cursor");
        bool metrics_ok = check_one(replay, json_object_get(step, "metrics"), one_of(s, &metrics), "metrics");

        return place_ok && metrics_ok && check_one(replay, json_object_get(step, "outbox"), outbox_of(replay), "outbox") &&
               check_convs(replay, json_object_get(step, "screen"), screen_of, "screen") &&
               check_convs(replay, json_object_get(step, "receipts"), receipts_of, "receipts");
}

/* A list that is not named must be empty. */
static bool check_list(struct replay *replay, json_t *step, const char *name, json_t *actual) {
        json_t *expected = json_object_get(step, name), *nothing = json_array();
        bool ok = agrees(replay, expected ? expected : nothing, actual, name);

        json_decref(nothing);
        return ok;
}

static bool check_outputs(struct replay *replay, json_t *step) {
        const char *state = json_string_value(json_object_get(step, "state"));

        if (!check_list(replay, step, "frames", replay->frames) || !check_list(replay, step, "waits", replay->waits) ||
            !check_list(replay, step, "shows", replay->shows) || !check_list(replay, step, "tells", replay->tells) ||
            !check_list(replay, step, "posts", replay->posts))
                return false;
        if (json_integer_value(json_object_get(step, "dials")) != replay->dials)
                snprintf(replay->problem, sizeof(replay->problem), "dials is %" PRId64, replay->dials);
        else if ((state || replay->state) && (!state || !replay->state || strcmp(state, replay->state) != 0))
                snprintf(replay->problem, sizeof(replay->problem), "state is %s", replay->state ? replay->state : "unchanged");
        else
                return true;
        return false;
}

/* ---- steps ---- */

static bool run_input(struct replay *replay, json_t *step) {
        json_t *at;

        engine_at(replay->engine, now_of(replay), replay->wall_ms);
        if ((at = json_object_get(step, "do")) != NULL)
                return do_it(replay, step, json_string_value(at));
        if ((at = json_object_get(step, "net")) != NULL)
                net_does(replay, step, json_string_value(at));
        else if ((at = json_object_get(step, "hub")) != NULL)
                hub_says(replay, at);
        else if ((at = json_object_get(step, "http")) != NULL)
                http_answers(replay, at);
        else if ((at = json_object_get(step, "clock")) != NULL)
                pass_time(replay, json_integer_value(at));
        else if ((at = json_object_get(step, "wall")) != NULL)
                set_clock(replay, json_integer_value(at));
        else
                return false;
        return true;
}

static bool run_step(struct replay *replay, json_t *step) {
        bool ok;

        replay->frames = json_array();
        replay->waits = json_array();
        replay->shows = json_array();
        replay->tells = json_array();
        replay->posts = json_array();
        replay->state = NULL;
        replay->dials = 0;
        ok = run_input(replay, step);
        read_feed(replay);
        ok = ok && !replay->problem[0] && check_outputs(replay, step) && check_store(replay, step);
        json_decref(replay->frames);
        json_decref(replay->waits);
        json_decref(replay->shows);
        json_decref(replay->tells);
        json_decref(replay->posts);
        return ok;
}

static json_t *read_line(FILE *file, char **line, size_t *size) {
        char *lone;
        json_t *object;
        _cleanup_buf_ struct buf text = BUF_INIT(1 << 20);

        if (getline(line, size, file) < 0)
                return NULL;
        buf_add_text(&text, *line);
        lone = strstr(text.ptr, "\\ud83d\"");
        if (lone) {
                struct slice rest = slice_of(strdup(lone + 6));

                text.len = (size_t)(lone - text.ptr);
                buf_add_text(&text, LONE);
                buf_add_slice(&text, rest);
                free((char *)rest.ptr);
        }
        object = json_loads(text.ptr, 0, NULL);
        return object ? object : json_pack("{s:s}", "broken", *line);
}

static json_t *defaults(void) {
        return json_pack("{s:s,s:s,s:I,s:[s],s:[],s:{s:s,s:i}}", "user", "alice", "device", "phone", "now",
                         (json_int_t)1795000000000, "tokens", "T1", "chance", "cursor", "epoch", "e1", "n", 0);
}

static void remove_store(struct replay *replay) {
        static const char *const ends[] = { "", "-wal", "-shm" };
        char path[160];

        for (int i = 0; i < 3; i++) {
                snprintf(path, sizeof(path), "%s%s", replay->path, ends[i]);
                unlink(path);
        }
        rmdir(replay->folder);
}

static bool run_file(const char *path, int number) {
        struct replay replay = {
                .folder = "/tmp/test_golden.XXXXXX", .names = json_object(), .convs = json_object(), .given = defaults()
        };
        FILE *file = fopen(path, "r");
        char *line = NULL;
        size_t size = 0;
        int at = 1;
        json_t *step = file ? read_line(file, &line, &size) : NULL, *given;
        char sentence[512];

        if (!step || !mkdtemp(replay.folder))
                return false;
        snprintf(sentence, sizeof(sentence), "%s", json_string_value(json_object_get(step, "story")));
        snprintf(replay.path, sizeof(replay.path), "%s/store", replay.folder);
        json_decref(step);
        while (!replay.problem[0] && (step = read_line(file, &line, &size)) != NULL) {
                at++;
                given = json_object_get(step, "given");
                if (given) {
                        json_object_update(replay.given, given);
                        replay.wall_ms = json_integer_value(json_object_get(replay.given, "now"));
                        open_client(&replay);
                } else if (!run_step(&replay, step) && !replay.problem[0]) {
                        snprintf(replay.problem, sizeof(replay.problem), "the step cannot be read");
                }
                if (replay.problem[0])
                        printf("# %s:%d: %.300s\n", path, at, line);
                json_decref(step);
        }
        close_client(&replay);
        remove_store(&replay);
        printf("%sok %d - %s: %s\n", replay.problem[0] ? "not " : "", number, strrchr(path, '/') + 1, sentence);
        if (replay.problem[0])
                printf("# %s\n", replay.problem);
        fflush(stdout);
        free(line);
        fclose(file);
        json_decref(replay.given);
        json_decref(replay.names);
        json_decref(replay.convs);
        return !replay.problem[0];
}

static int is_transcript(const struct dirent *entry) {
        size_t len = strlen(entry->d_name);

        return len > 6 && strcmp(entry->d_name + len - 6, ".jsonl") == 0;
}

static int run_folder(const char *folder, int *number) {
        struct dirent **entries;
        int count = scandir(folder, &entries, is_transcript, alphasort), failed = 0;
        char path[1024];

        for (int i = 0; i < count; i++) {
                snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
                failed += !run_file(path, ++*number);
                free(entries[i]);
        }
        free(entries);
        return failed;
}

int main(int argc, char *argv[]) {
        int number = 0, failed = 0;

        for (int i = 1; i < argc; i++) {
                struct dirent name;
                const char *slash = strrchr(argv[i], '/');

                snprintf(name.d_name, sizeof(name.d_name), "%s", slash ? slash + 1 : argv[i]);
                failed += is_transcript(&name) ? !run_file(argv[i], ++number) : run_folder(argv[i], &number);
        }
        printf("1..%d\n", number);
        return failed > 0 || number == 0;
}
