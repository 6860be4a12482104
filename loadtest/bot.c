/* SPDX-License-Identifier: Apache-2.0 */
/* bot.c: see bot.h. */
#include "loadtest/bot.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/scan.h"
#include "loadtest/audit.h"
#include "loadtest/badge.h"
#include "loadtest/body.h"
#include "loadtest/glance.h"
#include "loadtest/swarm.h"
#include "loadtest/veil.h"
#include "loadtest/wsframe.h"

enum {
        READ_BYTES = 1 << 18,
        ACK_EVENTS = 64,       /* a quarter of the window */
        ACK_DELAY_US = 200000, /* a few times a second, as the protocol advises */
        RETRY_US = 1000000,
        STALLED_BUFFER = 4096, /* what a stalled device's kernel may hold */
        PATIENCE_MS = 60000,   /* for a handshake */
        TOKEN_S = 86400,       /* beyond the run */
        ID_SEND = 1,
        ID_SUBSCRIBE = 2,
        ID_READ = 3,
        ID_KINDS = 4, /* id = number * ID_KINDS + kind */
};

struct sending {
        struct list link;
        uint64_t due_us;
        uint32_t number, room;
        bool answered;
};

static void lose(struct bot *bot);

static void complain(struct bot *bot, const char *what, struct slice detail) {
        char text[BOARD_COMPLAINT_BYTES];
        snprintf(text, sizeof text, "%s: device %" PRIu32 " %.*s", what, bot->swarm->share.first_device + bot->index,
                 (int)(detail.len < 150 ? detail.len : 150), detail.ptr ? detail.ptr : "");
        board_complain(bot->swarm->slot, text);
}

static void count(struct bot *bot, enum tally tally, int64_t by) {
        bot->swarm->slot->tallies[tally] += (uint64_t)by;
}

/* ---- names ---- */

static uint32_t global_room(const struct bot *bot, uint32_t room) {
        return bot->swarm->share.first_room + room;
}

static void add_conv(struct buf *out, const struct bot *bot, uint32_t room) {
        buf_printf(out, "%s-c%" PRIu32, bot->swarm->plan->run, global_room(bot, room));
}

static void add_op(struct buf *out, const struct bot *bot, uint32_t number) {
        buf_printf(out, "%s.%" PRIu32 ".%" PRIu32, bot->swarm->plan->run, bot->swarm->share.first_device + bot->index, number);
}

/* The room of this swarm that conv names, or AUDIT_STRANGE_ROOM. */
static uint32_t read_conv(const struct swarm *swarm, struct slice conv) {
        size_t end;
        if (conv.len < PLAN_RUN_CHARS + 3 || memcmp(conv.ptr, swarm->plan->run, PLAN_RUN_CHARS) != 0 ||
            memcmp(conv.ptr + PLAN_RUN_CHARS, "-c", 2) != 0)
                return AUDIT_STRANGE_ROOM;
        int64_t number = glance_number(conv, PLAN_RUN_CHARS + 2, &end) - (int64_t)swarm->share.first_room;
        uint32_t rooms = swarm->share.circles * swarm->share.rooms_per_circle;
        return end == conv.len && number >= 0 && number < (int64_t)rooms ? (uint32_t)number : AUDIT_STRANGE_ROOM;
}

/* Which device made op, and its number there; false if it is none of ours. */
static bool read_op(const struct swarm *swarm, struct slice op, uint32_t *ret_device, uint32_t *ret_number) {
        size_t end;
        if (op.len < PLAN_RUN_CHARS + 4 || memcmp(op.ptr, swarm->plan->run, PLAN_RUN_CHARS) != 0 || op.ptr[PLAN_RUN_CHARS] != '.')
                return false;
        int64_t device = glance_number(op, PLAN_RUN_CHARS + 1, &end);
        if (device < 0 || device >= swarm->plan->connections || end >= op.len || op.ptr[end] != '.')
                return false;
        int64_t number = glance_number(op, end + 1, &end);
        if (number <= 0 || number > UINT32_MAX || end != op.len)
                return false;
        *ret_device = (uint32_t)device;
        *ret_number = (uint32_t)number;
        return true;
}

/* ---- bytes out ---- */

static void watch(struct bot *bot) {
        struct epoll_event event = {
                .events = (bot->stalled && bot->state == BOT_LIVE ? 0 : EPOLLIN) | (bot->writing ? (uint32_t)EPOLLOUT : 0),
                .data.ptr = bot,
        };
        if (epoll_ctl(bot->swarm->epoll_fd, EPOLL_CTL_MOD, bot->fd, &event) != 0)
                lose(bot);
}

