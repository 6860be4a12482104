/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_link.c: the link against redis-servers of its own, and against peers that misbehave.
 *
 * What happens to a link is written into its trace, a word each: "up", "down", the text of a reply, "null", "closed". Nothing
 * here waits for time to pass: a test waits for words, and a watchdog ends it if they do not come.
 *
 * long-file: a third is tables, and a third the guest, the fake Redis and the ear at the log that only these cases need.
 */
#include "base/link.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>
#include <hiredis/hiredis.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/metrics.h"
#include "tests/unit/certificate.h"
#include "tests/unit/world.h"

#define PATIENT_MS (10 * WATCHDOG_MS) /* a timeout that must not come in a test */

/* ---- A guest: a link and what happened to it ---- */

struct guest {
        struct world *world;
        struct link_address address;
        struct link *link;
        unsigned ups, downs, pushes, replies, nulls, closed;
        char trace[512];
        void (*then)(struct guest *guest, const char *word); /* called with each new word */
        void *arg;
};

static void guest_note(struct guest *guest, const char *word) {
        size_t len = strlen(guest->trace);

        snprintf(guest->trace + len, sizeof(guest->trace) - len, "%s%s", len ? " " : "", word);
        if (guest->then)
                guest->then(guest, word);
}

static void on_up(struct link *link, void *context) {
        struct guest *guest = context;

        assert_true(link_is_ready(link));
        guest->ups++;
        guest_note(guest, "up");
}

static void on_down(struct link *link, void *context) {
        struct guest *guest = context;

        assert_false(link_is_ready(link));
        assert_int_equal(link_pending(link), 0);
        guest->downs++;
        guest_note(guest, "down");
}

static const char *reply_word(const struct redisReply *reply) {
        static char word[64];

        if (!reply)
                return "null";
        if (reply->type == REDIS_REPLY_INTEGER)
                snprintf(word, sizeof(word), "%lld", reply->integer);
        else if (reply->type == REDIS_REPLY_ERROR)
                snprintf(word, sizeof(word), "%.*s", (int)strcspn(reply->str, " "), reply->str);
        else if (reply->type == REDIS_REPLY_ARRAY)
                return "array";
        else
                snprintf(word, sizeof(word), "%s", reply->type == REDIS_REPLY_NIL ? "nil" : reply->str);
        return word;
}

static void on_push(struct link *link, struct redisReply *reply, void *context) {
        struct guest *guest = context;

        guest->pushes++;
        guest_note(guest, reply->element[0]->str);
}

static void on_reply(struct link *link, struct redisReply *reply, void *arg) {
        struct guest *guest = arg;

        guest->replies += reply != NULL;
        guest->nulls += reply == NULL;
        guest_note(guest, reply_word(reply));
}

static void on_guest_closed(void *context) {
        struct guest *guest = context;

        guest->closed++;
        guest->link = NULL;
        guest_note(guest, "closed");
}

static void guest_open_with(struct guest *guest, struct world *world, const char *url, struct link_options options) {
        guest->world = world;
        assert_int_equal(link_parse_address(url, &guest->address), 0);
        options.address = &guest->address;
        options.name = "test";
        options.context = guest;
        options.on_up = on_up;
        options.on_down = on_down;
        options.on_push = options.pushes ? on_push : NULL;
        options.timeout_ms = options.timeout_ms ? options.timeout_ms : PATIENT_MS;
        guest->link = link_open(&world->loop, &options);
        assert_non_null(guest->link);
        assert_string_equal(guest->trace, ""); /* nothing comes from inside */
}

static void guest_open(struct guest *guest, struct world *world, const char *url) {
        guest_open_with(guest, world, url, (struct link_options){ 0 });
}

static const char *unix_url(const struct world *world) {
        static char url[80];

        snprintf(url, sizeof(url), "unix://%s", world_file(world, "redis.sock"));
        return url;
}

static void guest_close(struct guest *guest) {
        if (guest->link) {
                unsigned closed = guest->closed;

                link_close(guest->link, on_guest_closed, guest);
                assert_int_equal(guest->closed, closed); /* not from inside */
                WAIT(guest->world, guest->closed > 0);
        }
        assert_int_equal(guest->closed, 1);
        link_address_deinit(&guest->address);
}

/* Sends words separated by spaces; the reply is noted. */
static int guest_try(struct guest *guest, const char *words, link_reply_fn cb) {
        struct slice argv[8];
        size_t argc = 0;

        for (const char *word = words; *word; word += argv[argc++].len) {
                word += *word == ' ';
                argv[argc] = (struct slice){ word, strcspn(word, " ") };
        }
        return link_command(guest->link, argc, argv, cb, guest);
}

static void guest_send(struct guest *guest, const char *words) {
        unsigned before = guest->replies + guest->nulls;

        assert_int_equal(guest_try(guest, words, on_reply), 0);
        assert_int_equal(guest->replies + guest->nulls, before); /* not from inside */
}

/* Sends and waits for the answer. */
static void guest_ask(struct guest *guest, const char *words) {
        unsigned before = guest->replies + guest->nulls;

        guest_send(guest, words);
        WAIT(guest->world, guest->replies + guest->nulls > before);
}

/* ---- A fake Redis that says what it is told to ---- */

struct fake {
        struct world *world;
        uv_tcp_t listener;
        char url[64], tls_url[64];
        unsigned accepted, reads, open;
        bool is_closed;
        /* What the first connection gets for its first, second … chunk of bytes; "!" at the end: closed after it. NULL: silence.
         */
        const char *const *first;
        const char *const *later; /* the same for all other connections */
        bool floods;              /* the last answer goes on with zeros for ever */
        uint64_t delay_ms;        /* an answer comes so late */
        uv_timer_t delay;
};

struct fake_peer {
        struct fake *fake;
        uv_tcp_t tcp;
        uv_write_t write;
        const char *const *answers;
        char in[65536];
};

static const char *const fake_well[] = { "+PONG\r\n", "+OK\r\n", NULL };
static const char *const fake_mute[] = { NULL };

static void on_fake_peer_closed(uv_handle_t *handle) {
        struct fake_peer *peer = handle->data;

        peer->fake->open--;
        if (peer->fake->delay.data == peer)
                uv_timer_stop(&peer->fake->delay);
        free(peer);
}

static void fake_drop(struct fake_peer *peer) {
        if (!uv_is_closing((uv_handle_t *)&peer->tcp))
                uv_close((uv_handle_t *)&peer->tcp, on_fake_peer_closed);
}

static void on_fake_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf) {
        struct fake_peer *peer = handle->data;

        *ret_buf = uv_buf_init(peer->in, sizeof(peer->in));
}

static void on_fake_flood(uv_write_t *write, int status) {
        static char zeros[1 << 20];
        struct fake_peer *peer = write->data;
        uv_buf_t chunk = uv_buf_init(zeros, sizeof(zeros));

        if (status < 0 || uv_write(write, (uv_stream_t *)&peer->tcp, &chunk, 1, on_fake_flood) != 0)
                fake_drop(peer);
}

static void fake_answer(struct fake_peer *peer) {
        const char *answer = *peer->answers;
        uv_buf_t chunk;

        if (!answer)
                return;
        peer->answers++;
        chunk = uv_buf_init((char *)answer, (unsigned)strcspn(answer, "!"));
        assert_int_equal(uv_try_write((uv_stream_t *)&peer->tcp, &chunk, 1), (int)chunk.len);
        if (answer[chunk.len] == '!')
                fake_drop(peer);
        else if (!*peer->answers && peer->fake->floods)
                on_fake_flood(&peer->write, 0);
}

