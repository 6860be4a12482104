/* SPDX-License-Identifier: Apache-2.0 */
/*
 * work.c: see work.h.
 *
 *      take ──▶ fetch ──▶ decide for each device and escalation ──▶ send ──▶ done
 *       ▲                                                            │
 *       └──────────── due again while some of it is under way ◀──────┘
 */
#include "push/work.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/log.h"
#include "base/metrics.h"
#include "fanout/due.h"
#include "fanout/fanout.h"
#include "fanout/store.h"
#include "push/compose.h"
#include "push/ledger.h"
#include "push/look.h"
#include "push/policy.h"
#include "push/provider.h"

enum {
        WORK_LEASE_MS = 15000,       /* so long nobody pushes to a user whose worker died */
        WORK_KEEP_MS = 5000,
        WORK_SHOWN = 8,              /* visible pushes to one device at a time; of more the newest */
        WORK_LEDGER_BYTES = 8192,
        WORK_OPS_BYTES = 1 << 20,
        WORK_BUSY_MS = 1000,
        WORK_ANSWER_MS = 5000,       /* so long a step of an escalation has at least until the next one goes without its answer */
};

struct work {
        struct work_shared *shared;
        bool looking;                /* a take or fetch is under way */
        bool badge;                  /* the fetch asks for it */
        uint64_t kept_ms;
        uint64_t next_ms;            /* a step of an escalation goes then, though others wait for providers; 0: none */
        uint64_t decided;            /* events up to here were decided on for every device; those behind are still to be looked at when the user is let go of */
        struct list tracks;           /* struct track, link: those that wait for providers */
        struct look *look;           /* the latest */
        size_t user_len;
        char user[];
};

/* What is collected for b1_push_done: three texts each, behind one another. */
struct ops {
        struct buf text, ends;
};

struct track {
        struct list link;
        struct work *work;
        struct look *look;           /* what it was decided by: a reference */
        const struct look_device *device;         /* NULL: an escalation */
        const struct look_escalation *escalation;
        struct ledger ledger;
        struct ledger_steps steps;
        struct ops ops;
        unsigned waiting;            /* jobs under way */
        bool dead;                   /* the provider ended the registration */
        bool passed;                 /* an escalation: the next step went without its answer, which counts no more */
        bool sent, refused;          /* an escalation: some job was accepted; some was not */
        int64_t retry_ms;            /* an escalation: when to try again, from now; -1: not */
        int64_t expires_ms;          /* an escalation: what it pushes does then */
        char reason[PUSH_REASON_BYTES];
};

/* One push under way. */
struct send {
        struct track *track;
        const struct look_event *event;
        unsigned attempt;
        int class;
        enum push_kind kind;
        int64_t expires_ms;
        enum push_provider provider;
        struct slice app;            /* of the look, or of the step's ledger */
        char id[PUSH_ID_BYTES + 1];
};

/* ---- what is written down ---- */

static void ops_add(struct ops *ops, struct slice text) {
        buf_add_slice(&ops->text, text);
        buf_add(&ops->ends, &ops->text.len, sizeof(ops->text.len));
}

static void ops_add_three(struct ops *ops, const char *what, struct slice name, struct slice value) {
        ops_add(ops, slice_of(what));
        ops_add(ops, name);
        ops_add(ops, value);
}

static void ops_init(struct ops *ops) {
        buf_init(&ops->text, WORK_OPS_BYTES);
        buf_init(&ops->ends, WORK_OPS_BYTES);
}

static void ops_deinit(struct ops *ops) {
        buf_deinit(&ops->text);
        buf_deinit(&ops->ends);
}

static void work_on_done(void *arg, const struct redisReply *reply) {
        if (!reply)
                return; /* the lease ends, and whoever looks then makes the same ids */
        if (slice_is(store_text(store_item(reply, 0)), "fenced"))
                metrics_add(PUSH_FENCED, 1);
        else
                metrics_add(PUSH_TOKENS_REMOVED, (uint64_t)store_int(store_item(reply, 1)));
}

static void work_add_keys(struct work *work, struct call *call) {
        struct slice user = work_user(work);
        store_call_key(call, KEY_USER, user);
        store_call_key(call, KEY_PUSH, user);
        store_call_key(call, KEY_INBOX, user);
}

