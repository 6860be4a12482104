/* SPDX-License-Identifier: Apache-2.0 */
/* lane.c: see lane.h. What decides is elsewhere and pure: breaker.c, guard.c, retry.c, the providers' judges. */
#include "push/lane.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <uv.h>

#include "base/chance.h"
#include "base/clock.h"
#include "base/limiter.h"
#include "base/list.h"
#include "base/log.h"
#include "base/metrics.h"
#include "push/breaker.h"
#include "push/credential.h"
#include "push/draft.h"
#include "push/guard.h"
#include "push/http2.h"
#include "push/retry.h"
#include "push/verdict.h"

static_assert(SERIES_PUSH_DEFERRED - SERIES_PUSH_ACCEPTED == PUSH_DEFERRED, "metrics.def: the outcomes stand in the order of push_class");

enum { PRIORITIES = PUSH_CRITICAL + 1, MEMORY_WAIT_MS = 1000, PROBE_LOOK_MS = 200 };

struct item {
        struct list link;
        struct lane *lane;
        struct push_job job; /* its slices are in texts */
        bool is_repaired;    /* lane#3 */
        uint64_t given_ms, sent_ms;
        int64_t sent_wall_ms;
        provider_done_fn done;
        void *arg;
        char texts[];
};

struct lane {
        struct uv_loop_s *loop;
        struct lane_options options;
        char *origin;
        struct http2 *http2;
        struct breaker breaker;
        struct guard guard;
        struct list waiting[PRIORITIES]; /* struct item, link */
        struct list under_way;           /* struct item, link */
        size_t load;
        uint64_t renewed_ms; /* when the connection was last given up */
        uint64_t failed_ms;  /* when requests were last lost: all that were sent before count as one failure */
        uv_timer_t turn;
        bool is_draining, is_closing, is_ending;
        void (*on_closed)(void *context);
        void *closed_context;
};

static void on_turn(uv_timer_t *timer);

static void turn_soon(struct lane *lane) {
        uv_timer_start(&lane->turn, on_turn, 0, 0);
}

/* ---- Items ---- */

static struct item *item_new(struct lane *lane, const struct push_job *job, provider_done_fn done, void *arg) {
        size_t len = job->user.len + job->device.len + job->app.len + job->token.len + job->title.len + job->text.len + job->data.len +
                     job->conv.len + job->op.len + job->collapse.len;
        struct item *item = malloc(sizeof(*item) + len);
        if (!item)
                return NULL;
        *item = (struct item){ .lane = lane, .job = *job, .given_ms = clock_monotonic_ms(), .done = done, .arg = arg };
        char *at = item->texts;
        item->job.user = slice_copy(&at, job->user);
        item->job.device = slice_copy(&at, job->device);
        item->job.app = slice_copy(&at, job->app);
        item->job.token = slice_copy(&at, job->token);
        item->job.title = slice_copy(&at, job->title);
        item->job.text = slice_copy(&at, job->text);
        item->job.data = slice_copy(&at, job->data);
        item->job.conv = slice_copy(&at, job->conv);
        item->job.op = slice_copy(&at, job->op);
        item->job.collapse = slice_copy(&at, job->collapse);
        list_init(&item->link);
        return item;
}

/* lane#1. The lane outlives it: it is freed in a turn of its own. */
static void item_done(struct item *item, const struct push_outcome *outcome) {
        struct lane *lane = item->lane;
        struct metrics_series *series = lane->options.series;
        list_remove(&item->link);
        lane->load--;
        series->values[SERIES_PUSH_ACCEPTED + outcome->class]++;
        if (outcome->class == PUSH_ACCEPTED)
                metrics_observe_series(series, SERIES_PUSH_LATENCY_MS, clock_monotonic_ms() - item->given_ms);
        item->done(item->arg, outcome);
        free(item);
        lane->options.on_change(lane->options.context);
}

static void item_defer(struct item *item, uint64_t wait_ms, const char *reason) {
        struct push_outcome outcome = { .class = PUSH_DEFERRED, .retry_after_ms = (int64_t)wait_ms };
        snprintf(outcome.reason, sizeof(outcome.reason), "%s", reason);
        item_done(item, &outcome);
}

