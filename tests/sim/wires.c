/* SPDX-License-Identifier: Apache-2.0 */
/* wires.c: see wires.h. */
#include "tests/sim/wires.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/link.h"
#include "base/list.h"
#include "tests/sim/server.h"
#include "tests/sim/sites.h"
#include "tests/sim/world.h"

enum link_state { LINK_WAITING, LINK_READY, LINK_CLOSED };

/* A command that has no reply yet. */
struct waiting {
        struct list link;
        link_reply_fn cb; /* NULL: the reply does not matter */
        void *arg;
        uint64_t sent_us;
};

/* What travels together: commands to the store, or replies and publications from it. */
struct batch {
        struct list link; /* in its link's batches */
        struct link *of;
        unsigned connection;
        size_t count, capacity;
        struct {
                size_t argc;
                struct slice *argv;       /* one block */
                struct redisReply *reply; /* NULL: a command without one */
        } *items;
        bool pushed; /* a publication */
};

struct link {
        struct list all;
        struct link_options options;
        uv_loop_t *loop;
        enum link_state state;
        unsigned connection; /* which one: batches of earlier ones are lost */
        bool severed, dead;
        struct list waiting; /* struct waiting, link */
        struct list batches; /* struct batch, link: under way */
        struct batch *turn;  /* commands of this turn */
        uint64_t down_us, up_us; /* when the latest under way arrives: to the store, from the store */
        void (*on_closed)(void *context);
        void *closed_context;
};

static struct list links;

static struct list *wires_all(void) {
        if (!links.next)
                list_init(&links);
        return &links;
}

static uint64_t wires_delay_us(void) {
        return world_one_in(50) && !world.calm ? world_chance(200000) : world_one_in(8) ? world_chance(8000) : 50 + world_chance(500);
}

/* ---- batches ---- */

static struct batch *wires_batch(struct link *link) {
        struct batch *batch = calloc(1, sizeof(*batch));
        if (!batch)
                abort();
        batch->of = link;
        batch->connection = link->connection;
        list_append(&link->batches, &batch->link);
        return batch;
}

static void wires_batch_free(struct batch *batch) {
        for (size_t i = 0; i < batch->count; i++) {
                free(batch->items[i].argv);
                freeReplyObject(batch->items[i].reply);
        }
        list_remove(&batch->link);
        free(batch->items);
        free(batch);
}

static size_t wires_item(struct batch *batch) {
        if (batch->count == batch->capacity) {
                batch->capacity = batch->capacity ? batch->capacity * 2 : 4;
                batch->items = realloc(batch->items, batch->capacity * sizeof(*batch->items));
                if (!batch->items)
                        abort();
        }
        memset(&batch->items[batch->count], 0, sizeof(batch->items[0]));
        return batch->count++;
}

/* Never before what left earlier. */
static void wires_travel(struct batch *batch, uint64_t *latest_us, world_fn arrive) {
        uint64_t at_us = world_arrival(wires_delay_us());
        *latest_us = at_us > *latest_us ? at_us : *latest_us;
        world_at(*latest_us, arrive, batch);
}

/* ---- from the store ---- */

static void wires_on_replies(void *arg) {
        struct batch *batch = arg;
        struct link *link = batch->of;
        uint64_t frozen_us = sites_frozen_until_us(link->loop);
        if (frozen_us > world.now_us) {
                world_at(frozen_us, wires_on_replies, batch);
                return;
        }
        sites_enter(link->loop);
        for (size_t i = 0; i < batch->count && batch->connection == link->connection && link->state == LINK_READY; i++) {
                struct redisReply *reply = batch->items[i].reply;
                if (batch->pushed) {
                        if (link->options.on_push)
                                link->options.on_push(link, reply, link->options.context);
                        continue;
                }
                struct list *first = list_first(&link->waiting);
                struct waiting *waiting = LIST_CONTAINER(first, struct waiting, link);
                WORLD_DEMAND(first, "a reply without a command");
                list_remove(first);
                if (waiting->cb)
                        waiting->cb(link, reply, waiting->arg);
                free(waiting);
        }
        wires_batch_free(batch);
}

