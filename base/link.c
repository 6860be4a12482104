/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link.c: the commands that wait for Redis, and the way back when it is gone.
 *
 *      link_command() -> stream -> Redis -> stream -> redisReader -> the oldest pending command
 *
 * All that dies with a connection (stream, reader) is in a struct wire. A link that is lost lets go of its wire at once, and
 * the wire frees itself when libuv has let go of the stream; the next try is a new wire. So nothing that comes late from an
 * old connection can reach a new one.
 *
 * What must stay true (link_check):
 *  1. There is a wire in CONNECTING, GREETING and READY, and in no other state.
 *  2. Once moved to WAITING no command is accepted, so giving each pending one its NULL comes to an end.
 *  3. A link is freed only from a close callback of libuv, so any callback of ours may call link_close().
 */
#include "base/link.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>
#include <hiredis/hiredis.h>

#include "base/backoff.h"
#include "base/buf.h"
#include "base/chance.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/stream.h"
#include "base/tls.h"

#define LINK_PORT 6379
#define LINK_BACKOFF_BASE_MS 20 /* a private Redis is back in about this time */
#define LINK_BACKOFF_MAX_MS 1000
#define LINK_STABLE_MS 5000    /* up for so long: the next loss is a new one, not the last one again */
#define LINK_KEPT_BYTES 262144 /* the reader's memory while nothing is in it; with its own 16 KB it would allocate all day */

enum link_state { LINK_CLOSED, LINK_WAITING, LINK_CONNECTING, LINK_GREETING, LINK_READY, LINK_CLOSING };

/* A command without its reply. */
struct pending {
        link_reply_fn cb;
        void *arg;
        uint64_t due_ms;
        const char *push; /* what answers it, such as "ssubscribe"; NULL: an ordinary reply */
        size_t pushes;    /* how many of them are still to come */
};

/* One connection. */
struct wire {
        struct link *link;
        struct stream *stream;
        redisReader *reader;
        size_t reply_bytes; /* of the reply that is not complete yet */
        bool is_dead;       /* let go of by its link */
};

struct link {
        uv_loop_t *loop;
        struct link_options options; /* name and ca_file are our copies */
        char label[320];             /* the address without user and password, for the log */
        enum link_state state;
        struct wire *wire;
        uv_timer_t timer; /* one for all: see link_next_due() */
        unsigned holds;   /* the timer and the wires that libuv still has */

        uint64_t due_ms;  /* CONNECTING: the end of patience */
        uint64_t read_ms; /* when bytes last came */
        uint64_t up_ms;
        bool is_overdue; /* it was too late once already: see link_look_at_time() */
        bool was_up;

        struct backoff backoff;
        unsigned turn;    /* which address of a name is tried next */
        char reason[256]; /* the last one logged, so that a thousand tries log one line */

        struct pending *ring;
        size_t ring_cap, ring_head, ring_count; /* cap is 0 or a power of two */

        void (*on_closed)(void *context);
        void *closed_context;
};

/* ---- The address ---- */

static char *link_decode(struct slice text, int *ret_error) {
        size_t len;
        char *out = malloc(text.len + 1);

        if (!out) {
                *ret_error = -ENOMEM;
                return NULL;
        }
        if (encode_percent_decode(text, out, text.len, &len) != 0 || memchr(out, 0, len)) {
                *ret_error = LINK_E_URL;
                free(out);
                return NULL;
        }
        out[len] = 0;
        return out;
}

static bool link_parse_number(struct slice text, unsigned long max, unsigned long *ret_number) {
        unsigned long number = 0;

        if (text.len == 0 || text.len > 9)
                return false;
        for (size_t i = 0; i < text.len; i++) {
                if (text.ptr[i] < '0' || text.ptr[i] > '9')
                        return false;
                number = number * 10 + (unsigned long)(text.ptr[i] - '0');
        }
        if (number > max)
                return false;
        *ret_number = number;
        return true;
}

/* Cuts text at the first c: returns what stands before it and leaves in *text what comes after. false: no c, nothing changed. */
static bool link_cut(struct slice *text, char c, struct slice *ret_before) {
        const char *at = text->len ? memchr(text->ptr, c, text->len) : NULL;

        if (!at)
                return false;
        *ret_before = (struct slice){ text->ptr, (size_t)(at - text->ptr) };
        *text = (struct slice){ at + 1, text->len - ret_before->len - 1 };
        return true;
}

