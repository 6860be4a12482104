/* SPDX-License-Identifier: Apache-2.0 */
/* swarm.c: see swarm.h. */
#include "loadtest/swarm.h"
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include "base/chance.h"
#include "base/limits.h"
#include "base/wheel.h"
#include "loadtest/audit.h"
#include "loadtest/backend.h"
#include "loadtest/bot.h"
#include "loadtest/veil.h"
#include "loadtest/wsframe.h"

enum {
        EVENTS_AT_ONCE = 1024,
        TICK_US = 20000,    /* how long the loop sleeps at most while something is due soon */
        IDLE_US = 100000,   /* … and while nothing is */
        NEXT_US = 1000,     /* … and before the next phase: what is due from its beginning on is not to be late */
        LOOK_US = 100000,   /* between two looks at all devices */
        QUIET_US = 500000,  /* nothing was shown for so long: what comes twice would have come */
        DIALS_AT_ONCE = 64, /* in one turn */
        REDRAWS = 16,       /* for who is away by its own will; after that the next one speaks who is not */
        AWAY_MS = 2000,     /* a device that comes and goes is away so long, on average */
};

/* ---- setup ---- */

static void add_name(uint32_t index, struct buf *out, void *context) {
        const struct swarm *swarm = context;
        buf_printf(out, "%s-c%" PRIu32, swarm->plan->run, swarm->share.first_room + index);
}

/* The users of a circle; of a channel only the one who posts: the others need not be members, as it is public. */
static void add_members(uint32_t index, struct buf *out, void *context) {
        const struct swarm *swarm = context;
        const struct plan *plan = swarm->plan;
        uint32_t first = index / plan->devices, count = 1;
        if (plan->scenario != SCENARIO_FANOUT) {
                first = (swarm->share.first_device + index / plan->rooms * swarm->share.devices_per_circle) / plan->devices;
                uint32_t users = (plan->connections + plan->devices - 1) / plan->devices;
                count = first + plan->room < users ? plan->room : users - first;
        }
        for (uint32_t i = 0; i < count; i++)
                buf_printf(out, "%s\"%s-u%" PRIu32 "\"", i ? "," : "", plan->run, first + i);
}

static bool is_cancelled(void *context) {
        const struct swarm *swarm = context;
        return atomic_load(&swarm->board->phase) >= PHASE_END;
}

static int make_conversations(struct swarm *swarm) {
        const struct plan *plan = swarm->plan;
        bool channels = plan->scenario == SCENARIO_FANOUT;
        struct backend_order order = {
                .plan = plan,
                .source = swarm->index * DIAL_SOURCES,
                .count = swarm->share.circles * swarm->share.rooms_per_circle,
                .kind = channels ? "channel" : "group",
                .context = swarm,
                .add_name = add_name,
                .add_members = add_members,
                .is_cancelled = is_cancelled,
        };
        char error[BACKEND_ERROR_BYTES];
        if (plan->floor || !plan_talks(plan) || order.count == 0 || (channels && swarm->index > 0))
                return 0;
        int r = backend_make(&order, error);
        if (r != 0)
                board_complain(swarm->slot, error);
        return r;
}

static void on_fault(const char *text, void *context) {
        struct swarm *swarm = context;
        board_complain(swarm->slot, text);
}

static void write_upgrade(struct swarm *swarm) {
        const struct dial *dial = &swarm->plan->dial;
        unsigned char key[16], text[25];
        chance_bytes(key, sizeof key);
        static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        for (size_t i = 0; i < 21; i++) /* 21 letters of 6 bits, and one of the two bits that are left (RFC 4648 section 4) */
                text[i] = (unsigned char)letters[key[i % 16] & 63];
        text[21] = 'A';
        memcpy(text + 22, "==", 3);
        snprintf(swarm->upgrade, sizeof swarm->upgrade,
                 "GET %s HTTP/1.1\r\nHost: %.128s:%s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: %s\r\n"
                 "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: belfry.v1\r\n\r\n",
                 dial->path, dial->host, dial->port, (const char *)text);
        wsframe_accept((struct slice){ (const char *)text, 24 }, swarm->accept);
}

