/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node.c: the node channel, see node.h.
 *
 * A message is  <letter> <counter> <header>, or with \n and a body behind it
 *      K  kick    P  presence    N  a new node    B  the probe
 *      E  the user's epoch is new     V  does this node have the user's sessions that name it?
 *      C  entry of a channel     D  who may read a channel changed: both are for channel.c
 *      Z  events of users here, each  0xff <letter> <header> \n <body> 0xfe <key n key n …>   (lua/tell.lua)
 *              M  entry    R  receipt    J  member    X  notification    T  typing    S  signal
 *
 * Time of a lost message, at worst:
 *
 *      publish lost        poll k: counter ahead, noted      poll k+1: still ahead -> repair      heads answered
 *      |<------- 1 s ------->|<------------- 1 s ------------->|<----------- some ms ------------>|
 *
 * One poll is not enough to call a message lost: the counter's answer may overtake the message, as they come by two links.
 */
#include "fanout/node.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <uthash.h>

#include "base/buf.h"
#include "base/chance.h"
#include "base/clock.h"
#include "base/frame.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/metrics.h"
#include "fanout/channel.h"
#include "fanout/fanout.h"
#include "fanout/store.h"
#include "fanout/typings.h"
#include "fanout/words.h"

enum {
        NODE_ID_LEN = 12,
        NODE_PROBE_MS = 3000,
        NODE_HEADS = 128,           /* users of one question for heads */
        NODE_NAME_BYTES = 256,      /* a key of ours */
        NODE_EPHEMERAL_BYTES = 2 * LIMIT_FRAME_BYTES,
};

struct audience {
        UT_hash_handle hh;
        struct list subs; /* struct subscriber, link */
        struct typings_ear ear;
        size_t user_len;
        char user[];
};

struct node {
        struct fanout *fanout;
        struct node_options options;
        struct link *link;
        char id[NODE_ID_LEN + 1];
        struct audience *audiences;
        unsigned subscribed;            /* channels confirmed */
        bool known_valid[PARTITIONS];
        uint64_t known[PARTITIONS];     /* the latest number that arrived */
        uint64_t polled[PARTITIONS];    /* what the counter was at the poll before */
        uint64_t first[PARTITIONS];     /* the first number that arrived since it started over, 0 none */
        unsigned era;                   /* probes carry it: it rises when the node starts over */
        bool starting;                  /* no probe of this era has come back */
        bool polled_once;               /* since it started over */
        bool polling;
        unsigned polls;                 /* which answer is waited for: one from before the start says nothing */
        uint64_t probe_back_ms;
        struct typings *typings;
        bool repair_again, repairing;
        void (*on_closed)(void *context);
        void *closed_context;
};

struct slice node_id(const struct node *node) {
        return (struct slice){ node->id, NODE_ID_LEN };
}

bool node_is_subscribed(const struct node *node) {
        return node->subscribed == PARTITIONS;
}

bool node_is_ready(const struct node *node, uint64_t now_ms) {
        return node_is_subscribed(node) && store_is_up(node->fanout->store) && node->probe_back_ms &&
               now_ms - node->probe_back_ms < NODE_PROBE_MS;
}

/* ---- subscribers ---- */

static struct audience *node_audience(struct node *node, struct slice user) {
        struct audience *audience = NULL;
        HASH_FIND(hh, node->audiences, user.ptr, user.len, audience);
        return audience;
}

static void node_free_audience(struct node *node, struct audience *audience) {
        typings_ear_deinit(&audience->ear);
        HASH_DEL(node->audiences, audience);
        free(audience);
}

int node_add(struct node *node, struct subscriber *subscriber) {
        struct audience *audience = node_audience(node, subscriber->user);
        if (!audience) {
                audience = malloc(sizeof(*audience) + subscriber->user.len);
                if (!audience)
                        return -ENOMEM;
                list_init(&audience->subs);
                typings_ear_init(&audience->ear);
                audience->user_len = subscriber->user.len;
                memcpy(audience->user, subscriber->user.ptr, subscriber->user.len);
                HASH_ADD_KEYPTR(hh, node->audiences, audience->user, audience->user_len, audience);
        }
        list_append(&audience->subs, &subscriber->link);
        return 0;
}

void node_remove(struct node *node, struct subscriber *subscriber) {
        struct audience *audience = node_audience(node, subscriber->user);
        list_remove(&subscriber->link);
        if (audience && list_is_empty(&audience->subs))
                node_free_audience(node, audience);
}

