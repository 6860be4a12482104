/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wires.h: the network between hubs and the store. wires.c defines base/link.h: the same promises, on virtual time.
 *
 * 1. Commands of one turn travel together; what travels on one link keeps its order, two links know nothing of each other.
 * 2. When a link is cut, commands that had not arrived never do, replies that had not arrived are lost, and every callback gets NULL.
 * 3. A severed link is dead at the store's end: what was under way to the hub still comes, then the hub notices.
 */
#pragma once
#include <stdint.h>

struct link;
struct redisReply;

/* A publication leaves for link. Takes the reply. */
void wires_push(struct link *link, struct redisReply *reply);
/* What was commanded in this turn leaves. Call it after each step. */
void wires_end_turn(void);
/* The hub has looked at its clock: a link that waited too long is lost. */
void wires_tick(void);

/* Faults. */
void wires_cut_one(void);
void wires_sever_all(void);
/* The process of this loop is dead: nothing that it commands reaches the store any more. */
void wires_kill(const void *loop);