static int open_all(struct swarm *swarm) {
        const struct plan *plan = swarm->plan;
        struct share *share = &swarm->share;
        struct audit_options options = {
                .circles = share->circles,
                .devices_per_circle = share->devices_per_circle,
                .rooms_per_circle = share->rooms_per_circle,
                .devices = share->devices,
                .context = swarm,
                .on_fault = on_fault,
        };
        const char *error = "out of memory";
        double part = plan->connections ? (double)share->devices / plan->connections : 0;
        swarm->audit = audit_new(&options);
        swarm->bots = calloc(share->devices ? share->devices : 1, sizeof *swarm->bots);
        swarm->wheel = wheel_new(10, board_now_us() / 1000);
        swarm->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        int r = swarm->audit && swarm->bots && swarm->wheel && swarm->epoll_fd >= 0 ? 0 : -ENOMEM;
        if (r == 0)
                r = schedule_init(&swarm->messages, share_speakers(share, plan), share_rate(share, plan),
                                  dice_throw(&swarm->dice));
        if (r == 0)
                r = schedule_init(&swarm->churn, share->devices, plan->churn * part, dice_throw(&swarm->dice));
        swarm->naps = (struct dice){ dice_throw(&swarm->dice) };
        if (r == 0 && plan->dial.tls) {
                swarm->veil_context = veil_context_new(plan->dial.host, plan->ca_path, plan->unverified, plan->fresh, &error);
                r = swarm->veil_context ? 0 : -ENOMEM;
        }
        if (r != 0)
                board_complain(swarm->slot, error);
        for (uint32_t i = 0; r == 0 && i < share->devices; i++) {
                bot_init(&swarm->bots[i], swarm, i);
                swarm->bots[i].stalled = share_is_stalled(share, plan, i);
        }
        return r;
}

static void close_all(struct swarm *swarm) {
        for (uint32_t i = 0; swarm->bots && swarm->wheel && i < swarm->share.devices; i++)
                if (swarm->bots[i].swarm)
                        bot_deinit(&swarm->bots[i]);
        free(swarm->bots);
        schedule_deinit(&swarm->messages);
        schedule_deinit(&swarm->churn);
        audit_free(swarm->audit);
        wheel_free(swarm->wheel);
        veil_context_free(swarm->veil_context);
        buf_deinit(&swarm->out);
        if (swarm->epoll_fd >= 0)
                close(swarm->epoll_fd);
}

/* ---- what bots do when ---- */

static uint32_t room_of(struct swarm *swarm, uint32_t device) {
        uint32_t rooms = swarm->share.rooms_per_circle;
        if (swarm->plan->scenario == SCENARIO_FANOUT)
                return device; /* device c posts to channel c */
        return device / swarm->share.devices_per_circle * rooms + dice_below(&swarm->dice, rooms);
}

/* Who speaks: who was drawn or, if that one is away by its own will, somebody else; NULL if all are away. */
static struct bot *find_speaker(struct swarm *swarm, uint32_t device) {
        if (swarm->slot->tallies[TALLY_ASLEEP] >= swarm->share.devices)
                return NULL;
        for (int i = 0; i < REDRAWS && swarm->bots[device].asleep; i++)
                device = schedule_draw(&swarm->messages, &swarm->dice);
        for (uint32_t i = 0; i < swarm->messages.count && swarm->bots[device].asleep; i++)
                device = (device + 1) % swarm->messages.count;
        return swarm->bots[device].asleep ? NULL : &swarm->bots[device];
}

static void say_what_is_due(struct swarm *swarm) {
        uint32_t device;
        uint64_t due_us;
        while (schedule_step(&swarm->messages, swarm->now_us, &device, &due_us)) {
                struct bot *bot = find_speaker(swarm, device);
                if (!bot) {
                        swarm->slot->tallies[TALLY_SCHEDULED]++;
                        swarm->slot->tallies[TALLY_UNSAID]++;
                        continue;
                }
                uint32_t room = room_of(swarm, bot->index);
                if (swarm->plan->scenario != SCENARIO_FANOUT && !swarm->plan->floor &&
                    dice_unit(&swarm->dice) <= swarm->plan->typing)
                        bot_type(bot, room);
                bot_say(bot, room, due_us);
        }
}

static void churn_what_is_due(struct swarm *swarm) {
        uint32_t device;
        uint64_t due_us;
        while (schedule_step(&swarm->churn, swarm->now_us, &device, &due_us)) {
                struct bot *bot = &swarm->bots[device];
                if (bot->state != BOT_LIVE)
                        continue;
                bot_leave(bot);
                wheel_start(swarm->wheel, &bot->timer,
                            swarm->now_us / 1000 + 1 + (uint64_t)dice_exponential(&swarm->dice, AWAY_MS));
        }
}