/* ---- repair ---- */

struct node_heads {
        struct node *node;
        struct buf users; /* names with NUL */
        size_t count;
        bool last;
};

static void node_repair(struct node *node);

static void node_repair_end(struct node *node) {
        node->repairing = false;
        if (node->repair_again)
                node_repair(node);
}

/* A line of a user's sessions, see lua/common.lua. */
struct node_line {
        struct slice device, session, node;
        int code; /* with which it is to end, 0: it is not */
};

static struct node_line node_take_line(struct slice *live) {
        struct slice rest = words_take(live, '\n');
        struct node_line line = { .device = words_take(&rest, ' ') };
        line.session = words_take(&rest, ' ');
        line.node = words_take(&rest, ' ');
        words_take(&rest, ' '); /* flags */
        words_take(&rest, ' '); /* opened */
        line.code = (int)words_uint(rest);
        return line;
}

/* What the store says of a session here: word that it was replaced, ended or forgotten may have been lost. */
static void node_compare(struct subscriber *subscriber, struct slice live) {
        while (live.len) {
                struct node_line line = node_take_line(&live);
                if (!slice_equal(line.device, subscriber->device))
                        continue;
                if (!slice_equal(line.session, subscriber->session))
                        break;
                if (line.code)
                        subscriber->calls->on_kick(subscriber, line.code);
                return;
        }
        subscriber->calls->on_doubt(subscriber);
}

static bool node_has(struct node *node, struct slice user, struct slice session) {
        const struct audience *audience = node_audience(node, user);
        if (!audience)
                return false;
        LIST_FOR_EACH(link, &audience->subs) {
                if (slice_equal(LIST_CONTAINER(link, struct subscriber, link)->session, session))
                        return true;
        }
        return false;
}

/* Sessions that the store believes to be here and are not. */
static void node_find_strays(struct node *node, struct slice user, struct slice live) {
        while (live.len) {
                struct node_line line = node_take_line(&live);
                if (slice_equal(line.node, node_id(node)) && !node_has(node, user, line.session))
                        node->options.on_stray(node->options.context, user, line.device, line.session);
        }
}

static void node_on_heads(void *arg, const struct redisReply *reply) {
        struct node_heads *heads = arg;
        const char *user = heads->users.ptr;
        for (size_t i = 0; i < heads->count && reply; i++, user += strlen(user) + 1) {
                struct audience *audience = node_audience(heads->node, slice_of(user));
                uint64_t n = (uint64_t)store_int(store_item(reply, i * 2));
                struct slice live = store_text(store_item(reply, i * 2 + 1));
                node_find_strays(heads->node, slice_of(user), live);
                if (!audience)
                        continue;
                LIST_FOR_EACH(link, &audience->subs) {
                        struct subscriber *subscriber = LIST_CONTAINER(link, struct subscriber, link);
                        subscriber->calls->on_head(subscriber, n);
                        node_compare(subscriber, live);
                }
        }
        if (!reply)
                heads->node->repair_again = true;
        if (heads->last)
                node_repair_end(heads->node);
        buf_deinit(&heads->users);
        free(heads);
}

static int node_ask_heads(struct node *node, struct node_heads *heads) {
        struct call *call = store_call(node->fanout->store, "heads");
        const char *user = heads->users.ptr;
        for (size_t i = 0; i < heads->count; i++, user += strlen(user) + 1) {
                store_call_key(call, KEY_USER, slice_of(user));
                store_call_key(call, KEY_INBOX, slice_of(user));
                store_call_key(call, KEY_HEAD, slice_of(user));
        }
        return store_call_send(call, node_on_heads, heads);
}

