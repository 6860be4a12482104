/* SPDX-License-Identifier: Apache-2.0 */
/* bundle.c: see bundle.h. */
#include "fanout/bundle.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/link.h"
#include "fanout/keys.h"
#include "fanout/words.h"

enum {
        BUNDLE_BUF_BYTES = 16 << 20, /* the last call may be a large one */
        BUNDLE_HEAD = 2,             /* arguments before all calls: channels, counters */
};

/* A bundle under way. */
struct bundle_sent {
        struct bundle_calls calls;
        size_t count;
        struct bundle_wait waits[];
};

void bundle_init(struct bundle *bundle) {
        buf_init(&bundle->keys, BUNDLE_BUF_BYTES);
        buf_init(&bundle->args, BUNDLE_BUF_BYTES);
        buf_init(&bundle->key_ends, BUNDLE_BUF_BYTES);
        buf_init(&bundle->arg_ends, BUNDLE_BUF_BYTES);
        buf_init(&bundle->argv, BUNDLE_BUF_BYTES);
        bundle->count = 0;
}

void bundle_deinit(struct bundle *bundle) {
        buf_deinit(&bundle->keys);
        buf_deinit(&bundle->args);
        buf_deinit(&bundle->key_ends);
        buf_deinit(&bundle->arg_ends);
        buf_deinit(&bundle->argv);
}

static void bundle_clear(struct bundle *bundle) {
        buf_clear(&bundle->keys);
        buf_clear(&bundle->args);
        buf_clear(&bundle->key_ends);
        buf_clear(&bundle->arg_ends);
        bundle->count = 0;
}

bool bundle_is_full(const struct bundle *bundle) {
        return bundle->count >= LIMIT_BUNDLE_CALLS || bundle->keys.len + bundle->args.len >= LIMIT_BUNDLE_BYTES;
}

/* Those registered by register_batchable() in the library. */
bool bundle_takes(struct slice function) {
        return slice_is(function, "b1_append") || slice_is(function, "b1_receipt") || slice_is(function, "b1_cast");
}

static void bundle_add_piece(struct buf *text, struct buf *ends, struct slice piece) {
        buf_add_slice(text, piece);
        buf_add(ends, &text->len, sizeof(text->len));
}

/* What is said of a call before its arguments: "<function> <how many keys> <how many arguments>". */
static void bundle_add_shape(struct bundle *bundle, struct slice function, size_t keys, size_t args) {
        buf_add_slice(&bundle->args, function);
        buf_add_char(&bundle->args, ' ');
        buf_add_uint(&bundle->args, keys);
        buf_add_char(&bundle->args, ' ');
        buf_add_uint(&bundle->args, args);
        buf_add(&bundle->arg_ends, &bundle->args.len, sizeof(bundle->args.len));
}

static bool bundle_failed(const struct bundle *bundle) {
        return buf_failed(&bundle->keys) || buf_failed(&bundle->args) || buf_failed(&bundle->key_ends) || buf_failed(&bundle->arg_ends);
}

void bundle_begin(struct bundle *bundle, const char *prefix) {
        bundle_clear(bundle); /* of a first call that could not be added for want of memory */
        keys_add_in(&bundle->args, prefix, KEY_CHANNEL, 0, SLICE(""));
        bundle_add_piece(&bundle->args, &bundle->arg_ends, SLICE(""));
        keys_add_in(&bundle->args, prefix, KEY_COUNTER, 0, SLICE(""));
        bundle_add_piece(&bundle->args, &bundle->arg_ends, SLICE(""));
}

int bundle_add(struct bundle *bundle, struct slice function, const struct slice *pieces, size_t keys, size_t args, struct bundle_wait wait) {
        bundle_add_shape(bundle, function, keys, args);
        for (size_t i = 0; i < keys; i++)
                bundle_add_piece(&bundle->keys, &bundle->key_ends, pieces[i]);
        for (size_t i = 0; i < args; i++)
                bundle_add_piece(&bundle->args, &bundle->arg_ends, pieces[keys + i]);
        if (bundle_failed(bundle))
                return -ENOMEM;
        bundle->waits[bundle->count++] = wait;
        return 0;
}