static struct item *first_waiting(const struct lane *lane) {
        for (size_t priority = PRIORITIES; priority-- > 0;) {
                struct list *link = list_first(&lane->waiting[priority]);
                if (link)
                        return LIST_CONTAINER(link, struct item, link);
        }
        return NULL;
}

/* With up to a quarter more, so that they do not all come back at once. */
static void defer_waiting(struct lane *lane, uint64_t wait_ms, const char *reason) {
        struct list all; /* first: who hears of it may send again */
        list_init(&all);
        for (size_t priority = PRIORITIES; priority-- > 0;)
                list_splice(&all, &lane->waiting[priority]);
        for (struct list *link; (link = list_first(&all));)
                item_defer(LIST_CONTAINER(link, struct item, link), wait_ms + chance_u64() % (wait_ms / 4 + 1), reason);
}

/* ---- Answers ---- */

static void breaker_tell(struct lane *lane, enum breaker_event event, uint64_t said_ms, const char *reason) {
        bool was_closed = lane->breaker.state == BREAKER_CLOSED;
        uint64_t now_ms = clock_monotonic_ms();
        breaker_step(&lane->breaker, event, now_ms, said_ms, chance_u64());
        bool is_closed = lane->breaker.state == BREAKER_CLOSED;
        const char *provider = job_provider_text(lane->options.provider);
        if (was_closed && !is_closed) {
                metrics_add(PUSH_BREAKERS_OPEN, 1);
                log_warning("A push provider is left alone for a while. provider=%s app=%s host=%s reason=\"%s\" for_ms=%" PRIu64, provider,
                            lane->options.name, lane->origin, reason, breaker_wait_ms(&lane->breaker, now_ms));
        } else if (!was_closed && is_closed) {
                metrics_sub(PUSH_BREAKERS_OPEN, 1);
                log_info("A push provider works again. provider=%s app=%s host=%s", provider, lane->options.name, lane->origin);
        }
}

/* guard.h: a doubt is believed, put off, or turned against us. */
static void weigh_doubt(struct lane *lane, const struct item *item, struct verdict *verdict) {
        if (verdict->class == PUSH_ACCEPTED)
                guard_on_accepted(&lane->guard);
        if (!verdict->is_doubt)
                return;
        switch (guard_on_doubt(&lane->guard, item->job.attempt > 0)) {
        case GUARD_BELIEVE:
                verdict->is_doubt = false;
                return;
        case GUARD_ASK_AGAIN:
                verdict->class = PUSH_UNKNOWN;
                break;
        case GUARD_OURS:
                verdict->class = PUSH_AUTH_BAD;
                verdict->about = VERDICT_US;
                break;
        }
        metrics_add(PUSH_DEATHS_DOUBTED, 1);
}

static void tell_breaker(struct lane *lane, const struct item *item, const struct http2_answer *answer, const struct verdict *verdict,
                         int64_t said_ms, int64_t wait_ms) {
        if (verdict->class == PUSH_DEFERRED || (answer->error && item->sent_ms < lane->failed_ms))
                return;
        if (answer->error)
                lane->failed_ms = clock_monotonic_ms() + 1;
        if (verdict->about == VERDICT_RATE || (verdict->about == VERDICT_SERVER && said_ms >= 0))
                breaker_tell(lane, BREAKER_WAIT, (uint64_t)(wait_ms > 0 ? wait_ms : 0), verdict->reason);
        else if (verdict->about == VERDICT_SERVER)
                breaker_tell(lane, BREAKER_FAILED, 0, verdict->reason);
        else if (verdict->about == VERDICT_US)
                breaker_tell(lane, BREAKER_REFUSED, 0, verdict->reason);
        else
                breaker_tell(lane, BREAKER_OK, 0, verdict->reason);
}

/* True if the item waits again, to be sent once more: lane#3. Of the many that hit the same wall, the first renews for all. */
static bool repair(struct lane *lane, struct item *item, const struct verdict *verdict) {
        struct credential *credential = lane->options.credential;
        if (verdict->repair == VERDICT_NO_REPAIR)
                return false;
        if (verdict->repair != VERDICT_NEW_ACCESS && item->sent_ms >= lane->renewed_ms) {
                http2_renew(lane->http2);
                lane->renewed_ms = clock_monotonic_ms() + 1;
        }
        if (verdict->repair == VERDICT_NEW_CONNECTION || item->is_repaired || lane->is_draining ||
            !credential->kind->renew(credential, item->sent_wall_ms, clock_wall_ms()))
                return false;
        item->is_repaired = true;
        list_remove(&item->link);
        list_append(&lane->waiting[PUSH_CRITICAL], &item->link);
        return true;
}