static void node_repair(struct node *node) {
        if (node->repairing || !store_is_up(node->fanout->store)) {
                node->repair_again = true;
                return;
        }
        node->repairing = true;
        node->repair_again = false;
        node->options.on_repair(node->options.context);
        if (node->fanout->channels)
                channel_repair(node->fanout->channels);
        struct node_heads *heads = NULL;
        for (unsigned owner = 0; owner < store_owners(node->fanout->store); owner++) {
                struct audience *audience, *next;
                HASH_ITER(hh, node->audiences, audience, next) {
                        struct slice user = { audience->user, audience->user_len };
                        if (store_owner(node->fanout->store, partition_of(user)) != owner)
                                continue;
                        if (!heads) {
                                heads = calloc(1, sizeof(*heads));
                                if (!heads)
                                        break;
                                heads->node = node;
                                buf_init(&heads->users, NODE_HEADS * (LIMIT_ID_BYTES + 1));
                        }
                        buf_add_slice(&heads->users, user);
                        buf_add_char(&heads->users, '\0');
                        if (++heads->count == NODE_HEADS) {
                                if (node_ask_heads(node, heads)) {
                                        node->repair_again = true;
                                        buf_deinit(&heads->users);
                                        free(heads);
                                }
                                heads = NULL;
                        }
                }
                /* One more question ends each owner's part, even if it asks for nobody: it marks the end. */
                if (!heads && owner + 1 == store_owners(node->fanout->store)) {
                        heads = calloc(1, sizeof(*heads));
                        if (heads)
                                *heads = (struct node_heads){ .node = node, .users = BUF_INIT(NODE_HEADS) };
                }
                if (!heads)
                        continue;
                heads->last = owner + 1 == store_owners(node->fanout->store);
                if (node_ask_heads(node, heads)) {
                        if (heads->last)
                                node->repairing = false;
                        node->repair_again = true;
                        buf_deinit(&heads->users);
                        free(heads);
                }
                heads = NULL;
        }
}

/* ---- what arrives ---- */

struct node_message {
        char letter;
        struct slice header; /* behind the letter, and the counter if there is one */
        struct slice body;   /* of M the entry, as in the log */
        struct slice users;  /* key n key n …: whose event it is, by any key of theirs */
};

/* The next user of a message who has sessions here, taken off users; NULL at the end. */
static struct audience *node_take_audience(struct node *node, struct slice *users, uint64_t *ret_n) {
        while (users->len) {
                struct slice key = words_take(users, ' ');
                *ret_n = words_uint(words_take(users, ' '));
                struct audience *audience = node_audience(node, keys_id(key));
                if (audience)
                        return audience;
        }
        return NULL;
}

/* Calls fn for each subscriber of each user in a message. */
static void node_spread(struct node *node, const struct node_message *message,
                        void (*fn)(struct subscriber *subscriber, uint64_t n, void *arg), void *arg) {
        struct slice users = message->users;
        struct audience *audience;
        for (uint64_t n; (audience = node_take_audience(node, &users, &n));) {
                LIST_FOR_EACH(link, &audience->subs) fn(LIST_CONTAINER(link, struct subscriber, link), n, arg);
        }
}

/* ---- typing ---- */

/* The typist's own devices do not hear it. Its other sessions learn that it has ended, so that they may say it anew. */
static void node_on_said(struct typings_ear *ear, struct typings_typist *typist, bool active, struct slice session) {
        struct audience *audience = LIST_CONTAINER(ear, struct audience, ear);
        bool own = slice_equal((struct slice){ audience->user, audience->user_len }, typings_user(typist));
        struct frame *frame = own ? NULL : typings_frame(typist, active);
        LIST_FOR_EACH(link, &audience->subs) {
                struct subscriber *subscriber = LIST_CONTAINER(link, struct subscriber, link);
                if (frame)
                        subscriber->calls->on_ephemeral(subscriber, frame);
                else if (own && !active && !slice_equal(subscriber->session, session))
                        subscriber->calls->on_typed(subscriber, typings_conv(typist));
        }
}

static void node_spread_typing(struct node *node, struct slice users, struct typings_typist *typist, bool active, struct slice session) {
        uint64_t n, now_ms = uv_now(node->options.loop);
        for (struct audience *audience; (audience = node_take_audience(node, &users, &n));)
                typings_step(typist, &audience->ear, active, session, now_ms);
}

static void node_on_typing(struct node *node, struct node_message *message) {
        struct slice header = message->header;
        struct slice conv = words_take(&header, ' '), user = words_take(&header, ' ');
        bool active = slice_is(header, "1");
        struct typings_typist *typist = active ? typings_begin(node->typings, conv, user, message->body) : typings_find(node->typings, conv, user);
        if (typist && (active || typings_ends(typist, message->body)))
                node_spread_typing(node, message->users, typist, active, message->body);
        typings_unref(typist);
}

/* A message of the typist came, by this session or without one, or it is no member any more. */
static void node_end_typing(struct node *node, const struct node_message *message, struct slice conv, struct slice user, struct slice session) {
        struct typings_typist *typist = typings_find(node->typings, conv, user);
        if (typist)
                node_spread_typing(node, message->users, typist, false, session);
        typings_unref(typist);
}

