/* SPDX-License-Identifier: Apache-2.0 */
/*
 * swarm.h: one process of a run: its loop, its share of the devices, and what it decides for all of them.
 *
 * A swarm never waits for another and reads the phase from the board. All members of a room are in one swarm, so its own audit
 * sees all of them; a channel spans all swarms, and what is acknowledged there goes through the board.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/list.h"
#include "loadtest/board.h"
#include "loadtest/dice.h"
#include "loadtest/plan.h"
#include "loadtest/schedule.h"
#include "loadtest/share.h"

struct audit;
struct bot;
struct veil_context;
struct wheel;

struct swarm {
        const struct plan *plan;
        struct board *board;
        struct board_slot *slot;
        uint32_t index;
        struct share share;
        struct audit *audit;
        struct bot *bots;
        struct wheel *wheel;
        struct veil_context *veil_context;
        struct dice dice, naps; /* naps: who sleeps when, in mobile */
        struct schedule messages, churn;
        int epoll_fd;
        enum phase phase;
        uint32_t storm;
        uint64_t now_us;        /* of this turn; each read takes it anew */
        uint64_t last_shown_us; /* when a device was shown something last */

        struct list waiting;  /* struct bot, queue: to be dialled when there is room among the handshakes */
        struct list retrying; /* struct bot, queue: repeat what was refused for now */
        struct list owing;    /* struct bot, debt: acknowledge soon */
        uint32_t handshaking; /* bots between dial and live */
        uint32_t pending;     /* messages without an answer */
        uint64_t dial_us;     /* with --connect-rate: when the next may be dialled */
        uint32_t away;        /* in a storm: bots that are not welcomed yet */
        bool welcomed;        /* in a storm: all are */

        struct buf out;                 /* what is being built */
        char epoch[64];                 /* of the store, as welcome told */
        char accept[28];                /* Sec-WebSocket-Accept for our key */
        char upgrade[1024];              /* the request, the same for all */
        char in[(1 << 18) + (1 << 20)]; /* what is being read: what was kept, and one read more */
};

/* The process: returns when the run is over or cannot begin. The exit status of the process. */
int swarm_run(const struct plan *plan, struct board *board, uint32_t index);

/* What a bot tells. */
void swarm_on_welcome(struct swarm *swarm);
void swarm_on_live(struct swarm *swarm, struct bot *bot);
void swarm_on_due(struct swarm *swarm, struct bot *bot);                /* its timer, while it is live */
void swarm_on_own(struct swarm *swarm, struct bot *bot, uint32_t room); /* it was shown a message of its own */
void swarm_on_shown(struct swarm *swarm, struct bot *bot, uint32_t room, uint64_t seq);
