/* SPDX-License-Identifier: Apache-2.0 */
/* line.c: see line.h. The protocol is in client/wsock.h, the answer to the upgrade in client/reply.h. */
#include "client/line.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/chance.h"
#include "base/limits.h"
#include "base/stream.h"
#include "client/reply.h"
#include "client/url.h"
#include "client/wsock.h"

enum {
        LINE_OUT_BYTES = 16 << 20,
        LINE_TEXTS = 256,     /* handed over at once */
        LINE_LINGER_MS = 500, /* for the goodbye to leave */
};

struct line {
        struct line_port port;
        const struct url *url;
        struct stream *stream;
        uv_timer_t linger;
        unsigned holds; /* the stream, the timer */
        bool over;      /* no callback but on_gone */
        bool ended;     /* the stream is closing */
        bool upgraded;
        struct reply reply;
        struct wsock wsock;
        char accept[WSOCK_ACCEPT_SIZE];
        struct buf texts;
        size_t ends[LINE_TEXTS], count;
};

static uint32_t mask(void) {
        return (uint32_t)chance_u64(); /* section 10.3: not to be guessed */
}

static void let_go(struct line *line) {
        struct line_port port = line->port;

        if (--line->holds > 0)
                return;
        reply_deinit(&line->reply);
        wsock_deinit(&line->wsock);
        buf_deinit(&line->texts);
        free(line);
        port.on_gone(port.context);
}

static void on_timer_closed(uv_handle_t *handle) {
        let_go(handle->data);
}

static void end_stream(struct line *line) {
        if (line->ended)
                return;
        line->ended = true;
        stream_close(line->stream);
        uv_close((uv_handle_t *)&line->linger, on_timer_closed);
}

static void on_linger(uv_timer_t *timer) {
        end_stream(timer->data);
}

static void finish(struct line *line, int code, const char *reason) {
        if (line->over)
                return;
        line->over = true;
        end_stream(line);
        if (line->upgraded)
                line->port.on_closed(line->port.context, code, reason);
        else
                line->port.on_refused(line->port.context, line->reply.status, reply_retry_after_ms(&line->reply), reason);
}

/* ---- the upgrade ---- */

static void on_open(struct stream *stream, void *context) {
        struct line *line = context;
        unsigned char random[16];
        char key[WSOCK_KEY_SIZE];

        if (line->over)
                return;
        chance_bytes(random, sizeof(random));
        wsock_key(random, key);
        wsock_accept(key, line->accept);
        buf_printf(stream_out(stream),
                   "GET %s/v1/ws HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: %s\r\n"
                   "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: belfry.v1\r\n\r\n",
                   line->url->path, line->url->authority, key);
}

/* RFC 6455 section 4.1: without the right answer to our key it is no WebSocket, whatever it says. */
static void on_reply(struct line *line) {
        struct slice accept = reply_header(&line->reply, "sec-websocket-accept"), upgrade = reply_header(&line->reply, "upgrade");
        char reason[64];

        if (line->reply.status == 101 && slice_is(accept, line->accept) && upgrade.len == 9 &&
            strncasecmp(upgrade.ptr, "websocket", 9) == 0) {
                line->upgraded = true;
                line->port.on_open(line->port.context);
                return;
        }
        snprintf(reason, sizeof(reason), "the upgrade was answered with HTTP %d", line->reply.status);
        finish(line, 1006, reason);
}

/* ---- messages ---- */

static void hand_over(struct line *line) {
        struct slice texts[LINE_TEXTS];
        size_t start = 0, count = line->count;

        for (size_t i = 0; i < count; i++) {
                texts[i] = (struct slice){ line->texts.ptr + start, line->ends[i] - start };
                start = line->ends[i];
        }
        line->count = 0;
        if (count > 0 && !line->over)
                line->port.on_texts(line->port.context, texts, count);
        buf_clear(&line->texts);
}

