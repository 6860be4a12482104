/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device.h: a client as PROTOCOL.md wants it: a cursor, a view of each conversation, sends that are repeated under their op.
 *
 * It drops what it has seen (n not above its own), acknowledges what it has, loads by conversations and history what it is told
 * is gone, reconnects as the close codes say. What it is promised it checks on the wire:
 *
 *   device#1  Within a session n strictly rises; at most a window of events is unacknowledged.
 *   device#2  An event is shown once, and the entries of a conversation come in order of seq without a hole, unless a gap, a
 *             reset or a fresh start was told, or the user joined.
 *   device#3  Watermarks never fall.
 *   device#4  An own event comes without body to the session that sent it, and to no other. A body is that of its op.
 *   device#5  sent speaks the truth: the entry is in the store under that seq, or was, before the store lost it.
 *   device#6  A session begins where the device's cursor is; if the store has another epoch, reset is told before any event.
 *   device#7  Nobody is told that something does not exist which the store has lost in secret, be it by a list in which it is not.
 *   device#8  A device that has only one connection is not replaced, and one that keeps the rules is not called wrong or silent.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/slice.h"

struct device;
struct lws;

enum { DEVICES = 9 };

void device_init_all(void);
void device_deinit_all(void);
struct device *device_get(int index);

/* From the socket. code: of a close frame; 0: the connection is gone. */
void device_on_frame(struct device *device, struct slice text);
void device_on_closed(struct device *device, struct lws *wsi, int code);

/* The store went back in time under its old epoch: what this device knows beyond head is no more, and it may not be told. */
void device_doubt(struct device *device, uint64_t head);

/* Could it be that it acknowledged n of this epoch? */
bool device_may_have_acked(const struct device *device, struct slice epoch, uint64_t n);

/* Faults. */
void device_disturb(struct device *device);

/* Of the calm: NULL if all that was promised has come, else what is missing; until the next call. */
const char *device_complaint(struct device *device);

struct slice device_user(const struct device *device);
struct slice device_name(const struct device *device);
/* The id of its open session, "" if none. */
struct slice device_session(const struct device *device);
/* Is the session one of a background sync? */
bool device_is_background(const struct device *device);