/* ---- events ---- */

struct node_entry {
        struct slice conv, session;
        uint64_t seq;
        struct entry entry;
        struct frame *tail, *own_tail; /* made when first needed */
};

static void node_give_entry(struct subscriber *subscriber, uint64_t n, void *arg) {
        struct node_entry *message = arg;
        /* To the session that sent it, its own event comes without body (PROTOCOL section 3). */
        bool own = message->session.len && slice_equal(message->session, subscriber->session);
        struct frame **tail = own ? &message->own_tail : &message->tail;
        if (!*tail)
                *tail = event_entry_tail(message->seq, message->conv, &message->entry, !own);
        if (*tail)
                subscriber->calls->on_event(subscriber, message->entry.type, n, *tail);
        else
                subscriber->calls->on_head(subscriber, n); /* no memory now: it is read from the inbox */
}

static void node_on_entry(struct node *node, struct node_message *message) {
        struct slice header = message->header;
        struct node_entry entry = { .seq = words_uint(words_take(&header, ' ')) };
        entry.conv = words_take(&header, ' ');
        entry.session = header;
        entry.entry = event_parse_entry(message->body);
        if (entry.entry.type == EVENT_MESSAGE)
                node_end_typing(node, message, entry.conv, entry.entry.from, entry.session);
        node_spread(node, message, node_give_entry, &entry);
        frame_unref(entry.tail);
        frame_unref(entry.own_tail);
}

struct node_shared {
        enum event_type type;
        struct frame *tail;
        uint64_t behind; /* events of the same message before this one: so much higher is its n */
};

static void node_give_shared(struct subscriber *subscriber, uint64_t n, void *arg) {
        struct node_shared *shared = arg;
        n += shared->behind;
        if (shared->tail)
                subscriber->calls->on_event(subscriber, shared->type, n, shared->tail);
        else
                subscriber->calls->on_head(subscriber, n);
}

static void node_on_receipt(struct node *node, struct node_message *message) {
        struct slice header = message->header;
        struct slice conv = words_take(&header, ' ');
        for (uint64_t behind = 0; header.len; behind++) {
                struct slice user = words_take(&header, ' ');
                uint64_t delivered = words_uint(words_take(&header, ' ')), read = words_uint(words_take(&header, ' '));
                struct node_shared shared = { EVENT_RECEIPT, event_receipt_tail(conv, user, delivered, read), behind };
                node_spread(node, message, node_give_shared, &shared);
                frame_unref(shared.tail);
        }
}

static void node_on_member(struct node *node, struct node_message *message) {
        struct slice header = message->header;
        int64_t at = (int64_t)words_uint(words_take(&header, ' '));
        struct slice action = words_take(&header, ' '), role = words_take(&header, ' '), user = words_take(&header, ' ');
        struct node_shared shared = { .type = EVENT_MEMBER, .tail = event_member_tail(at, action, role, user, header) };
        if (slice_is(action, "removed"))
                node_end_typing(node, message, header, user, SLICE(""));
        node_spread(node, message, node_give_shared, &shared);
        frame_unref(shared.tail);
}

static void node_on_notice(struct node *node, struct node_message *message) {
        struct slice header = message->header;
        int64_t at = (int64_t)words_uint(words_take(&header, ' '));
        struct slice priority = words_take(&header, ' ');
        struct node_shared shared = { .type = EVENT_NOTIFICATION, .tail = event_notice_tail(at, priority, header, message->body) };
        node_spread(node, message, node_give_shared, &shared);
        frame_unref(shared.tail);
}

static void node_on_kick(struct node *node, struct node_message *message) {
        struct slice header = message->header;
        int code = (int)words_uint(words_take(&header, ' '));
        struct slice user = words_take(&header, ' '), device = words_take(&header, ' ');
        struct audience *audience = node_audience(node, user);
        if (!audience)
                return;
        LIST_FOR_EACH(link, &audience->subs) {
                struct subscriber *subscriber = LIST_CONTAINER(link, struct subscriber, link);
                if (slice_equal(subscriber->device, device) && slice_equal(subscriber->session, header)) {
                        subscriber->calls->on_kick(subscriber, code);
                        return;
                }
        }
}