static void work_write(struct work *work, const struct ops *ops, bool release, uint64_t decided) {
        struct slice user = work_user(work);
        struct call *call = store_call(work->shared->fanout->store, "push_done");
        unsigned partition = partition_of(user);
        work_add_keys(work, call);
        store_call_key(call, KEY_NOTICES, user);
        store_call_key_in(call, KEY_DUE, partition, SLICE(""));
        store_call_key_in(call, KEY_DEAD, partition, SLICE(""));
        store_call_key_in(call, KEY_DEAD_TIMES, partition, SLICE(""));
        store_call_arg(call, user);
        store_call_arg_text(call, work->shared->worker);
        store_call_arg_int(call, release);
        store_call_arg_int(call, (int64_t)decided);
        store_call_arg_int(call, LIMIT_PUSH_DEAD);
        const size_t *ends = (const size_t *)(const void *)ops->ends.ptr;
        size_t count = buf_failed(&ops->text) || buf_failed(&ops->ends) ? 0 : ops->ends.len / sizeof(*ends), begin = 0;
        for (size_t i = 0; i < count; i++) {
                store_call_arg(call, (struct slice){ ops->text.ptr + begin, ends[i] - begin });
                begin = ends[i];
        }
        if (store_call_send(call, work_on_done, NULL))
                log_debug("What became of pushes is not written; it will be found again.");
}

static bool work_is_idle(const struct work *work) {
        return !work->looking && list_is_empty(&work->tracks);
}

/* Lets go of the user if nothing is left to do. The work may be freed by this. */
static void work_settle(struct work *work, const struct ops *ops) {
        bool release = work_is_idle(work);
        if (release || ops->ends.len)
                work_write(work, ops, release, work->decided);
        if (release)
                work->shared->on_end(work->shared->context, work);
}

static void track_note_ledger(struct track *track, struct ops *ops) {
        _cleanup_buf_ struct buf text = BUF_INIT(WORK_LEDGER_BYTES);
        ledger_print(&track->ledger, &text);
        ops_add_three(ops, "d", track->device->device, buf_slice(&text));
}

static void track_free(struct track *track) {
        list_remove(&track->link);
        ops_deinit(&track->ops);
        look_unref(track->look);
        free(track);
}

/* <at> <d|e> <n or step> <provider> <app> <class> <status> <attempts> <reason> <user> \n <device or op> \n <op> \n <conv> */
static void track_note_dead(struct track *track, const struct send *send, const struct push_outcome *outcome) {
        _cleanup_buf_ struct buf id = BUF_INIT(128), text = BUF_INIT(WORK_LEDGER_BYTES);
        struct slice user = work_user(track->work);
        uint64_t which = track->device ? send->event->n : track->steps.next;
        buf_printf(&id, "%u.%s", partition_of(user), send->id);
        buf_printf(&text, "%lld %s %llu %s %.*s %s %d %u ", (long long)clock_wall_ms(), track->device ? "d" : "e", (unsigned long long)which,
                   job_provider_text(send->provider), (int)send->app.len, send->app.ptr, job_class_text(outcome->class), outcome->status,
                   send->attempt + 1);
        for (const char *c = outcome->reason; *c; c++)
                buf_add_char(&text, *c > 0x20 && *c < 0x7f ? *c : '_');
        buf_add_char(&text, ' ');
        buf_add_slice(&text, user);
        buf_add_char(&text, '\n');
        buf_add_slice(&text, track->device ? track->device->device : track->escalation->op);
        buf_add_char(&text, '\n');
        buf_add_slice(&text, send->event->op);
        buf_add_char(&text, '\n');
        buf_add_slice(&text, send->event->conv);
        ops_add_three(&track->ops, "l", buf_slice(&id), buf_slice(&text));
        metrics_add(PUSH_DEAD_LETTERS, 1);
}

/* ---- the end of a track ---- */

static const char step_sent[] = "sent", step_failed[] = "failed", step_skipped[] = "skipped", step_cancelled[] = "cancelled";

static void track_note_steps(struct track *track, struct ops *ops, bool ended) {
        _cleanup_buf_ struct buf text = BUF_INIT(WORK_LEDGER_BYTES);
        ledger_print_steps(&track->steps, &text);
        ops_add_three(ops, ended ? "f" : "e", track->escalation->op, buf_slice(&text));
}

/* The present step is over: the next one, by the time at which the notification was posted. */
static void track_end_step(struct track *track, const char *state, const char *reason, int64_t now_ms, struct ops *ops) {
        struct ledger_steps *steps = &track->steps;
        struct ledger_step *step = &steps->steps[steps->next];
        step->state = slice_of(state);
        step->reason = slice_of(reason);
        step->at_ms = now_ms;
        steps->attempt = 0;
        steps->next++;
        /* What a replay ran again may have others behind it that ran long ago. */
        while (steps->next < steps->count && !slice_is(steps->steps[steps->next].state, "waiting"))
                steps->next++;
        bool ended = steps->next >= steps->count;
        steps->due_ms = ended ? 0 : track->escalation->event->at_ms + steps->steps[steps->next].after_ms;
        track_note_steps(track, ops, ended);
}

