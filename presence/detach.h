/* SPDX-License-Identifier: Apache-2.0 */
/*
 * detach.h: sessions that ended are taken out of the store, for certain.
 *
 * A detach that is lost would leave a user online for as long as this node lives. So each one is repeated until the store has
 * confirmed it; a device that came back meanwhile has a new session and is not touched (b1_detach).
 */
#pragma once

struct detaches;
struct fanout;
struct registry_session;

struct detaches *detaches_new(struct fanout *fanout);
struct detaches *detaches_free(struct detaches *detaches);

/* Copies the session. Without memory the line stays until the device comes back or the node ends. */
void detaches_add(struct detaches *detaches, const struct registry_session *session);
/* Repeats what failed; call it once a second. */
void detaches_flush(struct detaches *detaches);
