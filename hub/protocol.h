/* SPDX-License-Identifier: Apache-2.0 */
/*
 * protocol.h: carries out what a session's peer asks for (PROTOCOL section 2).
 *
 * 1. Every request gets exactly one reply, with its id, except ack and typing which get none unless they are wrong.
 * 2. Sends of one session to one conversation are stored in the order in which they came.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/slice.h"

struct request;
struct session;
struct watcher;

void protocol_handle_frame(struct session *session, struct slice text, bool binary);
/* One object of a frame that passed scan_text(). */
void protocol_handle_object(struct session *session, struct slice object);
void protocol_ok(struct session *session, const struct request *request);
/* watcher.on_watching */
void protocol_on_watching(struct watcher *watcher, uint64_t request, int answer, struct slice fields);
