/* SPDX-License-Identifier: Apache-2.0 */
/*
 * line.h: one WebSocket to the hub on a libuv loop. It opens once and ends once (base/stream.h).
 *
 * 1. on_open comes at most once and before on_texts. One of on_closed and on_refused comes at most once, and nothing after it.
 * 2. No callback comes from inside line_open(), line_send() or line_close(), and none after line_close().
 * 3. What was read in one go is handed over in one go, so that it can be stored in one transaction.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>
#include "base/slice.h"

struct line;
struct url;

struct line_port {
        void *context;
        void (*on_open)(void *context);
        void (*on_texts)(void *context, const struct slice *texts, size_t count);                       /* lent */
        void (*on_heard)(void *context);                                                                /* a ping or pong */
        void (*on_closed)(void *context, int code, const char *reason);                                 /* 1006: lost */
        void (*on_refused)(void *context, int http_status, int64_t retry_after_ms, const char *reason); /* 0: no answer */
        void (*on_gone)(void *context); /* its memory is free: always comes, last of all, also after line_close() */
};

/* 0, -ENOMEM, or TLS_E_CA. turn: which of several addresses of a name. url and ca_file are borrowed until on_gone. */
__attribute__((warn_unused_result)) int line_open(uv_loop_t *loop, const struct url *url, const char *ca_file, unsigned turn,
                                                  const struct line_port *port, struct line **ret_line);
void line_send(struct line *line, struct slice text);
/* Says goodbye and goes. Only on_gone follows. */
void line_close(struct line *line);