static void nap_later(struct swarm *swarm, struct bot *bot) {
        const struct plan *plan = swarm->plan;
        double awake_ms = plan->sleep_s * 1000.0 * (1 - plan->asleep) / plan->asleep;
        wheel_start(swarm->wheel, &bot->timer, swarm->now_us / 1000 + 1 + (uint64_t)dice_exponential(&swarm->naps, awake_ms));
}

static void nap_now(struct swarm *swarm, struct bot *bot) {
        double sleep_ms = swarm->plan->sleep_s * 1000.0;
        bot_leave(bot);
        wheel_start(swarm->wheel, &bot->timer, swarm->now_us / 1000 + 1 + (uint64_t)dice_exponential(&swarm->naps, sleep_ms));
}

/* As if it had always been so: the share that is to be away is, and what is left of an exponential time is as long as all of it.
 */
static void begin_naps(struct swarm *swarm) {
        for (uint32_t i = 0; i < swarm->share.devices; i++) {
                struct bot *bot = &swarm->bots[i];
                bool sleeps = dice_unit(&swarm->naps) <= swarm->plan->asleep;
                if (bot->state == BOT_LIVE && sleeps)
                        nap_now(swarm, bot);
                else if (bot->state == BOT_LIVE)
                        nap_later(swarm, bot);
        }
}

void swarm_on_due(struct swarm *swarm, struct bot *bot) {
        if (swarm->phase != PHASE_RUN || swarm->plan->scenario != SCENARIO_MOBILE)
                return;
        nap_now(swarm, bot);
}

void swarm_on_welcome(struct swarm *swarm) {
        if (swarm->away > 0 && --swarm->away == 0)
                atomic_store(&swarm->slot->storm_welcomed_us, swarm->now_us);
}

void swarm_on_live(struct swarm *swarm, struct bot *bot) {
        if (bot->stalled)
                bot_stall(bot, swarm->phase <= PHASE_RUN);
        if (swarm->phase == PHASE_CONNECT && swarm->slot->tallies[TALLY_LIVE] == swarm->share.devices)
                atomic_store(&swarm->slot->connected_us, swarm->now_us);
        if (swarm->phase == PHASE_RUN && swarm->plan->scenario == SCENARIO_MOBILE)
                nap_later(swarm, bot);
        if (swarm->storm > atomic_load(&swarm->slot->storm_done) && swarm->slot->tallies[TALLY_LIVE] == swarm->share.devices) {
                atomic_store(&swarm->slot->storm_live_us, swarm->now_us);
                atomic_store(&swarm->slot->storm_done, swarm->storm);
        }
}

void swarm_on_own(struct swarm *swarm, struct bot *bot, uint32_t room) {
        if (swarm->plan->scenario == SCENARIO_FANOUT && swarm->plan->rate <= 0 && swarm->phase == PHASE_RUN)
                bot_say(bot, room, swarm->now_us);
}

void swarm_on_shown(struct swarm *swarm, struct bot *bot, uint32_t room, uint64_t seq) {
        const struct plan *plan = swarm->plan;
        if (plan->scenario != SCENARIO_FANOUT && !plan->floor && plan->read > 0 && dice_unit(&swarm->dice) <= plan->read)
                bot_tell_read(bot, room, seq);
}

static void begin_storm(struct swarm *swarm) {
        swarm->storm = atomic_load(&swarm->board->storm);
        swarm->away = swarm->share.devices;
        for (uint32_t i = 0; i < swarm->share.devices; i++) {
                bot_cut(&swarm->bots[i]);
                bot_wait(&swarm->bots[i]);
        }
        if (swarm->share.devices == 0)
                atomic_store(&swarm->slot->storm_done, swarm->storm);
}

/* ---- phases ---- */

static void begin_run(struct swarm *swarm) {
        const struct plan *plan = swarm->plan;
        uint64_t start_us = atomic_load(&swarm->board->run_us);
        schedule_start(&swarm->messages, start_us);
        schedule_start(&swarm->churn, start_us);
        if (plan->scenario == SCENARIO_MOBILE)
                begin_naps(swarm);
        bool flat_out = plan->scenario == SCENARIO_FANOUT && plan->rate <= 0;
        for (uint32_t i = 0; flat_out && i < share_speakers(&swarm->share, plan); i++)
                for (uint32_t k = 0; k < plan->in_flight; k++)
                        bot_say(&swarm->bots[i], i, swarm->now_us);
}