static void on_fake_delay(uv_timer_t *timer) {
        fake_answer(timer->data);
}

static void on_fake_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf) {
        struct fake_peer *peer = stream->data;
        struct fake *fake = peer->fake;

        if (nread < 0) {
                fake_drop(peer);
                return;
        }
        fake->reads++;
        if (fake->delay_ms == 0) {
                fake_answer(peer);
                return;
        }
        fake->delay.data = peer;
        uv_timer_start(&fake->delay, on_fake_delay, fake->delay_ms, 0);
}

static void on_fake_connection(uv_stream_t *listener, int status) {
        struct fake *fake = listener->data;
        struct fake_peer *peer = calloc(1, sizeof(*peer));

        assert_int_equal(status, 0);
        peer->fake = fake;
        peer->answers = fake->accepted ? fake->later : fake->first;
        fake->accepted++;
        fake->open++;
        uv_tcp_init(listener->loop, &peer->tcp);
        peer->tcp.data = peer->write.data = peer;
        assert_int_equal(uv_accept(listener, (uv_stream_t *)&peer->tcp), 0);
        uv_read_start((uv_stream_t *)&peer->tcp, on_fake_alloc, on_fake_read);
}

static void fake_open(struct fake *fake, struct world *world, const char *const *first, const char *const *later) {
        struct sockaddr_in address;
        int len = sizeof(address);

        fake->world = world;
        fake->first = first;
        fake->later = later;
        uv_timer_init(&world->loop, &fake->delay);
        uv_tcp_init(&world->loop, &fake->listener);
        fake->listener.data = fake;
        uv_ip4_addr("127.0.0.1", 0, &address);
        assert_int_equal(uv_tcp_bind(&fake->listener, (struct sockaddr *)&address, 0), 0);
        assert_int_equal(uv_listen((uv_stream_t *)&fake->listener, 16, on_fake_connection), 0);
        assert_int_equal(uv_tcp_getsockname(&fake->listener, (struct sockaddr *)&address, &len), 0);
        snprintf(fake->url, sizeof(fake->url), "redis://127.0.0.1:%d", ntohs(address.sin_port));
        snprintf(fake->tls_url, sizeof(fake->tls_url), "rediss://127.0.0.1:%d", ntohs(address.sin_port));
}

static void on_fake_closed(uv_handle_t *handle) {
        ((struct fake *)handle->data)->is_closed = true;
}

/* The guest must have closed its link, which ends the connections. */
static void fake_close(struct fake *fake) {
        uv_close((uv_handle_t *)&fake->delay, NULL);
        uv_close((uv_handle_t *)&fake->listener, on_fake_closed);
        WAIT(fake->world, fake->is_closed && fake->open == 0);
}

/* ---- What the log says ---- */

struct heard {
        int saved, pipe[2];
        char text[16384];
        size_t len;
};

static void heard_open(struct heard *heard) {
        heard->len = 0;
        heard->saved = dup(STDERR_FILENO);
        assert_int_equal(pipe2(heard->pipe, O_NONBLOCK | O_CLOEXEC), 0);
        dup2(heard->pipe[1], STDERR_FILENO);
}

static bool heard_has(struct heard *heard, const char *text) {
        ssize_t n = read(heard->pipe[0], heard->text + heard->len, sizeof(heard->text) - heard->len - 1);

        heard->len += n > 0 ? (size_t)n : 0;
        heard->text[heard->len] = 0;
        return strstr(heard->text, text) != NULL;
}

static unsigned heard_count(struct heard *heard, const char *text) {
        unsigned count = 0;

        (void)heard_has(heard, text);
        for (const char *at = heard->text; (at = strstr(at, text)); at++)
                count++;
        return count;
}

static void heard_close(struct heard *heard) {
        dup2(heard->saved, STDERR_FILENO);
        close(heard->saved);
        close(heard->pipe[0]);
        close(heard->pipe[1]);
}

/* ---- Addresses ---- */

static const struct {
        const char *url, *host, *path;
        uint16_t port;
        bool tls;
        const char *user, *password;
        int database;
} good_urls[] = {
        { "redis://localhost", "localhost", NULL, 6379, false, NULL, NULL, 0 },
        { "REDIS://Example.test:7000", "Example.test", NULL, 7000, false, NULL, NULL, 0 },
        { "redis://127.0.0.1:1/", "127.0.0.1", NULL, 1, false, NULL, NULL, 0 },
        { "redis://h/15", "h", NULL, 6379, false, NULL, NULL, 15 },
        { "redis://my_redis-1:65535/0", "my_redis-1", NULL, 65535, false, NULL, NULL, 0 },
        { "redis://[::1]", "::1", NULL, 6379, false, NULL, NULL, 0 },
        { "redis://[2001:db8::1]:7000/2", "2001:db8::1", NULL, 7000, false, NULL, NULL, 2 },
        { "redis://:secret@h", "h", NULL, 6379, false, NULL, "secret", 0 },
        { "redis://hub:secret@h:1", "h", NULL, 1, false, "hub", "secret", 0 },
        { "redis://h%75b:a%40b%3Ac%2f%25@h", "h", NULL, 6379, false, "hub", "a@b:c/%", 0 },
        { "redis://hub:a:b@h", "h", NULL, 6379, false, "hub", "a:b", 0 },
        { "redis://hub:@h", "h", NULL, 6379, false, "hub", "", 0 },
        { "redis://:@h", "h", NULL, 6379, false, NULL, NULL, 0 },
        { "rediss://h", "h", NULL, 6379, true, NULL, NULL, 0 },
        { "rediss://u:p@[::1]:6380/3", "::1", NULL, 6380, true, "u", "p", 3 },
        { "unix:///run/redis.sock", NULL, "/run/redis.sock", 0, false, NULL, NULL, 0 },
        { "unix:///run/redis.sock?db=4", NULL, "/run/redis.sock", 0, false, NULL, NULL, 4 },
        { "unix://:p%20w@/run/redis.sock", NULL, "/run/redis.sock", 0, false, NULL, "p w", 0 },
        { "unix://u:p@/a", NULL, "/a", 0, false, "u", "p", 0 },
};

static void assert_text(const char *url, const char *got, const char *want) {
        if (!got != !want || (got && strcmp(got, want) != 0))
                fail_msg("%s: %s instead of %s", url, got ? got : "NULL", want ? want : "NULL");
}

static void a_good_url_is_taken_apart(void **state) {
        for (size_t i = 0; i < sizeof(good_urls) / sizeof(good_urls[0]); i++) {
                struct link_address address;

                if (link_parse_address(good_urls[i].url, &address) != 0)
                        fail_msg("%s is refused", good_urls[i].url);
                assert_text(good_urls[i].url, address.host, good_urls[i].host);
                assert_text(good_urls[i].url, address.path, good_urls[i].path);
                assert_text(good_urls[i].url, address.user, good_urls[i].user);
                assert_text(good_urls[i].url, address.password, good_urls[i].password);
                assert_int_equal(address.port, good_urls[i].port);
                assert_int_equal(address.tls, good_urls[i].tls);
                assert_int_equal(address.database, good_urls[i].database);
                link_address_deinit(&address);
                assert_null(address.host);
                link_address_deinit(&address);
        }
}