static void on_answer(void *context, const struct http2_answer *answer) {
        struct item *item = context;
        struct lane *lane = item->lane;
        struct verdict verdict;
        metrics_sub(PUSH_IN_FLIGHT, 1);
        metrics_add(PUSH_REQUEST_MS, clock_monotonic_ms() - item->sent_ms);
        lane->options.credential->kind->judge(&item->job, answer, &verdict);
        turn_soon(lane);
        if (!answer->error && repair(lane, item, &verdict))
                return;
        weigh_doubt(lane, item, &verdict);

        struct push_outcome outcome = { .class = verdict.class, .status = answer->status };
        int64_t said_ms = answer->error ? -1 : retry_after_parse(answer->retry, clock_wall_ms());
        if (verdict.class == PUSH_TOKEN_DEAD)
                outcome.dead_since_ms = verdict.dead_since_ms;
        outcome.retry_after_ms = verdict.class == PUSH_UNKNOWN && verdict.is_doubt ?
                                         retry_doubt_ms(item->job.attempt, chance_u64()) :
                                         retry_wait_ms(lane->options.provider, verdict.class, answer->status, item->job.attempt,
                                                       said_ms, chance_u64());
        tell_breaker(lane, item, answer, &verdict, said_ms, outcome.retry_after_ms);
        snprintf(outcome.reason, sizeof(outcome.reason), "%s", verdict.reason);
        item_done(item, &outcome);
}

/* ---- Sending ---- */

/* It could not be written: nothing was sent. */
static void refuse(struct item *item, int answer, const char *reason) {
        struct push_outcome outcome = { .class = answer == DRAFT_E_BAD ? PUSH_PAYLOAD_BAD : PUSH_AUTH_BAD };
        outcome.retry_after_ms = retry_wait_ms(item->job.provider, outcome.class, 0, item->job.attempt, -1, chance_u64());
        snprintf(outcome.reason, sizeof(outcome.reason), "%s", reason);
        item_done(item, &outcome);
}

static int send_draft(struct lane *lane, struct item *item, const struct draft *draft) {
        const char *headers[DRAFT_HEADERS + 1];
        draft_get_headers(draft, headers);
        struct http2_request request = {
                .url = draft->url.ptr,
                .headers = headers,
                .body = buf_slice(&draft->body),
                .on_answer = on_answer,
                .context = item,
        };
        return http2_send(lane->http2, &request);
}

/* 0: the next may be looked at. 1: not now. */
static int send_one(struct lane *lane, struct item *item) {
        struct credential *credential = lane->options.credential;
        struct draft draft;
        draft_init(&draft);
        int r = credential->kind->draft(credential, &item->job, clock_wall_ms(), &draft);
        if (r == 0)
                r = send_draft(lane, item, &draft);
        if (r == 0) {
                list_remove(&item->link);
                list_append(&lane->under_way, &item->link);
                item->sent_ms = clock_monotonic_ms();
                item->sent_wall_ms = clock_wall_ms();
                breaker_on_send(&lane->breaker, item->sent_ms);
                metrics_add(PUSH_REQUESTS, 1);
                metrics_add(PUSH_IN_FLIGHT, 1);
        } else if (r == DRAFT_E_BAD || r == DRAFT_E_AUTH) {
                refuse(item, r, draft.reason);
                r = 0;
        } else if (r == DRAFT_E_LATER) {
                item_defer(item, draft.wait_ms, draft.reason);
                r = 0;
        } else if (r < 0) {
                item_defer(item, MEMORY_WAIT_MS, "no memory");
                r = 0;
        }
        draft_deinit(&draft);
        return r == DRAFT_E_WAIT;
}

