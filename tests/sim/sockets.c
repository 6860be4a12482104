/* SPDX-License-Identifier: Apache-2.0 */
/* sockets.c: see sockets.h. What gateway.c does with frames and closes is done here in a few lines. */
#include "tests/sim/sockets.h"

#include <libwebsockets.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "hub/hub.h"
#include "hub/session.h"
#include "tests/sim/device.h"
#include "tests/sim/saboteur.h"
#include "tests/sim/sites.h"
#include "tests/sim/wires.h"
#include "tests/sim/world.h"

enum { SOCKETS_BYTES = 1 << 24, SOCKETS_LATE_US = 25000000, SOCKETS_OVERSLEPT_US = 3000000 };

struct lws {
        struct hub *hub;
        struct session *session; /* NULL: the hub's end is closed */
        struct device *device;   /* NULL: the device has gone */
        unsigned uses;           /* events under way */
        uint64_t up_us, down_us; /* when the latest under way arrives: at the hub, at the device */
        uint64_t asleep_us;
        bool haunts;             /* without a device */
        size_t unread, capacity; /* bytes that the device has not read */
        bool wants_writable, paused, closed, severed;
        struct buf held;         /* length and text of frames that the hub does not read now */
};

/* Bytes under way. */
struct packet {
        struct lws *wsi;
        size_t len;
        char bytes[];
};

static void sockets_unuse(struct lws *wsi) {
        if (--wsi->uses || wsi->session || wsi->device)
                return;
        buf_deinit(&wsi->held);
        free(wsi);
}

static struct packet *sockets_packet(struct lws *wsi, struct slice bytes) {
        struct packet *packet = malloc(sizeof(*packet) + bytes.len + 1);
        if (!packet)
                abort();
        packet->wsi = wsi;
        packet->len = bytes.len;
        memcpy(packet->bytes, bytes.ptr, bytes.len);
        packet->bytes[bytes.len] = '\0';
        wsi->uses++;
        return packet;
}

static uint64_t sockets_delay_us(void) {
        return world_one_in(40) && !world.calm ? world_chance(3000000) : 200 + world_chance(20000);
}

static uint64_t sockets_travel(uint64_t *latest_us) {
        uint64_t at_us = world_arrival(sockets_delay_us());
        *latest_us = at_us > *latest_us ? at_us : *latest_us;
        return *latest_us;
}

/* ---- to the hub ---- */

/* The hub's process frees its end. */
static void sockets_hub_closes(struct lws *wsi) {
        struct session *session = wsi->session;
        if (!session)
                return;
        wsi->session = NULL;
        sites_enter(wsi->hub->loop);
        session_on_closed(session);
}

static bool sockets_is_frozen(struct lws *wsi, world_fn fn, void *arg) {
        uint64_t frozen_us = wsi->session ? sites_frozen_until_us(wsi->hub->loop) : 0;
        if (frozen_us > world.now_us)
                world_at(frozen_us, fn, arg);
        return frozen_us > world.now_us;
}

static void sockets_give(struct lws *wsi, struct slice text) {
        sites_enter(wsi->hub->loop);
        session_on_heard(wsi->session);
        if (!slice_is(text, "pong"))
                session_on_frame(wsi->session, text, false);
}

static void sockets_on_frame(void *arg) {
        struct packet *packet = arg;
        struct lws *wsi = packet->wsi;
        struct slice text = { packet->bytes, packet->len };
        if (sockets_is_frozen(wsi, sockets_on_frame, packet))
                return;
        if (wsi->session && (wsi->paused || wsi->held.len)) {
                buf_add(&wsi->held, &text.len, sizeof(text.len));
                buf_add_slice(&wsi->held, text);
        } else if (wsi->session) {
                sockets_give(wsi, text);
        }
        free(packet);
        sockets_unuse(wsi);
}