static void work_note_next(struct work *work, int64_t in_ms) {
        uint64_t next_ms = clock_monotonic_ms() + (uint64_t)(in_ms > 0 ? in_ms : 0);
        if (!work->next_ms || next_ms < work->next_ms)
                work->next_ms = next_ms;
}

/* When the step behind the present one is due; INT64_MAX: there is none. */
static int64_t track_next_step_ms(const struct track *track) {
        const struct ledger_steps *steps = &track->steps;
        int64_t next_ms = INT64_MAX;
        for (size_t i = steps->next + 1; i < steps->count; i++) {
                int64_t due_ms = track->escalation->event->at_ms + steps->steps[i].after_ms;
                if (slice_is(steps->steps[i].state, "waiting") && due_ms < next_ms)
                        next_ms = due_ms;
        }
        return next_ms;
}

/* The next step goes at its own time, whatever becomes of the present one. */
static bool track_has_time(const struct track *track, int64_t until_ms) {
        return until_ms < track->expires_ms && until_ms < track_next_step_ms(track);
}

/* When the next step goes without the answer to the present one. */
static int64_t track_passes_ms(const struct track *track) {
        int64_t least_ms = track->look->now_ms + WORK_ANSWER_MS, next_ms = track_next_step_ms(track);
        return next_ms > least_ms ? next_ms : least_ms;
}

static void track_end_escalation(struct track *track, struct ops *ops) {
        struct ledger_steps *steps = &track->steps;
        int64_t now_ms = track->look->now_ms, again_ms = clock_wall_ms() + track->retry_ms;
        if (track->sent) {
                metrics_add(PUSH_ESCALATIONS, 1);
                track_end_step(track, step_sent, "", now_ms, ops);
        } else if (track->retry_ms >= 0 && track_has_time(track, again_ms)) {
                steps->due_ms = again_ms;
                steps->steps[steps->next].reason = slice_of(track->reason);
                track_note_steps(track, ops, false);
        } else {
                track_end_step(track, track->refused ? step_failed : step_skipped, track->reason[0] ? track->reason : "no device", now_ms, ops);
        }
        if (steps->due_ms)
                work_note_next(track->work, steps->due_ms - clock_wall_ms());
}

/* All its jobs have ended. */
static void track_end(struct track *track) {
        struct work *work = track->work;
        struct ops ops = track->ops;
        ops_init(&track->ops); /* taken */
        if (track->escalation && !track->passed)
                track_end_escalation(track, &ops);
        else if (track->device && !track->dead)
                track_note_ledger(track, &ops);
        track_free(track);
        work_settle(work, &ops);
        ops_deinit(&ops);
}

/* ---- what became of a push ---- */

static void track_owe_again(struct track *track, const struct send *send, const struct push_outcome *outcome, int64_t now_ms) {
        bool counts = outcome->class != PUSH_DEFERRED;
        int64_t due_ms = now_ms + outcome->retry_after_ms;
        if (counts)
                metrics_add(PUSH_RETRIES, 1);
        if (due_ms >= send->expires_ms) {
                metrics_add(PUSH_EXPIRED, 1);
                return;
        }
        ledger_owe(&track->ledger, (struct ledger_owed){ send->event->n, send->attempt + counts, due_ms, send->class, false });
}

/* Why a step was not sent. What was put off says less than what the provider answered before. */
static void track_note_reason(struct track *track, const struct push_outcome *outcome) {
        struct slice before = track->steps.steps[track->steps.next].reason;
        if (outcome->class != PUSH_DEFERRED || (!track->reason[0] && !before.len))
                snprintf(track->reason, sizeof(track->reason), "%s", outcome->reason);
        else if (!track->reason[0])
                snprintf(track->reason, sizeof(track->reason), "%.*s", (int)before.len, before.ptr);
}

