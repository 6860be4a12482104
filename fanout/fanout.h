/* SPDX-License-Identifier: Apache-2.0 */
/* fanout.h: what the parts of this folder share in one worker. */
#pragma once
#include <stdint.h>

struct channel_table;
struct node;
struct roster_cache;
struct store;

struct fanout {
        struct store *store;
        struct roster_cache *rosters;
        struct node *node;
        struct channel_table *channels; /* followed by this node */
        int64_t inbox_max; /* events of one inbox; older ones become a gap */
        int64_t log_max;   /* entries of one conversation's log */
        uint64_t receipts_max; /* members of a group in which receipts are told to all; 0: no limit */
        int64_t device_age_ms; /* a device that was not seen for so long holds nothing back */
        int64_t push_delay_ms; /* for a device that is connected to acknowledge, before it is pushed to; -1: this hub does not push */
};

/* An epoch and a NUL: 16 digits, of a user perhaps a point and a time behind them (lua/session.lua, attach#6). */
enum { EPOCH_BYTES = 40 };

/* What an operation on the store ended with: 0, or one of these answers; each maps to an error code of the protocol. */
enum {
        FANOUT_E_UNAVAILABLE = 1,
        FANOUT_E_NOT_FOUND,
        FANOUT_E_FORBIDDEN,
        FANOUT_E_BAD_REQUEST,
        FANOUT_E_CONFLICT,
        FANOUT_E_CHANNEL,    /* it is a channel, where there is no such thing */
        FANOUT_E_NO_CHANNEL, /* it is none */
        FANOUT_E_FULL,       /* all devices that a user may have are connected */
        FANOUT_E_MEMBERS,    /* the members are not those it was made for: only where that is asked for (post.once) */
};
