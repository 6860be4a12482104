/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store.c: the Redis link with our function library on it.
 *
 * Each time the link comes up, before anyone may use it:   version? -> (load) -> epoch -> up
 *
 * The library is loaded only if the store has not this very text, as loading writes to the AOF. A hub whose Redis user may
 * not load (an operator's choice, see docs) goes on if a library answers under our names.
 */
#include "fanout/store.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/chance.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/metrics.h"
#include "fanout/bundle.h"
#include "fanout/functions.h"

/* A full store refuses thousands a second: that is said now and then, and counted (belfry_redis_errors_total). */
enum { STORE_SAY_MS = 10000 };

/* Whoever sent so many calls at once will have as many again soon: worth waiting for, as a sync takes as long as ten of them. */
enum { STORE_GATHER_CALLS = 4, STORE_GATHER_MS = 3 };

enum { STORE_EPOCH_BYTES = 16, STORE_CALL_BYTES = 16 << 20, STORE_LIBRARY_BYTES = 1 << 20 };

struct call {
        struct store *store;
        struct buf text;      /* all pieces, one behind the other */
        struct buf ends;      /* size_t each: where a piece ends */
        struct buf argv;      /* struct slice each, made when sent */
        size_t keys;
        bool args_began;
};

struct store {
        struct store_options options;
        struct link *link;
        struct call call;
        struct bundle bundle; /* calls that may go together */
        unsigned bundles;     /* sent and not answered */
        uv_idle_t idle;       /* sends them before the loop sleeps, if nobody said before that the turn is over */
        bool armed;           /* some may be sent */
        uv_timer_t gather;    /* runs while they wait for others, though nothing is under way */
        int closing;          /* handles */
        struct buf library;
        char version[41];
        char epoch[64];
        char witness[32];     /* a node, */
        int64_t witness_ms;   /* and when its lease was renewed, 0 unknown */
        bool up, asking, given_up;
        uint64_t refused, refused_said_ms; /* calls since it was said */
        void (*on_closed)(void *context);
        void *closed_context;
};

struct store_wait {
        store_reply_fn cb;
        void *arg;
        struct store *store;
};

int64_t store_int(const struct redisReply *reply) {
        if (reply->type == REDIS_REPLY_INTEGER)
                return reply->integer;
        if (reply->type == REDIS_REPLY_STRING)
                return strtoll(reply->str, NULL, 10);
        return 0;
}

struct slice store_text(const struct redisReply *reply) {
        if (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS)
                return (struct slice){ reply->str, (size_t)reply->len };
        return (struct slice){ "", 0 };
}

size_t store_count(const struct redisReply *reply) {
        return reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0;
}

const struct redisReply *store_item(const struct redisReply *reply, size_t index) {
        static const struct redisReply none = { .type = REDIS_REPLY_NIL };
        return index < store_count(reply) ? reply->element[index] : &none;
}

bool store_is_up(const struct store *store) {
        return store->up && link_is_ready(store->link); /* who waits is told of a lost link before we are */
}

const char *store_epoch(const struct store *store) {
        return store->epoch;
}

const char *store_prefix(const struct store *store) {
        return store->options.prefix;
}

unsigned store_owners(const struct store *store) {
        return 1;
}

unsigned store_owner(const struct store *store, unsigned partition) {
        return 0; /* a standalone Redis owns every slot */
}

struct link *store_link(struct store *store) {
        return store->link;
}

/* ---- calls ---- */

struct call *store_call(struct store *store, const char *name) {
        struct call *call = &store->call;
        buf_clear(&call->text);
        buf_clear(&call->ends);
        call->keys = 0;
        call->args_began = false;
        buf_add_text(&call->text, "b1_");
        buf_add_text(&call->text, name);
        buf_add(&call->ends, &call->text.len, sizeof(call->text.len));
        return call;
}

static void store_call_end(struct call *call) {
        buf_add(&call->ends, &call->text.len, sizeof(call->text.len));
}

void store_call_key_in(struct call *call, enum key key, unsigned partition, struct slice id) {
        if (call->args_began)
                abort(); /* keys come first */
        keys_add_in(&call->text, call->store->options.prefix, key, partition, id);
        call->keys++;
        store_call_end(call);
}

void store_call_key(struct call *call, enum key key, struct slice id) {
        store_call_key_in(call, key, partition_of(id), id);
}

void store_call_arg(struct call *call, struct slice value) {
        call->args_began = true;
        buf_add_slice(&call->text, value);
        store_call_end(call);
}

void store_call_arg_text(struct call *call, const char *value) {
        store_call_arg(call, slice_of(value));
}

void store_call_arg_int(struct call *call, int64_t value) {
        call->args_began = true;
        buf_add_int(&call->text, value);
        store_call_end(call);
}

void store_call_arg_channel(struct call *call, unsigned partition) {
        call->args_began = true;
        keys_add_in(&call->text, call->store->options.prefix, KEY_CHANNEL, partition, SLICE(""));
        store_call_end(call);
}

void store_call_arg_channels(struct call *call, unsigned partition) {
        store_call_arg_channel(call, partition);
        keys_add_in(&call->text, call->store->options.prefix, KEY_COUNTER, partition, SLICE(""));
        store_call_end(call);
}

static void store_refused(struct store *store, const char *error) {
        uint64_t now_ms = uv_now(store->options.loop);
        store->refused++;
        if (store->refused_said_ms && now_ms < store->refused_said_ms + STORE_SAY_MS)
                return;
        log_warning("The store refused a call. error=\"%.200s\" calls=%" PRIu64, error, store->refused);
        store->refused_said_ms = now_ms;
        store->refused = 0;
}

/* Errors that a repeat may mend, such as a full or loading store, are told apart from our own bugs only in the log. */
static void store_on_reply(struct link *link, struct redisReply *reply, void *arg) {
        struct store_wait *wait = arg;
        struct store *store = wait->store;
        if (reply && reply->type == REDIS_REPLY_ERROR) {
                store_refused(store, reply->str);
                reply = NULL;
        }
        if (wait->cb)
                wait->cb(wait->arg, reply);
        free(wait);
}

/* FCALL, function, how many keys, keys, arguments. NULL without memory. */
static const struct slice *store_make_argv(struct call *call, char *keys, size_t keys_size) {
        snprintf(keys, keys_size, "%zu", call->keys);
        size_t count = call->ends.len / sizeof(size_t);
        const size_t *ends = (const size_t *)(const void *)call->ends.ptr;
        buf_clear(&call->argv);
        struct slice piece = SLICE("FCALL");
        buf_add(&call->argv, &piece, sizeof(piece));
        size_t begin = 0;
        for (size_t i = 0; i < count; i++) {
                piece = (struct slice){ call->text.ptr + begin, ends[i] - begin };
                buf_add(&call->argv, &piece, sizeof(piece));
                begin = ends[i];
                if (i == 0) {
                        piece = slice_of(keys);
                        buf_add(&call->argv, &piece, sizeof(piece));
                }
        }
        if (buf_failed(&call->text) || buf_failed(&call->ends) || buf_failed(&call->argv))
                return NULL;
        return (const struct slice *)(const void *)call->argv.ptr;
}

static int store_send_now(struct store *store, struct call *call, link_reply_fn cb, void *arg) {
        char keys[24];
        const struct slice *argv = store_make_argv(call, keys, sizeof(keys));
        return argv ? link_command(store->link, call->argv.len / sizeof(*argv), argv, cb, arg) : -ENOMEM;
}

/* ---- calls that go together ---- */

/*
 * They wait for others: of this turn of the loop, and, while a bundle is not answered, of the turns until then. Redis syncs its log before
 * it answers, so what came meanwhile shares the next sync: half the time of a sync is what that costs a call, and a sync costs Redis as much
 * CPU as ten messages. Where many come, the next bundle leaves no sooner than STORE_GATHER_MS after the last.
 */
static bool store_is_held(const struct store *store) {
        bool gathers = uv_is_active((const uv_handle_t *)&store->gather);
        return (store->bundles > 0 || gathers) && !bundle_is_full(&store->bundle);
}

static void store_arm(struct store *store);

static void store_go_on(struct store *store) {
        if (store->bundle.count && !store_is_held(store))
                store_arm(store);
}

static void store_on_bundle_answered(void *context) {
        struct store *store = context;
        store->bundles--;
        store_go_on(store);
}

static void store_on_gathered(uv_timer_t *gather) {
        store_go_on(gather->data);
}

static void store_on_bundle_error(void *context, const char *error) {
        store_refused(context, error);
}

/* What cannot be sent stays; store_turn() tells those who wait, from the loop. */
static bool store_flush(struct store *store) {
        const struct bundle_calls calls = { store, store_on_bundle_answered, store_on_bundle_error };
        size_t count = store->bundle.count;
        if (count == 0)
                return true;
        if (bundle_send(&store->bundle, store->link, &calls))
                return false;
        store->bundles++;
        if (count >= STORE_GATHER_CALLS)
                uv_timer_start(&store->gather, store_on_gathered, STORE_GATHER_MS, 0);
        return true;
}

void store_turn(struct store *store) {
        if (!store->armed)
                return;
        store->armed = false;
        uv_idle_stop(&store->idle);
        if (!store_is_held(store) && !store_flush(store))
                bundle_fail(&store->bundle);
}

static void store_on_idle(uv_idle_t *idle) {
        store_turn(idle->data);
}

static void store_arm(struct store *store) {
        store->armed = true;
        uv_idle_start(&store->idle, store_on_idle);
}

static int store_send_together(struct store *store, struct call *call, store_reply_fn cb, void *arg) {
        char keys[24];
        const struct slice *argv = store_make_argv(call, keys, sizeof(keys));
        if (!argv)
                return -ENOMEM;
        if (bundle_is_full(&store->bundle) && !store_flush(store))
                return STORE_E_UNAVAILABLE;
        size_t args = call->argv.len / sizeof(*argv) - 3 - call->keys;
        if (store->bundle.count == 0)
                bundle_begin(&store->bundle, store->options.prefix);
        if (!store_is_held(store))
                store_arm(store);
        return bundle_add(&store->bundle, argv[1], argv + 3, call->keys, args, (struct bundle_wait){ cb, arg });
}

int store_call_send(struct call *call, store_reply_fn cb, void *arg) {
        struct store *store = call->store;
        if (!store->up)
                return STORE_E_UNAVAILABLE;
        const size_t *ends = (const size_t *)(const void *)call->ends.ptr;
        if (!buf_failed(&call->ends) && bundle_takes((struct slice){ call->text.ptr, ends[0] }))
                return store_send_together(store, call, cb, arg);
        if (!store_flush(store))
                return STORE_E_UNAVAILABLE; /* it must not overtake them */
        struct store_wait *wait = malloc(sizeof(*wait));
        if (!wait)
                return -ENOMEM;
        *wait = (struct store_wait){ .cb = cb, .arg = arg, .store = store };
        int r = store_send_now(store, call, store_on_reply, wait);
        if (r == 0)
                return 0;
        free(wait);
        return r < 0 ? r : STORE_E_UNAVAILABLE;
}

/* ---- coming up ---- */

static void store_ask_version(struct store *store);

/* It is asked again each second (store_tick), but said once. */
static void store_give_up(struct store *store, const char *step, const struct redisReply *reply) {
        if (!store->given_up)
                log_error("The store cannot be used. step=%s error=\"%.200s\"", step, reply->str ? reply->str : "");
        store->given_up = true;
}

/* Somebody flushed the functions while we were here. */
static bool store_lacks_functions(const struct redisReply *reply) {
        return reply->type == REDIS_REPLY_ERROR && strstr(reply->str, "not found");
}

static void store_on_epoch(struct link *link, struct redisReply *reply, void *arg) {
        struct store *store = arg;
        store->asking = false;
        if (!reply)
                return; /* lost again; on_up comes again */
        struct slice epoch = store_text(reply);
        if (store->up && store_lacks_functions(reply)) {
                store_ask_version(store);
                return;
        }
        if (epoch.len == 0 || epoch.len >= sizeof(store->epoch)) {
                store_give_up(store, "epoch", reply);
                return;
        }
        bool changed = store->epoch[0] && !slice_is(epoch, store->epoch);
        store->given_up = false;
        if (store->up && !changed)
                return;
        memcpy(store->epoch, epoch.ptr, epoch.len);
        store->epoch[epoch.len] = '\0';
        if (changed)
                log_error("The store has lost its past: its epoch is new. epoch=%s", store->epoch);
        if (changed)
                store->witness_ms = 0; /* it has done its work */
        store->up = true;
        store->options.on_up(store->options.context, changed);
}

void store_witness(struct store *store, struct slice node, int64_t renewed_ms) {
        if (node.len >= sizeof(store->witness))
                return;
        memcpy(store->witness, node.ptr, node.len);
        store->witness[node.len] = '\0';
        store->witness_ms = renewed_ms;
}

static void store_ask_epoch(struct store *store) {
        char fresh[STORE_EPOCH_BYTES + 1];
        chance_hex(fresh, STORE_EPOCH_BYTES);
        struct call *call = store_call(store, "store");
        store_call_key_in(call, KEY_STORE, 0, SLICE("store"));
        store_call_key_in(call, KEY_NODES, 0, SLICE(""));
        store_call_arg_text(call, fresh);
        store_call_arg_text(call, store->epoch);
        store_call_arg_text(call, store->witness);
        store_call_arg_int(call, store->witness_ms);
        store->asking = store_send_now(store, call, store_on_epoch, store) == 0;
}

static void store_on_loaded(struct link *link, struct redisReply *reply, void *arg) {
        struct store *store = arg;
        store->asking = false;
        if (!reply)
                return;
        if (reply->type != REDIS_REPLY_ERROR)
                log_info("The functions are loaded. version=%.8s", store->version);
        else if (!store->given_up)
                log_warning("The functions could not be loaded; going on with those that are there. error=\"%.200s\"", reply->str);
        store_ask_epoch(store);
}

static void store_on_version(struct link *link, struct redisReply *reply, void *arg) {
        struct store *store = arg;
        store->asking = false;
        if (!reply)
                return;
        if (slice_is(store_text(reply), store->version)) {
                store_ask_epoch(store);
                return;
        }
        struct slice argv[] = { SLICE("FUNCTION"), SLICE("LOAD"), SLICE("REPLACE"), buf_slice(&store->library) };
        store->asking = link_command(store->link, 4, argv, store_on_loaded, store) == 0;
}

static void store_ask_version(struct store *store) {
        struct slice argv[] = { SLICE("FCALL_RO"), SLICE("b1_version"), SLICE("0") };
        store->asking = link_command(store->link, 3, argv, store_on_version, store) == 0;
}

static void store_on_link_up(struct link *link, void *context) {
        struct store *store = context;
        store->link = link;
        store_ask_version(store);
}

void store_tick(struct store *store) {
        if (store->asking || !link_is_ready(store->link))
                return;
        if (store->up)
                store_ask_epoch(store);
        else
                store_ask_version(store);
}

static void store_on_link_down(struct link *link, void *context) {
        struct store *store = context;
        if (!store->up)
                return;
        store->up = false;
        uv_timer_stop(&store->gather);
        bundle_fail(&store->bundle); /* what was held was for the store that we knew, and must not be what the next one hears first */
        store->options.on_down(store->options.context);
}

/* The library with a function that answers with the digest of its text. */
static int store_make_library(struct store *store) {
        unsigned char digest[EVP_MAX_MD_SIZE];
        unsigned len = 0;
        buf_init(&store->library, STORE_LIBRARY_BYTES);
        functions_add(&store->library);
        if (buf_failed(&store->library) || !EVP_Digest(store->library.ptr, store->library.len, digest, &len, EVP_sha256(), NULL))
                return -EIO;
        for (unsigned i = 0; i < 20; i++)
                snprintf(store->version + i * 2, 3, "%02x", digest[i]);
        buf_printf(&store->library,
                   "\nredis.register_function{ function_name = 'b1_version', callback = function() return '%s' end, "
                   "flags = { 'no-writes' } }\n",
                   store->version);
        return buf_failed(&store->library) ? -ENOMEM : 0;
}

static void store_on_handle_closed(uv_handle_t *handle) {
        struct store *store = handle->data;
        if (--store->closing)
                return;
        void (*on_closed)(void *context) = store->on_closed;
        void *closed_context = store->closed_context;
        bundle_deinit(&store->bundle);
        buf_deinit(&store->call.text);
        buf_deinit(&store->call.ends);
        buf_deinit(&store->call.argv);
        buf_deinit(&store->library);
        free(store);
        on_closed(closed_context);
}

static void store_on_link_closed(void *context) {
        struct store *store = context;
        bundle_fail(&store->bundle);
        store->closing = 2;
        uv_close((uv_handle_t *)&store->gather, store_on_handle_closed);
        uv_close((uv_handle_t *)&store->idle, store_on_handle_closed);
}

struct store *store_open(const struct store_options *options) {
        struct store *store = calloc(1, sizeof(*store));
        if (!store)
                return NULL;
        store->options = *options;
        store->call.store = store;
        buf_init(&store->call.text, STORE_CALL_BYTES);
        buf_init(&store->call.ends, STORE_CALL_BYTES);
        buf_init(&store->call.argv, STORE_CALL_BYTES);
        bundle_init(&store->bundle);
        store->idle.data = store->gather.data = store;
        struct link_options link_options = {
                .address = options->address,
                .ca_file = options->ca_file,
                .name = "store",
                .timeout_ms = options->timeout_ms,
                .context = store,
                .on_up = store_on_link_up,
                .on_down = store_on_link_down,
        };
        if (store_make_library(store) == 0)
                store->link = link_open(options->loop, &link_options);
        if (!store->link) {
                buf_deinit(&store->library);
                free(store);
                return NULL;
        }
        uv_idle_init(options->loop, &store->idle); /* cannot fail */
        uv_timer_init(options->loop, &store->gather);
        return store;
}

void store_close(struct store *store, void (*on_closed)(void *context), void *context) {
        store->on_closed = on_closed;
        store->closed_context = context;
        link_close(store->link, store_on_link_closed, store);
}
