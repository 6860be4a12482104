/* SPDX-License-Identifier: Apache-2.0 */
/* subscription.c: see subscription.h. */
#include "hub/subscription.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/frame.h"
#include "base/limits.h"
#include "fanout/channel.h"
#include "fanout/words.h"
#include "hub/answer.h"
#include "hub/hub.h"
#include "hub/protocol.h"
#include "hub/session.h"
#include "hub/wire.h"

enum { SUBSCRIPTION_TEXT_BYTES = 4096 };

struct subscription {
        struct channel_sub sub; /* first */
        struct session *session;
        struct list link; /* in session->subscriptions */
        size_t conv_len;
        char conv[];
};

/* A subscribe that waits for the store. */
struct subscription_wait {
        struct session *session;
        struct subscription *subscription;
        bool has_id;
        int64_t id;
};

static struct slice subscription_conv(const struct subscription *subscription) {
        return (struct slice){ subscription->conv, subscription->conv_len };
}

static struct subscription *subscription_of(struct channel_sub *sub) {
        return (struct subscription *)sub;
}

static void subscription_say(struct subscription *subscription, bool has_id, int64_t id, const struct channel_place *place) {
        _cleanup_buf_ struct buf text = BUF_INIT(SUBSCRIPTION_TEXT_BYTES);
        buf_add_text(&text, "{\"type\":\"subscribed\"");
        if (has_id)
                buf_printf(&text, ",\"id\":%" PRId64, id);
        buf_add_text(&text, ",\"conv\":");
        buf_add_json(&text, subscription_conv(subscription));
        buf_add_text(&text, ",\"epoch\":");
        buf_add_json(&text, place->epoch);
        buf_printf(&text, ",\"seq\":%" PRIu64 ",\"recovered\":%s}", place->seq, place->recovered ? "true" : "false");
        session_reply(subscription->session, buf_slice(&text));
}

/* Ends it, if nothing more is to come of it. */
static void subscription_free_if_over(struct subscription *subscription) {
        if (!channel_is_over(&subscription->sub))
                return;
        list_remove(&subscription->link);
        subscription->session->subscriptions_count--;
        free(subscription);
}

/* ---- from the channel ---- */

static bool subscription_on_entry(struct channel_sub *sub, struct frame *frame) {
        struct session *session = subscription_of(sub)->session;
        bool added = outbox_add_entry(&session->outbox, frame);
        session->starved |= !added;
        session_mark_dirty(session);
        return added;
}

static void subscription_on_lost(struct channel_sub *sub, const struct channel_place *place) {
        subscription_say(subscription_of(sub), false, 0, place);
}

static void subscription_on_end(struct channel_sub *sub, int answer) {
        struct subscription *subscription = subscription_of(sub);
        struct session *session = subscription->session;
        const struct codes_error *row = codes_error(answer_code(answer));
        _cleanup_buf_ struct buf text = BUF_INIT(SUBSCRIPTION_TEXT_BYTES);
        buf_printf(&text, "{\"type\":\"error\",\"code\":\"%s\",\"message\":\"the subscription has ended\",\"temporary\":false,\"conv\":", row->text);
        buf_add_json(&text, subscription_conv(subscription));
        buf_add_char(&text, '}');
        session_reply(session, buf_slice(&text));
        subscription_free_if_over(subscription);
}

static const struct channel_calls subscription_calls = {
        .on_entry = subscription_on_entry,
        .on_lost = subscription_on_lost,
        .on_end = subscription_on_end,
};

/* ---- requests ---- */

static struct subscription *subscription_find(struct session *session, struct slice conv) {
        LIST_FOR_EACH(link, &session->subscriptions) {
                struct subscription *subscription = LIST_CONTAINER(link, struct subscription, link);
                if (slice_equal(subscription_conv(subscription), conv))
                        return subscription;
        }
        return NULL;
}