/* All who sleep or stall come back. */
static void begin_settle(struct swarm *swarm) {
        for (uint32_t i = 0; i < swarm->share.devices; i++) {
                struct bot *bot = &swarm->bots[i];
                if (bot->stalled)
                        bot_stall(bot, false);
                if (bot->state == BOT_LIVE)
                        wheel_stop(&bot->timer);
                else
                        bot_wait(bot);
        }
}

static void begin_phase(struct swarm *swarm, enum phase phase) {
        swarm->phase = phase;
        if (phase == PHASE_CONNECT)
                for (uint32_t i = 0; i < swarm->share.devices; i++)
                        bot_wait(&swarm->bots[i]);
        if (phase == PHASE_RUN)
                begin_run(swarm);
        if (phase == PHASE_SETTLE || phase == PHASE_DRAIN)
                begin_settle(swarm);
        for (uint32_t i = 0; phase == PHASE_DRAIN && swarm->plan->scenario == SCENARIO_FANOUT && i < swarm->plan->channels; i++)
                audit_raise(swarm->audit, i, atomic_load(&swarm->board->channel_tops[i]));
}

/* … but for those who are turned away for good. */
static bool all_live(const struct swarm *swarm) {
        return swarm->slot->tallies[TALLY_LIVE] + swarm->slot->tallies[TALLY_TURNED_AWAY] >= swarm->share.devices;
}

static bool all_shown(const struct swarm *swarm) {
        for (uint32_t i = 0; i < swarm->share.devices; i++)
                if (!audit_is_complete(swarm->audit, i))
                        return false;
        return true;
}

static bool is_through(const struct swarm *swarm) {
        switch (swarm->phase) {
        case PHASE_CONNECT:
                return all_live(swarm);
        case PHASE_SETTLE:
                return swarm->pending == 0 && all_live(swarm);
        case PHASE_DRAIN:
                return all_live(swarm) && swarm->now_us - swarm->last_shown_us > QUIET_US && all_shown(swarm);
        default:
                return false; /* the parent decides */
        }
}

static void publish(struct swarm *swarm) {
        const struct audit_counts *counts = audit_get_counts(swarm->audit);
        uint64_t *tallies = swarm->slot->tallies;
        tallies[TALLY_LOST] = counts->lost;
        tallies[TALLY_REPEATED] = counts->repeated;
        tallies[TALLY_REORDERED] = counts->reordered;
        tallies[TALLY_LEAKED] = counts->leaked;
        tallies[TALLY_INVENTED] = counts->invented;
        tallies[TALLY_ALTERED] = counts->altered;
        tallies[TALLY_TOLD] = counts->told;
        tallies[TALLY_UNANSWERED] = swarm->pending;
}

static void look(struct swarm *swarm) {
        publish(swarm);
        if (is_through(swarm))
                atomic_store(&swarm->slot->done, swarm->phase + 1);
}

/* ---- the loop ---- */

static void dial_waiting(struct swarm *swarm) {
        const struct plan *plan = swarm->plan;
        for (int i = 0; i < DIALS_AT_ONCE && !list_is_empty(&swarm->waiting) && swarm->handshaking < plan->at_once; i++) {
                if (plan->connect_rate > 0 && swarm->phase == PHASE_CONNECT) {
                        if (swarm->now_us < swarm->dial_us)
                                return;
                        uint64_t step_us = (uint64_t)(1e6 * plan->processes / plan->connect_rate);
                        swarm->dial_us = swarm->dial_us ? swarm->dial_us + step_us : swarm->now_us + step_us;
                }
                bot_dial(LIST_CONTAINER(list_first(&swarm->waiting), struct bot, queue));
        }
}

/* Both lists are in the order of time, as each wait is equally long. */
static void do_what_is_due(struct swarm *swarm) {
        if (swarm->phase == PHASE_RUN) {
                say_what_is_due(swarm);
                churn_what_is_due(swarm);
        }
        LIST_FOR_EACH(link, &swarm->owing) {
                struct bot *bot = LIST_CONTAINER(link, struct bot, debt);
                if (bot->debt_us > swarm->now_us)
                        break;
                bot_acknowledge(bot);
        }
        LIST_FOR_EACH(link, &swarm->retrying) {
                struct bot *bot = LIST_CONTAINER(link, struct bot, queue);
                if (bot->retry_us > swarm->now_us)
                        break;
                bot_retry(bot);
        }
        wheel_advance(swarm->wheel, swarm->now_us / 1000);
        dial_waiting(swarm);
}