static void bundle_add_pieces(struct buf *argv, const struct buf *text, const struct buf *ends, size_t first) {
        const size_t *end = (const size_t *)(const void *)ends->ptr;
        for (size_t i = first; i < ends->len / sizeof(*end); i++) {
                size_t begin = i ? end[i - 1] : 0;
                struct slice piece = { text->ptr + begin, end[i] - begin };
                buf_add(argv, &piece, sizeof(piece));
        }
}

static void bundle_on_reply(struct link *link, struct redisReply *reply, void *arg) {
        struct bundle_sent *sent = arg;
        sent->calls.on_answered(sent->calls.context);
        if (reply && reply->type == REDIS_REPLY_ERROR) {
                sent->calls.on_error(sent->calls.context, reply->str);
                reply = NULL;
        }
        bool single = sent->count == 1 && reply;
        for (size_t i = 0; i < sent->count; i++) {
                bool there = reply && !single && reply->type == REDIS_REPLY_ARRAY && i < reply->elements;
                const struct redisReply *item = single ? reply : there ? reply->element[i] : NULL;
                if (item && item->type == REDIS_REPLY_ERROR) {
                        sent->calls.on_error(sent->calls.context, item->str);
                        item = NULL;
                }
                if (sent->waits[i].cb)
                        sent->waits[i].cb(sent->waits[i].arg, item);
        }
        free(sent);
}

int bundle_send(struct bundle *bundle, struct link *link, const struct bundle_calls *calls) {
        size_t count = bundle->count;
        struct bundle_sent *sent = bundle_failed(bundle) ? NULL : malloc(sizeof(*sent) + count * sizeof(sent->waits[0]));
        if (!sent)
                return -ENOMEM;
        *sent = (struct bundle_sent){ .calls = *calls, .count = count };
        memcpy(sent->waits, bundle->waits, count * sizeof(sent->waits[0]));
        char keys[24];
        snprintf(keys, sizeof(keys), "%zu", bundle->key_ends.len / sizeof(size_t));
        struct slice head[] = { SLICE("FCALL"), SLICE("b1_batch"), slice_of(keys) };
        const size_t *ends = (const size_t *)(const void *)bundle->arg_ends.ptr;
        if (count == 1) {
                struct slice shape = { bundle->args.ptr + ends[BUNDLE_HEAD - 1], ends[BUNDLE_HEAD] - ends[BUNDLE_HEAD - 1] };
                head[1] = words_take(&shape, ' ');
        }
        buf_clear(&bundle->argv);
        buf_add(&bundle->argv, head, sizeof(head));
        bundle_add_pieces(&bundle->argv, &bundle->keys, &bundle->key_ends, 0);
        bundle_add_pieces(&bundle->argv, &bundle->args, &bundle->arg_ends, count == 1 ? BUNDLE_HEAD + 1 : 0);
        int r = -ENOMEM;
        if (!buf_failed(&bundle->argv))
                r = link_command(link, bundle->argv.len / sizeof(struct slice), (const struct slice *)(const void *)bundle->argv.ptr,
                                 bundle_on_reply, sent);
        if (r == 0)
                bundle_clear(bundle);
        else
                free(sent);
        return r;
}

void bundle_fail(struct bundle *bundle) {
        struct bundle_wait waits[LIMIT_BUNDLE_CALLS];
        size_t count = bundle->count;
        memcpy(waits, bundle->waits, count * sizeof(waits[0]));
        bundle_clear(bundle); /* before anyone is told, who may add something */
        for (size_t i = 0; i < count; i++)
                if (waits[i].cb)
                        waits[i].cb(waits[i].arg, NULL);
}
