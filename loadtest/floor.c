/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor.c: the program belfry-floor: what a hub would cost if it did nothing but send.
 *
 * A single epoll loop: WebSocket handshake, rooms, and for each message one frame built once and sent to each member. It speaks
 * as much of the protocol as belfry-load --floor needs: hello is answered with welcome and caught_up, subscribe joins a room,
 * send is answered with sent and goes to the room. It knows no tokens, no store, no receipts, no second try: the hub's CPU for a
 * delivery is told as a multiple of this one's, measured in the same run, so the figure means something on any machine.
 *
 *      plain        each delivery is a send() of its own
 *      --coalesce   what one turn of the loop has for a peer leaves in one send()
 *
 * It can also lie once (--fault), so that the history checker of belfry-load is seen to find what it looks for.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/list.h"
#include "loadtest/dial.h"
#include "loadtest/glance.h"
#include "loadtest/wsframe.h"

enum {
        EVENTS_AT_ONCE = 512,
        ROOMS_HASHED = 1 << 16,
        READ_BYTES = 1 << 18,
        SEATS_MAX = 1 << 10,
        ROOMS_MAX = 1 << 22,
};

enum fault { FAULT_NONE, FAULT_DROP, FAULT_REPEAT, FAULT_SWAP, FAULT_LEAK, FAULT_FORGET, FAULT_GARBLE, FAULT_MIX, FAULT_DOUBLE, FAULT_WAVER };

static const struct {
        const char *name, *sentence;
} faults[] = {
        [FAULT_NONE] = { "none", "" },
        [FAULT_DROP] = { "drop", "one member never gets a message" },
        [FAULT_REPEAT] = { "repeat", "one member gets a message twice" },
        [FAULT_SWAP] = { "swap", "one member gets a message after the next one" },
        [FAULT_LEAK] = { "leak", "somebody who is no member gets a message, too" },
        [FAULT_FORGET] = { "forget", "a message is acknowledged and then as if it had never been sent" },
        [FAULT_GARBLE] = { "garble", "one member gets a message of which one byte is another" },
        [FAULT_MIX] = { "mix", "one member gets a message with the body of the one before" },
        [FAULT_DOUBLE] = { "double", "a message is stored and told twice, under two numbers" },
        [FAULT_WAVER] = { "waver", "a message is acknowledged again, with the number of the one before" },
};

/* A peer's place in a room, and the room's place for the peer: each knows the other's index. */
struct seat {
        struct room *room;
        uint32_t at;
};

struct member {
        struct conn *conn;
        uint32_t seat;
};

struct room {
        struct room *next;
        uint64_t seq;
        struct member *members;
        uint32_t count, room_for;
        size_t conv_len;
        char conv[LIMIT_ID_BYTES];
};

struct conn {
        struct list link;  /* in floor.conns */
        struct list dirty; /* in floor.dirty */
        int fd;
        bool upgraded, ended;
        struct buf in;  /* the beginning of what is not whole yet */
        struct buf out; /* what the socket did not take, or what waits for the end of the turn */
        struct seat *seats;
        uint32_t seats_count;
};

struct floor {
        int epoll_fd, listen_fd;
        bool coalesce;
        enum fault fault;
        uint64_t fault_at, deliveries;
        struct conn *swapped; /* who waits for the frame that was swapped, and that frame */
        struct buf held;
        struct buf before; /* for FAULT_MIX: the body of the message before */
        struct list conns; /* struct conn, link */
        struct list dirty; /* struct conn, dirty */
        struct list ended; /* struct conn, link: freed after the turn */
        struct room *rooms[ROOMS_HASHED];
        uint32_t rooms_count;
        struct buf frame; /* the one that is being built */
        char in[READ_BYTES];
};

static struct floor state;
static volatile sig_atomic_t told_to_end;

static void on_signal(int number) {
        told_to_end = number;
}

/* ---- connections ---- */

static void leave_rooms(struct conn *conn) {
        for (uint32_t i = 0; i < conn->seats_count; i++) {
                struct room *room = conn->seats[i].room;
                uint32_t at = conn->seats[i].at;
                room->members[at] = room->members[--room->count];
                room->members[at].conn->seats[room->members[at].seat].at = at;
        }
        conn->seats_count = 0;
}