/* [[user]:password@]: takes it off the front of authority. A user without a password is no way to log in. */
static int link_parse_user(struct slice *authority, struct link_address *address) {
        struct slice password, user;
        int r = 0;

        if (!link_cut(authority, '@', &password))
                return 0;
        if (!link_cut(&password, ':', &user))
                return LINK_E_URL;
        if (user.len > 0) {
                address->user = link_decode(user, &r);
                if (!address->user)
                        return r;
        }
        /* ":@" comes from a template whose password is empty: no password. With a user it is one: users may have an empty one. */
        if (password.len > 0 || user.len > 0)
                address->password = link_decode(password, &r);
        return r;
}

static bool link_is_host_name(const char *host) {
        static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
        size_t len = strlen(host);

        return len > 0 && len <= 253 && strspn(host, allowed) == len;
}

/* host[:port], where an IPv6 address stands in brackets (RFC 3986 section 3.2.2). */
static int link_parse_host(struct slice text, struct link_address *address) {
        unsigned long port = LINK_PORT;
        unsigned char ip[16];
        struct slice host = text;
        bool is_ip6 = text.len > 0 && text.ptr[0] == '[', has_port;

        if (is_ip6) {
                text = (struct slice){ text.ptr + 1, text.len - 1 };
                if (!link_cut(&text, ']', &host) || (text.len > 0 && text.ptr[0] != ':'))
                        return LINK_E_URL;
                has_port = text.len > 0;
                text.ptr += has_port;
                text.len -= has_port;
        } else {
                has_port = link_cut(&text, ':', &host);
        }
        if (has_port && (!link_parse_number(text, UINT16_MAX, &port) || port == 0))
                return LINK_E_URL;
        address->host = strndup(host.ptr, host.len);
        if (!address->host)
                return -ENOMEM;
        if (is_ip6 ? uv_inet_pton(AF_INET6, address->host, ip) != 0 : !link_is_host_name(address->host))
                return LINK_E_URL;
        address->port = (uint16_t)port;
        return 0;
}

static int link_parse_database(struct slice text, struct link_address *address) {
        unsigned long database;

        if (!link_parse_number(text, INT_MAX, &database))
                return LINK_E_URL;
        address->database = (int)database;
        return 0;
}

static int link_parse_tcp(struct slice rest, struct link_address *address) {
        struct slice authority, database = { 0 };
        int r;

        if (link_cut(&rest, '/', &authority))
                database = rest;
        else
                authority = rest;
        r = link_parse_user(&authority, address);
        if (r == 0)
                r = link_parse_host(authority, address);
        if (r == 0 && database.len > 0)
                r = link_parse_database(database, address);
        return r;
}

static int link_parse_unix(struct slice rest, struct link_address *address) {
        struct slice authority, path, query;
        int r;

        if (!link_cut(&rest, '/', &authority))
                return LINK_E_URL;
        r = link_parse_user(&authority, address);
        if (r)
                return r;
        if (authority.len > 0)
                return LINK_E_URL;
        rest = (struct slice){ rest.ptr - 1, rest.len + 1 }; /* the slash belongs to the path */
        query = rest;
        if (link_cut(&query, '?', &path)) {
                if (query.len < 3 || memcmp(query.ptr, "db=", 3) != 0)
                        return LINK_E_URL;
                r = link_parse_database((struct slice){ query.ptr + 3, query.len - 3 }, address);
                if (r)
                        return r;
        } else {
                path = rest;
        }
        /* libuv would cut a longer path and connect to something else. */
        if (path.len < 2 || path.len >= sizeof(((struct sockaddr_un *)0)->sun_path))
                return LINK_E_URL;
        address->path = strndup(path.ptr, path.len);
        return address->path ? 0 : -ENOMEM;
}

int link_parse_address(const char *url, struct link_address *ret_address) {
        struct link_address address = { 0 };
        int r;

        if (strncasecmp(url, "redis://", 8) == 0) {
                r = link_parse_tcp(slice_of(url + 8), &address);
        } else if (strncasecmp(url, "rediss://", 9) == 0) {
                address.tls = true;
                r = link_parse_tcp(slice_of(url + 9), &address);
        } else if (strncasecmp(url, "unix://", 7) == 0) {
                r = link_parse_unix(slice_of(url + 7), &address);
        } else {
                r = LINK_E_URL;
        }
        if (r) {
                link_address_deinit(&address);
                return r;
        }
        *ret_address = address;
        return 0;
}