static void on_close_frame(struct line *line, const struct wsock_item *item) {
        char reason[126];

        snprintf(reason, sizeof(reason), "%.*s", (int)item->payload.len, item->payload.ptr ? item->payload.ptr : "");
        hand_over(line);
        finish(line, item->code, reason);
}

static void read_frames(struct line *line, struct slice bytes) {
        while (!line->over) {
                struct wsock_item item = wsock_read(&line->wsock, &bytes);

                if (item.kind == WSOCK_MORE)
                        break;
                if (item.kind == WSOCK_TEXT) {
                        buf_add_slice(&line->texts, item.payload);
                        line->ends[line->count++] = line->texts.len;
                        if (line->count == LINE_TEXTS)
                                hand_over(line);
                } else if (item.kind == WSOCK_PING) {
                        wsock_write(stream_out(line->stream), 10, item.payload, mask());
                        line->port.on_heard(line->port.context);
                } else if (item.kind == WSOCK_PONG) {
                        line->port.on_heard(line->port.context);
                } else if (item.kind == WSOCK_CLOSE) {
                        on_close_frame(line, &item);
                } else {
                        finish(line, 1006, "the hub broke the WebSocket protocol");
                }
        }
        if (buf_failed(&line->texts))
                finish(line, 1006, "out of memory");
        hand_over(line);
}

static void on_read(struct stream *stream, struct slice bytes, void *context) {
        struct line *line = context;
        size_t taken;

        if (line->over)
                return;
        if (!line->upgraded) {
                taken = reply_feed(&line->reply, bytes);
                bytes = (struct slice){ bytes.ptr + taken, bytes.len - taken };
                if (line->reply.state == REPLY_BROKEN)
                        finish(line, 1006, "the answer is no HTTP");
                else if (line->reply.state == REPLY_WHOLE)
                        on_reply(line);
        }
        if (line->upgraded)
                read_frames(line, bytes);
}

static void on_lost(struct stream *stream, const char *reason, void *context) {
        struct line *line = context;

        if (line->over)
                end_stream(line); /* we were leaving anyway */
        else
                finish(line, 1006, reason);
}

static void on_stream_closed(void *context) {
        let_go(context);
}

/* ---- life ---- */

int line_open(uv_loop_t *loop, const struct url *url, const char *ca_file, unsigned turn, const struct line_port *port,
              struct line **ret_line) {
        struct line *line = calloc(1, sizeof(*line));
        struct stream_options options = {
                .host = url->host,
                .port = url->port,
                .turn = turn,
                .tls = url->tls,
                .ca_file = ca_file,
                .limit_bytes = LINE_OUT_BYTES,
                .context = line,
                .on_open = on_open,
                .on_read = on_read,
                .on_lost = on_lost,
                .on_closed = on_stream_closed,
        };
        int r;

        if (!line)
                return -ENOMEM;
        line->port = *port;
        line->url = url;
        line->holds = 2;
        reply_init(&line->reply, 65536, true);
        wsock_init(&line->wsock, LIMIT_CLIENT_REPLY_BYTES);
        buf_init(&line->texts, LIMIT_CLIENT_REPLY_BYTES * 2L);
        r = stream_open(loop, &options, &line->stream);
        if (r) {
                reply_deinit(&line->reply);
                wsock_deinit(&line->wsock);
                free(line);
                return r;
        }
        uv_timer_init(loop, &line->linger);
        line->linger.data = line;
        *ret_line = line;
        return 0;
}

void line_send(struct line *line, struct slice text) {
        if (!line->over && line->upgraded)
                wsock_write(stream_out(line->stream), 1, text, mask());
}

void line_close(struct line *line) {
        if (line->over)
                return;
        line->over = true;
        if (!line->upgraded) {
                end_stream(line);
                return;
        }
        wsock_write_close(stream_out(line->stream), 1000, mask());
        uv_timer_start(&line->linger, on_linger, LINE_LINGER_MS, 0); /* sooner if the hub closes first */
}