static void node_give_epoch(struct node *node, struct slice user) {
        struct audience *audience = node_audience(node, user);
        if (!audience)
                return;
        LIST_FOR_EACH(link, &audience->subs) {
                struct subscriber *subscriber = LIST_CONTAINER(link, struct subscriber, link);
                subscriber->calls->on_doubt(subscriber);
        }
}

static void node_verify(struct node *node, struct slice user) {
        struct node_heads *heads = calloc(1, sizeof(*heads));
        if (!heads)
                return;
        *heads = (struct node_heads){ .node = node, .users = BUF_INIT(LIMIT_ID_BYTES + 1), .count = 1 };
        buf_add_slice(&heads->users, user);
        buf_add_char(&heads->users, '\0');
        if (!buf_failed(&heads->users) && store_is_up(node->fanout->store) && node_ask_heads(node, heads) == 0)
                return;
        buf_deinit(&heads->users);
        free(heads);
}

struct node_signal {
        struct slice session; /* which does not get it */
        struct frame *frame;
};

static void node_give_signal(struct subscriber *subscriber, uint64_t n, void *arg) {
        struct node_signal *signal = arg;
        if (!slice_equal(subscriber->session, signal->session))
                subscriber->calls->on_ephemeral(subscriber, signal->frame);
}

static void node_on_signal(struct node *node, struct node_message *message) {
        struct slice header = message->header;
        _cleanup_buf_ struct buf text = BUF_INIT(NODE_EPHEMERAL_BYTES);
        buf_add_text(&text, "{\"type\":\"signal\",\"conv\":");
        buf_add_json(&text, words_take(&header, ' '));
        buf_add_text(&text, ",\"from\":");
        buf_add_json(&text, words_take(&header, ' '));
        words_take(&header, ' '); /* the device */
        buf_add_text(&text, ",\"body\":");
        buf_add_slice(&text, message->body);
        buf_add_char(&text, '}');
        struct node_signal signal = { header, buf_failed(&text) ? NULL : frame_new(buf_slice(&text)) };
        if (signal.frame)
                node_spread(node, message, node_give_signal, &signal);
        frame_unref(signal.frame);
}

static void node_on_presence(struct node *node, struct node_message *message) {
        struct slice header = message->header;
        struct slice user = words_take(&header, ' ');
        int64_t seen_ms = (int64_t)words_uint(words_take(&header, ' '));
        node->options.on_presence(node->options.context, user, seen_ms, slice_is(header, "1"), message->body);
}

static void node_on_channel(struct node *node, struct node_message *message) {
        struct slice header = message->header;
        if (!node->fanout->channels)
                return;
        if (message->letter == 'D') {
                channel_on_change(node->fanout->channels, header);
                return;
        }
        uint64_t seq = words_uint(words_take(&header, ' '));
        struct slice conv = words_take(&header, ' ');
        struct entry entry = event_parse_entry(header);
        entry.body = message->body;
        channel_on_entry(node->fanout->channels, seq, conv, &entry);
}

static void node_count(struct node *node, unsigned partition, uint64_t counter) {
        bool hole = node->known_valid[partition] && counter > node->known[partition] + 1;
        if (!node->first[partition])
                node->first[partition] = counter;
        if (!node->known_valid[partition] || counter > node->known[partition])
                node->known[partition] = counter;
        node->known_valid[partition] = true;
        if (!hole)
                return;
        metrics_add(NODE_HOLES, 1);
        log_warning("Messages to this node were lost; comparing inboxes. partition=%u counter=%" PRIu64, partition, counter);
        node_repair(node);
}

static void node_poll_counters(struct node *node);

/*
 * Everything of the past has arrived. The counters are asked for before the inboxes are compared, by the same link: what was published
 * before that is in the comparison, and what was published after it is missed if its number does not come.
 */
static void node_started(struct node *node) {
        node->starting = node->polled_once = false;
        memset(node->known_valid, 0, sizeof(node->known_valid));
        memset(node->first, 0, sizeof(node->first));
        memset(node->polled, 0, sizeof(node->polled));
        node->polling = false;
        node->polls++;
        node_poll_counters(node);
        node_repair(node);
}

