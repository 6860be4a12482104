/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.h: one device on one WebSocket: a cursor and a window.
 *
 *      FRESH --hello--> ATTACHING --> REPLAYING <--> LIVE
 *        \________________\_______________\___________\--> CLOSING --> ENDED
 *
 * FRESH      connected, no hello yet
 * ATTACHING  the token is good; the store is asked for the device's place. Events may already arrive: only the head is noted
 * REPLAYING  pages are read from the inbox and sent while fewer than the window are unacknowledged
 * LIVE       everything up to the head was sent; events come straight from the node channel
 * CLOSING    what is queued is written, then the close frame; the peer's answer to it is waited for
 * ENDED      the socket is gone; the memory stays while answers are under way
 *
 * Invariants:
 *   session#1  acked <= sent <= head, and at most LIMIT_WINDOW_EVENTS events lie between acked and sent. Numbers that no event
 *              has (of a gap, of replaced receipts) do not count: acked passes them once the events before are acknowledged.
 *   session#2  Events leave in strictly rising n: an event with n = sent + 1 is queued, any other waits for a page.
 *   session#3  In LIVE, sent == head. A hole, a full window or a peer that reads slowly ends LIVE: the log is the buffer.
 *   session#4  Nothing is sent after the close frame, and nothing is done for a session that is CLOSING or ENDED.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/list.h"
#include "base/wheel.h"
#include "contract/codes.h"
#include "fanout/acks.h"
#include "fanout/node.h"
#include "hub/auth.h"
#include "hub/outbox.h"
#include "presence/registry.h"
#include "presence/watch.h"

struct hub;
struct lws;
struct inbox_read;
struct request;

enum session_state { SESSION_FRESH, SESSION_ATTACHING, SESSION_REPLAYING, SESSION_LIVE, SESSION_CLOSING, SESSION_ENDED };

enum { SESSION_STEP = 32, SESSION_STEPS = 8 }; /* together a window */

struct session {
        uint32_t refs; /* the socket, and each answer under way */
        enum session_state state;
        struct hub *hub;
        struct lws *wsi; /* NULL once ENDED */
        struct list all; /* in hub->sessions */
        struct list dirty;
        struct outbox outbox;
        struct subscriber subscriber;
        struct watcher watcher;
        struct ack ack;
        struct wheel_timer timer;
        struct inbox_read *page;          /* a page under way */
        uint64_t head, sent, acked;
        uint64_t noted;             /* the highest head heard of since the page under way was asked for */
        struct outbox_place written; /* what was given to the socket */
        uint64_t last_event;        /* the latest n that was really sent: n may skip */
        uint32_t unacked;           /* events between acked and sent: so many at most */
        uint64_t queued;            /* events queued since the session has its place */
        uint64_t steps[SESSION_STEPS]; /* n of each SESSION_STEP-th of them, a ring */
        int64_t opened_store_ms;    /* when it connected, by the store's clock */
        int64_t said_ms;            /* when it last learned whether the user is invisible, by the same; 0: never, and so the user was not */
        uint64_t opened_ms, heard_ms, pinged_ms; /* pinged_ms 0: no ping is open */
        int64_t token_ms;           /* wall time at which the token expires; 0: no token yet */
        struct list unattached;     /* struct hub: it waits to be registered anew */
        uint64_t again_sent, again_head; /* what they were when that began (again): the store's head is not below, or it lost its past */
        uint16_t in_flight;         /* requests waiting for the store */
        uint16_t refused;           /* requests refused by a rate limit, less those allowed since */
        uint16_t subscriptions_count;
        bool again, again_due;      /* it is registered anew, or waits for that, and is to be once more after that: no event is taken before it is known of which past */
        bool was_reset;             /* what it acknowledged before may be beyond its head */
        bool registered;            /* in the node's audience */
        bool head_unsure;           /* the head may be higher than we know: a page tells */
        bool counted;               /* in the gauge of sessions */
        bool caught_up_sent, background, away, invisible, blocked, paused, close_sent, expiring_sent;
        bool page_failed;           /* it is asked for again in a moment */
        bool starved;               /* a subscription waits for room in the outbox */
        bool presence_missed;       /* there was no room for a change of presence: all of it is told again when there is */
        bool hello_has_id;
        int64_t hello_id;
        struct auth_claims *claims; /* of the upgrade, until hello */
        struct buf early;           /* requests that wait, for welcome or for those before them: length and text of each */
        char id[17];
        char *user, *device;        /* one block */
        char epoch[EPOCH_BYTES];
        struct list sends;          /* struct protocol_job, link: sends of this session, in their order */
        struct list typings;        /* struct typist_row, link: typist.c */
        uint64_t typed;             /* typing frames that said on */
        struct list subscriptions;  /* struct subscription, link */
        char *grants;               /* channels that the token allows, with a space between; NULL: none */
        void (*on_reply)(void *arg, struct slice text); /* of a visit; else NULL */
        void *reply_arg;
};

/* The upgrade is done. claims: from the Authorization header, or NULL. NULL without memory. */
struct session *session_new(struct hub *hub, struct lws *wsi, const struct auth_claims *claims);
struct session *session_ref(struct session *session);
struct session *session_unref(struct session *session);

/*
 * A visit: a session without socket and events, known to nobody, whose requests are those of one POST /v1/sync (sync.c). It is open
 * from the start; replies go to on_reply. Let go with session_unref(). NULL without memory.
 */
struct session *session_new_visit(struct hub *hub, struct slice user, struct slice device, void (*on_reply)(void *arg, struct slice text), void *arg);

/* From the socket. */
void session_on_frame(struct session *session, struct slice text, bool binary);
void session_on_too_large(struct session *session);
void session_on_heard(struct session *session);
void session_on_closed(struct session *session);

/* Writes what is queued, as far as the socket takes it: called by the flush of the dirty list and when the socket is writable again. */
void session_flush(struct session *session);

/* Something is queued: it is written in the next flush. */
void session_mark_dirty(struct session *session);
/* A frame in answer to a request, or said by the hub itself. */
void session_reply(struct session *session, struct slice text);
void session_error(struct session *session, const struct request *request, enum error_code code, const char *message);
void session_error_id(struct session *session, bool has_id, int64_t id, enum error_code code, const char *message);
/* The same, with the time after which a temporary error may have passed. */
void session_error_after(struct session *session, bool has_id, int64_t id, enum error_code code, const char *message, uint64_t retry_ms);
/* Ends the session with a close code, after what is queued. */
void session_close(struct session *session, enum close_code code);
/* goaway, then close 4001. */
void session_drain(struct session *session, uint64_t retry_after_ms);

bool session_is_open(const struct session *session); /* authenticated and not closing */
struct registry_session session_registry(const struct session *session);

/* What requests do to the session's own state. */
void session_hello(struct session *session, const struct request *request);
void session_ack(struct session *session, const struct request *request);
void session_auth(struct session *session, const struct request *request);
/* Remembers a status, for when it is registered anew. */
void session_note_status(struct session *session, struct slice status);
/* Reads on in the inbox if there is something and the window has room; else the session is live. */
void session_advance(struct session *session);
/* Sets the timer to what is due next. */
void session_schedule(struct session *session);
/* Keeps a request until welcome, or until those before it have their replies. */
void session_defer(struct session *session, struct slice object);
/* One more or one less request waits for the store. */
void session_begin(struct session *session);
void session_end(struct session *session);
/* Registers anew, after the lease was lost or the store lost its past. */
void session_attach_again(struct session *session);