void link_address_deinit(struct link_address *address) {
        if (address->password)
                explicit_bzero(address->password, strlen(address->password));
        free(address->host);
        free(address->path);
        free(address->user);
        free(address->password);
        *address = (struct link_address){ 0 };
}

static void link_print_address(const struct link_address *address, char *out, size_t size) {
        if (address->path)
                snprintf(out, size, "%s", address->path);
        else
                snprintf(out, size, strchr(address->host, ':') ? "[%s]:%u" : "%s:%u", address->host, (unsigned)address->port);
}

/* ---- The states ---- */

/* Which moves are allowed: one bit for each state that may follow. */
static const unsigned link_moves[] = {
        [LINK_CLOSED] = 1u << LINK_WAITING,
        [LINK_WAITING] = 1u << LINK_CONNECTING | 1u << LINK_CLOSING,
        [LINK_CONNECTING] = 1u << LINK_GREETING | 1u << LINK_WAITING | 1u << LINK_CLOSING,
        [LINK_GREETING] = 1u << LINK_READY | 1u << LINK_WAITING | 1u << LINK_CLOSING,
        [LINK_READY] = 1u << LINK_WAITING | 1u << LINK_CLOSING,
        [LINK_CLOSING] = 1u << LINK_CLOSED,
};

static void link_check(const struct link *link) {
        bool has_wire = link->state == LINK_CONNECTING || link->state == LINK_GREETING || link->state == LINK_READY;

        assert((link->wire != NULL) == has_wire); /* link#1 */
        assert(!link->wire || !link->wire->is_dead);
        assert(link->state != LINK_CONNECTING || link->ring_count == 0);                   /* link#2 */
        assert(link->state != LINK_CLOSED || (link->holds == 0 && link->ring_count == 0)); /* link#3 */
        assert(link->ring_count <= LIMIT_LINK_PENDING && link->ring_count <= link->ring_cap);
}

static void link_move(struct link *link, enum link_state state) {
        assert(link_moves[link->state] & 1u << state);
        link->state = state;
        link->is_overdue = false;
        link_check(link);
}

/* ---- Commands waiting for their replies ---- */

static struct pending *link_oldest(struct link *link) {
        return &link->ring[link->ring_head];
}

static int link_grow_ring(struct link *link) {
        size_t cap = link->ring_cap ? link->ring_cap * 2 : 64;
        struct pending *ring;

        if (link->ring_count < link->ring_cap)
                return 0;
        ring = calloc(cap, sizeof(*ring));
        if (!ring)
                return -ENOMEM;
        for (size_t i = 0; i < link->ring_count; i++)
                ring[i] = link->ring[(link->ring_head + i) & (link->ring_cap - 1)];
        free(link->ring);
        link->ring = ring;
        link->ring_cap = cap;
        link->ring_head = 0;
        return 0;
}

static void link_push_pending(struct link *link, struct pending pending) {
        link->ring[(link->ring_head + link->ring_count) & (link->ring_cap - 1)] = pending;
        link->ring_count++;
}

static struct pending link_pop_pending(struct link *link) {
        struct pending pending = *link_oldest(link);

        link->ring_head = (link->ring_head + 1) & (link->ring_cap - 1);
        link->ring_count--;
        return pending;
}

/* A callback may call link_close() but can queue nothing (link#2), so this ends. */
static void link_fail_pending(struct link *link) {
        while (link->ring_count > 0) {
                struct pending pending = link_pop_pending(link);

                if (pending.cb)
                        pending.cb(link, NULL, pending.arg);
        }
}

/* ---- The wire ---- */

/* Frees the link when libuv has nothing of it any more (link#3). */
static void link_let_go(struct link *link) {
        void (*on_closed)(void *context) = link->on_closed;
        void *context = link->closed_context;

        link->holds--;
        if (link->holds > 0)
                return;
        link_fail_pending(link);
        link_move(link, LINK_CLOSED);
        free(link->ring);
        free((char *)link->options.name);
        free((char *)link->options.ca_file);
        free(link);
        if (on_closed)
                on_closed(context);
}

