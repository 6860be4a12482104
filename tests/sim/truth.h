/* SPDX-License-Identifier: Apache-2.0 */
/*
 * truth.h: what really happened, as told by the calls that the store carried out; and whether the calm holds what it should.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/slice.h"

struct redisReply;

enum { TRUTH_USERS = 6, TRUTH_CONVS = 5, TRUTH_CROWD = 4 /* the conversation with more members than one call names */, TRUTH_CROWD_MEMBERS = 140 };
enum { TRUTH_ACK_KEYS = 6 }; /* of each device in a call of b1_ack */

void truth_init(void);
void truth_deinit(void);

struct slice truth_user(int index);
struct slice truth_conv(int index);
int truth_find_user(struct slice user); /* -1: none of those with devices */
int truth_find_conv(struct slice conv); /* -1 */

/* Around each call that the store carries out. */
void truth_before_call(struct slice name, size_t keys_count, const struct slice *argv);
void truth_after_call(struct slice name, size_t keys_count, size_t argc, const struct slice *argv, const struct redisReply *reply);

void truth_snapshot(void);
void truth_roll_back(void);
void truth_wipe(void);

/* It rises whenever the store loses what it knew of a conversation: its past, or the conversation, which the backend deleted. */
unsigned truth_past(int conv);
/* The backend deleted it once: what was stored then may be stored again. */
bool truth_was_deleted(int conv);
/* Where an op was stored; false: nowhere, or the store has lost it. */
bool truth_find_op(struct slice op, int *ret_conv, uint64_t *ret_seq);
/* The seq of the conversation when the user joined; -1: is no member. */
int64_t truth_joined(int conv, int user);
/* What is in the log now: from first to last; none: last is 0. */
void truth_log(int conv, uint64_t *ret_first, uint64_t *ret_last);
/* The conversation's seq. */
uint64_t truth_seq(struct slice conv);
/* The events of a user's inbox are those behind base, up to head. */
uint64_t truth_base(struct slice user);
uint64_t truth_head(struct slice user);
/* A member's watermarks; false: is no member. */
bool truth_marks(int conv, struct slice user, uint64_t *ret_delivered, uint64_t *ret_read);
/* The cursor that the store has for a device; false: it knows no such device. */
bool truth_cursor(struct slice user, struct slice device, uint64_t *ret_n);
/* online, away or offline, as anyone who follows the user is to see it. */
const char *truth_presence(struct slice user);

/* Of the calm: NULL if the store is as it should be, else what is not; until the next call. */
const char *truth_complaint(void);
