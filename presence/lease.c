/* SPDX-License-Identifier: Apache-2.0 */
/* lease.c: see lease.h. The store's side is b1_lease in fanout/lua/node.lua. */
#include "presence/lease.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/clock.h"
#include "base/log.h"
#include "fanout/fanout.h"
#include "fanout/node.h"
#include "fanout/store.h"

enum { LEASE_FORGET_MS = 3600 * 1000 };

struct lease_peer {
        UT_hash_handle hh;
        int64_t at_ms; /* store time of its latest renewal */
        bool listed;   /* in the latest answer */
        bool born;     /* told by the node channel; an answer under way may not know it yet */
        bool dead;
        size_t id_len;
        char id[];
};

struct lease {
        struct fanout *fanout;
        struct lease_options options;
        struct lease_peer *peers;
        unsigned asking; /* questions under way */
        bool held;
        int64_t now_ms;        /* store time of the latest answer */
        uint64_t answered_ms;  /* when it came */
        int64_t since_ms;      /* store time from when on we looked without a break */
};

struct lease *lease_new(struct fanout *fanout, const struct lease_options *options) {
        struct lease *lease = calloc(1, sizeof(*lease));
        if (!lease)
                return NULL;
        lease->fanout = fanout;
        lease->options = *options;
        return lease;
}

struct lease *lease_free(struct lease *lease) {
        struct lease_peer *peer, *next;
        if (!lease)
                return NULL;
        HASH_ITER(hh, lease->peers, peer, next) {
                HASH_DEL(lease->peers, peer);
                free(peer);
        }
        free(lease);
        return NULL;
}

bool lease_is_held(const struct lease *lease) {
        return lease->held;
}

int64_t lease_store_ms(const struct lease *lease, uint64_t now_ms) {
        return lease->now_ms + (int64_t)(now_ms - lease->answered_ms);
}

static struct lease_peer *lease_peer(const struct lease *lease, struct slice node) {
        struct lease_peer *peer = NULL;
        HASH_FIND(hh, lease->peers, node.ptr, node.len, peer);
        return peer;
}

bool lease_is_alive(const struct lease *lease, struct slice node) {
        if (slice_equal(node, node_id(lease->fanout->node)))
                return true;
        const struct lease_peer *peer = lease_peer(lease, node);
        if (peer)
                return !peer->dead;
        /* Unknown: long gone, as new ones are told (lease#1 in lua/node.lua); unless we ourselves have only begun. */
        return lease->now_ms - lease->since_ms < LEASE_TTL_MS;
}

bool lease_is_chosen(const struct lease *lease) {
        struct slice own = node_id(lease->fanout->node);
        for (const struct lease_peer *peer = lease->peers; peer; peer = peer->hh.next) {
                size_t len = peer->id_len < own.len ? peer->id_len : own.len;
                if (!peer->dead && memcmp(peer->id, own.ptr, len) < 0)
                        return false;
        }
        return lease->held;
}

/* ttl_ms: of its lease, which must have run out; 0 if it may hold. */
static void lease_tell_gone(struct lease *lease, struct slice node, int64_t ttl_ms) {
        struct call *call = store_call(lease->fanout->store, "leave");
        store_call_key_in(call, KEY_NODES, 0, SLICE(""));
        for (unsigned p = 0; p < PARTITIONS; p++)
                store_call_key_in(call, KEY_COUNTER, p, node);
        store_call_arg(call, node);
        store_call_arg_int(call, ttl_ms);
        if (store_call_send(call, NULL, NULL))
                log_debug("A dead node could not be forgotten now.");
}

void lease_leave(struct lease *lease, struct slice node) {
        lease_tell_gone(lease, node, 0);
}

/* Its counters go with it. */
void lease_forget(struct lease *lease, struct slice node) {
        lease_tell_gone(lease, node, LEASE_TTL_MS);
}

static void lease_see(struct lease *lease, struct slice node, int64_t at_ms) {
        struct lease_peer *peer = lease_peer(lease, node);
        bool lives = !peer || (peer->dead && at_ms > peer->at_ms);
        if (!peer) {
                peer = calloc(1, sizeof(*peer) + node.len);
                if (!peer)
                        return;
                peer->id_len = node.len;
                memcpy(peer->id, node.ptr, node.len);
                HASH_ADD_KEYPTR(hh, lease->peers, peer->id, peer->id_len, peer);
        }
        if (lives)
                peer->dead = false;
        peer->at_ms = at_ms;
        peer->listed = true;
        if (lives)
                lease->options.on_life(lease->options.context);
}

void lease_on_birth(struct lease *lease, struct slice node) {
        struct lease_peer *peer = lease_peer(lease, node);
        int64_t at_ms = peer && peer->at_ms >= lease->now_ms ? peer->at_ms + 1 : lease->now_ms;
        lease_see(lease, node, at_ms);
        peer = lease_peer(lease, node);
        if (peer)
                peer->born = true;
}

static void lease_judge(struct lease *lease) {
        bool may_judge = lease->now_ms - lease->since_ms >= LEASE_TTL_MS;
        struct lease_peer *peer, *next;
        HASH_ITER(hh, lease->peers, peer, next) {
                struct slice id = { peer->id, peer->id_len };
                bool gone = !peer->listed && !peer->born;
                peer->listed = peer->born = false;
                /* One that is no longer listed has left by itself: no need to wait. */
                if (!peer->dead && (gone || (may_judge && lease->now_ms - peer->at_ms > LEASE_TTL_MS))) {
                        peer->dead = true;
                        lease->options.on_death(lease->options.context, id, peer->at_ms);
                }
                if (gone) {
                        HASH_DEL(lease->peers, peer);
                        free(peer);
                } else if (peer->dead && may_judge && lease->now_ms - peer->at_ms > LEASE_FORGET_MS && lease_is_chosen(lease)) {
                        lease_forget(lease, id);
                }
        }
}

static void lease_on_reply(void *arg, const struct redisReply *reply) {
        struct lease *lease = arg;
        lease->asking--;
        if (!reply)
                return;
        int64_t now_ms = store_int(store_item(reply, 0));
        bool broken = now_ms - lease->now_ms > LEASE_TTL_MS;
        bool first = !lease->held;
        bool was_unsure = lease->now_ms - lease->since_ms < LEASE_TTL_MS;
        if (broken)
                lease->since_ms = now_ms;
        lease->now_ms = now_ms;
        store_witness(lease->fanout->store, node_id(lease->fanout->node), now_ms);
        lease->answered_ms = clock_monotonic_ms();
        lease->held = true;
        for (size_t i = 1; i + 1 < store_count(reply); i += 2) {
                struct slice node = store_text(store_item(reply, i));
                if (!slice_equal(node, node_id(lease->fanout->node)))
                        lease_see(lease, node, store_int(store_item(reply, i + 1)));
        }
        lease_judge(lease);
        if (was_unsure && now_ms - lease->since_ms >= LEASE_TTL_MS)
                lease->options.on_life(lease->options.context);
        if (first)
                lease->options.on_held(lease->options.context);
        else if (broken)
                lease->options.on_lost(lease->options.context);
}

void lease_tick(struct lease *lease) {
        if (!lease->asking)
                lease_renew(lease);
}

void lease_renew(struct lease *lease) {
        struct call *call = store_call(lease->fanout->store, "lease");
        store_call_key_in(call, KEY_NODES, 0, SLICE(""));
        store_call_arg(call, node_id(lease->fanout->node));
        store_call_arg_channel(call, 0);
        store_call_arg_int(call, LEASE_TTL_MS);
        if (store_call_send(call, lease_on_reply, lease) == 0)
                lease->asking++;
}