static void track_on_outcome(struct track *track, const struct send *send, const struct push_outcome *outcome) {
        int64_t now_ms = clock_wall_ms();
        bool final = outcome->class == PUSH_PAYLOAD_BAD || (outcome->class > PUSH_PAYLOAD_BAD && outcome->retry_after_ms < 0);
        if (outcome->class == PUSH_ACCEPTED) {
                if (send->kind == PUSH_BACKGROUND && track->device)
                        track->ledger.woken_ms = now_ms;
                if (send->event->is_notice)
                        ops_add_three(&track->ops, "p", send->event->op, SLICE(""));
        } else if (outcome->class == PUSH_TOKEN_DEAD && track->device) {
                _cleanup_buf_ struct buf tried = BUF_INIT(2 * LIMIT_PUSH_TOKEN_BYTES);
                buf_printf(&tried, "%lld ", (long long)outcome->dead_since_ms);
                buf_add_slice(&tried, track->device->packed);
                ops_add_three(&track->ops, "u", track->device->device, buf_slice(&tried));
        } else if (final) {
                track_note_dead(track, send, outcome);
        } else if (track->device && outcome->class != PUSH_TOKEN_DEAD) {
                track_owe_again(track, send, outcome, now_ms);
        }
        if (track->device)
                return;
        track->sent |= outcome->class == PUSH_ACCEPTED;
        track->refused |= outcome->class != PUSH_ACCEPTED;
        bool again = !final && outcome->class > PUSH_PAYLOAD_BAD;
        if (again && (track->retry_ms < 0 || outcome->retry_after_ms < track->retry_ms))
                track->retry_ms = outcome->retry_after_ms;
        track->steps.attempt += again && outcome->class != PUSH_DEFERRED;
        track_note_reason(track, outcome);
}

static void work_on_sent(void *arg, const struct push_outcome *outcome) {
        struct send *send = arg;
        struct track *track = send->track;
        track_on_outcome(track, send, outcome);
        free(send);
        if (--track->waiting == 0)
                track_end(track);
}

/* Gives a job to its provider; what it cannot take now is an outcome like any other. */
static void track_send(struct track *track, const struct look_event *event, const struct compose *compose, struct push_job *job, unsigned attempt,
                      int class) {
        struct provider_set *providers = track->work->shared->providers;
        struct push_outcome outcome = { .class = PUSH_DEFERRED, .reason = "busy" };
        struct send *send = malloc(sizeof(*send));
        struct send now = { .track = track, .event = event, .attempt = attempt, .class = class, .kind = job->kind };
        now.expires_ms = compose->expires_ms;
        now.provider = job->provider;
        now.app = job->app;
        memcpy(now.id, job->id, sizeof(now.id));
        job->attempt = attempt;
        int64_t wait_ms = provider_wait_ms(providers, job->provider, job->app);
        int r = PROVIDER_E_NO_APP;
        if (!send) {
                r = -ENOMEM;
        } else if (wait_ms == 0) {
                *send = now;
                r = provider_send(providers, job, work_on_sent, send);
        }
        if (r == 0) {
                track->waiting++;
                return;
        }
        free(send);
        if (wait_ms <= 0 && r == PROVIDER_E_NO_APP) { /* it was taken out of the configuration */
                metrics_add(PUSH_NO_APP, 1);
                track->refused = true;
                snprintf(track->reason, sizeof(track->reason), "no such app");
                return;
        }
        outcome.retry_after_ms = wait_ms > 0 ? wait_ms : WORK_BUSY_MS;
        if (wait_ms > 0)
                snprintf(outcome.reason, sizeof(outcome.reason), "%s", provider_wait_reason(providers, job->provider, job->app));
        track_on_outcome(track, &now, &outcome);
}

/* ---- a device ---- */

/* A visible push that may go out; later ones with its collapse key take its place. */
struct shown {
        const struct look_event *event;
        struct compose compose;
        unsigned attempt;
        int class;
};

struct decision {
        struct track *track;
        struct policy_device device;
        int64_t quiet_ends_ms, now_ms;
        size_t count;
        struct shown shown[WORK_SHOWN];
        const struct look_event *wake; /* the newest event that only wakes */
        unsigned wake_attempt;
        int64_t wake_due_ms;           /* not before */
};

static int work_class(const struct compose *compose) {
        return DUE_LOW - (compose->visible ? (int)compose->priority : 0);
}

static void work_count_cause(enum policy_cause cause) {
        switch (cause) {
        case POLICY_ACKNOWLEDGED:
                metrics_add(PUSH_ACKNOWLEDGED, 1);
                break;
        case POLICY_READ:
        case POLICY_DELETED:
                metrics_add(PUSH_READ, 1);
                break;
        case POLICY_EXPIRED:
                metrics_add(PUSH_EXPIRED, 1);
                break;
        case POLICY_MUTED:
                metrics_add(PUSH_MUTED, 1);
                break;
        case POLICY_QUIET:
                metrics_add(PUSH_QUIET, 1);
                break;
        case POLICY_WOKEN:
        case POLICY_BUDGET:
                metrics_add(PUSH_HELD, 1);
                break;
        default:
                break;
        }
}

