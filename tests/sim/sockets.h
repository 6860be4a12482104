/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sockets.h: connections between devices and hubs. sockets.c defines the few functions of libwebsockets that hub/session.c calls.
 *
 * 1. Bytes of one direction keep their order. A cut takes what is under way with it, or lets it arrive, and each end learns of it in
 *    its own time: a hub may go on for long with a device that is gone, and a request may arrive from a connection given up.
 * 2. A socket takes so many bytes that the device has not read, then it blocks.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/slice.h"

struct device;
struct hub;
struct lws;

/* A device connects to a hub. NULL: the hub does not answer. */
struct lws *sockets_connect(struct device *device, int site);
/* The device sends one text frame. */
void sockets_send(struct lws *wsi, struct slice text);
/* The device is gone from this connection; the hub learns of it at once, later, or (if it is late) much later. */
void sockets_leave(struct lws *wsi, bool late);
/* The device forgets this connection, but it stays, and answers pings until the hub closes it. */
void sockets_haunt(struct lws *wsi);
/* The device reads nothing for a while. */
void sockets_sleep(struct lws *wsi, uint64_t span_us);
/* It slept until now, or until shortly before. */
bool sockets_overslept(const struct lws *wsi);
/* The highest event that the hub has sent this way, though it may be under way; 0: none. */
uint64_t sockets_told(const struct lws *wsi);
/* Every connection of this hub ends now. */
void sockets_end(struct hub *hub);