static void sockets_on_resume(void *arg) {
        struct lws *wsi = arg;
        while (wsi->session && !wsi->paused && wsi->held.len) {
                size_t len;
                memcpy(&len, wsi->held.ptr, sizeof(len));
                char *text = malloc(len + 1);
                if (!text)
                        abort();
                memcpy(text, wsi->held.ptr + sizeof(len), len);
                buf_consume(&wsi->held, sizeof(len) + len);
                sockets_give(wsi, (struct slice){ text, len });
                free(text);
        }
        sockets_unuse(wsi);
}

static void sockets_on_hub_learns(void *arg) {
        struct lws *wsi = arg;
        if (sockets_is_frozen(wsi, sockets_on_hub_learns, wsi))
                return;
        sockets_hub_closes(wsi);
        sockets_unuse(wsi);
}

void sockets_send(struct lws *wsi, struct slice text) {
        struct packet *packet = sockets_packet(wsi, text);
        world_at(sockets_travel(&wsi->up_us), sockets_on_frame, packet);
}

void sockets_leave(struct lws *wsi, bool late) {
        wsi->device = NULL;
        wsi->uses++;
        if (!wsi->session) {
                sockets_unuse(wsi);
                return;
        }
        /* Behind what was sent, as that may arrive yet. */
        uint64_t delay_us = late ? world_chance(SOCKETS_LATE_US) : world_chance(20000);
        uint64_t at_us = world.now_us + delay_us;
        world_at(at_us > wsi->up_us ? at_us : wsi->up_us, sockets_on_hub_learns, wsi);
}

void sockets_haunt(struct lws *wsi) {
        wsi->device = NULL;
        wsi->haunts = true;
}

/* ---- to the device ---- */

static void sockets_on_writable(void *arg) {
        struct lws *wsi = arg;
        if (sockets_is_frozen(wsi, sockets_on_writable, wsi))
                return;
        if (wsi->session && wsi->wants_writable) {
                wsi->wants_writable = false;
                sites_enter(wsi->hub->loop);
                session_flush(wsi->session);
        }
        sockets_unuse(wsi);
}

/* The length of the frame at the start of bytes, header included (RFC 6455 section 5.2). */
static size_t sockets_frame_len(const unsigned char *bytes, size_t len, size_t *ret_header) {
        WORLD_DEMAND(len >= 2 && bytes[1] <= 127, "not a frame of a server");
        size_t payload = bytes[1], extra = payload == 126 ? 2 : payload == 127 ? 8 : 0;
        if (extra) {
                payload = 0;
                for (size_t i = 0; i < extra; i++)
                        payload = payload << 8 | bytes[2 + i];
        }
        *ret_header = 2 + extra;
        WORLD_DEMAND(len >= *ret_header + payload, "a write that does not end with a frame");
        return *ret_header + payload;
}

static void sockets_on_closed(void *arg) {
        struct lws *wsi = arg;
        if (wsi->device)
                device_on_closed(wsi->device, wsi, 0);
        sockets_unuse(wsi);
}

static void sockets_read_frame(struct lws *wsi, unsigned char first, struct slice payload) {
        if (first == 0x89) {
                sockets_send(wsi, SLICE("pong"));
        } else if (wsi->haunts && first == 0x88) {
                wsi->haunts = false;
                sockets_leave(wsi, false);
        } else if (wsi->haunts) {
                return;
        } else if (first == 0x88) {
                const unsigned char *code = (const unsigned char *)payload.ptr;
                device_on_closed(wsi->device, wsi, code[0] << 8 | code[1]);
        } else {
                WORLD_DEMAND(first == 0x81, "a frame begins with %02x", first);
                device_on_frame(wsi->device, payload);
        }
}