static void node_on_event(struct node *node, struct slice text) {
        struct node_message message = { .header = words_take(&text, '\n') };
        struct slice letter = words_take(&message.header, ' ');
        message.letter = letter.len ? letter.ptr[0] : '\0';
        message.body = words_take(&text, '\xfe');
        words_take(&text, ' ');
        message.users = text;
        switch (message.letter) {
        case 'M':
                node_on_entry(node, &message);
                break;
        case 'R':
                node_on_receipt(node, &message);
                break;
        case 'J':
                node_on_member(node, &message);
                break;
        case 'X':
                node_on_notice(node, &message);
                break;
        case 'T':
                node_on_typing(node, &message);
                break;
        case 'S':
                node_on_signal(node, &message);
                break;
        default: /* a newer hub's; what it is about is in the inbox */
                break;
        }
}

static void node_on_events(struct node *node, struct slice texts) {
        if (node->starting)
                return; /* perhaps of the past; else it is in the inboxes that are compared then */
        words_take(&texts, '\xff');
        while (texts.len)
                node_on_event(node, words_take(&texts, '\xff'));
}

static void node_take(struct node *node, struct slice channel, struct slice text) {
        struct node_message message = { .header = words_take(&text, '\n') };
        message.body = text;
        message.letter = message.header.len ? message.header.ptr[0] : '\0';
        words_take(&message.header, ' ');
        uint64_t counter = words_uint(words_take(&message.header, ' '));
        if (message.letter == 'B') {
                node->probe_back_ms = clock_monotonic_ms();
                metrics_add(PROBES, 1);
                if (node->starting && counter == node->era)
                        node_started(node);
                return;
        }
        if (message.letter == 'N') {
                node->options.on_birth(node->options.context, message.header);
                return;
        }
        if (counter && !node->starting) {
                /* <prefix>:{<partition>}:… */
                const char *brace = memchr(channel.ptr, '{', channel.len);
                unsigned partition = brace ? (unsigned)strtoul(brace + 1, NULL, 10) : 0;
                node_count(node, partition % PARTITIONS, counter);
        }
        switch (message.letter) {
        case 'Z':
                node_on_events(node, message.body);
                break;
        case 'C':
        case 'D':
                node_on_channel(node, &message);
                break;
        case 'K':
                node_on_kick(node, &message);
                break;
        case 'E':
                node_give_epoch(node, message.header);
                break;
        case 'V':
                node_verify(node, message.header);
                break;
        case 'P':
                node_on_presence(node, &message);
                break;
        default: /* a newer hub's */
                break;
        }
}

static void node_on_push(struct link *link, struct redisReply *reply, void *context) {
        struct node *node = context;
        struct slice kind = store_text(store_item(reply, 0));
        if (slice_is(kind, "smessage")) {
                metrics_add(NODE_MESSAGES, 1);
                node_take(node, store_text(store_item(reply, 1)), store_text(store_item(reply, 2)));
        } else if (slice_is(kind, "ssubscribe")) {
                if (++node->subscribed == PARTITIONS) {
                        log_info("The node channel is open. node=%s", node->id);
                        node_start_over(node);
                }
        }
}

static void node_on_link_up(struct link *link, void *context) {
        struct node *node = context;
        node->subscribed = 0;
        for (unsigned p = 0; p < PARTITIONS; p++) {
                _cleanup_buf_ struct buf channel = BUF_INIT(NODE_NAME_BYTES);
                keys_add_in(&channel, store_prefix(node->fanout->store), KEY_CHANNEL, p, node_id(node));
                struct slice argv[] = { SLICE("SSUBSCRIBE"), buf_slice(&channel) };
                if (link_command(link, 2, argv, NULL, NULL))
                        log_error("The node channel could not be opened.");
        }
}

static void node_on_link_down(struct link *link, void *context) {
        struct node *node = context;
        node->subscribed = 0;
}

/* ---- each second ---- */

struct node_poll {
        struct node *node;
        unsigned serial;
};

static void node_on_counters(struct link *link, struct redisReply *reply, void *arg) {
        struct node_poll poll = *(struct node_poll *)arg;
        struct node *node = poll.node;
        free(arg);
        if (poll.serial != node->polls)
                return; /* asked for before it started over */
        node->polling = false;
        if (!reply || reply->type != REDIS_REPLY_ARRAY || !node_is_subscribed(node) || node->starting)
                return;
        bool lost = false, first_poll = !node->polled_once;
        node->polled_once = true;
        for (unsigned p = 0; p < PARTITIONS; p++) {
                uint64_t value = (uint64_t)store_int(store_item(reply, p));
                if (first_poll) {
                        lost |= node->first[p] > value + 1;
                        if (!node->known_valid[p] || node->known[p] < value)
                                node->known[p] = value;
                        node->known_valid[p] = true;
                } else if (value < node->polled[p] || (node->known[p] < node->polled[p] && node->polled[p] <= value)) {
                        /* A counter never falls but with the store's past, and then says nothing of what came since. */
                        lost = true;
                        node->known[p] = value;
                }
                node->polled[p] = value;
        }
        if (lost) {
                metrics_add(NODE_HOLES, 1);
                log_warning("The latest messages to this node were lost; comparing inboxes. node=%s", node->id);
                node_repair(node);
        }
}