static void wire_free(struct wire *wire) {
        if (wire->reader)
                redisReaderFree(wire->reader);
        free(wire);
}

static void on_wire_closed(void *context) {
        struct wire *wire = context;
        struct link *link = wire->link;

        wire_free(wire);
        link_let_go(link);
}

static void wire_close(struct wire *wire) {
        wire->is_dead = true;
        wire->link->wire = NULL;
        stream_close(wire->stream);
}

static void on_wire_open(struct stream *stream, void *context);
static void on_wire_read(struct stream *stream, struct slice bytes, void *context);
static void on_wire_lost(struct stream *stream, const char *reason, void *context);

static int wire_build(struct wire *wire, const struct link *link) {
        const struct link_address *address = link->options.address;
        const struct stream_options options = {
                .path = address->path,
                .host = address->host,
                .port = address->port,
                .turn = link->turn,
                .tls = address->tls,
                .ca_file = link->options.ca_file,
                .limit_bytes = LIMIT_LINK_OUTPUT_BYTES,
                .context = wire,
                .on_open = on_wire_open,
                .on_read = on_wire_read,
                .on_lost = on_wire_lost,
                .on_closed = on_wire_closed,
        };

        wire->reader = redisReaderCreate();
        if (!wire->reader)
                return -ENOMEM;
        wire->reader->maxbuf = LINK_KEPT_BYTES;
        return stream_open(link->loop, &options, &wire->stream);
}

/* 0, -ENOMEM or TLS_E_CA. */
static int wire_new(struct link *link, struct wire **ret_wire) {
        struct wire *wire = calloc(1, sizeof(*wire));
        int r;

        if (!wire)
                return -ENOMEM;
        wire->link = link;
        r = wire_build(wire, link);
        if (r) {
                wire_free(wire);
                return r;
        }
        link->holds++;
        *ret_wire = wire;
        return 0;
}

/* ---- Losing it ---- */

static void on_timer(uv_timer_t *timer);

static void link_arm(struct link *link, uint64_t delay_ms) {
        uv_timer_start(&link->timer, on_timer, delay_ms, 0);
}

/* A reason that stays the same is logged once, however many tries it takes. */
static void link_log_reason(struct link *link, const char *reason) {
        if (strcmp(link->reason, reason) == 0)
                return;
        snprintf(link->reason, sizeof(link->reason), "%s", reason);
        log_warning("Redis link is down. link=%s address=%s reason=\"%s\"", link->options.name, link->label, reason);
}

static void link_wait(struct link *link) {
        link_arm(link, backoff_step(&link->backoff, chance_u64()));
}

/* The end of a wire, whatever ended it. */
static void __attribute__((format(printf, 2, 3))) link_lose(struct link *link, const char *format, ...) {
        bool was_ready = link->state == LINK_READY;
        char reason[sizeof(link->reason)];
        va_list args;

        va_start(args, format);
        vsnprintf(reason, sizeof(reason), format, args);
        va_end(args);
        link_log_reason(link, reason);

        if (link->state == LINK_CONNECTING)
                link->turn++;
        if (was_ready && clock_monotonic_ms() - link->up_ms >= LINK_STABLE_MS)
                backoff_reset(&link->backoff);
        wire_close(link->wire);
        link_move(link, LINK_WAITING);
        link_wait(link);
        link_fail_pending(link);
        if (was_ready && link->state == LINK_WAITING && link->options.on_down)
                link->options.on_down(link, link->options.context);
}

static void on_wire_lost(struct stream *stream, const char *reason, void *context) {
        struct wire *wire = context;

        link_lose(wire->link, "%s", reason);
}

/* ---- Commands ---- */

/* Frames that come unasked, and those that answer a command of the same name: one for each channel. */
static const char *const link_push_names[] = { "message",    "smessage",    "pmessage",     "subscribe",   "ssubscribe",
                                               "psubscribe", "unsubscribe", "sunsubscribe", "punsubscribe" };

static const char *link_find_push(struct slice name) {
        for (size_t i = 0; i < sizeof(link_push_names) / sizeof(link_push_names[0]); i++)
                if (strlen(link_push_names[i]) == name.len && strncasecmp(link_push_names[i], name.ptr, name.len) == 0)
                        return link_push_names[i];
        return NULL;
}