static void conn_end(struct floor *floor, struct conn *conn) {
        if (conn->ended)
                return;
        conn->ended = true;
        close(conn->fd);
        leave_rooms(conn);
        if (floor->swapped == conn)
                floor->swapped = NULL;
        list_remove(&conn->link);
        list_remove(&conn->dirty);
        list_init(&conn->dirty);
        list_append(&floor->ended, &conn->link);
}

static void free_ended(struct floor *floor) {
        LIST_FOR_EACH(link, &floor->ended) {
                struct conn *conn = LIST_CONTAINER(link, struct conn, link);
                list_remove(link);
                buf_deinit(&conn->in);
                buf_deinit(&conn->out);
                free(conn->seats);
                free(conn);
        }
}

static void want(struct floor *floor, struct conn *conn, uint32_t events) {
        struct epoll_event event = { .events = events, .data.ptr = conn };
        if (epoll_ctl(floor->epoll_fd, EPOLL_CTL_MOD, conn->fd, &event) != 0)
                conn_end(floor, conn);
}

/* Writes what waits; what the socket does not take waits for EPOLLOUT. */
static void conn_flush(struct floor *floor, struct conn *conn) {
        if (conn->ended || conn->out.len == 0)
                return;
        ssize_t sent = send(conn->fd, conn->out.ptr, conn->out.len, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
                return conn_end(floor, conn);
        if (sent == (ssize_t)conn->out.len)
                return buf_clear(&conn->out);
        if (sent > 0)
                buf_consume(&conn->out, (size_t)sent);
        want(floor, conn, EPOLLIN | EPOLLOUT);
}

static void conn_queue(struct floor *floor, struct conn *conn, struct slice bytes) {
        buf_add_slice(&conn->out, bytes);
        if (buf_failed(&conn->out))
                conn_end(floor, conn); /* it reads too slowly for a hub without an inbox */
}

static void conn_send(struct floor *floor, struct conn *conn, struct slice bytes) {
        if (conn->ended)
                return;
        if (floor->coalesce) {
                if (list_is_empty(&conn->dirty))
                        list_append(&floor->dirty, &conn->dirty);
                return conn_queue(floor, conn, bytes);
        }
        if (conn->out.len)
                return conn_queue(floor, conn, bytes);
        ssize_t sent = send(conn->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (sent == (ssize_t)bytes.len)
                return;
        if (sent < 0 && errno != EAGAIN)
                return conn_end(floor, conn);
        size_t taken = sent > 0 ? (size_t)sent : 0;
        conn_queue(floor, conn, (struct slice){ bytes.ptr + taken, bytes.len - taken });
        if (!conn->ended)
                want(floor, conn, EPOLLIN | EPOLLOUT);
}

/* Begins a frame whose head is put before it when its length is known. */
static struct buf *frame_begin(struct floor *floor) {
        buf_clear(&floor->frame);
        if (buf_reserve(&floor->frame, WSFRAME_HEAD_BYTES))
                buf_commit(&floor->frame, WSFRAME_HEAD_BYTES);
        return &floor->frame;
}

static struct slice frame_end(struct floor *floor, unsigned opcode) {
        char head[WSFRAME_HEAD_BYTES];
        if (buf_failed(&floor->frame))
                return (struct slice){ NULL, 0 };
        size_t payload_len = floor->frame.len - WSFRAME_HEAD_BYTES;
        size_t head_len = wsframe_head(head, opcode, payload_len, NULL);
        char *start = floor->frame.ptr + WSFRAME_HEAD_BYTES - head_len;
        memcpy(start, head, head_len);
        return (struct slice){ start, head_len + payload_len };
}

/* ---- rooms ---- */

static struct room *room_get(struct floor *floor, struct slice conv) {
        uint32_t hash = 2166136261u; /* FNV-1a */
        for (size_t i = 0; i < conv.len; i++)
                hash = (hash ^ (unsigned char)conv.ptr[i]) * 16777619u;
        struct room **head = &floor->rooms[hash % ROOMS_HASHED];
        for (struct room *room = *head; room; room = room->next)
                if (slice_equal((struct slice){ room->conv, room->conv_len }, conv))
                        return room;
        bool fits = conv.len > 0 && conv.len <= LIMIT_ID_BYTES && floor->rooms_count < ROOMS_MAX;
        struct room *room = fits ? calloc(1, sizeof *room) : NULL;
        if (!room)
                return NULL;
        memcpy(room->conv, conv.ptr, conv.len);
        room->conv_len = conv.len;
        floor->rooms_count++;
        room->next = *head;
        return *head = room;
}

static bool room_join(struct room *room, struct conn *conn) {
        for (uint32_t i = 0; i < conn->seats_count; i++)
                if (conn->seats[i].room == room)
                        return true;
        if (conn->seats_count == SEATS_MAX)
                return false;
        struct seat *seats = reallocarray(conn->seats, conn->seats_count + 1, sizeof *seats);
        if (!seats)
                return false;
        conn->seats = seats;
        if (room->count == room->room_for) {
                uint32_t more = room->room_for ? room->room_for * 2 : 4;
                struct member *members = reallocarray(room->members, more, sizeof *members);
                if (!members)
                        return false;
                room->members = members;
                room->room_for = more;
        }
        conn->seats[conn->seats_count] = (struct seat){ room, room->count };
        room->members[room->count++] = (struct member){ conn, conn->seats_count++ };
        return true;
}

static struct conn *somebody_else(struct floor *floor, const struct room *room) {
        LIST_FOR_EACH(link, &floor->conns) {
                struct conn *conn = LIST_CONTAINER(link, struct conn, link);
                bool inside = !conn->upgraded || conn->seats_count == 0;
                for (uint32_t i = 0; i < conn->seats_count; i++)
                        inside |= conn->seats[i].room == room;
                if (!inside)
                        return conn;
        }
        return NULL;
}

/* The frame with another byte in its body, or with the body before: all bodies of a run are of one size. */
static void send_altered(struct floor *floor, struct conn *conn, struct slice frame) {
        buf_add_slice(&floor->held, frame);
        if (buf_failed(&floor->held) || frame.len < 10 || floor->before.len >= frame.len)
                return conn_end(floor, conn);
        if (floor->fault == FAULT_GARBLE)
                floor->held.ptr[frame.len - 10] ^= 1;
        else
                memcpy(floor->held.ptr + frame.len - 1 - floor->before.len, floor->before.ptr, floor->before.len);
        conn_send(floor, conn, buf_slice(&floor->held));
}

/* The one delivery that goes wrong. */
static void deliver_wrongly(struct floor *floor, const struct room *room, struct conn *conn, struct slice frame) {
        if (floor->fault == FAULT_SWAP) {
                floor->swapped = conn;
                buf_add_slice(&floor->held, frame);
                return;
        }
        if (floor->fault == FAULT_GARBLE || floor->fault == FAULT_MIX)
                return send_altered(floor, conn, frame);
        if (floor->fault == FAULT_LEAK) {
                struct conn *other = somebody_else(floor, room);
                if (other)
                        conn_send(floor, other, frame);
        }
        for (int i = floor->fault == FAULT_REPEAT ? 2 : floor->fault == FAULT_DROP ? 0 : 1; i > 0; i--)
                conn_send(floor, conn, frame);
}

static void deliver(struct floor *floor, const struct room *room, struct conn *conn, struct slice frame) {
        if (++floor->deliveries == floor->fault_at)
                return deliver_wrongly(floor, room, conn, frame);
        conn_send(floor, conn, frame);
        if (floor->swapped == conn) {
                floor->swapped = NULL;
                conn_send(floor, conn, buf_slice(&floor->held));
        }
}

/* ---- requests ---- */

static void answer_hello(struct floor *floor, struct conn *conn, const struct glance *hello) {
        struct buf *out = frame_begin(floor);
        buf_add_text(out, "{\"type\":\"welcome\",\"id\":");
        buf_add_int(out, hello->id < 0 ? 0 : hello->id);
        buf_add_text(out, ",\"session\":\"floor\",\"epoch\":\"floor\",\"cursor\":0,\"head\":0,\"window\":256,"
                          "\"retry\":{\"base_ms\":500,\"max_ms\":30000,\"reset_ms\":30000}}");
        conn_send(floor, conn, frame_end(floor, WSFRAME_TEXT));
        buf_add_text(frame_begin(floor), "{\"type\":\"caught_up\",\"n\":0}");
        conn_send(floor, conn, frame_end(floor, WSFRAME_TEXT));
}

static void answer_subscribe(struct floor *floor, struct conn *conn, const struct glance *request) {
        struct room *room = room_get(floor, request->conv);
        if (!room || !room_join(room, conn))
                return conn_end(floor, conn);
        struct buf *out = frame_begin(floor);
        buf_add_text(out, "{\"type\":\"subscribed\",\"id\":");
        buf_add_int(out, request->id < 0 ? 0 : request->id);
        buf_add_text(out, ",\"conv\":\"");
        buf_add_slice(out, request->conv);
        buf_add_text(out, "\",\"epoch\":\"floor\",\"seq\":");
        buf_add_uint(out, room->seq);
        buf_add_text(out, ",\"recovered\":true}");
        conn_send(floor, conn, frame_end(floor, WSFRAME_TEXT));
}

static void tell_sent(struct floor *floor, struct conn *conn, const struct glance *send, uint64_t seq) {
        struct buf *out = frame_begin(floor);
        buf_add_text(out, "{\"type\":\"sent\",\"id\":");
        buf_add_int(out, send->id);
        buf_add_text(out, ",\"conv\":\"");
        buf_add_slice(out, send->conv);
        buf_add_text(out, "\",\"op\":\"");
        buf_add_slice(out, send->op);
        buf_add_text(out, "\",\"seq\":");
        buf_add_uint(out, seq);
        buf_add_text(out, "}");
        conn_send(floor, conn, frame_end(floor, WSFRAME_TEXT));
}

static void tell_room(struct floor *floor, const struct room *room, const struct glance *send, uint64_t seq) {
        struct buf *out = frame_begin(floor);
        buf_add_text(out, "{\"type\":\"message\",\"conv\":\"");
        buf_add_slice(out, send->conv);
        buf_add_text(out, "\",\"seq\":");
        buf_add_uint(out, seq);
        buf_add_text(out, ",\"op\":\"");
        buf_add_slice(out, send->op);
        buf_add_text(out, "\",\"at\":");
        buf_add_int(out, clock_wall_ms());
        buf_add_text(out, ",\"body\":");
        buf_add_slice(out, send->body);
        buf_add_text(out, "}");
        struct slice frame = frame_end(floor, WSFRAME_TEXT);
        for (uint32_t i = room->count; i-- > 0;) /* backwards: a member that ends meanwhile is replaced by one already served */
                deliver(floor, room, room->members[i].conn, frame);
}

/* Is this message the one that goes wrong as a whole? */
static bool goes_wrong(struct floor *floor, const struct room *room) {
        bool whole = floor->fault == FAULT_FORGET || floor->fault == FAULT_DOUBLE || (floor->fault == FAULT_WAVER && room->seq > 0);
        if (!whole || floor->fault_at == 0 || floor->deliveries + room->count < floor->fault_at)
                return false;
        floor->fault_at = 0; /* once */
        return true;
}

static void answer_send(struct floor *floor, struct conn *conn, const struct glance *send) {
        struct room *room = room_get(floor, send->conv);
        if (!room || send->id < 0)
                return conn_end(floor, conn);
        enum fault fault = goes_wrong(floor, room) ? floor->fault : FAULT_NONE;
        tell_sent(floor, conn, send, room->seq + 1);
        if (fault == FAULT_FORGET)
                return;
        if (fault == FAULT_WAVER)
                tell_sent(floor, conn, send, room->seq);
        for (int i = fault == FAULT_DOUBLE ? 2 : 1; i > 0; i--)
                tell_room(floor, room, send, ++room->seq);
        if (floor->fault == FAULT_MIX) {
                buf_clear(&floor->before);
                buf_add_slice(&floor->before, send->body);
        }
}

static void handle_text(struct floor *floor, struct conn *conn, struct slice text) {
        struct glance request;
        if (glance_read(text, &request) != 0)
                return conn_end(floor, conn);
        if (request.type == GLANCE_HELLO)
                answer_hello(floor, conn, &request);
        else if (request.type == GLANCE_SUBSCRIBE)
                answer_subscribe(floor, conn, &request);
        else if (request.type == GLANCE_SEND)
                answer_send(floor, conn, &request);
}

static void handle_frame(struct floor *floor, struct conn *conn, const struct wsframe *frame, char *payload) {
        if (frame->masked)
                wsframe_mask(payload, frame->payload_len, frame->mask);
        struct slice text = { payload, frame->payload_len };
        if (frame->opcode == WSFRAME_TEXT && frame->final)
                handle_text(floor, conn, text);
        else if (frame->opcode == WSFRAME_PING) {
                buf_add_slice(frame_begin(floor), text);
                conn_send(floor, conn, frame_end(floor, WSFRAME_PONG));
        } else if (frame->opcode != WSFRAME_PONG)
                conn_end(floor, conn);
}

/* Returns how many bytes of the request's head were used; 0 if it is not whole. */
static size_t upgrade(struct floor *floor, struct conn *conn, struct slice bytes) {
        static const char key_name[] = "Sec-WebSocket-Key: ";
        const char *end = memmem(bytes.ptr, bytes.len, "\r\n\r\n", 4);
        if (!end)
                return 0;
        const char *key = memmem(bytes.ptr, (size_t)(end - bytes.ptr), key_name, sizeof key_name - 1);
        const char *key_end = key ? memmem(key, (size_t)(end + 2 - key), "\r\n", 2) : NULL;
        if (!key_end) {
                conn_end(floor, conn);
                return bytes.len;
        }
        key += sizeof key_name - 1;
        char accept[WSFRAME_ACCEPT_BYTES];
        wsframe_accept((struct slice){ key, (size_t)(key_end - key) }, accept);
        buf_clear(&floor->frame);
        buf_printf(&floor->frame,
                   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   "Sec-WebSocket-Protocol: belfry.v1\r\nSec-WebSocket-Accept: %.*s\r\n\r\n",
                   WSFRAME_ACCEPT_BYTES, accept);
        conn->upgraded = true;
        conn_send(floor, conn, buf_slice(&floor->frame));
        return (size_t)(end + 4 - bytes.ptr);
}

/* Handles what is whole of bytes; returns how many that were. */
static size_t handle_bytes(struct floor *floor, struct conn *conn, char *bytes, size_t len) {
        size_t used = conn->upgraded ? 0 : upgrade(floor, conn, (struct slice){ bytes, len });
        struct wsframe frame;
        while (conn->upgraded && !conn->ended) {
                int r = wsframe_parse((struct slice){ bytes + used, len - used }, LIMIT_FRAME_BYTES, &frame);
                if (r == WSFRAME_E_BAD)
                        conn_end(floor, conn);
                if (r != 0)
                        break;
                handle_frame(floor, conn, &frame, bytes + used + frame.head_len);
                used += frame.head_len + frame.payload_len;
        }
        return used;
}

static void conn_read(struct floor *floor, struct conn *conn) {
        size_t kept = conn->in.len;
        if (kept)
                memcpy(floor->in, conn->in.ptr, kept);
        ssize_t got = recv(conn->fd, floor->in + kept, sizeof floor->in - kept, 0);
        if (got < 0 && errno == EAGAIN)
                return;
        if (got <= 0)
                return conn_end(floor, conn);
        size_t len = kept + (size_t)got, used = handle_bytes(floor, conn, floor->in, len);
        if (conn->ended || (kept == 0 && used == len))
                return;
        buf_deinit(&conn->in);
        buf_add(&conn->in, floor->in + used, len - used);
        if (buf_failed(&conn->in))
                conn_end(floor, conn);
}

/* ---- the loop ---- */

static void accept_all(struct floor *floor) {
        for (int i = 0; i < EVENTS_AT_ONCE; i++) {
                int fd = accept4(floor->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
                if (fd < 0)
                        return;
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
                struct conn *conn = calloc(1, sizeof *conn);
                struct epoll_event event = { .events = EPOLLIN, .data.ptr = conn };
                if (!conn || epoll_ctl(floor->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
                        close(fd);
                        free(conn);
                        continue;
                }
                conn->fd = fd;
                buf_init(&conn->in, LIMIT_FRAME_BYTES + WSFRAME_HEAD_BYTES);
                buf_init(&conn->out, LIMIT_OUTBOX_REPLY_BYTES);
                list_init(&conn->dirty);
                list_append(&floor->conns, &conn->link);
        }
}

static void handle_event(struct floor *floor, const struct epoll_event *event) {
        struct conn *conn = event->data.ptr;
        if (!conn)
                return accept_all(floor);
        if (!conn->ended && event->events & EPOLLOUT) {
                want(floor, conn, EPOLLIN);
                conn_flush(floor, conn);
        }
        if (!conn->ended && event->events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                conn_read(floor, conn);
}

static int run(struct floor *floor) {
        struct epoll_event events[EVENTS_AT_ONCE], listening = { .events = EPOLLIN };
        if (epoll_ctl(floor->epoll_fd, EPOLL_CTL_ADD, floor->listen_fd, &listening) != 0)
                return EXIT_FAILURE;
        while (!told_to_end) {
                int count = epoll_wait(floor->epoll_fd, events, EVENTS_AT_ONCE, -1);
                for (int i = 0; i < count; i++)
                        handle_event(floor, &events[i]);
                LIST_FOR_EACH(link, &floor->dirty) {
                        struct conn *conn = LIST_CONTAINER(link, struct conn, dirty);
                        list_remove(link);
                        list_init(link);
                        conn_flush(floor, conn);
                }
                free_ended(floor);
        }
        return EXIT_SUCCESS;
}

static int open_listener(struct floor *floor, const char *listen_text) {
        struct dial dial;
        char url[128], address[DIAL_TEXT_BYTES];
        const char *error = NULL;
        snprintf(url, sizeof url, "ws://%s/v1/ws", listen_text);
        if (dial_parse(url, &dial, &error) != 0) {
                fprintf(stderr, "belfry-floor: --listen %s: %s\n", listen_text, error);
                return EXIT_FAILURE;
        }
        floor->listen_fd = socket(dial.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        setsockopt(floor->listen_fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
        if (floor->listen_fd < 0 || bind(floor->listen_fd, (struct sockaddr *)&dial.address, dial.address_len) != 0 ||
            listen(floor->listen_fd, SOMAXCONN) != 0 ||
            getsockname(floor->listen_fd, (struct sockaddr *)&dial.address, &dial.address_len) != 0) {
                fprintf(stderr, "belfry-floor: --listen %s: %s\n", listen_text, strerror(errno));
                return EXIT_FAILURE;
        }
        dial_print(&dial, address);
        printf("Floor is ready: ws://%s/v1/ws\n", address);
        return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int usage(void) {
        fputs("belfry-floor [--listen 127.0.0.1:0] [--coalesce] [--fault KIND [--fault-at N]]\n"
              "A server that does nothing but send, for belfry-load --floor. The Nth delivery may go wrong on purpose:\n",
              stderr);
        for (size_t i = FAULT_DROP; i < sizeof faults / sizeof *faults; i++)
                fprintf(stderr, "  %-8s %s\n", faults[i].name, faults[i].sentence);
        return 2;
}

static bool parse_fault(const char *name, enum fault *ret_fault) {
        for (size_t i = FAULT_DROP; i < sizeof faults / sizeof *faults; i++)
                if (strcmp(faults[i].name, name) == 0) {
                        *ret_fault = (enum fault)i;
                        return true;
                }
        return false;
}

int main(int argc, char *argv[]) {
        struct floor *floor = &state;
        const char *listen_text = "127.0.0.1:0";
        uint64_t fault_at = 100;
        for (int i = 1; i < argc; i++) {
                const char *value = i + 1 < argc ? argv[i + 1] : "";
                if (strcmp(argv[i], "--coalesce") == 0)
                        floor->coalesce = true;
                else if (strcmp(argv[i], "--listen") == 0 && *value)
                        listen_text = argv[++i];
                else if (strcmp(argv[i], "--fault") == 0 && parse_fault(value, &floor->fault))
                        i++;
                else if (strcmp(argv[i], "--fault-at") == 0 && strtoull(value, NULL, 10) > 0)
                        fault_at = strtoull(argv[++i], NULL, 10);
                else
                        return usage();
        }
        floor->fault_at = floor->fault == FAULT_NONE ? 0 : fault_at;
        list_init(&floor->conns);
        list_init(&floor->dirty);
        list_init(&floor->ended);
        buf_init(&floor->frame, LIMIT_FRAME_BYTES * 2);
        buf_init(&floor->held, LIMIT_FRAME_BYTES * 2);
        buf_init(&floor->before, LIMIT_FRAME_BYTES);
        struct sigaction action = { .sa_handler = on_signal };
        sigaction(SIGTERM, &action, NULL);
        sigaction(SIGINT, &action, NULL);
        floor->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (floor->epoll_fd < 0 || open_listener(floor, listen_text) != EXIT_SUCCESS)
                return EXIT_FAILURE;
        return run(floor);
}
