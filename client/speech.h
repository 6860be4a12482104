/* SPDX-License-Identifier: Apache-2.0 */
/* speech.h: the requests a client makes of its own accord, as text. Each appends one object and the NUL that ends it. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/limits.h"
#include "base/slice.h"

struct buf;

/* Texts that are "" are left out; n counts only with an epoch. */
void speech_hello(struct buf *out, int64_t id, const char *token, const char *device, const char *epoch, int64_t n);
void speech_auth(struct buf *out, int64_t id, const char *token);
void speech_ping(struct buf *out, int64_t id);
void speech_ack(struct buf *out, int64_t n);
void speech_conversations(struct buf *out, int64_t id, const char *after);
void speech_history(struct buf *out, int64_t id, const char *conv);
/* watch or unwatch. */
void speech_users(struct buf *out, int64_t id, const char *type, const char (*users)[LIMIT_ID_BYTES + 1], size_t count);
void speech_read(struct buf *out, int64_t id, const char *conv, int64_t seq);
void speech_subscribe(struct buf *out, int64_t id, const char *conv, const char *epoch, int64_t seq);
void speech_unsubscribe(struct buf *out, int64_t id, const char *conv);
/* What the app asks: fields of an object, without id and braces. */
void speech_fields(struct buf *out, int64_t id, struct slice fields);