/* An upper bound of what link_encode() writes: two numbers of at most 20 digits with their marks and line ends. */
static size_t link_encoded_max(size_t argc, const struct slice *argv) {
        size_t size = 24;

        for (size_t i = 0; i < argc; i++)
                size += argv[i].len + 24;
        return size;
}

/* An array of bulk strings, as Redis wants its commands (Redis serialization protocol specification, "Sending commands"). */
static void link_encode(struct buf *out, size_t argc, const struct slice *argv) {
        buf_add_char(out, '*');
        buf_add_uint(out, argc);
        for (size_t i = 0; i < argc; i++) {
                buf_add(out, "\r\n$", 3);
                buf_add_uint(out, argv[i].len);
                buf_add(out, "\r\n", 2);
                buf_add(out, argv[i].ptr, argv[i].len);
        }
        buf_add(out, "\r\n", 2);
}

static int link_queue(struct link *link, size_t argc, const struct slice *argv, link_reply_fn cb, void *arg, uint64_t wait_ms) {
        struct buf *out = stream_out(link->wire->stream);
        struct pending pending = { .cb = cb, .arg = arg, .due_ms = clock_monotonic_ms() + wait_ms };
        int r;

        assert(argc > 0);
        if (link->options.pushes)
                pending.push = link_find_push(argv[0]);
        if (pending.push)
                pending.pushes = argc > 1 ? argc - 1 : 1;
        assert(!pending.push || !cb); /* what answers it goes to on_push, so a callback would never come */

        if (link->ring_count == LIMIT_LINK_PENDING || out->len + link_encoded_max(argc, argv) > out->limit)
                return LINK_E_FULL;
        r = link_grow_ring(link);
        if (r < 0)
                return r;
        link_encode(out, argc, argv);
        if (buf_failed(out))
                return -ENOMEM; /* the stream finds it too, and is lost: but not from in here */
        link_push_pending(link, pending);
        metrics_add(REDIS_COMMANDS, 1);
        if (!uv_is_active((uv_handle_t *)&link->timer))
                link_arm(link, wait_ms);
        return 0;
}

int link_command(struct link *link, size_t argc, const struct slice *argv, link_reply_fn cb, void *arg) {
        if (link->state != LINK_READY)
                return LINK_E_DOWN;
        return link_queue(link, argc, argv, cb, arg, link->options.timeout_ms);
}

bool link_is_ready(const struct link *link) {
        return link->state == LINK_READY;
}

size_t link_pending(const struct link *link) {
        return link->ring_count;
}

/* ---- Greeting ---- */

static void link_become_ready(struct link *link) {
        link_move(link, LINK_READY);
        link->up_ms = clock_monotonic_ms();
        if (link->options.pushes)
                link_arm(link, link->options.timeout_ms / 2);
        else
                uv_timer_stop(&link->timer);
        if (link->was_up)
                metrics_add(REDIS_RECONNECTS, 1);
        link->was_up = true;
        link->reason[0] = 0;
        log_info("Redis link is up. link=%s address=%s", link->options.name, link->label);
        if (link->options.on_up)
                link->options.on_up(link, link->options.context);
}

/*
 * Any error ends this try: wrong password, LOADING, MASTERDOWN, too many clients. All of them may pass without us, so we come
 * back. AUTH and SELECT are harmless to send behind each other: after a failed AUTH the others fail too.
 */
static void on_greeting(struct link *link, struct redisReply *reply, void *arg) {
        const char *command = arg;

        if (!reply)
                return;
        if (reply->type == REDIS_REPLY_ERROR)
                link_lose(link, "%s: %s", command, reply->str);
        else if (reply->type != REDIS_REPLY_STATUS)
                link_lose(link, "%s: Redis answered something else", command);
        else if (link->ring_count == 0)
                link_become_ready(link);
}

static int link_greet_with(struct link *link, size_t argc, const struct slice *argv) {
        return link_queue(link, argc, argv, on_greeting, (void *)argv[0].ptr, link->options.timeout_ms);
}

