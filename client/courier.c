/* SPDX-License-Identifier: Apache-2.0 */
/* courier.c: see courier.h. */
#include "client/courier.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/stream.h"
#include "client/reply.h"
#include "client/url.h"

struct courier {
        struct courier_port port;
        struct stream *stream;
        struct reply reply;
        struct buf request;
        bool over;
};

static void on_closed(void *context) {
        struct courier *courier = context;
        struct courier_port port = courier->port;

        reply_deinit(&courier->reply);
        buf_deinit(&courier->request);
        free(courier);
        port.on_gone(port.context);
}

static void finish(struct courier *courier, int status, struct slice body) {
        if (courier->over)
                return;
        courier->over = true;
        courier->port.on_answer(courier->port.context, status, body);
        stream_close(courier->stream);
}

static void look(struct courier *courier) {
        if (courier->reply.state == REPLY_WHOLE)
                finish(courier, courier->reply.status, buf_slice(&courier->reply.body));
        else if (courier->reply.state == REPLY_BROKEN)
                finish(courier, 0, SLICE("the answer broke off, or is no HTTP"));
}

static void on_open(struct stream *stream, void *context) {
        struct courier *courier = context;

        buf_add_slice(stream_out(stream), buf_slice(&courier->request));
}

static void on_read(struct stream *stream, struct slice bytes, void *context) {
        struct courier *courier = context;

        if (courier->over)
                return;
        (void)reply_feed(&courier->reply, bytes);
        look(courier);
}

static void on_lost(struct stream *stream, const char *reason, void *context) {
        struct courier *courier = context;

        if (courier->reply.state == REPLY_HEAD && courier->reply.head.len == 0)
                finish(courier, 0, slice_of(reason));
        reply_end(&courier->reply);
        look(courier);
}

int courier_send(uv_loop_t *loop, const struct url *url, const char *ca_file, const char *path, const char *token,
                 struct slice body, const struct courier_port *port, struct courier **ret_courier) {
        struct courier *courier = calloc(1, sizeof(*courier));
        struct stream_options options = {
                .host = url->host,
                .port = url->port,
                .tls = url->tls,
                .ca_file = ca_file,
                .limit_bytes = LIMIT_HTTP_BODY_BYTES * 2,
                .context = courier,
                .on_open = on_open,
                .on_read = on_read,
                .on_lost = on_lost,
                .on_closed = on_closed,
        };
        int r = -ENOMEM;

        if (!courier)
                return -ENOMEM;
        courier->port = *port;
        reply_init(&courier->reply, LIMIT_CLIENT_REPLY_BYTES, false);
        buf_init(&courier->request, LIMIT_HTTP_BODY_BYTES * 2);
        buf_printf(&courier->request,
                   "POST %s%s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"
                   "Content-Length: %zu\r\nConnection: close\r\n\r\n",
                   url->path, path, url->authority, token, body.len);
        buf_add_slice(&courier->request, body);
        if (!buf_failed(&courier->request))
                r = stream_open(loop, &options, &courier->stream);
        if (r) {
                reply_deinit(&courier->reply);
                buf_deinit(&courier->request);
                free(courier);
                return r;
        }
        *ret_courier = courier;
        return 0;
}

void courier_cancel(struct courier *courier) {
        if (courier->over)
                return;
        courier->over = true;
        stream_close(courier->stream);
}