/* How much the socket took: 0 and *ret_len, or an answer of veil.h. */
static int put(struct bot *bot, const char *bytes, size_t len, size_t *ret_len) {
        if (bot->veil)
                return veil_write(bot->veil, bytes, len, ret_len);
        ssize_t sent = send(bot->fd, bytes, len, MSG_NOSIGNAL);
        if (sent < 0)
                return errno == EAGAIN ? VEIL_E_WRITE : VEIL_E_END;
        *ret_len = (size_t)sent;
        return 0;
}

/* Writes len bytes or keeps them for later. */
static void write_bytes(struct bot *bot, const char *bytes, size_t len) {
        while (!bot->out && len > 0) {
                size_t written = 0;
                int r = put(bot, bytes, len, &written);
                if (r == VEIL_E_END)
                        return lose(bot);
                if (r != 0)
                        break;
                bytes += written;
                len -= written;
        }
        if (len == 0)
                return;
        if (!bot->out) {
                bot->out = malloc(sizeof *bot->out);
                if (!bot->out)
                        return lose(bot);
                buf_init(bot->out, LIMIT_LOAD_OUTPUT_BYTES);
        }
        buf_add(bot->out, bytes, len);
        if (buf_failed(bot->out))
                return lose(bot);
        if (!bot->writing) {
                bot->writing = true;
                watch(bot);
        }
}

static struct buf *free_buf(struct buf *buf) {
        if (buf)
                buf_deinit(buf);
        free(buf);
        return NULL;
}

static void flush(struct bot *bot) {
        struct buf *out = bot->out;
        bot->out = NULL;
        bot->writing = false;
        if (out)
                write_bytes(bot, out->ptr, out->len);
        free_buf(out);
        if (bot->fd >= 0 && !bot->writing)
                watch(bot);
}

/* A frame is built in swarm->out with room for its head in front, so it leaves in one write. */
static struct buf *frame_begin(struct bot *bot) {
        struct buf *out = &bot->swarm->out;
        buf_clear(out);
        if (buf_reserve(out, WSFRAME_HEAD_BYTES))
                buf_commit(out, WSFRAME_HEAD_BYTES);
        return out;
}

static void frame_end(struct bot *bot, unsigned opcode) {
        struct buf *out = &bot->swarm->out;
        if (buf_failed(out) || bot->fd < 0)
                return;
        char head[WSFRAME_HEAD_BYTES];
        uint64_t chance = dice_throw(&bot->swarm->dice);
        uint8_t mask[4];
        memcpy(mask, &chance, sizeof mask);
        size_t payload_len = out->len - WSFRAME_HEAD_BYTES, head_len = wsframe_head(head, opcode, payload_len, mask);
        wsframe_mask(out->ptr + WSFRAME_HEAD_BYTES, payload_len, mask);
        char *start = out->ptr + WSFRAME_HEAD_BYTES - head_len;
        memcpy(start, head, head_len);
        write_bytes(bot, start, head_len + payload_len);
}

/* ---- coming and going ---- */

void bot_deinit(struct bot *bot) {
        bot_cut(bot);
        LIST_FOR_EACH(link, &bot->sends) {
                list_remove(link);
                free(LIST_CONTAINER(link, struct sending, link));
        }
        wheel_stop(&bot->timer);
}

static bool is_handshaking(const struct bot *bot) {
        return bot->state >= BOT_CONNECTING && bot->state < BOT_LIVE;
}

/* Ends the connection and forgets what was about it. */
static void drop(struct bot *bot) {
        if (is_handshaking(bot))
                bot->swarm->handshaking--;
        if (bot->state >= BOT_UPGRADING)
                count(bot, TALLY_OPEN, -1);
        if (bot->state == BOT_LIVE) {
                count(bot, TALLY_LIVE, -1);
                if (bot->swarm->now_us - bot->live_us > 10000000)
                        backoff_reset(&bot->backoff);
        }
        bot->state = BOT_AWAY;
        bot->veil = veil_free(bot->veil);
        if (bot->fd >= 0)
                close(bot->fd);
        bot->fd = -1;
        bot->in = free_buf(bot->in);
        bot->out = free_buf(bot->out);
        bot->writing = bot->caught_up = false;
        bot->subscriptions = 0;
        list_remove(&bot->queue);
        list_remove(&bot->debt);
        wheel_stop(&bot->timer);
}