static uint64_t sleep_us(const struct swarm *swarm) {
        bool busy = swarm->handshaking > 0 || !list_is_empty(&swarm->owing) || !list_is_empty(&swarm->waiting);
        bool through = atomic_load(&swarm->slot->done) > swarm->phase;
        uint64_t until_us = swarm->now_us + (through ? NEXT_US : busy ? TICK_US : IDLE_US);
        uint64_t due_us = swarm->phase == PHASE_RUN ? schedule_next_us(&swarm->messages) : UINT64_MAX;
        if (!list_is_empty(&swarm->waiting) && swarm->handshaking < swarm->plan->at_once && swarm->plan->connect_rate <= 0)
                return 0;
        if (due_us < until_us)
                until_us = due_us;
        return until_us > swarm->now_us ? until_us - swarm->now_us : 0;
}

static int wait_for_events(const struct swarm *swarm, struct epoll_event *events) {
        uint64_t us = sleep_us(swarm);
        const struct timespec limit = { .tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000 };
        int count = epoll_pwait2(swarm->epoll_fd, events, EVENTS_AT_ONCE, &limit, NULL);
        if (count < 0 && errno == ENOSYS) /* Linux before 5.11 */
                count = epoll_wait(swarm->epoll_fd, events, EVENTS_AT_ONCE, (int)((us + 999) / 1000));
        return count;
}

static void run_loop(struct swarm *swarm) {
        struct epoll_event events[EVENTS_AT_ONCE];
        uint64_t looked_us = 0;
        while (swarm->phase < PHASE_END) {
                int count = wait_for_events(swarm, events);
                swarm->now_us = board_now_us();
                for (int i = 0; i < count; i++)
                        bot_on_event(events[i].data.ptr, events[i].events);
                swarm->now_us = board_now_us();
                enum phase phase = (enum phase)atomic_load(&swarm->board->phase);
                if (phase != swarm->phase)
                        begin_phase(swarm, phase);
                if (swarm->storm != atomic_load(&swarm->board->storm))
                        begin_storm(swarm);
                do_what_is_due(swarm);
                if (swarm->now_us - looked_us >= LOOK_US) {
                        looked_us = swarm->now_us;
                        look(swarm);
                }
        }
}

static void raise_files_limit(void) {
        struct rlimit limit;
        if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
                limit.rlim_cur = limit.rlim_max;
                setrlimit(RLIMIT_NOFILE, &limit);
        }
}

int swarm_run(const struct plan *plan, struct board *board, uint32_t index) {
        struct swarm *swarm = calloc(1, sizeof *swarm);
        if (!swarm)
                return EXIT_FAILURE;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGPIPE, SIG_IGN);
        signal(SIGINT, SIG_IGN); /* the parent ends the run */
        signal(SIGTERM, SIG_DFL);
        raise_files_limit();
        swarm->plan = plan;
        swarm->board = board;
        swarm->slot = &board->slots[index];
        swarm->index = index;
        swarm->share = share_of(plan, index);
        swarm->dice = (struct dice){ ((uint64_t)plan->seed << 16) + index };
        swarm->now_us = board_now_us();
        swarm->epoll_fd = -1;
        list_init(&swarm->waiting);
        list_init(&swarm->retrying);
        list_init(&swarm->owing);
        buf_init(&swarm->out, 2 * LIMIT_FRAME_BYTES);
        write_upgrade(swarm);
        int r = open_all(swarm);
        if (r == 0)
                r = make_conversations(swarm);
        if (r == 0) {
                atomic_store(&swarm->slot->done, PHASE_SETUP + 1);
                run_loop(swarm);
                if (!atomic_load(&board->cut_short))
                        audit_finish(swarm->audit);
                publish(swarm);
                for (uint32_t i = 0; plan->scenario == SCENARIO_FANOUT && i < plan->channels; i++)
                        swarm->slot->folds[i] = audit_fold(swarm->audit, i, atomic_load(&board->channel_tops[i]));
                atomic_store(&swarm->slot->done, PHASE_END + 1);
        }
        close_all(swarm);
        free(swarm);
        return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