static const char *const bad_urls[] = {
        "",
        "redis",
        "redis:",
        "redis:/h",
        "redis://",
        "redis:///0",
        "redis://:6379",
        "http://h",
        "redis+tls://h",
        " redis://h",
        "redis://h ",
        "redis://h:",
        "redis://h:0",
        "redis://h:65536",
        "redis://h:+1",
        "redis://h:1x",
        "redis://h:99999999999999999999",
        "redis://h:1:2",
        "redis://h/x",
        "redis://h/-1",
        "redis://h/1/2",
        "redis://h/9999999999",
        "redis://h?db=1",
        "redis://h#1",
        "redis://h/1?x",
        "redis://user@h",
        "redis://u:p@",
        "redis://u:p@q@h",
        "redis://u:p/w@h",
        "redis://u:%zz@h",
        "redis://u:%4@h",
        "redis://u:a%00b@h",
        "redis://h\xc3\xa4",
        "redis://[::1",
        "redis://[]",
        "redis://[::1]6379",
        "redis://[::1]:",
        "redis://[localhost]",
        "redis://::1",
        "unix://",
        "unix:///",
        "unix:/run/redis.sock",
        "unix://run/redis.sock",
        "unix://h:1/run/redis.sock",
        "unix:///run/redis.sock?",
        "unix:///run/redis.sock?db",
        "unix:///run/redis.sock?db=",
        "unix:///run/redis.sock?db=x",
        "unix:///run/redis.sock?timeout=1",
        "unix:///run/redis.sock?db=1&db=2",
        /* 108 bytes: sun_path has no room for the NUL */
        "unix:///23456789.123456789.123456789.123456789.123456789.123456789.123456789.123456789.123456789.123456789.12345678",
};

static void a_bad_url_is_refused_and_nothing_is_written(void **state) {
        for (size_t i = 0; i < sizeof(bad_urls) / sizeof(bad_urls[0]); i++) {
                struct link_address address = { .database = 77 };

                if (link_parse_address(bad_urls[i], &address) != LINK_E_URL || address.database != 77)
                        fail_msg("\"%s\" is not refused", bad_urls[i]);
        }
}

/* ---- Commands and replies ---- */

static void a_command_gets_its_reply(void **state) {
        struct slice binary[] = { SLICE("SET"), { "k\0\r\n", 4 }, { "", 0 } };
        struct slice get[] = { SLICE("GET"), { "k\0\r\n", 4 } };
        struct world *world = *state;
        struct redis redis = { 0 };
        struct guest guest = { 0 };

        redis_start(&redis, world);
        guest_open(&guest, world, unix_url(world));
        assert_false(link_is_ready(guest.link));
        assert_int_equal(guest_try(&guest, "PING", on_reply), LINK_E_DOWN);
        WAIT(world, guest.ups == 1);
        guest_send(&guest, "SET a 1");
        assert_int_equal(guest_try(&guest, "SET b 2", NULL), 0);
        assert_int_equal(link_command(guest.link, 3, binary, on_reply, &guest), 0);
        assert_int_equal(link_command(guest.link, 2, get, on_reply, &guest), 0);
        guest_send(&guest, "NONSENSE");
        guest_send(&guest, "MGET a b c");
        guest_send(&guest, "GET c");
        assert_int_equal(link_pending(guest.link), 7);
        guest_ask(&guest, "INCR b");
        WAIT(world, guest.replies == 7);
        assert_string_equal(guest.trace, "up OK OK  ERR array nil 3");
        assert_int_equal(link_pending(guest.link), 0);
        guest_close(&guest);
        redis_kill(&redis);
}

struct order {
        struct guest *guest;
        unsigned next;
        bool is_broken;
};

static void on_ordered(struct link *link, struct redisReply *reply, void *arg) {
        struct order *order = arg;

        if (!reply || reply->len != 1000 || strtoul(reply->str, NULL, 10) != order->next)
                order->is_broken = true;
        order->next++;
}

/* 10 MB each way: more than the socket takes at once, so writing has to wait and commands gather behind it. */
static void ten_thousand_commands_are_answered_in_order(void **state) {
        struct world *world = *state;
        struct redis redis = { 0 };
        struct guest guest = { 0 };
        struct order order = { .guest = &guest };
        uint64_t counted;

        redis_start(&redis, world);
        guest_open(&guest, world, unix_url(world));
        WAIT(world, guest.ups == 1);
        counted = process.metrics->values[METRIC_REDIS_COMMANDS];
        for (unsigned i = 0; i < 10000; i++) {
                char text[1001];
                struct slice argv[] = { SLICE("ECHO"), { text, 1000 } };

                snprintf(text, sizeof(text), "%01000u", i);
                assert_int_equal(link_command(guest.link, 2, argv, on_ordered, &order), 0);
                if (i % 1000 == 999)
                        uv_run(&world->loop, UV_RUN_NOWAIT);
        }
        WAIT(world, order.next == 10000);
        assert_false(order.is_broken);
        assert_int_equal(link_pending(guest.link), 0);
        assert_int_equal(process.metrics->values[METRIC_REDIS_COMMANDS] - counted, 10000);
        guest_close(&guest);
        redis_kill(&redis);
}

static void commands_of_one_turn_leave_in_one_write(void **state) {
        struct world *world = *state;
        struct guest guest = { 0 };
        struct fake fake = { 0 };
        unsigned before;

        fake_open(&fake, world, fake_well, fake_well);
        guest_open(&guest, world, fake.url);
        WAIT(world, guest.ups == 1);
        before = fake.reads;
        for (unsigned i = 0; i < 100; i++)
                guest_send(&guest, "SET key value");
        WAIT(world, guest.replies == 1);
        assert_int_equal(fake.reads, before + 1);
        guest_close(&guest);
        assert_int_equal(guest.nulls, 99);
        fake_close(&fake);
}

/* In each phase of the loop (libuv: "The I/O loop") another callback may be the last one before it sleeps. */
enum phase { PHASE_TIMER, PHASE_IDLE, PHASE_PREPARE, PHASE_CHECK, PHASE_CLOSE, PHASES };

struct stranger {
        union {
                uv_handle_t handle;
                uv_timer_t timer;
                uv_idle_t idle;
                uv_prepare_t prepare;
                uv_check_t check;
        };
        struct guest *guest;
        bool is_closed;
};

static void stranger_send(uv_handle_t *handle) {
        struct stranger *stranger = handle->data;

        guest_send(stranger->guest, "PING");
}

static void on_stranger_closed(uv_handle_t *handle) {
        ((struct stranger *)handle->data)->is_closed = true;
}

static void on_stranger_closed_and_sends(uv_handle_t *handle) {
        stranger_send(handle);
        on_stranger_closed(handle);
}

static void on_stranger(uv_handle_t *handle) {
        stranger_send(handle);
        uv_close(handle, on_stranger_closed);
}

static void on_stranger_timer(uv_timer_t *timer) {
        on_stranger((uv_handle_t *)timer);
}

static void on_stranger_idle(uv_idle_t *idle) {
        on_stranger((uv_handle_t *)idle);
}

static void on_stranger_prepare(uv_prepare_t *prepare) {
        on_stranger((uv_handle_t *)prepare);
}

static void on_stranger_check(uv_check_t *check) {
        on_stranger((uv_handle_t *)check);
}