void bot_cut(struct bot *bot) {
        const struct linger now = { .l_onoff = 1, .l_linger = 0 }; /* a reset: no port waits in TIME_WAIT */
        if (bot->fd >= 0)
                setsockopt(bot->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        drop(bot);
}

void bot_leave(struct bot *bot) {
        if (bot->state >= BOT_HELLO) {
                static const char going[2] = { 0x03, (char)0xe8 }; /* 1000 */
                buf_add(frame_begin(bot), going, sizeof going);
                frame_end(bot, WSFRAME_CLOSE);
        }
        bot_cut(bot);
        bot->asleep = true;
        count(bot, TALLY_ASLEEP, 1);
        count(bot, TALLY_LEFT, 1);
}

void bot_wait(struct bot *bot) {
        if (bot->asleep) {
                bot->asleep = false;
                bot->awake_us = UINT64_MAX; /* until it has caught up */
                count(bot, TALLY_ASLEEP, -1);
        }
        if (bot->state != BOT_AWAY || bot->turned_away)
                return;
        wheel_stop(&bot->timer);
        bot->state = BOT_WAITING;
        list_append(&bot->swarm->waiting, &bot->queue);
}

static void on_timer(struct wheel_timer *timer, uint64_t now_ms) {
        struct bot *bot = LIST_CONTAINER(timer, struct bot, timer);
        if (is_handshaking(bot)) {
                complain(bot, "the handshake took too long", SLICE(""));
                lose(bot);
        } else if (bot->state == BOT_LIVE)
                swarm_on_due(bot->swarm, bot);
        else
                bot_wait(bot);
}

void bot_init(struct bot *bot, struct swarm *swarm, uint32_t index) {
        *bot = (struct bot){ .swarm = swarm, .index = index, .fd = -1, .state = BOT_AWAY, .backoff = { 500, 30000, 0 } };
        list_init(&bot->queue);
        list_init(&bot->debt);
        list_init(&bot->sends);
        wheel_timer_init(&bot->timer, on_timer);
}

/* The connection ended and it was not our will: back after a while. */
static void lose(struct bot *bot) {
        count(bot, bot->state >= BOT_HELLO ? TALLY_DROPPED : TALLY_UNREACHED, 1);
        bot_cut(bot);
        if (bot->turned_away)
                return;
        uint64_t delay_ms = backoff_step(&bot->backoff, dice_throw(&bot->swarm->dice));
        if (bot->retry_after_ms)
                delay_ms = bot->retry_after_ms;
        bot->retry_after_ms = 0;
        wheel_start(bot->swarm->wheel, &bot->timer, bot->swarm->now_us / 1000 + delay_ms);
}

static void begin_upgrade(struct bot *bot) {
        bot->state = BOT_UPGRADING;
        count(bot, TALLY_OPEN, 1);
}

static void fail_to_connect(struct bot *bot, int error) {
        complain(bot, "no connection", slice_of(strerror(error)));
        lose(bot);
}

/*
 * On one machine the connection stands when connect() returns, though it says that it is under way. So the request leaves at once, and the next
 * that the loop hears is the answer. 0 and *ret_sent, or an answer of veil.h.
 */
static int ask_at_once(struct bot *bot, size_t *ret_sent) {
        const struct swarm *swarm = bot->swarm;
        *ret_sent = 0;
        return swarm->veil_context ? VEIL_E_WRITE : put(bot, swarm->upgrade, strlen(swarm->upgrade), ret_sent);
}

void bot_dial(struct bot *bot) {
        struct swarm *swarm = bot->swarm;
        list_remove(&bot->queue);
        bot->dialled_us = swarm->now_us;
        count(bot, TALLY_DIALLED, 1);
        int fd = dial_start(&swarm->plan->dial, swarm->index * DIAL_SOURCES + bot->index % DIAL_SOURCES, false);
        bot->state = BOT_CONNECTING;
        swarm->handshaking++;
        if (fd < 0)
                return fail_to_connect(bot, -fd);
        bot->fd = fd;
        if (bot->stalled)
                setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){ STALLED_BUFFER }, sizeof(int));
        size_t sent;
        int r = ask_at_once(bot, &sent);
        if (r == VEIL_E_END)
                return fail_to_connect(bot, errno);
        struct epoll_event event = { .events = r == 0 ? EPOLLIN : EPOLLOUT, .data.ptr = bot };
        if (epoll_ctl(swarm->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
                return fail_to_connect(bot, errno);
        wheel_start(swarm->wheel, &bot->timer, swarm->now_us / 1000 + PATIENCE_MS);
        if (r != 0)
                return;
        begin_upgrade(bot);
        write_bytes(bot, swarm->upgrade + sent, strlen(swarm->upgrade + sent));
}

/* ---- requests ---- */

static void send_upgrade(struct bot *bot) {
        begin_upgrade(bot);
        bot->writing = false;
        watch(bot);
        if (bot->fd >= 0)
                write_bytes(bot, bot->swarm->upgrade, strlen(bot->swarm->upgrade));
}

static void send_hello(struct bot *bot) {
        const struct plan *plan = bot->swarm->plan;
        uint32_t global = bot->swarm->share.first_device + bot->index;
        char user[40], device[16];
        int user_len = snprintf(user, sizeof user, "%s-u%" PRIu32, plan->run, global / plan->devices);
        int device_len = snprintf(device, sizeof device, "d%" PRIu32, global % plan->devices);
        bot->state = BOT_HELLO;
        struct buf *out = frame_begin(bot);
        buf_add_text(out, "{\"type\":\"hello\",\"id\":0,\"token\":\"");
        badge_add(slice_of(plan->jwt_secret), (struct slice){ user, (size_t)user_len },
                  (struct slice){ device, (size_t)device_len }, clock_wall_ms() / 1000 + plan->duration_s + TOKEN_S, out);
        buf_add_text(out, "\"");
        if (bot->cursor_known)
                buf_printf(out, ",\"cursor\":{\"epoch\":\"%s\",\"n\":%" PRIu64 "}", bot->swarm->epoch, bot->n);
        buf_add_text(out, "}");
        frame_end(bot, WSFRAME_TEXT);
}

static void send_subscribe(struct bot *bot, uint32_t room) {
        uint64_t seq = audit_seq(bot->swarm->audit, bot->index, room);
        struct buf *out = frame_begin(bot);
        buf_printf(out, "{\"type\":\"subscribe\",\"id\":%u,\"conv\":\"", ID_SUBSCRIBE);
        add_conv(out, bot, room);
        buf_add_text(out, "\"");
        if (!bot->swarm->plan->floor)
                buf_printf(out, ",\"since\":{\"epoch\":\"%s\",\"seq\":%" PRIu64 "}", bot->swarm->epoch, seq);
        buf_add_text(out, "}");
        bot->subscriptions++;
        frame_end(bot, WSFRAME_TEXT);
}

static void send_message(struct bot *bot, const struct sending *sending) {
        const struct body_of of = { bot->swarm->share.first_device + bot->index, sending->number,
                                    global_room(bot, sending->room) };
        struct buf *out = frame_begin(bot);
        buf_add_text(out, "{\"type\":\"send\",\"id\":");
        buf_add_uint(out, (uint64_t)sending->number * ID_KINDS + ID_SEND);
        buf_add_text(out, ",\"conv\":\"");
        add_conv(out, bot, sending->room);
        buf_add_text(out, "\",\"op\":\"");
        add_op(out, bot, sending->number);
        buf_add_text(out, "\",\"body\":");
        body_add(out, &of, sending->due_us, bot->swarm->plan->body_bytes);
        buf_add_text(out, "}");
        frame_end(bot, WSFRAME_TEXT);
}

void bot_say(struct bot *bot, uint32_t room, uint64_t due_us) {
        count(bot, TALLY_SCHEDULED, 1);
        struct sending *sending = bot->sends_count < LIMIT_LOAD_PENDING ? malloc(sizeof *sending) : NULL;
        if (!sending)
                return count(bot, TALLY_SKIPPED, 1);
        *sending = (struct sending){ .due_us = due_us, .number = ++bot->number, .room = room };
        list_append(&bot->sends, &sending->link);
        bot->sends_count++;
        bot->swarm->pending++;
        if (bot->state == BOT_LIVE)
                send_message(bot, sending);
}

void bot_type(struct bot *bot, uint32_t room) {
        if (bot->state != BOT_LIVE)
                return;
        struct buf *out = frame_begin(bot);
        buf_add_text(out, "{\"type\":\"typing\",\"conv\":\"");
        add_conv(out, bot, room);
        buf_add_text(out, "\",\"active\":true}");
        frame_end(bot, WSFRAME_TEXT);
}

void bot_tell_read(struct bot *bot, uint32_t room, uint64_t seq) {
        if (bot->state != BOT_LIVE)
                return;
        struct buf *out = frame_begin(bot);
        buf_printf(out, "{\"type\":\"read\",\"id\":%u,\"conv\":\"", ID_READ);
        add_conv(out, bot, room);
        buf_printf(out, "\",\"seq\":%" PRIu64 "}", seq);
        frame_end(bot, WSFRAME_TEXT);
}

void bot_acknowledge(struct bot *bot) {
        list_remove(&bot->debt);
        if (bot->state < BOT_CATCHING || bot->n <= bot->acked_n)
                return;
        bot->acked_n = bot->n;
        struct buf *out = frame_begin(bot);
        buf_add_text(out, "{\"type\":\"ack\",\"n\":");
        buf_add_uint(out, bot->n);
        buf_add_text(out, "}");
        frame_end(bot, WSFRAME_TEXT);
}

void bot_retry(struct bot *bot) {
        list_remove(&bot->queue);
        LIST_FOR_EACH(link, &bot->sends) {
                if (bot->state != BOT_LIVE)
                        return;
                count(bot, TALLY_RESENT, 1);
                send_message(bot, LIST_CONTAINER(link, struct sending, link));
        }
}

/* ---- frames in ---- */

static void become_live(struct bot *bot) {
        struct swarm *swarm = bot->swarm;
        if (bot->state != BOT_CATCHING || !bot->caught_up || bot->subscriptions > 0)
                return;
        swarm->handshaking--;
        bot->state = BOT_LIVE;
        bot->live_us = swarm->now_us;
        wheel_stop(&bot->timer);
        count(bot, TALLY_LIVE, 1);
        if (bot->awake_us == UINT64_MAX)
                bot->awake_us = swarm->now_us;
        if (bot->returning)
                histogram_record(&swarm->slot->timings[TIMING_CATCH_UP], swarm->now_us - bot->dialled_us);
        bot->returning = true;
        if (!list_is_empty(&bot->sends))
                bot_retry(bot);
        if (bot->state == BOT_LIVE)
                swarm_on_live(swarm, bot);
}

/* What welcome says of coming back. It is rare, so it is read with all strictness. */
static void read_retry(struct bot *bot, struct slice text) {
        struct scan_value top;
        struct scan_field fields[LIMIT_JSON_FIELDS];
        size_t fields_count;
        if (scan_text(text, LIMIT_JSON_DEPTH, &top) != 0 || top.type != SCAN_OBJECT ||
            scan_object(top.raw, fields, LIMIT_JSON_FIELDS, &fields_count) != 0)
                return;
        const struct scan_value *retry = scan_find(fields, fields_count, "retry");
        if (!retry || retry->type != SCAN_OBJECT || scan_object(retry->raw, fields, LIMIT_JSON_FIELDS, &fields_count) != 0)
                return;
        const struct scan_value *base = scan_find(fields, fields_count, "base_ms"),
                                *max = scan_find(fields, fields_count, "max_ms");
        if (base && base->type == SCAN_INT && base->integer > 0 && base->integer < 3600000)
                bot->backoff.base_ms = (uint64_t)base->integer;
        if (max && max->type == SCAN_INT && max->integer > 0 && max->integer < 3600000)
                bot->backoff.max_ms = (uint64_t)max->integer;
}

static void on_welcome(struct bot *bot, const struct glance *frame, struct slice text) {
        struct swarm *swarm = bot->swarm;
        if (bot->state != BOT_HELLO)
                return;
        if (frame->epoch.len >= sizeof swarm->epoch) {
                count(bot, TALLY_MALFORMED, 1);
                return lose(bot);
        }
        memcpy(swarm->epoch, frame->epoch.ptr, frame->epoch.len);
        swarm->epoch[frame->epoch.len] = '\0';
        count(bot, TALLY_WELCOMED, 1);
        histogram_record(&swarm->slot->timings[TIMING_HANDSHAKE], swarm->now_us - bot->dialled_us);
        if (!bot->cursor_known) {
                bot->n = bot->acked_n = frame->head > 0 ? (uint64_t)frame->head : 0;
                read_retry(bot, text);
        }
        bot->cursor_known = !swarm->plan->floor;
        bot->state = BOT_CATCHING;
        swarm_on_welcome(swarm);
        uint32_t rooms = swarm->share.rooms_per_circle;
        bool subscribes = swarm->plan->scenario == SCENARIO_FANOUT || swarm->plan->floor;
        for (uint32_t i = 0; subscribes && i < rooms && bot->state == BOT_CATCHING; i++)
                send_subscribe(bot, bot->index / swarm->share.devices_per_circle * rooms + i);
        become_live(bot);
}

static struct sending *find_sending(struct bot *bot, uint32_t number) {
        LIST_FOR_EACH(link, &bot->sends) {
                struct sending *sending = LIST_CONTAINER(link, struct sending, link);
                if (sending->number == number)
                        return sending;
        }
        return NULL;
}

static void forget_sending(struct bot *bot, struct sending *sending) {
        list_remove(&sending->link);
        free(sending);
        bot->sends_count--;
        bot->swarm->pending--;
}

static void on_sent(struct bot *bot, const struct glance *frame) {
        struct swarm *swarm = bot->swarm;
        uint32_t device, number, room = read_conv(swarm, frame->conv);
        bool own = read_op(swarm, frame->op, &device, &number) && device == swarm->share.first_device + bot->index &&
                   number <= bot->number;
        struct sending *sending = own ? find_sending(bot, number) : NULL;
        if (!own || room == AUDIT_STRANGE_ROOM || (sending && room != sending->room) || frame->seq <= 0)
                audit_invented(swarm->audit, bot->index, frame->op);
        else {
                audit_acknowledged(swarm->audit, room, (uint64_t)frame->seq, frame->op);
                if (swarm->plan->scenario == SCENARIO_FANOUT &&
                    atomic_load(&swarm->board->channel_tops[room]) < (uint64_t)frame->seq)
                        atomic_store(&swarm->board->channel_tops[room], (uint64_t)frame->seq); /* one device posts to a channel */
        }
        if (!sending) /* a second answer, to a repeated send: only whether it told the same seq is of interest */
                return;
        count(bot, TALLY_ACKNOWLEDGED, 1);
        histogram_record(&swarm->slot->timings[TIMING_SENT], swarm->now_us - sending->due_us);
        forget_sending(bot, sending);
}

/* The number of an event: false if it must not be shown. */
static bool take_number(struct bot *bot, const struct glance *frame) {
        struct swarm *swarm = bot->swarm;
        if (frame->n < 0)
                return true;
        if (!audit_numbered(swarm->audit, bot->index, (uint64_t)frame->n, bot->n))
                return false;
        bot->n = (uint64_t)frame->n;
        if (bot->n - bot->acked_n >= ACK_EVENTS)
                bot_acknowledge(bot);
        else if (list_is_empty(&bot->debt)) {
                bot->debt_us = swarm->now_us + ACK_DELAY_US;
                list_append(&swarm->owing, &bot->debt);
        }
        return true;
}

/* When the message was due; -1 if nobody knows: an own one comes without its body, and a wrong one is a fault. */
static int64_t read_body(struct bot *bot, const struct glance *frame, const struct body_of *of) {
        struct swarm *swarm = bot->swarm;
        if (frame->body.len == 0 && of->device == swarm->share.first_device + bot->index)
                return -1;
        int64_t due_us = body_read(frame->body, of, swarm->plan->body_bytes);
        if (due_us < 0)
                audit_altered(swarm->audit, bot->index, frame->op);
        return due_us;
}

static void on_message(struct bot *bot, const struct glance *frame) {
        struct swarm *swarm = bot->swarm;
        uint32_t sender, number, room = read_conv(swarm, frame->conv);
        if (!take_number(bot, frame))
                return;
        if (!read_op(swarm, frame->op, &sender, &number))
                return audit_invented(swarm->audit, bot->index, frame->op);
        audit_shown(swarm->audit, bot->index, room, frame->seq < 0 ? 0 : (uint64_t)frame->seq, frame->op);
        count(bot, TALLY_DELIVERIES, 1);
        swarm->last_shown_us = swarm->now_us;
        if (room == AUDIT_STRANGE_ROOM)
                return;
        int64_t due_us = read_body(bot, frame, &(struct body_of){ sender, number, global_room(bot, room) });
        if (due_us > 0 && (uint64_t)due_us >= bot->awake_us && (uint64_t)due_us <= swarm->now_us)
                histogram_record(&swarm->slot->timings[TIMING_DELIVERY], swarm->now_us - (uint64_t)due_us);
        if (sender == swarm->share.first_device + bot->index)
                swarm_on_own(swarm, bot, room);
        else
                swarm_on_shown(swarm, bot, room, (uint64_t)frame->seq);
}

static void on_error(struct bot *bot, const struct glance *frame, struct slice text) {
        struct swarm *swarm = bot->swarm;
        board_count_error(swarm->slot, frame->code);
        struct sending *sending = NULL;
        if (frame->id >= 0 && frame->id % ID_KINDS == ID_SEND)
                sending = find_sending(bot, (uint32_t)(frame->id / ID_KINDS));
        if (sending && frame->temporary) {
                if (list_is_empty(&bot->queue) && bot->state == BOT_LIVE) {
                        bot->retry_us = swarm->now_us + RETRY_US;
                        list_append(&swarm->retrying, &bot->queue);
                }
                return;
        }
        if (!frame->temporary)
                complain(bot, "error", text);
        if (sending) {
                count(bot, TALLY_REJECTED, 1);
                forget_sending(bot, sending);
        } else if (bot->state == BOT_CATCHING && frame->id == ID_SUBSCRIBE)
                lose(bot);
}

static void on_told(struct bot *bot, const struct glance *frame, struct slice text) {
        struct swarm *swarm = bot->swarm;
        complain(bot, "told", text);
        audit_told(swarm->audit, bot->index);
        if (frame->type == GLANCE_GAP && frame->to > 0 && (uint64_t)frame->to > bot->n)
                bot->n = (uint64_t)frame->to;
        if (frame->type == GLANCE_RESET && frame->head >= 0 && frame->epoch.len < sizeof swarm->epoch) {
                memcpy(swarm->epoch, frame->epoch.ptr, frame->epoch.len);
                swarm->epoch[frame->epoch.len] = '\0';
                bot->n = bot->acked_n = (uint64_t)frame->head;
        }
}

static void on_text(struct bot *bot, struct slice text) {
        struct glance frame;
        if (glance_read(text, &frame) != 0) {
                count(bot, TALLY_MALFORMED, 1);
                complain(bot, "malformed", text);
                return lose(bot);
        }
        switch (frame.type) {
        case GLANCE_MESSAGE:
                return on_message(bot, &frame);
        case GLANCE_SENT:
                return on_sent(bot, &frame);
        case GLANCE_RECEIPT:
                count(bot, TALLY_RECEIPTS, 1);
                take_number(bot, &frame);
                return;
        case GLANCE_TYPING:
        case GLANCE_PRESENCE:
                return count(bot, TALLY_SIGNALS, 1);
        case GLANCE_WELCOME:
                return on_welcome(bot, &frame, text);
        case GLANCE_CAUGHT_UP:
                bot->caught_up = true;
                return become_live(bot);
        case GLANCE_SUBSCRIBED:
                if (bot->subscriptions > 0)
                        bot->subscriptions--;
                if (frame.unrecovered)
                        on_told(bot, &frame, text);
                return become_live(bot);
        case GLANCE_ERROR:
                return on_error(bot, &frame, text);
        case GLANCE_GAP:
        case GLANCE_RESET:
                return on_told(bot, &frame, text);
        case GLANCE_GOAWAY:
                bot->retry_after_ms =
                        frame.retry_after_ms > 0 && frame.retry_after_ms < 600000 ? (uint32_t)frame.retry_after_ms : 0;
                return;
        default:
                take_number(bot, &frame); /* member, notification */
        }
}

static void on_close(struct bot *bot, struct slice payload) {
        unsigned code = payload.len >= 2 ? (unsigned)(uint8_t)payload.ptr[0] << 8 | (uint8_t)payload.ptr[1] : 0;
        char text[64];
        snprintf(text, sizeof text, "was closed with %u", code);
        if (code != 4001) /* a drain, which is told to be nothing special */
                complain(bot, "closed", slice_of(text));
        if (code >= 4400 && code <= 4499) {
                bot->turned_away = true;
                count(bot, TALLY_TURNED_AWAY, 1);
        }
        lose(bot);
}

static void on_frame(struct bot *bot, const struct wsframe *frame, struct slice payload) {
        if (frame->opcode == WSFRAME_TEXT && frame->final && !frame->masked)
                on_text(bot, payload);
        else if (frame->opcode == WSFRAME_PING) {
                buf_add_slice(frame_begin(bot), payload);
                frame_end(bot, WSFRAME_PONG);
        } else if (frame->opcode == WSFRAME_CLOSE)
                on_close(bot, payload);
        else if (frame->opcode != WSFRAME_PONG) {
                count(bot, TALLY_MALFORMED, 1);
                complain(bot, "malformed", SLICE("a frame that is binary, masked or in parts"));
                lose(bot);
        }
}

/* The answer to the upgrade: how many bytes it is, 0 if it is not whole. */
static size_t read_upgrade(struct bot *bot, struct slice bytes) {
        const char *end = memmem(bytes.ptr, bytes.len, "\r\n\r\n", 4);
        if (!end && bytes.len < LIMIT_HTTP_HEADER_BYTES)
                return 0;
        struct slice head = { bytes.ptr, end ? (size_t)(end - bytes.ptr) : bytes.len };
        bool switches = head.len > 12 && memcmp(head.ptr, "HTTP/1.1 101", 12) == 0;
        if (end && switches && memmem(head.ptr, head.len, bot->swarm->accept, WSFRAME_ACCEPT_BYTES)) {
                send_hello(bot);
                return head.len + 4;
        }
        const char *line_end = memchr(head.ptr, '\r', head.len);
        count(bot, TALLY_REFUSED, 1);
        complain(bot, "the upgrade was refused", (struct slice){ head.ptr, line_end ? (size_t)(line_end - head.ptr) : head.len });
        lose(bot);
        return bytes.len;
}

/* Handles what is whole; returns how many bytes that was. The bot may be away after that. */
static size_t on_bytes(struct bot *bot, struct slice bytes) {
        size_t used = bot->state == BOT_UPGRADING ? read_upgrade(bot, bytes) : 0;
        struct wsframe frame;
        while (bot->state >= BOT_HELLO) {
                struct slice left = { bytes.ptr + used, bytes.len - used };
                int r = wsframe_parse(left, LIMIT_LOAD_FRAME_BYTES - WSFRAME_HEAD_BYTES, &frame);
                if (r == WSFRAME_E_BAD) {
                        count(bot, TALLY_MALFORMED, 1);
                        complain(bot, "malformed", SLICE("no WebSocket frame"));
                        lose(bot);
                }
                if (r != 0)
                        break;
                used += frame.head_len + frame.payload_len;
                on_frame(bot, &frame, (struct slice){ left.ptr + frame.head_len, frame.payload_len });
        }
        return used;
}

static int get(struct bot *bot, char *to, size_t size, size_t *ret_len) {
        if (bot->veil)
                return veil_read(bot->veil, to, size, ret_len);
        ssize_t got = recv(bot->fd, to, size, 0);
        if (got <= 0)
                return got < 0 && errno == EAGAIN ? VEIL_E_READ : VEIL_E_END;
        *ret_len = (size_t)got;
        return 0;
}

/* Reads once; true if there may be more that epoll will not tell of (TLS). */
static bool read_once(struct bot *bot) {
        struct swarm *swarm = bot->swarm;
        size_t kept = bot->in ? bot->in->len : 0, got = 0;
        if (kept)
                memcpy(swarm->in, bot->in->ptr, kept);
        int r = get(bot, swarm->in + kept, READ_BYTES, &got);
        if (r == VEIL_E_END)
                lose(bot);
        if (r != 0)
                return false;
        swarm->now_us = board_now_us();
        count(bot, TALLY_BYTES, (int64_t)got);
        size_t len = kept + got, used = on_bytes(bot, (struct slice){ swarm->in, len });
        if (bot->state < BOT_UPGRADING)
                return false;
        bot->in = free_buf(bot->in);
        if (used == len)
                return bot->veil;
        bot->in = malloc(sizeof *bot->in);
        if (bot->in) {
                buf_init(bot->in, LIMIT_LOAD_FRAME_BYTES);
                buf_add(bot->in, swarm->in + used, len - used);
        }
        if (!bot->in || buf_failed(bot->in)) {
                lose(bot);
                return false;
        }
        return bot->veil;
}

static void shake_hands(struct bot *bot) {
        int r = veil_handshake(bot->veil);
        if (r == 0) {
                count(bot, TALLY_TLS_RESUMED, veil_is_resumed(bot->veil));
                return send_upgrade(bot);
        }
        if (r == VEIL_E_END) {
                complain(bot, "no TLS", SLICE("the server ended it, or its certificate is not believed"));
                return lose(bot);
        }
        bot->writing = r == VEIL_E_WRITE;
        watch(bot);
}

static void on_connected(struct bot *bot) {
        int error = 0;
        socklen_t len = sizeof error;
        if (getsockopt(bot->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0)
                return fail_to_connect(bot, error ? error : errno);
        if (!bot->swarm->veil_context)
                return send_upgrade(bot);
        bot->state = BOT_VEILING;
        bot->veil = veil_new(bot->swarm->veil_context, bot->fd);
        if (!bot->veil)
                return lose(bot);
        shake_hands(bot);
}

void bot_on_event(struct bot *bot, uint32_t events) {
        if (bot->state == BOT_CONNECTING)
                return on_connected(bot);
        if (bot->state == BOT_VEILING)
                return shake_hands(bot);
        if (events & EPOLLOUT && bot->state >= BOT_UPGRADING)
                flush(bot);
        if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                while (bot->state >= BOT_UPGRADING && read_once(bot))
                        ;
}

void bot_stall(struct bot *bot, bool stalled) {
        bot->stalled = stalled;
        if (bot->state == BOT_LIVE)
                watch(bot);
}
