/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stage.h: the world of one session, played by the test: its socket, its store, its clock.
 *
 * stage.c defines the few functions of libwebsockets, fanout/ and presence/ that hub/session.c calls; the linker takes them in
 * their stead. hub/session.c, hub/outbox.c and base/ are those that ship.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/config.h"
#include "fanout/inbox.h"
#include "hub/auth.h"
#include "hub/hub.h"
#include "hub/session.h"
#include "hub/wire.h"
#include "presence/registry.h"

struct inbox_read {
        unsigned serial;
        uint64_t after;
        size_t limit;
        inbox_done_fn done;
        void *arg;
};

struct stage {
        struct hub hub;
        struct config config;
        struct session *session;
        uint64_t now_ms;
        int64_t wall_ms;
        /* the socket */
        struct buf wire;       /* written and not yet read by the peer */
        size_t read;           /* of wire */
        bool partial;          /* the kernel takes no more */
        bool wants_writable;   /* told when it does again */
        bool paused;           /* nothing is read from the peer */
        bool killed;
        bool closed;           /* a close frame was written */
        /* the store */
        bool ready;
        const char *store_epoch;
        bool refuses_pages, refuses_attach;
        bool store_away;       /* its link is lost: whoever waits gets no answer, and nothing can be asked */
        struct inbox_read *page; /* asked for and not yet answered */
        unsigned serial;
        registry_attached_fn on_attached;
        void *attached_arg;
        bool attached_again, attached_away, attached_invisible;
        int64_t attached_said_ms;
        bool user_invisible;   /* says the store */
        char attached_epoch[64];
        uint64_t attached_cursor;
        uint64_t attached_told;
        int audience;          /* node_add() less node_remove() */
        int detached;
        uint64_t noted;        /* the latest acknowledgement */
        /* what else was asked for */
        int auth_answer;
        struct auth_claims claims;
        char cast[256];        /* the latest */
        int casts, objects;
        int presence_repeated;
};

extern struct stage stage;

/* A session that just connected, in a fresh world. */
void stage_open(void);
void stage_close(void);
/* The session's socket is gone, and what hung on it; a new one may follow by stage_connect(). */
void stage_disconnect(void);
void stage_connect(void);

/* hello with a good token; epoch NULL: without a cursor. */
void stage_hello(const char *epoch, uint64_t cursor);
/* The store answers. */
void stage_answer_attach(int answer, const char *epoch, uint64_t cursor, uint64_t head);
void stage_answer_page(const struct inbox_page *result);
/* The event n by the node channel, with a tail of so many bytes. */
void stage_event(uint64_t n, size_t bytes);
struct frame *stage_tail(uint64_t n, size_t bytes);
void stage_head(uint64_t n);
void stage_ack(uint64_t n);

/* One turn of the worker's loop. */
void stage_flush(void);
/* The kernel takes bytes again. */
void stage_unblock(void);
void stage_tick(uint64_t ms);

/* The next frame that the peer reads, as text; "ping" and "close 4409 reason" for control frames. NULL: none. Till the next call. */
const char *stage_take(void);
/* The number that follows "name": in a frame; fails the test if there is none. */
uint64_t stage_number(const char *frame, const char *name);
bool stage_is(const char *frame, const char *type);