static void stranger_start(struct stranger *stranger, uv_loop_t *loop, enum phase phase) {
        stranger->handle.data = stranger;
        switch (phase) {
        case PHASE_TIMER:
                uv_timer_init(loop, &stranger->timer);
                uv_timer_start(&stranger->timer, on_stranger_timer, 1, 0);
                break;
        case PHASE_IDLE:
                uv_idle_init(loop, &stranger->idle);
                uv_idle_start(&stranger->idle, on_stranger_idle);
                break;
        case PHASE_PREPARE:
                uv_prepare_init(loop, &stranger->prepare);
                uv_prepare_start(&stranger->prepare, on_stranger_prepare);
                break;
        case PHASE_CHECK:
                uv_check_init(loop, &stranger->check);
                uv_check_start(&stranger->check, on_stranger_check);
                break;
        default:
                uv_timer_init(loop, &stranger->timer);
                uv_close(&stranger->handle, on_stranger_closed_and_sends);
        }
}

/* If the command stayed where it is, the loop would sleep until the watchdog: the link's own timeout is far. */
static void a_command_leaves_whichever_callback_gives_it(void **state) {
        struct world *world = *state;
        struct redis redis = { 0 };
        struct guest guest = { 0 };

        redis_start(&redis, world);
        guest_open_with(&guest, world, unix_url(world), (struct link_options){ .timeout_ms = PATIENT_MS });
        WAIT(world, guest.ups == 1);
        for (enum phase phase = 0; phase < PHASES; phase++) {
                struct stranger stranger = { .guest = &guest };
                unsigned before = guest.replies;

                stranger_start(&stranger, &world->loop, phase);
                if (phase == PHASE_CHECK)
                        uv_run(&world->loop, UV_RUN_NOWAIT); /* checks come after sleep, and nothing else would end it */
                WAIT(world, guest.replies == before + 1 && stranger.is_closed);
        }
        guest_close(&guest);
        redis_kill(&redis);
}

static void past_the_limits_a_command_is_refused_and_the_others_live(void **state) {
        struct world *world = *state;
        struct redis redis = { 0 };
        struct guest guest = { 0 };
        char *megabyte = calloc(1, 1 << 20);
        struct slice echo[] = { SLICE("ECHO"), { megabyte, 1 << 20 } };
        struct order order = { .guest = &guest };
        unsigned accepted = 0;
        int r;

        redis_start(&redis, world);
        guest_open(&guest, world, unix_url(world));
        WAIT(world, guest.ups == 1);
        for (unsigned i = 0; i < LIMIT_LINK_PENDING; i++)
                assert_int_equal(link_command(guest.link, 1, &SLICE("PING"), on_ordered, &order), 0);
        assert_int_equal(guest_try(&guest, "PING", on_reply), LINK_E_FULL);
        WAIT(world, order.next == LIMIT_LINK_PENDING);

        while ((r = link_command(guest.link, 2, echo, on_ordered, &order)) == 0)
                accepted++;
        assert_int_equal(r, LINK_E_FULL);
        assert_int_equal(accepted, LIMIT_LINK_OUTPUT_BYTES / (1 << 20) - 1);
        WAIT(world, order.next == LIMIT_LINK_PENDING + accepted);
        guest_ask(&guest, "PING");
        assert_string_equal(guest.trace, "up PONG");
        guest_close(&guest);
        redis_kill(&redis);
        free(megabyte);
}

/* ---- Lost and found ---- */

static void kill_at_first_pong(struct guest *guest, const char *word) {
        if (strcmp(word, "PONG") == 0)
                redis_kill(guest->arg);
        if (strcmp(word, "down") == 0)
                assert_int_equal(guest_try(guest, "PING", on_reply), LINK_E_DOWN);
}

static void a_killed_redis_costs_what_was_pending_and_the_link_comes_back(void **state) {
        struct world *world = *state;
        struct redis redis = { 0 };
        struct guest guest = { .then = kill_at_first_pong, .arg = &redis };
        uint64_t reconnects = process.metrics->values[METRIC_REDIS_RECONNECTS];

        redis_start(&redis, world);
        guest_open(&guest, world, unix_url(world));
        WAIT(world, guest.ups == 1);
        assert_int_equal(process.metrics->values[METRIC_REDIS_RECONNECTS], reconnects);
        guest_send(&guest, "PING");
        guest_send(&guest, "BLPOP nothing 0");
        guest_send(&guest, "GET a");
        WAIT(world, guest.downs == 1);
        assert_string_equal(guest.trace, "up PONG null null down");
        guest.then = NULL;
        redis_start(&redis, world);
        WAIT(world, guest.ups == 2);
        guest_ask(&guest, "INCR a");
        assert_string_equal(guest.trace, "up PONG null null down up 1");
        assert_int_equal(process.metrics->values[METRIC_REDIS_RECONNECTS], reconnects + 1);
        guest_close(&guest);
        redis_kill(&redis);
}

static void wake_when_down(struct guest *guest, const char *word) {
        struct redis *redis = guest->arg;

        if (strcmp(word, "down") == 0)
                kill(redis->pid, SIGCONT);
}

static void a_redis_that_hangs_is_lost_and_found_again(void **state) {
        struct world *world = *state;
        struct redis redis = { 0 };
        struct guest guest = { .then = wake_when_down, .arg = &redis };

        redis_start(&redis, world);
        guest_open_with(&guest, world, unix_url(world), (struct link_options){ .timeout_ms = 200 });
        WAIT(world, guest.ups == 1);
        kill(redis.pid, SIGSTOP);
        guest_send(&guest, "PING");
        guest_send(&guest, "PING");
        WAIT(world, guest.ups == 2); /* no more is asked: the answer might take 200 ms again */
        assert_string_equal(guest.trace, "up null null down up");
        guest_close(&guest);
        redis_kill(&redis);
}

/* The second command is written while the first waits: its own time counts, not the first one's. The peer is of our own loop, so
 * a machine that stands still for a while makes it no later than the link. */
static void a_reply_in_time_gives_the_next_its_own_time(void **state) {
        static const char *const answers[] = { "+PONG\r\n", "+1\r\n", "+2\r\n", "+3\r\n", "+4\r\n", "+5\r\n", NULL };
        struct world *world = *state;
        struct fake fake = { 0 };
        struct guest guest = { 0 };

        fake_open(&fake, world, answers, fake_mute);
        guest_open_with(&guest, world, fake.url, (struct link_options){ .timeout_ms = 400 });
        WAIT(world, guest.ups == 1);
        fake.delay_ms = 200; /* all of them take 1 s */
        for (unsigned i = 0; i < 5; i++)
                guest_ask(&guest, "GET a");
        assert_string_equal(guest.trace, "up 1 2 3 4 5");
        guest_close(&guest);
        fake_close(&fake);
}

static void find_socket(uv_handle_t *handle, void *arg) {
        if (handle->type == UV_NAMED_PIPE)
                assert_int_equal(uv_fileno(handle, arg), 0);
}

/* The reply lies in the socket when our own process wakes up late: reading comes before blaming. */
static void our_own_sleep_is_not_taken_for_a_hanging_redis(void **state) {
        struct world *world = *state;
        struct redis redis = { 0 };
        struct guest guest = { 0 };
        struct pollfd socket = { .events = POLLIN };
        uint64_t sent_ms;

        redis_start(&redis, world);
        guest_open_with(&guest, world, unix_url(world), (struct link_options){ .timeout_ms = 500 });
        WAIT(world, guest.ups == 1);
        kill(redis.pid, SIGSTOP);
        guest_send(&guest, "PING");
        uv_run(&world->loop, UV_RUN_NOWAIT); /* written */
        sent_ms = clock_monotonic_ms();
        kill(redis.pid, SIGCONT);
        uv_walk(&world->loop, find_socket, &socket.fd);
        assert_int_equal(poll(&socket, 1, WATCHDOG_MS), 1);
        while (clock_monotonic_ms() < sent_ms + 600) /* holds the loop, as a slow callback would */
                ;
        WAIT(world, guest.replies + guest.nulls == 1);
        assert_string_equal(guest.trace, "up PONG");
        guest_close(&guest);
        redis_kill(&redis);
}