static void decision_drop_shown(struct decision *d, size_t index) {
        compose_deinit(&d->shown[index].compose);
        d->count--;
        memmove(&d->shown[index], &d->shown[index + 1], (d->count - index) * sizeof(d->shown[0]));
        metrics_add(PUSH_COLLAPSED, 1);
}

/* Takes compose. */
static void decision_show(struct decision *d, const struct look_event *event, struct compose *compose, unsigned attempt) {
        for (size_t i = 0; compose->collapse.len && i < d->count; i++) {
                if (slice_equal(d->shown[i].compose.collapse, compose->collapse)) {
                        decision_drop_shown(d, i);
                        break;
                }
        }
        if (d->count == WORK_SHOWN)
                decision_drop_shown(d, 0);
        d->shown[d->count++] = (struct shown){ event, *compose, attempt, work_class(compose) };
}

/* One wake-up stands for all events that only wake. */
static void decision_wake(struct decision *d, const struct look_event *event, unsigned attempt, int64_t due_ms) {
        d->wake_due_ms = d->wake && d->wake_due_ms < due_ms ? d->wake_due_ms : due_ms;
        d->wake_attempt = d->wake && d->wake_attempt < attempt ? d->wake_attempt : attempt;
        d->wake = event; /* they come in the order of n */
}

static bool is_patience(enum policy_cause cause) {
        return cause == POLICY_CONNECTED || cause == POLICY_RECONNECTING || cause == POLICY_ELSEWHERE;
}

/* Decides on one event; false: it waits for an acknowledgement, and so do those behind it. */
static bool decision_step(struct decision *d, const struct look_event *event) {
        struct ledger *ledger = &d->track->ledger;
        const struct ledger_owed *known = ledger_find(ledger, event->n);
        struct ledger_owed owed = known ? *known : (struct ledger_owed){ .n = event->n };
        struct compose compose;
        if (!known && event->n <= ledger->mark)
                return true;
        if (compose_read(event, &compose) < 0) {
                compose_deinit(&compose);
                return true; /* no memory: it goes on as a wake-up of a later event */
        }
        struct policy_event about = compose_event(event, &compose, owed.attempt > 0);
        struct policy_decision decision = policy_decide(&d->device, &about, d->quiet_ends_ms, d->now_ms);
        bool goes_on = true, held = owed.quiet, early = known && owed.due_ms > d->now_ms && decision.action != POLICY_DROP && !held;
        owed.class = work_class(&compose);
        if (decision.action == POLICY_WAIT && !known && is_patience(decision.cause)) {
                ledger->look_ms = decision.until_ms;
                ledger->look_class = owed.class;
                goes_on = false;
        } else if (early || decision.action == POLICY_WAIT) {
                owed.due_ms = early ? owed.due_ms : decision.until_ms;
                owed.quiet = !early && decision.cause == POLICY_QUIET;
                if (!early && !(held && owed.quiet))
                        work_count_cause(decision.cause);
                ledger_settle(ledger, owed.n);
                if (compose.visible)
                        ledger_owe(ledger, owed);
                else
                        decision_wake(d, event, owed.attempt, owed.due_ms);
        } else {
                ledger_settle(ledger, owed.n);
                if (decision.action == POLICY_DROP) {
                        work_count_cause(decision.cause);
                } else if (decision.kind == PUSH_BACKGROUND) {
                        decision_wake(d, event, owed.attempt, 0);
                } else {
                        decision_show(d, event, &compose, owed.attempt);
                        return true;
                }
        }
        compose_deinit(&compose);
        return goes_on;
}

/* Decided again one by one, as each uses up some of the budget. */
static void decision_send_shown(struct decision *d) {
        struct track *track = d->track;
        for (size_t i = 0; i < d->count; i++) {
                struct shown *shown = &d->shown[i];
                struct policy_event about = compose_event(shown->event, &shown->compose, shown->attempt > 0);
                struct policy_decision decision = policy_decide(&d->device, &about, d->quiet_ends_ms, d->now_ms);
                if (decision.action == POLICY_PUSH) {
                        struct push_job job = compose_job(track->look, work_user(track->work), track->device, shown->event, &shown->compose,
                                                          decision.kind, 0);
                        d->device.used_milli = policy_use(d->device.used_milli, d->device.used_ms, d->now_ms);
                        d->device.used_ms = d->now_ms;
                        track_send(track, shown->event, &shown->compose, &job, shown->attempt, shown->class);
                } else if (decision.action == POLICY_WAIT) {
                        work_count_cause(decision.cause);
                        ledger_owe(&track->ledger, (struct ledger_owed){ shown->event->n, shown->attempt, decision.until_ms, shown->class,
                                                                                 decision.cause == POLICY_QUIET });
                }
                compose_deinit(&shown->compose);
        }
        track->ledger.used_milli = d->device.used_milli;
        track->ledger.used_ms = d->device.used_ms;
}