void wires_push(struct link *link, struct redisReply *reply) {
        if (link->severed || link->state != LINK_READY) {
                freeReplyObject(reply);
                return;
        }
        struct batch *batch = wires_batch(link);
        batch->pushed = true;
        size_t i = wires_item(batch);
        batch->items[i].reply = reply;
        /* Many at once are read at once. */
        uint64_t at_us = world_arrival(wires_delay_us());
        link->up_us = at_us > link->up_us ? at_us : link->up_us;
        world_at(link->up_us, wires_on_replies, batch);
}

/* ---- to the store ---- */

static void wires_on_commands(void *arg) {
        struct batch *batch = arg;
        struct link *link = batch->of;
        if (server_busy_until_us() > world.now_us) {
                world_at(server_busy_until_us(), wires_on_commands, batch);
                return;
        }
        if (batch->connection != link->connection || link->severed || !server_is_up()) {
                wires_batch_free(batch);
                return;
        }
        struct batch *replies = wires_batch(link);
        for (size_t i = 0; i < batch->count; i++) {
                struct redisReply *reply = server_execute(link, batch->items[i].argc, batch->items[i].argv);
                if (link->options.pushes)
                        continue; /* answered by a push */
                size_t at = wires_item(replies);
                replies->items[at].reply = reply;
        }
        wires_batch_free(batch);
        if (link->options.pushes)
                wires_batch_free(replies);
        else
                wires_travel(replies, &link->up_us, wires_on_replies);
}

void wires_end_turn(void) {
        LIST_FOR_EACH(at, wires_all()) {
                struct link *link = LIST_CONTAINER(at, struct link, all);
                if (!link->turn)
                        continue;
                wires_travel(link->turn, &link->down_us, wires_on_commands);
                link->turn = NULL;
        }
}

int link_command(struct link *link, size_t argc, const struct slice *argv, link_reply_fn cb, void *arg) {
        if (link->state != LINK_READY || link->dead)
                return LINK_E_DOWN;
        size_t bytes = 0;
        for (size_t i = 0; i < argc; i++)
                bytes += argv[i].len + 1;
        struct slice *copy = malloc(argc * sizeof(*copy) + bytes);
        struct waiting *waiting = calloc(1, sizeof(*waiting));
        if (!copy || !waiting)
                abort();
        char *text = (char *)(copy + argc);
        for (size_t i = 0; i < argc; i++) {
                copy[i] = slice_copy(&text, argv[i]);
                *text++ = '\0';
        }
        if (!link->turn)
                link->turn = wires_batch(link);
        size_t i = wires_item(link->turn);
        link->turn->items[i].argc = argc;
        link->turn->items[i].argv = copy;
        if (link->options.pushes) {
                free(waiting); /* it is answered by a push */
                return 0;
        }
        *waiting = (struct waiting){ .cb = cb, .arg = arg, .sent_us = world.now_us };
        list_append(&link->waiting, &waiting->link);
        return 0;
}

/* ---- life ---- */

static void wires_on_connected(void *arg) {
        struct link *link = arg;
        uint64_t frozen_us = sites_frozen_until_us(link->loop);
        if (link->state == LINK_CLOSED)
                return;
        if (frozen_us > world.now_us || !server_is_up()) {
                world_after(20000 + world_chance(100000), wires_on_connected, link);
                return;
        }
        link->state = LINK_READY;
        link->severed = false;
        sites_enter(link->loop);
        link->options.on_up(link, link->options.context);
}