/* Our write fails first, but what Redis said before it went is still in the socket. */
static void a_reply_that_came_before_the_end_is_delivered(void **state) {
        struct world *world = *state;
        struct redis redis = { 0 };
        struct guest guest = { 0 };
        struct pollfd socket = { .events = POLLIN };

        redis_start(&redis, world);
        guest_open(&guest, world, unix_url(world));
        WAIT(world, guest.ups == 1);
        kill(redis.pid, SIGSTOP);
        guest_send(&guest, "PING");
        uv_run(&world->loop, UV_RUN_NOWAIT); /* written */
        kill(redis.pid, SIGCONT);
        uv_walk(&world->loop, find_socket, &socket.fd);
        assert_int_equal(poll(&socket, 1, WATCHDOG_MS), 1);
        redis_kill(&redis);
        guest_send(&guest, "PING");
        WAIT(world, guest.downs == 1);
        assert_string_equal(guest.trace, "up PONG null down");
        guest_close(&guest);
}

static void a_peer_that_never_greets_is_given_up_again_and_again(void **state) {
        struct world *world = *state;
        struct guest guest = { 0 };
        struct fake fake = { 0 };

        fake_open(&fake, world, fake_mute, fake_mute);
        guest_open_with(&guest, world, fake.url, (struct link_options){ .timeout_ms = 30 });
        WAIT(world, fake.accepted == 4);
        guest_close(&guest);
        assert_string_equal(guest.trace, "closed");
        fake_close(&fake);
}

static void a_tls_handshake_that_never_ends_is_given_up(void **state) {
        struct world *world = *state;
        struct guest guest = { 0 };
        struct fake fake = { 0 };

        fake_open(&fake, world, fake_mute, fake_mute);
        guest_open_with(&guest, world, fake.tls_url, (struct link_options){ .timeout_ms = 30 });
        WAIT(world, fake.accepted == 3);
        guest_close(&guest);
        assert_string_equal(guest.trace, "closed");
        fake_close(&fake);
}

/* ---- Greeting ---- */

static const struct {
        const char *sentence, *answer, *reason;
} refusals[] = {
        { "Redis reads its file", "-LOADING Redis is loading the dataset in memory\r\n", "LOADING" },
        { "a replica has lost its master", "-MASTERDOWN Link with MASTER is down\r\n", "MASTERDOWN" },
        { "a password is wanted", "-NOAUTH Authentication required.\r\n", "NOAUTH" },
        { "there are too many clients", "-ERR max number of clients reached\r\n!", "max number of clients" },
        { "it is no Redis", ":1\r\n", "something else" },
        { "it is HTTP", "HTTP/1.1 400 Bad Request\r\n\r\n", "protocol" },
        { "it closes", "!", "closed" },
};

static void a_refused_greeting_is_tried_again(void **state) {
        struct world *world = *state;

        for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
                const char *const first[] = { refusals[i].answer, NULL };
                struct heard heard;
                struct guest guest = { 0 };
                struct fake fake = { 0 };

                heard_open(&heard);
                fake_open(&fake, world, first, fake_well);
                guest_open(&guest, world, fake.url);
                WAIT(world, guest.ups == 1);
                guest_close(&guest);
                fake_close(&fake);
                (void)heard_has(&heard, "");
                heard_close(&heard);
                if (fake.accepted != 2 || strcmp(guest.trace, "up closed") != 0 || !strstr(heard.text, refusals[i].reason))
                        fail_msg("%s: %s, %u connections\n%s", refusals[i].sentence, guest.trace, fake.accepted, heard.text);
        }
}

static void an_outage_is_logged_once_however_many_tries_it_takes(void **state) {
        static const char *const loading[] = { "-LOADING Redis is loading\r\n", NULL };
        struct world *world = *state;
        struct guest guest = { 0 };
        struct fake fake = { 0 };
        struct heard heard;

        heard_open(&heard);
        fake_open(&fake, world, loading, loading);
        guest_open(&guest, world, fake.url);
        WAIT(world, fake.accepted == 5);
        fake.later = fake_well;
        WAIT(world, guest.ups == 1);
        guest_close(&guest);
        fake_close(&fake);
        assert_int_equal(heard_count(&heard, "LOADING"), 1);
        assert_int_equal(heard_count(&heard, " is up"), 1);
        heard_close(&heard);
}

static void a_password_opens_and_a_wrong_one_does_not(void **state) {
        static const struct {
                const char *user;
                bool opens;
        } rows[] = {
                { ":sesame@", true }, { "default:sesame@", true },    { "hub:hub%20pass@", true }, { ":wrong@", false },
                { "", false },        { "hub:wrong-secret@", false }, { "nobody:sesame@", false },
        };
        struct world *world = *state;
        struct redis redis = { .extra = { "--requirepass", "sesame", "--user", "hub", "on", ">hub pass", "~*", "+@all" } };

        snprintf(redis.port, sizeof(redis.port), "%u", free_port());
        redis_start(&redis, world);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct guest guest = { 0 };
                struct heard heard;
                char url[80];

                heard_open(&heard);
                snprintf(url, sizeof(url), "redis://%s127.0.0.1:%s", rows[i].user, redis.port);
                guest_open(&guest, world, url);
                WAIT(world, guest.ups == 1 || heard_has(&heard, "WRONGPASS") || heard_has(&heard, "NOAUTH"));
                if ((guest.ups == 1) != rows[i].opens)
                        fail_msg("%s", url);
                if (rows[i].opens)
                        guest_ask(&guest, "PING");
                guest_close(&guest);
                assert_false(heard_has(&heard, "wrong-secret") || heard_has(&heard, "sesame"));
                heard_close(&heard);
        }
        redis_kill(&redis);
}

static void the_url_chooses_the_database_also_after_a_reconnect(void **state) {
        struct world *world = *state;
        struct redis redis = { 0 };
        struct guest guest = { 0 }, other = { 0 };
        char url[96];

        redis_start(&redis, world);
        snprintf(url, sizeof(url), "%s?db=3", unix_url(world));
        guest_open(&guest, world, url);
        guest_open(&other, world, unix_url(world));
        WAIT(world, guest.ups == 1 && other.ups == 1);
        guest_ask(&guest, "SET a 1");
        guest_ask(&other, "SELECT 3");
        guest_ask(&other, "GET a");
        assert_string_equal(other.trace, "up OK 1");
        guest_ask(&other, "CLIENT KILL TYPE normal SKIPME yes");
        WAIT(world, guest.ups == 2);
        guest_ask(&guest, "GET a");
        assert_string_equal(guest.trace, "up OK down up 1");
        guest_close(&guest);
        guest_close(&other);
        redis_kill(&redis);
}

/*
 * libuv calls this one. "two.test" has two addresses and nobody listens at the first, as with "localhost" where ::1 comes first
 * and Redis is at 127.0.0.1.
 */