static void node_poll_counters(struct node *node) {
        struct buf keys = BUF_INIT(PARTITIONS * NODE_NAME_BYTES);
        struct slice argv[PARTITIONS + 1] = { SLICE("MGET") };
        size_t ends[PARTITIONS];
        for (unsigned p = 0; p < PARTITIONS; p++) {
                keys_add_in(&keys, store_prefix(node->fanout->store), KEY_COUNTER, p, node_id(node));
                ends[p] = keys.len;
        }
        if (!buf_failed(&keys)) {
                for (unsigned p = 0; p < PARTITIONS; p++) {
                        size_t begin = p ? ends[p - 1] : 0;
                        argv[p + 1] = (struct slice){ keys.ptr + begin, ends[p] - begin };
                }
                struct node_poll *poll = malloc(sizeof(*poll));
                if (poll)
                        *poll = (struct node_poll){ node, node->polls };
                node->polling = poll && link_command(store_link(node->fanout->store), PARTITIONS + 1, argv, node_on_counters, poll) == 0;
                if (!node->polling)
                        free(poll);
        }
        buf_deinit(&keys);
}

static void node_send_probe(struct node *node) {
        _cleanup_buf_ struct buf channel = BUF_INIT(NODE_NAME_BYTES);
        keys_add_in(&channel, store_prefix(node->fanout->store), KEY_CHANNEL, 0, node_id(node));
        char text[24];
        int len = snprintf(text, sizeof(text), "B %u ", node->era);
        struct slice argv[] = { SLICE("SPUBLISH"), buf_slice(&channel), { text, (size_t)len } };
        if (link_command(store_link(node->fanout->store), 3, argv, NULL, NULL))
                log_debug("A probe could not be sent.");
}

void node_start_over(struct node *node) {
        node->era++;
        node->starting = true;
        if (store_is_up(node->fanout->store) && node_is_subscribed(node))
                node_send_probe(node); /* else the next tick does */
}

void node_tick(struct node *node, uint64_t now_ms) {
        if (!store_is_up(node->fanout->store) || !node_is_subscribed(node))
                return;
        node_send_probe(node);
        if (!node->polling && !node->starting)
                node_poll_counters(node);
        if (node->repair_again && !node->repairing)
                node_repair(node);
}

/* ---- life ---- */

struct node *node_open(struct fanout *fanout, const struct node_options *options) {
        struct node *node = calloc(1, sizeof(*node));
        if (!node)
                return NULL;
        node->fanout = fanout;
        node->options = *options;
        node->starting = true;
        chance_hex(node->id, NODE_ID_LEN);
        struct link_options link_options = {
                .address = options->address,
                .ca_file = options->ca_file,
                .name = "node channel",
                .timeout_ms = options->timeout_ms,
                .pushes = true,
                .context = node,
                .on_up = node_on_link_up,
                .on_down = node_on_link_down,
                .on_push = node_on_push,
        };
        node->typings = typings_new(&(struct typings_options){ .wheel = options->wheel, .ttl_ms = options->typing_ttl_ms, .on_said = node_on_said });
        node->link = node->typings ? link_open(options->loop, &link_options) : NULL;
        if (!node->link) {
                typings_free(node->typings);
                free(node);
                return NULL;
        }
        fanout->node = node;
        return node;
}

struct node *node_free(struct node *node) {
        struct audience *audience, *next;
        if (!node)
                return NULL;
        HASH_ITER(hh, node->audiences, audience, next) node_free_audience(node, audience);
        typings_free(node->typings);
        free(node);
        return NULL;
}

static void node_on_link_closed(void *context) {
        struct node *node = context;
        node->on_closed(node->closed_context);
}

void node_close(struct node *node, void (*on_closed)(void *context), void *context) {
        node->on_closed = on_closed;
        node->closed_context = context;
        link_close(node->link, node_on_link_closed, node);
}