/* Every command gets NULL, in order. */
static void wires_fail(struct link *link) {
        struct list *first;
        link->connection++;
        link->turn = NULL;
        server_forget_link(link);
        while ((first = list_first(&link->waiting))) {
                struct waiting *waiting = LIST_CONTAINER(first, struct waiting, link);
                list_remove(first);
                if (waiting->cb)
                        waiting->cb(link, NULL, waiting->arg);
                free(waiting);
        }
        /* What was under way is lost. */
        LIST_FOR_EACH(at, &link->batches) {
                struct batch *batch = LIST_CONTAINER(at, struct batch, link);
                world_forget(batch);
                wires_batch_free(batch);
        }
}

static void wires_cut(void *arg) {
        struct link *link = arg;
        uint64_t frozen_us = sites_frozen_until_us(link->loop);
        if (link->state != LINK_READY)
                return;
        if (frozen_us > world.now_us) {
                world_at(frozen_us, wires_cut, link);
                return;
        }
        world_trace("hub %d: the %s is cut", sites_index(link->loop), link->options.name);
        sites_enter(link->loop);
        link->state = LINK_WAITING;
        wires_fail(link);
        link->options.on_down(link, link->options.context);
        world_after(1000 + world_chance(200000), wires_on_connected, link);
}

struct link *link_open(uv_loop_t *loop, const struct link_options *options) {
        struct link *link = calloc(1, sizeof(*link));
        if (!link)
                abort();
        link->options = *options;
        link->loop = loop;
        list_init(&link->waiting);
        list_init(&link->batches);
        list_append(wires_all(), &link->all);
        world_after(100 + world_chance(5000), wires_on_connected, link);
        return link;
}

static void wires_on_closed(void *arg) {
        struct link *link = arg;
        wires_fail(link);
        link->on_closed(link->closed_context);
        list_remove(&link->all);
        world_forget(link);
        free(link);
}

void link_close(struct link *link, void (*on_closed)(void *context), void *context) {
        link->on_closed = on_closed;
        link->closed_context = context;
        link->state = LINK_CLOSED;
        world_forget(link);
        world_after(1, wires_on_closed, link);
}

bool link_is_ready(const struct link *link) {
        return link->state == LINK_READY;
}

size_t link_pending(const struct link *link) {
        return link->state == LINK_READY ? 1 : 0;
}

/* Nobody here has an address. */
int link_parse_address(const char *url, struct link_address *ret_address) {
        memset(ret_address, 0, sizeof(*ret_address));
        return 0;
}

void link_address_deinit(struct link_address *address) {
}

/* ---- faults ---- */

void wires_tick(void) {
        LIST_FOR_EACH(at, wires_all()) {
                struct link *link = LIST_CONTAINER(at, struct link, all);
                struct list *first = list_first(&link->waiting);
                struct waiting *waiting = first ? LIST_CONTAINER(first, struct waiting, link) : NULL;
                if (waiting && link->state == LINK_READY && waiting->sent_us + link->options.timeout_ms * 1000 < world.now_us)
                        wires_cut(link);
        }
}

void wires_cut_one(void) {
        size_t count = 0;
        LIST_FOR_EACH(at, wires_all()) count++;
        if (!count)
                return;
        uint64_t chosen = world_chance(count);
        LIST_FOR_EACH(at, wires_all()) {
                if (chosen-- == 0) {
                        wires_cut(LIST_CONTAINER(at, struct link, all));
                        return;
                }
        }
}

void wires_sever_all(void) {
        LIST_FOR_EACH(at, wires_all()) {
                struct link *link = LIST_CONTAINER(at, struct link, all);
                if (link->state != LINK_READY || link->severed)
                        continue;
                link->severed = true;
                server_forget_link(link);
                world_after(world_one_in(2) ? 10 : world_chance(300000), wires_cut, link);
        }
}

void wires_kill(const void *loop) {
        LIST_FOR_EACH(at, wires_all()) {
                struct link *link = LIST_CONTAINER(at, struct link, all);
                if (link->loop == loop)
                        link->dead = link->severed = true;
        }
}