__attribute__((visibility("default"))) int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                                                       struct addrinfo **ret_list) {
        int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
        int r;

        *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
        if (strcmp(node, "none.test") == 0)
                return EAI_NONAME;
        if (strcmp(node, "two.test") != 0)
                return real(node, service, hints, ret_list);
        r = real("127.0.0.2", service, hints, ret_list);
        return r ? r : real("127.0.0.1", service, hints, &(*ret_list)->ai_next);
}

static void a_name_is_looked_up_and_all_its_addresses_are_tried(void **state) {
        struct world *world = *state;
        struct redis redis = { 0 };
        struct guest guest = { 0 }, lost = { 0 };
        struct heard heard;
        char url[64];

        snprintf(redis.port, sizeof(redis.port), "%u", free_port());
        redis_start(&redis, world);
        snprintf(url, sizeof(url), "redis://two.test:%s", redis.port);
        guest_open(&guest, world, url);
        WAIT(world, guest.ups == 1);
        guest_ask(&guest, "PING");
        guest_ask(&guest, "CLIENT KILL TYPE normal SKIPME no"); /* who answered is asked first the next time */
        WAIT(world, guest.ups == 2);
        guest_close(&guest);

        heard_open(&heard);
        guest_open(&lost, world, "redis://none.test");
        WAIT(world, heard_has(&heard, "unknown node or service"));
        guest_close(&lost);
        heard_close(&heard);
        redis_kill(&redis);
}

/* connect(2) itself says no to broadcast, so libuv tells inside uv_tcp_connect(): it must not reach us from inside link_open().
 */
static void an_address_that_connects_to_nothing_is_a_reason_like_others(void **state) {
        struct world *world = *state;
        struct guest guest = { 0 };
        struct heard heard;

        heard_open(&heard);
        guest_open(&guest, world, "redis://255.255.255.255");
        WAIT(world, heard_has(&heard, "reason=\"connect: "));
        guest_close(&guest);
        assert_string_equal(guest.trace, "closed");
        heard_close(&heard);
}

/* ---- TLS ---- */

/*
 * Only small replies: when a socket is full Redis 7.0 repeats a TLS write with fewer bytes, which OpenSSL refuses ("bad
 * length", valkey issue 1135), and closes the connection. We would come back, but the commands would have their NULL.
 */
static void tls_carries_commands_to_the_right_redis_only(void **state) {
        struct world *world = *state;
        struct certificate certificate = certificate_new("IP:127.0.0.1", 3600), other = certificate_new("IP:127.0.0.1", 3600);
        char cert[64], key[64], other_cert[64], url[64];
        struct redis redis = { .extra = { "--tls-port", NULL } };
        struct guest guest = { 0 }, misled = { 0 }, lost = { 0 };
        char *big = calloc(1, 4 << 20);
        struct slice set[] = { SLICE("SET"), SLICE("big"), { big, 4 << 20 } };
        struct heard heard;

        snprintf(cert, sizeof(cert), "%s", world_file(world, "cert.pem"));
        snprintf(key, sizeof(key), "%s", world_file(world, "key.pem"));
        snprintf(other_cert, sizeof(other_cert), "%s", world_file(world, "other.pem"));
        certificate_write(&certificate, cert);
        certificate_write_key(&certificate, key);
        certificate_write(&other, other_cert);
        snprintf(url, sizeof(url), "rediss://127.0.0.1:%u", free_port());
        memcpy(redis.extra,
               (const char *[]){ "--tls-port", url + 19, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file",
                                 cert, "--tls-auth-clients", "no" },
               10 * sizeof(char *));
        redis_start(&redis, world);

        guest_open_with(&guest, world, url, (struct link_options){ .ca_file = cert });
        WAIT(world, guest.ups == 1);
        for (unsigned i = 0; i < 8; i++) {
                assert_int_equal(link_command(guest.link, 3, set, NULL, NULL), 0);
                guest_send(&guest, "STRLEN big");
        }
        WAIT(world, guest.replies == 8);
        assert_string_equal(guest.trace, "up 4194304 4194304 4194304 4194304 4194304 4194304 4194304 4194304");
        guest.trace[0] = 0;

        heard_open(&heard);
        guest_open_with(&misled, world, url, (struct link_options){ .ca_file = other_cert });
        WAIT(world, heard_has(&heard, "certificate"));
        guest_close(&misled);
        assert_string_equal(misled.trace, "closed");
        guest_open_with(&lost, world, url, (struct link_options){ .ca_file = "/nonexistent" });
        WAIT(world, heard_has(&heard, "authorities"));
        guest_close(&lost);
        assert_string_equal(lost.trace, "closed");
        heard_close(&heard);

        redis_kill(&redis);
        WAIT(world, guest.downs == 1);
        redis_start(&redis, world);
        WAIT(world, guest.ups == 2);
        guest_ask(&guest, "PING");
        assert_string_equal(guest.trace, "down up PONG");
        guest_close(&guest);
        redis_kill(&redis);
        certificate_free(&certificate);
        certificate_free(&other);
        free(big);
}

/* ---- Subscribers ---- */

/* A subscription to two channels is answered by two pushes, and only then done. */
static void count_subscriptions(struct guest *guest, const char *word) {
        static const size_t pending[] = { 3, 2, 1, 0 };

        if (strstr(word, "subscribe"))
                assert_int_equal(link_pending(guest->link), pending[guest->pushes - 1]);
}

static void a_subscriber_receives_what_is_published(void **state) {
        struct world *world = *state;
        struct redis redis = { 0 };
        struct guest subscriber = { .then = count_subscriptions }, publisher = { 0 };

        redis_start(&redis, world);
        guest_open_with(&subscriber, world, unix_url(world), (struct link_options){ .pushes = true });
        guest_open(&publisher, world, unix_url(world));
        WAIT(world, subscriber.ups == 1 && publisher.ups == 1);
        assert_int_equal(guest_try(&subscriber, "SSUBSCRIBE {n}1 {n}2", NULL), 0);
        assert_int_equal(guest_try(&subscriber, "subscribe a", NULL), 0);
        assert_int_equal(guest_try(&subscriber, "PSUBSCRIBE b*", NULL), 0);
        assert_int_equal(link_pending(subscriber.link), 3);
        WAIT(world, subscriber.pushes == 4);
        assert_int_equal(link_pending(subscriber.link), 0);
        assert_string_equal(subscriber.trace, "up ssubscribe ssubscribe subscribe psubscribe");

        subscriber.trace[0] = 0;
        subscriber.then = NULL;
        guest_ask(&publisher, "SPUBLISH {n}2 hello");
        guest_ask(&publisher, "PUBLISH a hello");
        guest_ask(&publisher, "PUBLISH b1 hello");
        assert_string_equal(publisher.trace, "up 1 1 1");
        WAIT(world, subscriber.pushes == 7);
        guest_send(&subscriber, "PING"); /* subscribed, Redis answers an array: it belongs to the command */
        WAIT(world, subscriber.replies == 1);
        assert_int_equal(guest_try(&subscriber, "SUNSUBSCRIBE", NULL), 0);
        WAIT(world, subscriber.pushes == 9);
        assert_int_equal(link_pending(subscriber.link), 0);
        assert_string_equal(subscriber.trace, "smessage message pmessage array sunsubscribe sunsubscribe");
        guest_close(&subscriber);
        guest_close(&publisher);
        redis_kill(&redis);
}