static void decision_send_wake(struct decision *d) {
        struct track *track = d->track;
        struct compose compose;
        if (!d->wake)
                return;
        if (d->wake_due_ms > d->now_ms || compose_read(d->wake, &compose) < 0) {
                ledger_owe(&track->ledger, (struct ledger_owed){ d->wake->n, d->wake_attempt, d->wake_due_ms, DUE_LOW, false });
                return;
        }
        struct push_job job = compose_job(track->look, work_user(track->work), track->device, d->wake, &compose, PUSH_BACKGROUND, 0);
        track_send(track, d->wake, &compose, &job, d->wake_attempt, DUE_LOW);
        compose_deinit(&compose);
}

static struct track *track_new(struct work *work) {
        struct track *track = calloc(1, sizeof(*track));
        if (!track)
                return NULL;
        track->work = work;
        track->look = look_ref(work->look);
        track->retry_ms = -1;
        ops_init(&track->ops);
        list_append(&work->tracks, &track->link);
        return track;
}

/* A track that sent nothing ends here; its notes go with those of the others. */
static void track_close_unless_waiting(struct track *track, struct ops *ops) {
        if (track->waiting)
                return;
        const size_t *ends = (const size_t *)(const void *)track->ops.ends.ptr;
        for (size_t i = 0, begin = 0; i < track->ops.ends.len / sizeof(*ends); begin = ends[i++])
                ops_add(ops, (struct slice){ track->ops.text.ptr + begin, ends[i] - begin });
        if (track->escalation)
                track_end_escalation(track, ops);
        else if (!track->dead)
                track_note_ledger(track, ops);
        track_free(track);
}

/* False without memory. */
static bool work_decide_device(struct work *work, const struct look_device *device, int64_t quiet_ends_ms, struct ops *ops) {
        struct look *look = work->look;
        struct track *track = track_new(work);
        if (!track)
                return false; /* nothing is written, so the next look finds the same */
        track->device = device;
        ledger_parse(device->ledger, &track->ledger);
        const struct config_push *section = provider_find(work->shared->providers, device->provider, device->registration.app);
        struct decision d = { .track = track, .quiet_ends_ms = quiet_ends_ms, .now_ms = look->now_ms };
        d.device = compose_device(look, device, &track->ledger, work->shared->fanout->push_delay_ms, section);
        uint64_t mark = look->head;
        for (size_t i = 0; i < look->events_count; i++) {
                if (decision_step(&d, &look->events[i]))
                        continue;
                mark = look->events[i].n - 1;
                break;
        }
        /* What the inbox has no more is owed no more. */
        for (size_t i = track->ledger.owed_count; i-- > 0;) {
                uint64_t n = track->ledger.owed[i].n;
                bool there = false;
                for (size_t k = 0; k < look->events_count && !there; k++)
                        there = look->events[k].n == n;
                if (!there)
                        ledger_settle(&track->ledger, n);
        }
        track->ledger.mark = mark > track->ledger.mark ? mark : track->ledger.mark;
        decision_send_shown(&d);
        decision_send_wake(&d);
        track_close_unless_waiting(track, ops);
        return true;
}

/* ---- an escalation ---- */

static bool escalation_is_over(const struct look_escalation *escalation, int64_t now_ms) {
        const struct look_event *event = escalation->event;
        return !event || event->state.delivered || event->state.read || event->state.replaced_by.len ||
               (event->state.until && event->state.until <= now_ms);
}

static void track_push_to_devices(struct track *track, const struct compose *compose, int64_t quiet_ends_ms) {
        const struct look *look = track->look;
        const struct look_event *event = track->escalation->event;
        unsigned step = track->steps.next + 1;
        for (size_t i = 0; i < look->devices_count; i++) {
                const struct look_device *device = &look->devices[i];
                const struct config_push *section = provider_find(track->work->shared->providers, device->provider, device->registration.app);
                bool loud = !quiet_ends_ms || (compose->priority == PUSH_CRITICAL && section && section->critical);
                enum push_kind kind = loud ? PUSH_ALERT : PUSH_SILENT;
                if (device->cursor >= event->state.n)
                        continue;
                struct push_job job = compose_job(look, work_user(track->work), device, event, compose, kind, step);
                if (job.priority < PUSH_HIGH)
                        job.priority = PUSH_HIGH;
                track_send(track, event, compose, &job, track->steps.attempt, track->steps.class);
        }
}

