/* SPDX-License-Identifier: Apache-2.0 */
/*
 * detach.h: sessions that ended are taken out of the store, for certain.
 *
 * A detach that is lost would leave a user online for as long as this node lives. So each one is repeated until the store has
 * confirmed it; a device that came back meanwhile has a new session and is not touched (b1_detach).
 */
#pragma once

struct detach_queue;
struct fanout;
struct registry_session;

struct detach_queue *detach_queue_new(struct fanout *fanout);
struct detach_queue *detach_queue_free(struct detach_queue *detaches);

/* Copies the session. Without memory the line stays until the device comes back or the node ends. */
void detach_add(struct detach_queue *detaches, const struct registry_session *session);
/* Repeats what failed; call it once a second. */
void detach_flush(struct detach_queue *detaches);
