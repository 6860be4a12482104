/* SPDX-License-Identifier: Apache-2.0 */
/*
 * driver.c: the providers of push alone, without a hub: reads one JSON object a line, says what came of it in a line.
 *
 *      driver --config FILE
 *      {"tag":1,"provider":"apns","app":"main","token":"ab12…","title":"Hello","ttl_ms":60000, …}    one push
 *                                                              -> {"tag":1,"class":"accepted","status":200,…}
 *      {"do":"many","count":9000,"job":{…}}                     the push again and again, as many at once as there is room for
 *                                                              -> {"many":9000,"ms":1234,"classes":{"accepted":9000}}
 *      {"do":"reload"}                                          the file is read again -> {"reloaded":true}
 *      {"do":"wait","provider":"apns","app":"main"}            -> {"wait_ms":0}
 *      end of input                                             closes the providers -> {"closed":true}
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <uv.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "push/provider.h"

enum { LINE_BYTES = 1 << 20 };

struct ask {
        json_t *tag; /* NULL: one of many */
};

static struct {
        uv_loop_t loop;
        uv_pipe_t input;
        uv_timer_t turn;
        struct buf line;
        struct provider_set *set;
        int argc;
        char **argv;
        json_t *many; /* the job that is sent again and again */
        long long left, under_way, count;
        long long classes[PUSH_CLASSES];
        uint64_t started_ms;
        unsigned long long serial;
} t = { .line = { .limit = LINE_BYTES } };

static void say(json_t *take_answer) {
        char *text = json_dumps(take_answer, JSON_COMPACT);
        puts(text);
        fflush(stdout);
        free(text);
        json_decref(take_answer);
}

static struct config *read_config(void) {
        struct config *config = NULL;
        char *error = NULL;
        if (config_load(t.argc, t.argv, getenv, &config, &error) != 0) {
                fprintf(stderr, "%s\n", error ? error : "no configuration");
                exit(2);
        }
        return config;
}

static struct slice text_of(const json_t *object, const char *name) {
        const json_t *value = json_object_get(object, name);
        return (struct slice){ json_is_string(value) ? json_string_value(value) : "",
                               json_is_string(value) ? json_string_length(value) : 0 };
}