static void sockets_on_bytes(void *arg) {
        struct packet *packet = arg;
        struct lws *wsi = packet->wsi;
        if (wsi->device && wsi->asleep_us > world.now_us) {
                world_at(wsi->asleep_us, sockets_on_bytes, packet);
                return;
        }
        struct slice frames[SABOTEUR_FRAMES];
        size_t count = 0, header;
        for (size_t at = 0; at < packet->len;) {
                size_t len = sockets_frame_len((unsigned char *)packet->bytes + at, packet->len - at, &header);
                WORLD_DEMAND(count + 1 < SABOTEUR_FRAMES, "too many frames in one write");
                frames[count++] = (struct slice){ packet->bytes + at, len };
                at += len;
        }
        count = saboteur_frames(frames, count);
        for (size_t i = 0; i < count && (wsi->device || wsi->haunts); i++) {
                sockets_frame_len((const unsigned char *)frames[i].ptr, frames[i].len, &header);
                sockets_read_frame(wsi, (unsigned char)frames[i].ptr[0], (struct slice){ frames[i].ptr + header, frames[i].len - header });
        }
        if (wsi->device || wsi->haunts || world_one_in(2))
                wsi->unread -= packet->len; /* else nobody takes it, and the socket is full in the end */
        free(packet);
        if (wsi->session && wsi->wants_writable && wsi->unread < wsi->capacity) {
                wsi->uses++;
                world_after(world_chance(1000), sockets_on_writable, wsi);
        }
        sockets_unuse(wsi);
}

void sockets_sleep(struct lws *wsi, uint64_t span_us) {
        if (wsi->asleep_us < world.now_us)
                wsi->asleep_us = world_pause_end(span_us);
}

struct lws *sockets_connect(struct device *device, int site) {
        struct hub *hub = sites_hub(site);
        if (!hub_is_ready(hub) || sites_frozen_until_us(hub->loop) > world.now_us)
                return NULL;
        struct lws *wsi = calloc(1, sizeof(*wsi));
        if (!wsi)
                abort();
        wsi->hub = hub;
        wsi->device = device;
        wsi->capacity = world_one_in(3) ? 500 + world_chance(3000) : 100000;
        buf_init(&wsi->held, SOCKETS_BYTES);
        sites_enter(hub->loop);
        wsi->session = session_new(hub, wsi, NULL);
        WORLD_DEMAND(wsi->session, "no session");
        return wsi;
}

bool sockets_overslept(const struct lws *wsi) {
        return wsi->asleep_us && world.now_us < wsi->asleep_us + SOCKETS_OVERSLEPT_US;
}

uint64_t sockets_told(const struct lws *wsi) {
        return wsi->session ? wsi->session->sent : 0;
}

void sockets_end(struct hub *hub) {
        LIST_FOR_EACH(link, &hub->sessions) {
                struct lws *wsi = LIST_CONTAINER(link, struct session, all)->wsi;
                wsi->uses++;
                sockets_hub_closes(wsi);
                if (wsi->device)
                        world_after(world_chance(50000), sockets_on_closed, wsi);
                else
                        sockets_unuse(wsi);
        }
}

/* ---- libwebsockets ---- */

int lws_write(struct lws *wsi, unsigned char *bytes, size_t len, enum lws_write_protocol protocol) {
        WORLD_DEMAND(protocol == LWS_WRITE_RAW && !wsi->closed, "a write behind the close frame");
        WORLD_DEMAND(wsi->unread < wsi->capacity, "a write to a socket that takes nothing");
        struct packet *packet = sockets_packet(wsi, (struct slice){ (char *)bytes, len });
        wsi->unread += len;
        world_at(sockets_travel(&wsi->down_us), sockets_on_bytes, packet);
        return (int)len;
}

int lws_partial_buffered(struct lws *wsi) {
        return wsi->unread >= wsi->capacity;
}

int lws_callback_on_writable(struct lws *wsi) {
        wsi->wants_writable = true;
        return 1;
}

int lws_rx_flow_control(struct lws *wsi, int enable) {
        wsi->paused = !enable;
        if (enable) {
                wsi->uses++;
                world_after(1, sockets_on_resume, wsi);
        }
        return 0;
}

/* Only ever to end the connection. */
void lws_set_timeout(struct lws *wsi, enum pending_timeout reason, int seconds) {
        wsi->uses++;
        world_after(1, sockets_on_hub_learns, wsi);
        if (wsi->device) {
                wsi->uses++;
                world_at(sockets_travel(&wsi->down_us), sockets_on_closed, wsi);
        }
}

void lws_cancel_service(struct lws_context *context) {
}

lws_sockfd_type lws_get_socket_fd(struct lws *wsi) {
        return -1; /* its kernel answers nothing */
}