static void track_push_to_webhook(struct track *track, const struct compose *compose, struct slice via) {
        static const size_t prefix = sizeof("webhook:") - 1;
        char to[PLAN_TO_BYTES];
        plan_find_to(compose->escalate, track->steps.next, to);
        struct push_job job = compose_job(track->look, work_user(track->work), NULL, track->escalation->event, compose, PUSH_ALERT, track->steps.next + 1);
        job.app = (struct slice){ via.ptr + prefix, via.len - prefix };
        job.token = slice_of(to);
        track_send(track, track->escalation->event, compose, &job, track->steps.attempt, track->steps.class);
}

static void track_cancel_steps(struct track *track, struct ops *ops) {
        for (size_t i = 0; i < track->steps.count; i++) {
                struct ledger_step *step = &track->steps.steps[i];
                if (slice_is(step->state, "waiting"))
                        step->state = slice_of(step_cancelled);
        }
        track->steps.due_ms = 0;
        track_note_steps(track, ops, true);
        track_free(track);
}

/* The present step cannot be sent now; wait_ms -1: nor later. */
static void track_put_off(struct track *track, const char *reason, int64_t wait_ms) {
        track->refused = true;
        track->retry_ms = wait_ms;
        snprintf(track->reason, sizeof(track->reason), "%s", reason);
}

/* before: the track of its present step, if that is under way. */
static void work_decide_escalation(struct work *work, const struct look_escalation *escalation, struct track *before, int64_t quiet_ends_ms,
                                   struct ops *ops) {
        struct compose compose;
        bool passes = before && track_next_step_ms(before) < INT64_MAX;
        if (before && (escalation_is_over(escalation, work->look->now_ms) || !passes))
                return;
        if (before && track_passes_ms(before) > work->look->now_ms) {
                work_note_next(work, track_passes_ms(before) - work->look->now_ms);
                return;
        }
        struct track *track = track_new(work);
        if (!track)
                return;
        track->escalation = escalation;
        ledger_parse_steps(escalation->ledger, &track->steps);
        if (escalation_is_over(escalation, work->look->now_ms) || track->steps.next >= track->steps.count) {
                track_cancel_steps(track, ops);
                return;
        }
        if (before)
                before->passed = true;
        if (before && before->steps.next == track->steps.next) /* else it was tried again by hand */
                track_end_step(track, step_failed, "no answer", work->look->now_ms, ops);
        if (track->steps.due_ms > work->look->now_ms) {
                work_note_next(work, track->steps.due_ms - work->look->now_ms);
                track_free(track);
                return;
        }
        int r = compose_read(escalation->event, &compose);
        struct slice via = track->steps.steps[track->steps.next].via;
        track->expires_ms = r == 0 ? compose.expires_ms : INT64_MAX;
        if (r != 0)
                track_put_off(track, "no memory", WORK_KEEP_MS);
        else if (compose.expires_ms <= work->look->now_ms)
                track_put_off(track, "expired", -1);
        else if (slice_is(via, "push"))
                track_push_to_devices(track, &compose, quiet_ends_ms);
        else
                track_push_to_webhook(track, &compose, via);
        compose_deinit(&compose);
        if (track->waiting && track_next_step_ms(track) < INT64_MAX)
                work_note_next(work, track_passes_ms(track) - work->look->now_ms);
        track_close_unless_waiting(track, ops);
}

/* ---- look ---- */

/* What is under way for a device, or for the present step of an escalation. */
static struct track *work_find(const struct work *work, struct slice device, struct slice op) {
        LIST_FOR_EACH(link, &work->tracks) {
                struct track *track = LIST_CONTAINER(link, struct track, link);
                if (track->device ? device.len && slice_equal(track->device->device, device) :
                                    op.len && !track->passed && slice_equal(track->escalation->op, op))
                        return track;
        }
        return NULL;
}

static void work_decide(struct work *work) {
        struct look *look = work->look;
        struct ops ops;
        int64_t quiet_ends_ms = compose_quiet_end(look, work->shared->zones, work_user(work));
        ops_init(&ops);
        metrics_add(PUSH_LOOKS, 1);
        bool all = true;
        work->next_ms = 0;
        for (size_t i = 0; i < look->devices_count; i++)
                all = !work_find(work, look->devices[i].device, SLICE("")) && work_decide_device(work, &look->devices[i], quiet_ends_ms, &ops) && all;
        if (all)
                work->decided = look->head;
        for (size_t i = 0; i < look->escalations_count; i++)
                work_decide_escalation(work, &look->escalations[i], work_find(work, SLICE(""), look->escalations[i].op), quiet_ends_ms, &ops);
        work_settle(work, &ops);
        ops_deinit(&ops);
}