/* The pace of the whole credential. */
static bool is_too_fast(struct lane *lane, uint64_t now_ms) {
        uint64_t wait_ms = 0;
        if (!lane->options.limiter || limiter_allow(lane->options.limiter, SLICE("all"), now_ms, &wait_ms))
                return false;
        uv_timer_start(&lane->turn, on_turn, wait_ms > 0 ? wait_ms : 1, 0);
        return true;
}

static void pump(struct lane *lane) {
        for (struct item *item; !lane->is_draining && (item = first_waiting(lane));) {
                uint64_t now_ms = clock_monotonic_ms();
                uint64_t wait_ms = breaker_wait_ms(&lane->breaker, now_ms);
                if (wait_ms > 0 && lane->breaker.state == BREAKER_HALF_OPEN)
                        return; /* the answer to the one that was let through decides, and comes soon */
                if (wait_ms > 0) {
                        defer_waiting(lane, wait_ms, "left alone");
                        return;
                }
                if (clock_wall_ms() >= item->job.expires_ms) {
                        item_defer(item, 0, "expired");
                        continue;
                }
                if (http2_room(lane->http2) == 0 || is_too_fast(lane, now_ms) || send_one(lane, item) != 0)
                        return;
        }
        if (!lane->is_draining)
                http2_rest(lane->http2);
}

static void on_timer_closed(uv_handle_t *handle) {
        struct lane *lane = handle->data;
        void (*on_closed)(void *) = lane->on_closed;
        void *context = lane->closed_context;
        assert(lane->load == 0);
        if (lane->breaker.state != BREAKER_CLOSED)
                metrics_sub(PUSH_BREAKERS_OPEN, 1);
        free(lane->origin);
        free(lane);
        on_closed(context);
}

static void on_http2_closed(void *context) {
        struct lane *lane = context;
        lane->http2 = NULL;
        uv_close((uv_handle_t *)&lane->turn, on_timer_closed);
}

static void on_turn(uv_timer_t *timer) {
        struct lane *lane = timer->data;
        if (lane->is_draining)
                defer_waiting(lane, 0, "closing");
        if (lane->is_closing && !lane->is_ending) {
                lane->is_ending = true;
                http2_close(lane->http2, on_http2_closed, lane);
        }
        pump(lane);
}

int lane_new(struct uv_loop_s *loop, const struct lane_options *options, struct lane **ret_lane) {
        struct lane *lane = calloc(1, sizeof(*lane));
        if (!lane)
                return -ENOMEM;
        lane->loop = loop;
        lane->options = *options;
        lane->options.http2 = NULL;
        lane->origin = strdup(options->origin);
        if (!lane->origin || http2_new(loop, options->http2, &lane->http2) != 0) {
                free(lane->origin);
                free(lane);
                return -ENOMEM;
        }
        for (size_t priority = 0; priority < PRIORITIES; priority++)
                list_init(&lane->waiting[priority]);
        list_init(&lane->under_way);
        breaker_init(&lane->breaker);
        uv_timer_init(loop, &lane->turn);
        lane->turn.data = lane;
        *ret_lane = lane;
        return 0;
}

void lane_drain(struct lane *lane) {
        lane->is_draining = true;
        turn_soon(lane);
}

void lane_close(struct lane *lane, void (*on_closed)(void *context), void *context) {
        assert(!lane->is_closing);
        lane->is_draining = lane->is_closing = true;
        lane->on_closed = on_closed;
        lane->closed_context = context;
        turn_soon(lane);
}

int lane_send(struct lane *lane, const struct push_job *job, provider_done_fn done, void *arg) {
        struct item *item = item_new(lane, job, done, arg);
        if (!item)
                return -ENOMEM;
        list_append(&lane->waiting[job->priority], &item->link);
        lane->load++;
        turn_soon(lane);
        return 0;
}

void lane_wake(struct lane *lane) {
        turn_soon(lane);
}

const char *lane_origin(const struct lane *lane) {
        return lane->origin;
}

size_t lane_load(const struct lane *lane) {
        return lane->load;
}

uint64_t lane_wait_ms(const struct lane *lane, uint64_t now_ms) {
        uint64_t wait_ms = breaker_wait_ms(&lane->breaker, now_ms);
        return lane->breaker.state == BREAKER_HALF_OPEN && wait_ms > PROBE_LOOK_MS ? PROBE_LOOK_MS : wait_ms;
}