/* Asked by a peer of our own loop, which answers at once however slow the machine is, and then no more. */
static void an_idle_subscriber_asks_whether_redis_lives(void **state) {
        static const char pong[] = "+PONG\r\n", subscribed_pong[] = "*2\r\n$4\r\npong\r\n$0\r\n\r\n";
        static const char *const first[] = { pong, pong, pong, pong, NULL };
        static const char *const later[] = { pong, "*3\r\n$10\r\nssubscribe\r\n$1\r\na\r\n:1\r\n", subscribed_pong, subscribed_pong,
                                             subscribed_pong, NULL };
        struct world *world = *state;
        struct fake fake = { 0 };
        struct guest fresh = { 0 }, subscribed = { 0 };
        const struct link_options options = { .pushes = true, .timeout_ms = 400 };

        fake_open(&fake, world, first, later);
        guest_open_with(&fresh, world, fake.url, options);
        WAIT(world, fresh.ups == 1);
        guest_open_with(&subscribed, world, fake.url, options);
        WAIT(world, subscribed.ups == 1);
        assert_int_equal(guest_try(&subscribed, "SSUBSCRIBE a", NULL), 0);
        WAIT(world, fresh.downs == 1 && subscribed.downs == 1);
        assert_true(fake.reads >= 4 + 1 + 5 + 1); /* what was answered, and of each what was not */
        WAIT(world, fresh.ups == 2 && subscribed.ups == 2);
        assert_true(strncmp(fresh.trace, "up down up", 10) == 0);
        assert_true(strncmp(subscribed.trace, "up ssubscribe down up", 21) == 0);
        guest_close(&fresh);
        guest_close(&subscribed);
        fake_close(&fake);
}

static void a_refused_subscription_ends_the_connection(void **state) {
        struct world *world = *state;
        struct redis redis = { .extra = { "--user", "deaf", "on", ">pw", "resetchannels", "&allowed", "+@all" } };
        struct guest guest = { 0 };
        char url[96];

        redis_start(&redis, world);
        snprintf(url, sizeof(url), "unix://deaf:pw@%s", redis.socket);
        guest_open_with(&guest, world, url, (struct link_options){ .pushes = true });
        WAIT(world, guest.ups == 1);
        assert_int_equal(guest_try(&guest, "SSUBSCRIBE allowed", NULL), 0);
        guest_send(&guest, "PING");
        WAIT(world, guest.replies == 1);
        assert_int_equal(guest_try(&guest, "SSUBSCRIBE forbidden", NULL), 0);
        guest_send(&guest, "PING");
        WAIT(world, guest.ups == 2);
        assert_string_equal(guest.trace, "up ssubscribe array null down up");
        guest_close(&guest);
        redis_kill(&redis);
}

/* ---- Peers that misbehave ---- */

static const struct {
        const char *sentence, *answer, *trace;
        bool pushes;
} misdeeds[] = {
        { "garbage", "what?\r\n", "up null null down up", false },
        { "half a reply, then the end", "$10\r\nabc!", "up null null down up", false },
        { "one reply, half of another, then the end", "+OK\r\n*2\r\n$1\r\na\r\n$!", "up OK null down up", false },
        { "the end at once", "!", "up null null down up", false },
        { "a length below -1", "*-5\r\n", "up null null down up", false },
        { "RESP3", ">1\r\n+a\r\n", "up null null down up", false },
        { "a reply too many", "+OK\r\n+OK\r\n+OK\r\n", "up OK OK down up", false },
        { "a reply too many for a subscriber", "+OK\r\n+OK\r\n+OK\r\n", "up OK OK down up", true },
        { "a replica where the master was", "-READONLY You can't write against a read only replica.\r\n",
          "up READONLY null down up", false },
        { "a push nobody asked for", "*3\r\n$12\r\nsunsubscribe\r\n$1\r\na\r\n:0\r\n+OK\r\n+OK\r\n", "up sunsubscribe OK OK",
          true },
        { "errors", "-ERR one\r\n-WRONGTYPE two\r\n", "up ERR WRONGTYPE", false },
};

static void send_two(struct guest *guest, const char *word) {
        if (strcmp(word, "up") == 0 && guest->ups == 1) {
                guest_send(guest, "SET a 1");
                guest_send(guest, "SET a 2");
        }
}

static void a_peer_that_misbehaves_costs_the_connection_and_no_more(void **state) {
        struct world *world = *state;

        for (size_t i = 0; i < sizeof(misdeeds) / sizeof(misdeeds[0]); i++) {
                const char *const first[] = { "+PONG\r\n", misdeeds[i].answer, NULL };
                struct guest guest = { .then = send_two };
                struct fake fake = { 0 };

                fake_open(&fake, world, first, fake_well);
                guest_open_with(&guest, world, fake.url, (struct link_options){ .pushes = misdeeds[i].pushes });
                WAIT(world, guest.ups == 2 || strcmp(guest.trace, misdeeds[i].trace) == 0);
                if (strcmp(guest.trace, misdeeds[i].trace) != 0)
                        fail_msg("%s: %s", misdeeds[i].sentence, guest.trace);
                guest_close(&guest);
                fake_close(&fake);
        }
}

static void a_push_nobody_asked_for_answers_no_subscription(void **state) {
        static const char *const answers[] = { "+PONG\r\n", "*3\r\n$12\r\nsunsubscribe\r\n$1\r\na\r\n:0\r\n",
                                               "*3\r\n$10\r\nssubscribe\r\n$1\r\na\r\n:1\r\n+PONG\r\n", NULL };
        struct world *world = *state;
        struct guest guest = { 0 };
        struct fake fake = { 0 };

        fake_open(&fake, world, answers, fake_well);
        guest_open_with(&guest, world, fake.url, (struct link_options){ .pushes = true });
        WAIT(world, guest.ups == 1);
        assert_int_equal(guest_try(&guest, "SSUBSCRIBE a", NULL), 0);
        WAIT(world, guest.pushes == 1);
        assert_int_equal(link_pending(guest.link), 1);
        guest_ask(&guest, "PING");
        assert_int_equal(link_pending(guest.link), 0);
        assert_string_equal(guest.trace, "up sunsubscribe ssubscribe PONG");
        guest_close(&guest);
        fake_close(&fake);
}

static void a_push_before_the_greeting_is_no_push(void **state) {
        static const char *const early[] = { "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n", NULL };
        struct world *world = *state;
        struct guest guest = { 0 };
        struct fake fake = { 0 };

        fake_open(&fake, world, early, fake_well);
        guest_open_with(&guest, world, fake.url, (struct link_options){ .pushes = true });
        WAIT(world, guest.ups == 1);
        assert_string_equal(guest.trace, "up");
        assert_int_equal(fake.accepted, 2);
        guest_close(&guest);
        fake_close(&fake);
}

static void a_reply_past_the_limit_is_not_buffered(void **state) {
        static const char *const endless[] = { "+PONG\r\n", "$2000000000\r\n", NULL };
        struct world *world = *state;
        struct guest guest = { .then = send_two };
        struct fake fake = { .floods = true };
        struct heard heard;

        heard_open(&heard);
        fake_open(&fake, world, endless, fake_well);
        guest_open(&guest, world, fake.url);
        WAIT(world, guest.downs == 1);
        fake.floods = false;
        WAIT(world, guest.ups == 2);
        assert_string_equal(guest.trace, "up null null down up");
        guest_close(&guest);
        fake_close(&fake);
        assert_true(heard_has(&heard, "longer than 67108864 bytes"));
        heard_close(&heard);
}

/* ---- Closing ---- */