/* Nothing new is known. Was the user taken before, he is let go of once his tracks have ended. */
static void work_give_up(struct work *work) {
        struct ops none;
        work->looking = false;
        ops_init(&none);
        if (work->look)
                work_settle(work, &none);
        else if (work_is_idle(work))
                work->shared->on_end(work->shared->context, work);
}

static void work_fetch(struct work *work);

/* A template may show what looked as if it would only wake: of a large group, where not everybody was due for it by its urgency. */
static bool work_lacks_badge(const struct work *work) {
        for (size_t i = 0; i < work->look->events_count && !work->badge; i++)
                if (work->look->events[i].template.len)
                        return true;
        return false;
}

static void work_on_fetched(void *arg, const struct redisReply *reply) {
        struct work *work = arg;
        if (!reply || !work->shared->providers || look_add_entries(work->look, reply, work->badge) < 0) {
                work_give_up(work);
                return;
        }
        if (work_lacks_badge(work)) {
                work->badge = true;
                work_fetch(work);
                return;
        }
        work->looking = false;
        work_decide(work);
}

static void work_fetch(struct work *work) {
        struct call *call = store_call(work->shared->fanout->store, "push_fetch");
        look_add_fetch(work->look, call, work_user(work), work->badge);
        if (store_call_send(call, work_on_fetched, work))
                work_give_up(work);
}

static bool work_needs_badge(const struct look *look, bool badge) {
        for (size_t i = 0; i < look->notices_count; i++)
                badge |= !slice_is(look->notices[i].notice.priority, "silent");
        return badge;
}

static void work_on_taken(void *arg, const struct redisReply *reply) {
        struct work *work = arg;
        if (!reply || !slice_is(store_text(store_item(reply, 0)), "ok")) {
                if (reply && slice_is(store_text(store_item(reply, 0)), "idle"))
                        work->look = look_unref(work->look); /* the user is let go of already */
                work_give_up(work);
                return;
        }
        struct look *look = look_new(reply);
        if (!look) {
                work_give_up(work);
                return;
        }
        look_unref(work->look);
        work->look = look;
        work->kept_ms = clock_monotonic_ms();
        work->badge = work_needs_badge(look, work->badge);
        work_fetch(work);
}

void work_step(struct work *work, int class) {
        struct slice user = work_user(work);
        if (work->looking)
                return;
        work->looking = true;
        work->badge = class < DUE_LOW;
        struct call *call = store_call(work->shared->fanout->store, "push_take");
        work_add_keys(work, call);
        store_call_key(call, KEY_DEVICES, user);
        store_call_key(call, KEY_PREFS, user);
        store_call_key(call, KEY_NOTICES, user);
        store_call_key_in(call, KEY_DUE, partition_of(user), SLICE(""));
        store_call_arg(call, user);
        store_call_arg_text(call, work->shared->worker);
        store_call_arg_int(call, WORK_LEASE_MS);
        store_call_arg_int(call, LIMIT_PUSH_EVENTS);
        if (store_call_send(call, work_on_taken, work))
                work_give_up(work);
}

void work_wake(struct work *work, uint64_t now_ms) {
        if (work->looking || !work->look || !work->next_ms || now_ms < work->next_ms)
                return;
        work->next_ms = now_ms + WORK_KEEP_MS; /* if this look fails */
        work_step(work, DUE_HIGH);
}

void work_keep(struct work *work, uint64_t now_ms) {
        if (work_is_idle(work) || !work->look || now_ms < work->kept_ms + WORK_KEEP_MS)
                return;
        work->kept_ms = now_ms;
        struct slice user = work_user(work);
        struct call *call = store_call(work->shared->fanout->store, "push_keep");
        store_call_key(call, KEY_USER, user);
        store_call_key(call, KEY_PUSH, user);
        store_call_key_in(call, KEY_DUE, partition_of(user), SLICE(""));
        store_call_arg(call, user);
        store_call_arg_text(call, work->shared->worker);
        store_call_arg_int(call, WORK_LEASE_MS);
        if (store_call_send(call, NULL, NULL))
                log_debug("A lease is not renewed; the store is away.");
}

struct slice work_user(const struct work *work) {
        return (struct slice){ work->user, work->user_len };
}

struct work *work_new(struct work_shared *shared, struct slice user) {
        struct work *work = calloc(1, sizeof(*work) + user.len);
        if (!work)
                return NULL;
        work->shared = shared;
        work->user_len = user.len;
        memcpy(work->user, user.ptr, user.len);
        list_init(&work->tracks);
        return work;
}

struct work *work_free(struct work *work) {
        look_unref(work->look);
        free(work);
        return NULL;
}