static int link_queue_greeting(struct link *link) {
        const struct link_address *address = link->options.address;
        struct slice auth[3] = { SLICE("AUTH") };
        struct slice select[2] = { SLICE("SELECT") };
        char database[16];
        size_t argc = 1;
        int r = 0;

        if (address->password) {
                if (address->user)
                        auth[argc++] = slice_of(address->user);
                auth[argc++] = slice_of(address->password);
                r = link_greet_with(link, argc, auth);
        }
        if (r == 0 && address->database != 0) {
                snprintf(database, sizeof(database), "%d", address->database);
                select[1] = slice_of(database);
                r = link_greet_with(link, 2, select);
        }
        return r ? r : link_greet_with(link, 1, &SLICE("PING"));
}

static void link_greet(struct link *link) {
        uv_timer_stop(&link->timer); /* it was for connecting: link_queue() starts it for the oldest command */
        link_move(link, LINK_GREETING);
        if (link_queue_greeting(link) != 0)
                link_lose(link, "out of memory");
}

static void on_wire_open(struct stream *stream, void *context) {
        struct wire *wire = context;

        link_greet(wire->link);
}

/* ---- Reading ---- */

/* The name of a push frame, or NULL if reply answers a command. */
static const char *link_push_of(const struct link *link, const struct redisReply *reply) {
        const struct redisReply *first;

        if (!link->options.pushes || reply->type != REDIS_REPLY_ARRAY || reply->elements == 0)
                return NULL;
        first = reply->element[0];
        return first->type == REDIS_REPLY_STRING ? link_find_push((struct slice){ first->str, first->len }) : NULL;
}

/*
 * "ssubscribe" and its like answer the oldest command if that is what it waits for. Otherwise nobody asked: Redis sends
 * "sunsubscribe" of its own when a slot moves away.
 */
static void link_take_push(struct link *link, struct redisReply *reply, const char *push) {
        if (link->state != LINK_READY) {
                link_lose(link, "Redis broke the protocol: %s before the greeting", push);
                return;
        }
        if (link->ring_count > 0 && link_oldest(link)->push == push) {
                link_oldest(link)->pushes--;
                if (link_oldest(link)->pushes == 0)
                        (void)link_pop_pending(link);
        }
        link->options.on_push(link, reply, link->options.context);
}

/*
 * A replica where the master was: the name or the address now leads elsewhere, so connect again.
 * A refused subscription: nobody would be told, and a subscriber that hears nothing is worse than one that is down.
 */
static void link_take_error(struct link *link, const struct redisReply *reply, const struct pending *pending) {
        if (strncmp(reply->str, "READONLY", 8) == 0)
                link_lose(link, "%s", reply->str);
        else if (pending->push)
                link_lose(link, "%s: %s", pending->push, reply->str);
}

static void wire_take_reply(struct wire *wire, struct redisReply *reply) {
        struct link *link = wire->link;
        const char *push = link_push_of(link, reply);
        struct pending pending;

        if (reply->type == REDIS_REPLY_ERROR)
                metrics_add(REDIS_ERRORS, 1);
        if (push) {
                link_take_push(link, reply, push);
                return;
        }
        if (reply->type > REDIS_REPLY_ERROR) { /* hiredis 1.2 reads RESP3, which we never asked for */
                link_lose(link, "Redis broke the protocol: RESP3");
                return;
        }
        if (link->ring_count == 0) {
                link_lose(link, "unasked: %s", reply->type == REDIS_REPLY_ERROR ? reply->str : "a reply to no command");
                return;
        }
        pending = link_pop_pending(link);
        if (pending.cb)
                pending.cb(link, reply, pending.arg);
        if (!wire->is_dead && reply->type == REDIS_REPLY_ERROR)
                link_take_error(link, reply, &pending);
}

static void wire_parse(struct wire *wire, struct slice bytes) {
        struct link *link = wire->link;

        if (redisReaderFeed(wire->reader, bytes.ptr, bytes.len) != REDIS_OK) {
                link_lose(link, "out of memory");
                return;
        }
        wire->reply_bytes += bytes.len;
        while (!wire->is_dead) {
                void *reply = NULL;

                if (redisReaderGetReply(wire->reader, &reply) != REDIS_OK) {
                        link_lose(link, "Redis broke the protocol: %s", wire->reader->errstr);
                        return;
                }
                if (!reply)
                        break;
                wire->reply_bytes = wire->reader->len - wire->reader->pos;
                wire_take_reply(wire, reply);
                freeReplyObject(reply);
        }
        if (!wire->is_dead && wire->reply_bytes > LIMIT_LINK_REPLY_BYTES)
                link_lose(link, "a reply is longer than %d bytes", LIMIT_LINK_REPLY_BYTES);
}