static struct subscription *subscription_new(struct session *session, struct slice conv) {
        struct subscription *subscription = calloc(1, sizeof(*subscription) + conv.len);
        if (!subscription)
                return NULL;
        channel_init(&subscription->sub);
        subscription->sub.calls = &subscription_calls;
        subscription->sub.user = session->subscriber.user;
        subscription->session = session;
        subscription->conv_len = conv.len;
        memcpy(subscription->conv, conv.ptr, conv.len);
        list_append(&session->subscriptions, &subscription->link);
        session->subscriptions_count++;
        return subscription;
}

static bool subscription_is_granted(const char *channels, struct slice conv) {
        struct slice rest = slice_of(channels);
        while (rest.len)
                if (slice_equal(words_take(&rest, ' '), conv))
                        return true;
        return false;
}

static void subscription_on_done(void *arg, int answer, const struct channel_place *place) {
        struct subscription_wait *wait = arg;
        struct session *session = wait->session;
        if (session_is_open(session)) {
                if (answer)
                        session_error_id(session, wait->has_id, wait->id, answer_code(answer), answer_message(answer));
                else
                        subscription_say(wait->subscription, wait->has_id, wait->id, place);
        }
        /* Of one that leaves, who makes it leave takes care. */
        if (answer != FANOUT_E_CONFLICT)
                subscription_free_if_over(wait->subscription);
        session_end(session);
        free(wait);
}

void subscription_add(struct session *session, const struct request *request) {
        struct subscription *subscription = subscription_find(session, request->conv);
        if (!subscription && session->subscriptions_count >= LIMIT_SUBSCRIPTIONS) {
                session_error(session, request, ERROR_TOO_LARGE, "this session subscribes to too many channels");
                return;
        }
        struct subscription_wait *wait = malloc(sizeof(*wait));
        if (wait && !subscription)
                subscription = subscription_new(session, request->conv);
        if (!wait || !subscription) {
                free(wait);
                session_error(session, request, ERROR_INTERNAL, NULL);
                return;
        }
        *wait = (struct subscription_wait){ session, subscription, request->has_id, request->id };
        session_begin(session);
        subscription->sub.granted = subscription_is_granted(session->grants, request->conv);
        struct channel_place since = { .epoch = request->epoch, .seq = request->seq };
        int r = channel_subscribe(session->hub->fanout.channels, &subscription->sub, request->conv, request->has_since ? &since : NULL,
                                  subscription_on_done, wait);
        if (r)
                subscription_on_done(wait, FANOUT_E_UNAVAILABLE, NULL);
}

static void subscription_end(struct subscription *subscription) {
        channel_leave(&subscription->sub);
        subscription_free_if_over(subscription);
}

void subscription_remove(struct session *session, const struct request *request) {
        struct subscription *subscription = subscription_find(session, request->conv);
        if (subscription)
                subscription_end(subscription);
        protocol_ok(session, request);
}

/* ---- the session ---- */

void subscription_resume_all(struct session *session) {
        session->starved = false;
        LIST_FOR_EACH(link, &session->subscriptions) channel_resume(&LIST_CONTAINER(link, struct subscription, link)->sub);
}

void subscription_end_all(struct session *session) {
        LIST_FOR_EACH(link, &session->subscriptions) subscription_end(LIST_CONTAINER(link, struct subscription, link));
}

int subscription_grant(struct session *session, const char *channels) {
        char *copy = channels[0] ? strdup(channels) : NULL;
        if (channels[0] && !copy)
                return -ENOMEM;
        free(session->grants);
        session->grants = copy;
        LIST_FOR_EACH(link, &session->subscriptions) {
                struct subscription *subscription = LIST_CONTAINER(link, struct subscription, link);
                bool was = subscription->sub.granted;
                subscription->sub.granted = subscription_is_granted(copy, subscription_conv(subscription));
                if (was && !subscription->sub.granted)
                        channel_recheck(&subscription->sub);
        }
        return 0;
}