static int64_t number_of(const json_t *object, const char *name, int64_t otherwise) {
        const json_t *value = json_object_get(object, name);
        return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

static int index_of(struct slice text, const char *const *names, int otherwise) {
        for (int i = 0; names[i]; i++)
                if (slice_is(text, names[i]))
                        return i;
        return otherwise;
}

/* The job borrows from the object. */
static struct push_job read_job(const json_t *object) {
        static const char *const kinds[] = { "alert", "silent", "background", NULL };
        static const char *const priorities[] = { "low", "normal", "high", "critical", NULL };
        int64_t now_ms = clock_wall_ms();
        struct push_job job = {
                .user = text_of(object, "user"),
                .device = text_of(object, "device"),
                .app = text_of(object, "app"),
                .sandbox = json_is_true(json_object_get(object, "sandbox")),
                .token = text_of(object, "token"),
                .kind = (enum push_kind)index_of(text_of(object, "kind"), kinds, PUSH_ALERT),
                .priority = (enum push_priority)index_of(text_of(object, "priority"), priorities, PUSH_NORMAL),
                .title = text_of(object, "title"),
                .text = text_of(object, "text"),
                .data = text_of(object, "data"),
                .conv = text_of(object, "conv"),
                .op = text_of(object, "op"),
                .at_ms = number_of(object, "at_ms", now_ms),
                .badge = number_of(object, "badge", -1),
                .expires_ms = number_of(object, "expires_ms", now_ms + number_of(object, "ttl_ms", 60000)),
                .collapse = text_of(object, "collapse"),
                .head = (uint64_t)number_of(object, "head", 1),
                .attempt = (unsigned)number_of(object, "attempt", 0),
        };
        if (job_provider_parse(text_of(object, "provider"), &job.provider) != 0)
                job.provider = PUSH_APNS;
        struct slice id = text_of(object, "id");
        if (id.len == PUSH_ID_BYTES)
                memcpy(job.id, id.ptr, PUSH_ID_BYTES + 1);
        else
                snprintf(job.id, sizeof(job.id), "00000000-0000-4000-8000-%012llx", ++t.serial);
        return job;
}

static void send_more(void);

static void on_turn(uv_timer_t *timer) {
        send_more();
}

static void on_done(void *arg, const struct push_outcome *outcome) {
        struct ask *ask = arg;
        if (ask->tag) {
                say(json_pack("{s:o,s:s,s:i,s:I,s:I,s:s}", "tag", ask->tag, "class", job_class_text(outcome->class), "status",
                              outcome->status, "dead_since_ms", (json_int_t)outcome->dead_since_ms, "retry_after_ms",
                              (json_int_t)outcome->retry_after_ms, "reason", outcome->reason));
        } else {
                t.under_way--;
                t.classes[outcome->class]++;
                if (!uv_is_active((uv_handle_t *)&t.turn))
                        uv_timer_start(&t.turn, on_turn, 0, 0);
        }
        free(ask);
}

static void send_job(const json_t *object, json_t *take_tag) {
        struct push_job job = read_job(object);
        struct ask *ask = calloc(1, sizeof(*ask));
        ask->tag = take_tag;
        int r = provider_send(t.set, &job, on_done, ask);
        if (r == 0)
                return;
        struct push_outcome outcome = { .class = r == PROVIDER_E_NO_APP ? PUSH_UNKNOWN : PUSH_DEFERRED };
        snprintf(outcome.reason, sizeof(outcome.reason), "%s", r == PROVIDER_E_NO_APP ? "no such app" : "no memory");
        on_done(ask, &outcome);
}

/* As a worker does: only while there is room. */
static void send_more(void) {
        struct push_job job = read_job(t.many);
        while (t.left > 0 && provider_wait_ms(t.set, job.provider, job.app) == 0) {
                t.left--;
                t.under_way++;
                send_job(t.many, NULL);
        }
        if (t.left > 0 && t.under_way == 0) {
                int64_t wait_ms = provider_wait_ms(t.set, job.provider, job.app);
                uv_timer_start(&t.turn, on_turn, wait_ms > 0 ? (uint64_t)wait_ms : 1, 0);
        }
        if (t.left > 0 || t.under_way > 0)
                return;
        json_t *classes = json_object();
        for (int i = 0; i < PUSH_CLASSES; i++)
                if (t.classes[i] > 0)
                        json_object_set_new(classes, job_class_text((enum push_class)i), json_integer(t.classes[i]));
        say(json_pack("{s:I,s:I,s:o}", "many", (json_int_t)t.count, "ms", (json_int_t)(clock_monotonic_ms() - t.started_ms), "classes",
                      classes));
        json_decref(t.many);
        t.many = NULL;
}

static void on_line(json_t *object) {
        struct slice what = text_of(object, "do");
        if (slice_is(what, "reload")) {
                struct config *config = read_config();
                provider_reload(t.set, config);
                config_free(config);
                say(json_pack("{s:b}", "reloaded", 1));
        } else if (slice_is(what, "wait")) {
                struct push_job job = read_job(object);
                say(json_pack("{s:I}", "wait_ms", (json_int_t)provider_wait_ms(t.set, job.provider, job.app)));
        } else if (slice_is(what, "many")) {
                t.many = json_incref(json_object_get(object, "job"));
                t.count = t.left = number_of(object, "count", 1);
                t.under_way = 0;
                memset(t.classes, 0, sizeof(t.classes));
                t.started_ms = clock_monotonic_ms();
                send_more();
        } else {
                json_t *tag = json_object_get(object, "tag");
                send_job(object, tag ? json_incref(tag) : json_null());
        }
}

static void on_closed(void *context) {
        say(json_pack("{s:b}", "closed", 1));
        uv_close((uv_handle_t *)&t.turn, NULL);
        uv_close((uv_handle_t *)&t.input, NULL);
}

static void on_room(uv_handle_t *handle, size_t wanted, uv_buf_t *room) {
        static char bytes[65536];
        *room = uv_buf_init(bytes, sizeof(bytes));
}

static void on_input(uv_stream_t *stream, ssize_t len, const uv_buf_t *bytes) {
        if (len < 0) {
                uv_read_stop(stream);
                provider_close(t.set, on_closed, NULL);
                return;
        }
        buf_add(&t.line, bytes->base, (size_t)len);
        for (char *end; t.line.len > 0 && (end = memchr(t.line.ptr, '\n', t.line.len));) {
                size_t line_len = (size_t)(end - t.line.ptr);
                json_t *object = json_loadb(t.line.ptr, line_len, 0, NULL);
                buf_consume(&t.line, line_len + 1);
                if (!object) {
                        fprintf(stderr, "not JSON\n");
                        exit(2);
                }
                on_line(object);
                json_decref(object);
        }
}

int main(int argc, char **argv) {
        t.argc = argc;
        t.argv = argv;
        signal(SIGPIPE, SIG_IGN);
        log_open("driver", LOG_INFO);
        uv_loop_init(&t.loop);
        struct config *config = read_config();
        if (provider_open(&t.loop, config, &t.set) != 0)
                return 2;
        config_free(config);
        uv_timer_init(&t.loop, &t.turn);
        uv_pipe_init(&t.loop, &t.input, 0);
        uv_pipe_open(&t.input, 0);
        uv_read_start((uv_stream_t *)&t.input, on_room, on_input);
        uv_run(&t.loop, UV_RUN_DEFAULT);
        buf_deinit(&t.line);
        return uv_loop_close(&t.loop) == 0 ? 0 : 3; /* 3: something of the providers was left in the loop */
}