static void on_wire_read(struct stream *stream, struct slice bytes, void *context) {
        struct wire *wire = context;

        wire->link->read_ms = clock_monotonic_ms();
        wire->link->is_overdue = false;
        wire_parse(wire, bytes);
}

/* ---- Time ---- */

static void link_connect(struct link *link) {
        struct wire *wire;
        int r = wire_new(link, &wire);

        if (r) {
                link_log_reason(link, r == TLS_E_CA ? "TLS: the file of authorities cannot be read" : uv_strerror(r));
                link_wait(link);
                return;
        }
        link->wire = wire;
        link->due_ms = clock_monotonic_ms() + link->options.timeout_ms;
        link_move(link, LINK_CONNECTING);
        link_arm(link, link->options.timeout_ms);
}

/* When the link is lost if nothing happens; false: nothing is awaited. */
static bool link_next_due(struct link *link, uint64_t *ret_due_ms) {
        if (link->state == LINK_CONNECTING)
                *ret_due_ms = link->due_ms;
        else if (link->ring_count > 0)
                *ret_due_ms = link_oldest(link)->due_ms;
        else
                return false;
        return true;
}

/* A subscriber may hear nothing for hours, so it asks after half the time and gives Redis the other half to answer. */
static void link_ask(struct link *link, uint64_t now_ms) {
        uint64_t half_ms = link->options.timeout_ms / 2;

        if (now_ms < link->read_ms + half_ms)
                link_arm(link, link->read_ms + half_ms - now_ms);
        else if (link_queue(link, 1, &SLICE("PING"), NULL, NULL, link->options.timeout_ms - half_ms) != 0)
                link_lose(link, "out of memory");
}

/*
 * libuv fires timers before it reads, and its time may be old when a callback held the loop. So being late is believed only
 * after one more turn in which nothing came: a hub that was stopped for a while does not blame Redis.
 */
static void link_look_at_time(struct link *link) {
        uint64_t now_ms = clock_monotonic_ms(), due_ms;

        if (!link_next_due(link, &due_ms)) {
                if (link->options.pushes)
                        link_ask(link, now_ms);
        } else if (now_ms < due_ms) {
                link_arm(link, due_ms - now_ms);
        } else if (!link->is_overdue) {
                link->is_overdue = true;
                link_arm(link, 1); /* 0 would fire again before libuv reads */
        } else {
                link_lose(link, "no answer within %" PRIu64 " ms", link->options.timeout_ms);
        }
}

static void on_timer(uv_timer_t *timer) {
        struct link *link = timer->data;

        if (link->state == LINK_WAITING)
                link_connect(link);
        else
                link_look_at_time(link);
}

/* ---- Opening and closing ---- */

static void on_timer_closed(uv_handle_t *handle) {
        link_let_go(handle->data);
}

struct link *link_open(uv_loop_t *loop, const struct link_options *options) {
        struct link *link = calloc(1, sizeof(*link));

        assert(options->timeout_ms > 0);
        assert(!options->pushes || options->on_push);
        if (!link)
                return NULL;
        link->loop = loop;
        link->options = *options;
        link->options.name = strdup(options->name ? options->name : "redis");
        link->options.ca_file = options->ca_file ? strdup(options->ca_file) : NULL;
        if (!link->options.name || (options->ca_file && !link->options.ca_file)) {
                free((char *)link->options.name);
                free((char *)link->options.ca_file);
                free(link);
                return NULL;
        }
        link->backoff = (struct backoff){ .base_ms = LINK_BACKOFF_BASE_MS, .max_ms = LINK_BACKOFF_MAX_MS };
        link_print_address(options->address, link->label, sizeof(link->label));
        uv_timer_init(loop, &link->timer);
        link->timer.data = link;
        link->holds = 1;
        link_move(link, LINK_WAITING);
        link_arm(link, 0);
        return link;
}

void link_close(struct link *link, void (*on_closed)(void *context), void *context) {
        assert(link->state != LINK_CLOSING && link->state != LINK_CLOSED);
        link->on_closed = on_closed;
        link->closed_context = context;
        if (link->wire)
                wire_close(link->wire);
        link_move(link, LINK_CLOSING);
        uv_close((uv_handle_t *)&link->timer, on_timer_closed);
}