static void close_at(struct guest *guest, const char *word) {
        if (guest->link && strcmp(word, guest->arg) == 0) {
                guest->arg = (void *)"";
                link_close(guest->link, on_guest_closed, guest);
        }
        if (strcmp(word, "up") == 0 && guest->closed == 0) {
                struct slice subscribe[] = { SLICE("SSUBSCRIBE"), SLICE("a") };
                int expected = link_is_ready(guest->link) ? 0 : LINK_E_DOWN;

                assert_int_equal(link_command(guest->link, 1, &SLICE("PING"), on_reply, guest), expected);
                assert_int_equal(link_command(guest->link, 2, subscribe, NULL, NULL), expected);
                assert_int_equal(link_command(guest->link, 1, &SLICE("NONSENSE"), on_reply, guest), expected);
                assert_int_equal(link_command(guest->link, 1, &SLICE("QUIT"), on_reply, guest), expected);
                assert_int_equal(link_command(guest->link, 1, &SLICE("PING"), on_reply, guest), expected);
        }
}

static void every_callback_may_close_the_link(void **state) {
        static const struct {
                const char *at, *trace;
        } rows[] = {
                { "up", "up closed" },
                { "PONG", "up PONG null null null closed" },
                { "ssubscribe", "up PONG ssubscribe null null null closed" },
                { "ERR", "up PONG ssubscribe ERR null null closed" },
                { "OK", "up PONG ssubscribe ERR OK null closed" },
                { "null", "up PONG ssubscribe ERR OK null closed" },
                { "down", "up PONG ssubscribe ERR OK null down closed" },
        };
        struct world *world = *state;
        struct redis redis = { 0 };

        redis_start(&redis, world);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct guest guest = { .then = close_at, .arg = (void *)rows[i].at };

                guest_open_with(&guest, world, unix_url(world), (struct link_options){ .pushes = true });
                WAIT(world, guest.closed == 1);
                if (strcmp(guest.trace, rows[i].trace) != 0)
                        fail_msg("closed at %s: %s", rows[i].at, guest.trace);
                guest_close(&guest);
        }
        redis_kill(&redis);
}

/* Closes after each number of turns of the loop, so at every stage, until one is reached where the link was up. */
static unsigned close_after_turns(struct world *world, const char *url, const char *ca_file) {
        for (unsigned turns = 0;; turns++) {
                struct guest guest = { 0 };

                guest_open_with(&guest, world, url, (struct link_options){ .ca_file = ca_file });
                for (unsigned i = 0; i < turns; i++)
                        uv_run(&world->loop, UV_RUN_NOWAIT);
                guest_close(&guest);
                if (guest.ups > 0)
                        return turns;
                assert_string_equal(guest.trace, "closed");
                assert_false(world->is_late);
        }
}

static void a_link_may_be_closed_at_every_stage(void **state) {
        struct world *world = *state;
        struct certificate certificate = certificate_new("DNS:localhost,IP:127.0.0.1", 3600);
        struct redis redis = { 0 };
        struct guest guest = { 0 };
        char cert[64], key[64], tls_port[8], url[96];
        struct fake fake = { 0 };

        snprintf(cert, sizeof(cert), "%s", world_file(world, "cert.pem"));
        snprintf(key, sizeof(key), "%s", world_file(world, "key.pem"));
        certificate_write(&certificate, cert);
        certificate_write_key(&certificate, key);
        certificate_free(&certificate);
        snprintf(redis.port, sizeof(redis.port), "%u", free_port());
        snprintf(tls_port, sizeof(tls_port), "%u", free_port());
        memcpy(redis.extra,
               (const char *[]){ "--tls-port", tls_port, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file",
                                 cert, "--tls-auth-clients", "no" },
               10 * sizeof(char *));
        redis_start(&redis, world);
        guest_open(&guest, world, unix_url(world)); /* all ports listen when this is up */
        WAIT(world, guest.ups == 1);
        guest_close(&guest);

        assert_true(close_after_turns(world, unix_url(world), NULL) > 0);
        snprintf(url, sizeof(url), "redis://127.0.0.1:%s", redis.port);
        assert_true(close_after_turns(world, url, NULL) > 0);
        snprintf(url, sizeof(url), "redis://localhost:%s", redis.port);
        assert_true(close_after_turns(world, url, NULL) > 0);
        snprintf(url, sizeof(url), "rediss://localhost:%s", tls_port);
        assert_true(close_after_turns(world, url, cert) > 0);
        redis_kill(&redis);

        guest = (struct guest){ 0 }; /* waiting: nobody listens */
        guest_open(&guest, world, unix_url(world));
        for (unsigned i = 0; i < 20; i++)
                uv_run(&world->loop, UV_RUN_NOWAIT);
        guest_close(&guest);
        assert_string_equal(guest.trace, "closed");

        fake_open(&fake, world, fake_mute, fake_mute); /* in the middle of a handshake */
        guest = (struct guest){ 0 };
        guest_open(&guest, world, fake.tls_url);
        WAIT(world, fake.reads == 1);
        guest_close(&guest);
        assert_string_equal(guest.trace, "closed");
        fake_close(&fake);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_good_url_is_taken_apart),
                cmocka_unit_test(a_bad_url_is_refused_and_nothing_is_written),
#define LINK_TEST(name) cmocka_unit_test_setup_teardown(name, world_open, world_close)
                LINK_TEST(a_command_gets_its_reply),
                LINK_TEST(ten_thousand_commands_are_answered_in_order),
                LINK_TEST(commands_of_one_turn_leave_in_one_write),
                LINK_TEST(a_command_leaves_whichever_callback_gives_it),
                LINK_TEST(past_the_limits_a_command_is_refused_and_the_others_live),
                LINK_TEST(a_killed_redis_costs_what_was_pending_and_the_link_comes_back),
                LINK_TEST(a_redis_that_hangs_is_lost_and_found_again),
                LINK_TEST(a_reply_in_time_gives_the_next_its_own_time),
                LINK_TEST(our_own_sleep_is_not_taken_for_a_hanging_redis),
                LINK_TEST(a_reply_that_came_before_the_end_is_delivered),
                LINK_TEST(a_peer_that_never_greets_is_given_up_again_and_again),
                LINK_TEST(a_tls_handshake_that_never_ends_is_given_up),
                LINK_TEST(a_refused_greeting_is_tried_again),
                LINK_TEST(an_outage_is_logged_once_however_many_tries_it_takes),
                LINK_TEST(a_password_opens_and_a_wrong_one_does_not),
                LINK_TEST(the_url_chooses_the_database_also_after_a_reconnect),
                LINK_TEST(a_name_is_looked_up_and_all_its_addresses_are_tried),
                LINK_TEST(an_address_that_connects_to_nothing_is_a_reason_like_others),
                LINK_TEST(tls_carries_commands_to_the_right_redis_only),
                LINK_TEST(a_subscriber_receives_what_is_published),
                LINK_TEST(an_idle_subscriber_asks_whether_redis_lives),
                LINK_TEST(a_refused_subscription_ends_the_connection),
                LINK_TEST(a_peer_that_misbehaves_costs_the_connection_and_no_more),
                LINK_TEST(a_push_nobody_asked_for_answers_no_subscription),
                LINK_TEST(a_push_before_the_greeting_is_no_push),
                LINK_TEST(a_reply_past_the_limit_is_not_buffered),
                LINK_TEST(every_callback_may_close_the_link),
                LINK_TEST(a_link_may_be_closed_at_every_stage),
        };

        signal(SIGPIPE, SIG_IGN);
        log_open("test_link", LOG_INFO);
        return cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
