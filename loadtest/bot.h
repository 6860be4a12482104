/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bot.h: one device: its connection, its session, what it waits for.
 *
 * 1. A bot comes back by itself, with backoff, after anything but a close code of 4400–4499 or bot_leave().
 * 2. A message is sent again with the same op until it has an answer, over any number of sessions.
 * 3. A bot brings the last n it was shown when it comes back, and for channels the last seq.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/backoff.h"
#include "base/list.h"
#include "base/wheel.h"

struct buf;
struct swarm;
struct veil;

enum bot_state {
        BOT_AWAY,    /* not connected, and perhaps never again */
        BOT_WAITING, /* … but soon */
        BOT_CONNECTING,
        BOT_VEILING, /* TLS shakes hands */
        BOT_UPGRADING,
        BOT_HELLO,    /* waits for welcome */
        BOT_CATCHING, /* waits for caught_up and subscribed */
        BOT_LIVE,
};

struct bot {
        struct swarm *swarm;
        uint32_t index; /* in the swarm */
        int fd;         /* -1: none */
        uint8_t state;
        bool stalled, asleep, turned_away, writing, caught_up, cursor_known, returning;
        uint16_t subscriptions; /* that are not answered yet */
        uint16_t sends_count;
        uint32_t number; /* of the last message it made */
        struct wheel_timer timer;
        struct list queue, debt, sends; /* sends: struct sending, link */
        uint64_t n, acked_n;
        uint64_t dialled_us, live_us, awake_us, debt_us, retry_us;
        uint32_t retry_after_ms; /* what goaway said */
        struct backoff backoff;
        struct buf *in, *out; /* only while there is something in them */
        struct veil *veil;
};

void bot_init(struct bot *bot, struct swarm *swarm, uint32_t index);
void bot_deinit(struct bot *bot);

void bot_wait(struct bot *bot); /* queues for being dialled */
void bot_dial(struct bot *bot); /* from the queue */
void bot_on_event(struct bot *bot, uint32_t events);
void bot_cut(struct bot *bot);                 /* the network is gone, without a word; the bot is away */
void bot_leave(struct bot *bot);               /* it goes by its own will, until bot_wait() */
void bot_stall(struct bot *bot, bool stalled); /* stops reading, or reads on */

/* A message is due: sent now or when it is back. */
void bot_say(struct bot *bot, uint32_t room, uint64_t due_us);
void bot_type(struct bot *bot, uint32_t room);
void bot_tell_read(struct bot *bot, uint32_t room, uint64_t seq);
void bot_acknowledge(struct bot *bot); /* what it owes */
void bot_retry(struct bot *bot);       /* repeats what has no answer */
