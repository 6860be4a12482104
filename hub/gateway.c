/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway.c: see gateway.h. The life of a connection here:
 *
 *      adopt -> HTTP_CONFIRM_UPGRADE (checked, or refused with a response) -> ESTABLISHED -> RECEIVE … -> CLOSED -> WSI_DESTROY
 *           \-> HTTP (a request; its body) -> HTTP_WRITEABLE -> … the next request …       -> CLOSED_HTTP -> WSI_DESTROY
 *
 * Close frames are our own, like all frames: Debian's 4.1.6 is built with a self-test (_DEBUG, "close_and_handled uv repeat test")
 * that ends the connection before lws's own close frame leaves.
 *
 * A struct conn hangs on each wsi as its opaque data from adoption to WSI_DESTROY.
 */
#include "hub/gateway.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libwebsockets.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/metrics.h"
#include "hub/acceptor.h"
#include "hub/appetite.h"
#include "hub/auth.h"
#include "hub/http.h"
#include "hub/hub.h"
#include "hub/session.h"
#include "hub/ticket.h"

enum {
        GATEWAY_TX_BYTES = 65536,    /* one raw write is not cut below this */
        GATEWAY_HEADER_BYTES = 8192,
        GATEWAY_HANDSHAKE_S = 10,
        GATEWAY_PROTOCOLS_BYTES = 256,
};

static const char gateway_subprotocol[] = "belfry.v1";

struct conn {
        struct hub *hub;
        struct lws *wsi;
        struct list link;             /* in hub->handshakes, later in hub->hungry */
        bool handshaking;             /* counted by the acceptor */
        bool message_binary, message_large;
        bool peer_closed;             /* by a close frame of its own */
        struct appetite appetite;
        uint64_t adopted_ms;
        struct session *session;
        struct http *http;
        struct auth_claims *claims;   /* from the upgrade's token, until ESTABLISHED */
        struct buf message;           /* fragments of one WebSocket message */
};

static struct conn *gateway_conn(struct lws *wsi) {
        return lws_get_opaque_user_data(wsi);
}

static void gateway_settled(struct conn *conn) {
        if (!conn->handshaking)
                return;
        conn->handshaking = false;
        list_remove(&conn->link);
        acceptor_settled(conn->hub->acceptor);
}

/* ---- the upgrade ---- */

/* Copies a header; "" if absent; false if it is longer than out. */
static bool gateway_header(struct lws *wsi, enum lws_token_indexes token, char *out, size_t size) {
        int len = lws_hdr_total_length(wsi, token);
        out[0] = '\0';
        return len <= 0 || ((size_t)len < size && lws_hdr_copy(wsi, out, (int)size, token) >= 0);
}

/* A response of our own, then the connection ends. */
static int gateway_refuse(struct lws *wsi, enum error_code code, int status, const char *message) {
        _cleanup_buf_ struct buf body = BUF_INIT(4096);
        _cleanup_buf_ struct buf text = BUF_INIT(8192);
        http_build_error(&body, code, message);
        char *front = buf_reserve(&text, LWS_PRE);
        if (!front)
                return -1;
        buf_commit(&text, LWS_PRE);
        http_build(&text, status, "application/json", status == 503 ? "retry-after: 2\r\n" : "", buf_slice(&body), true);
        metrics_add(HANDSHAKES_REFUSED, 1);
        if (!buf_failed(&text))
                lws_write(wsi, (unsigned char *)text.ptr + LWS_PRE, text.len - LWS_PRE, LWS_WRITE_HTTP_FINAL);
        return -1;
}

/* Is belfry.v1 among the offered subprotocols? None offered is fine too. */
static bool gateway_offers_subprotocol(struct lws *wsi) {
        char list[GATEWAY_PROTOCOLS_BYTES];
        if (!gateway_header(wsi, WSI_TOKEN_PROTOCOL, list, sizeof(list)))
                return false;
        if (!list[0])
                return true;
        char *rest = NULL;
        for (char *name = strtok_r(list, ", \t", &rest); name; name = strtok_r(NULL, ", \t", &rest))
                if (strcmp(name, gateway_subprotocol) == 0)
                        return true;
        return false;
}

static bool gateway_origin_allowed(const struct hub *hub, struct lws *wsi) {
        char origin[512];
        const char *allowed = hub->config->origins;
        if (!allowed || !*allowed)
                return true;
        if (!gateway_header(wsi, WSI_TOKEN_ORIGIN, origin, sizeof(origin)))
                return false;
        if (!origin[0])
                return true; /* not a browser */
        size_t len = strlen(origin);
        for (const char *at = allowed; (at = strstr(at, origin)); at += len)
                if ((at == allowed || at[-1] == ' ') && (at[len] == '\0' || at[len] == ' '))
                        return true;
        return false;
}

static bool gateway_bearer(struct lws *wsi, char *out, size_t size, bool *ret_given) {
        char header[LIMIT_TOKEN_BYTES + 16];
        out[0] = '\0';
        *ret_given = false;
        if (!gateway_header(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, header, sizeof(header)))
                return false;
        if (!header[0])
                return true;
        *ret_given = true;
        if (strncasecmp(header, "Bearer ", 7) != 0 || strlen(header + 7) >= size)
                return false;
        memcpy(out, header + 7, strlen(header + 7) + 1);
        return true;
}

static int gateway_confirm_upgrade(struct conn *conn, struct lws *wsi) {
        struct hub *hub = conn->hub;
        char upgrade[32], path[64], version[8], token[LIMIT_TOKEN_BYTES + 1];
        bool token_given;
        gateway_settled(conn);
        /* The argument of this callback is not looked at: with an unknown Upgrade header it points to freed memory (CVE-2025-11677). */
        if (!gateway_header(wsi, WSI_TOKEN_UPGRADE, upgrade, sizeof(upgrade)) || strcasecmp(upgrade, "websocket") != 0)
                return gateway_refuse(wsi, ERROR_BAD_REQUEST, 400, "the only upgrade here is websocket");
        if (!gateway_header(wsi, WSI_TOKEN_GET_URI, path, sizeof(path)) || strcmp(path, "/v1/ws") != 0)
                return gateway_refuse(wsi, ERROR_NOT_FOUND, 404, "WebSockets are at /v1/ws");
        if (!gateway_header(wsi, WSI_TOKEN_VERSION, version, sizeof(version)) || strcmp(version, "13") != 0)
                return gateway_refuse(wsi, ERROR_BAD_REQUEST, 426, "the WebSocket version is 13 (RFC 6455 section 4.4)");
        if (!gateway_offers_subprotocol(wsi))
                return gateway_refuse(wsi, ERROR_BAD_REQUEST, 400, "the WebSocket subprotocol is belfry.v1");
        if (!gateway_origin_allowed(hub, wsi))
                return gateway_refuse(wsi, ERROR_FORBIDDEN, 403, "this origin may not connect");
        if (hub->draining || hub->memory_full || hub->connections >= hub->connections_max)
                return gateway_refuse(wsi, ERROR_UNAVAILABLE, 503, "this hub takes no more connections now");
        if (!gateway_bearer(wsi, token, sizeof(token), &token_given))
                return gateway_refuse(wsi, ERROR_UNAUTHORIZED, 401, NULL);
        if (token_given) {
                struct auth_claims *claims = malloc(sizeof(*claims));
                if (!claims)
                        return -1;
                int r = auth_verify(hub->auth, slice_of(token), clock_wall_ms(), claims);
                if (r) {
                        free(claims);
                        metrics_add(AUTH_FAILURES, 1);
                        return gateway_refuse(wsi, r == AUTH_E_EXPIRED ? ERROR_TOKEN_EXPIRED : ERROR_UNAUTHORIZED, 401, NULL);
                }
                conn->claims = claims;
        }
        return 0;
}

/* ---- WebSocket ---- */

static int gateway_established(struct conn *conn, struct lws *wsi) {
        conn->session = session_new(conn->hub, wsi, conn->claims);
        free(conn->claims);
        conn->claims = NULL;
        buf_init(&conn->message, LIMIT_FRAME_BYTES);
        return conn->session ? 0 : -1;
}

static void gateway_receive(struct conn *conn, struct lws *wsi, const char *bytes, size_t len) {
        struct session *session = conn->session;
        bool first = lws_is_first_fragment(wsi), last = lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0;
        session_on_heard(session);
        if (first) {
                buf_clear(&conn->message);
                conn->message_binary = lws_frame_is_binary(wsi);
                conn->message_large = false;
        }
        if (conn->message_large)
                return;
        if (first && last) {
                session_on_frame(session, (struct slice){ bytes, len }, conn->message_binary);
                return;
        }
        buf_add(&conn->message, bytes, len);
        if (buf_failed(&conn->message)) {
                conn->message_large = true;
                session_on_too_large(session);
        } else if (last) {
                session_on_frame(session, buf_slice(&conn->message), conn->message_binary);
                buf_deinit(&conn->message); /* most messages need no buffer: it is not kept */
        }
}

static void gateway_hear(struct conn *conn, struct lws *wsi, const char *bytes, size_t len) {
        struct hub *hub = conn->hub;
        hub->hearing = true;
        gateway_receive(conn, wsi, bytes, len);
        hub->hearing = false;
        /* Behind a hello there is nothing yet, as a rule, and what there is would wait for welcome. */
        bool again = appetite_hear(&conn->appetite, hub->turn, len) && conn->session->state != SESSION_ATTACHING;
        if ((again || conn->session->paused) && list_is_empty(&conn->link))
                list_append(&hub->hungry, &conn->link);
}

/*
 * Not while it is heard: of a TLS record that holds more, lws takes again and again what it laid aside when it was told to stop, and never
 * returns. So it hears the rest of the record, at most 16 KiB, first.
 */
static bool gateway_hold(struct conn *conn) {
        if (!conn->session || !conn->session->paused)
                return false;
        lws_rx_flow_control(conn->wsi, 0);
        return true;
}

/* As lws's own glue to libuv does it when a socket is readable. The connection may be gone after it. */
static void gateway_read(struct conn *conn) {
        struct lws_pollfd pollfd = { .fd = lws_get_socket_fd(conn->wsi), .events = LWS_POLLIN, .revents = LWS_POLLIN };
        if (pollfd.fd >= 0)
                lws_service_fd(conn->hub->lws, &pollfd);
}

static void gateway_read_again(struct conn *conn) {
        appetite_feed(&conn->appetite);
        if (!gateway_hold(conn) && conn->session && conn->session->state < SESSION_CLOSING)
                gateway_read(conn);
}

void gateway_read_on(struct hub *hub) {
        struct list *link;
        uint64_t ends_ns = list_is_empty(&hub->hungry) ? 0 : uv_hrtime() + LIMIT_READS_US * 1000;
        while ((link = list_first(&hub->hungry)) && uv_hrtime() < ends_ns) {
                list_remove(link);
                gateway_read_again(LIST_CONTAINER(link, struct conn, link));
        }
        while ((link = list_first(&hub->hungry))) {
                list_remove(link); /* the kernel tells of them again */
                gateway_hold(LIST_CONTAINER(link, struct conn, link));
        }
        hub->turn++;
}

/* ---- HTTP ---- */

static bool gateway_is_loopback(struct lws *wsi) {
        struct sockaddr_storage peer;
        socklen_t len = sizeof(peer);
        if (getpeername(lws_get_socket_fd(wsi), (struct sockaddr *)&peer, &len) < 0)
                return false;
        if (peer.ss_family == AF_INET)
                return (ntohl(((struct sockaddr_in *)&peer)->sin_addr.s_addr) >> 24) == 127;
        if (peer.ss_family == AF_INET6) {
                const struct in6_addr *address = &((struct sockaddr_in6 *)&peer)->sin6_addr;
                return IN6_IS_ADDR_LOOPBACK(address) || (IN6_IS_ADDR_V4MAPPED(address) && address->s6_addr[12] == 127);
        }
        return false;
}

static void gateway_read_method(struct http *http, struct lws *wsi) {
        static const struct {
                enum lws_token_indexes token;
                enum http_method method;
        } rows[] = {
                { WSI_TOKEN_GET_URI, HTTP_GET },       { WSI_TOKEN_POST_URI, HTTP_POST }, { WSI_TOKEN_PUT_URI, HTTP_PUT },
                { WSI_TOKEN_DELETE_URI, HTTP_DELETE }, { WSI_TOKEN_HEAD_URI, HTTP_GET },  { WSI_TOKEN_PATCH_URI, HTTP_OTHER },
                { WSI_TOKEN_OPTIONS_URI, HTTP_OTHER },
        };
        http->method = HTTP_OTHER;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                if (lws_hdr_total_length(wsi, rows[i].token) <= 0)
                        continue;
                http->method = rows[i].method;
                http->head = rows[i].token == WSI_TOKEN_HEAD_URI;
                if (!gateway_header(wsi, rows[i].token, http->path, sizeof(http->path)))
                        http->path[0] = '\0';
                return;
        }
}

/* lws keeps the query as fragments, one per argument, decoded: so an argument may hold any byte, but none of ours a line end. */
static void gateway_read_query(struct http *http, struct lws *wsi) {
        size_t len = 0;
        char part[1025];
        for (int i = 0; lws_hdr_copy_fragment(wsi, part, (int)sizeof(part), WSI_TOKEN_HTTP_URI_ARGS, i) >= 0; i++) {
                size_t part_len = strlen(part);
                if (len + part_len + 2 > sizeof(http->query))
                        return;
                if (len)
                        http->query[len++] = '\n';
                memcpy(http->query + len, part, part_len + 1);
                len += part_len;
        }
}

/* The length a body was said to have; false if what was said is no number. Absent: 0. */
static bool gateway_read_length(struct http *http, struct lws *wsi, bool *ret_given) {
        char text[24], *end = text;
        *ret_given = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0;
        if (!*ret_given)
                return true;
        if (!gateway_header(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH, text, sizeof(text)))
                return false;
        http->body_expected = strtoul(text, &end, 10);
        return text[0] >= '0' && text[0] <= '9' && *end == '\0';
}

/* Returns 0 to go on, or -1 if the connection must end. */
static int gateway_on_request(struct conn *conn, struct lws *wsi) {
        gateway_settled(conn);
        /* The answer to the one before is still due. lws lets no pipelined request through before; were that to change, this holds. */
        struct http *http = conn->http ? NULL : http_new(conn->hub, wsi);
        char text[128];
        bool given, has_length;
        if (!http)
                return -1;
        conn->http = http;
        gateway_read_method(http, wsi);
        gateway_read_query(http, wsi);
        gateway_bearer(wsi, http->bearer, sizeof(http->bearer), &given);
        http->loopback = gateway_is_loopback(wsi);
        if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_TYPE) > 0) {
                http->has_type = true;
                http->json_type = gateway_header(wsi, WSI_TOKEN_HTTP_CONTENT_TYPE, text, sizeof(text)) &&
                                  strncasecmp(text, "application/json", 16) == 0;
        }
        bool takes_body = http->method == HTTP_POST || http->method == HTTP_PUT;
        bool sound = gateway_read_length(http, wsi, &has_length);
        if (!sound) {
                http->must_close = http->dispatched = true;
                http_fail(http, ERROR_BAD_REQUEST, 400, "Content-Length is no number");
        } else if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0) {
                /* lws would wait for a chunked body for ever. */
                http->must_close = http->dispatched = true;
                http_fail(http, ERROR_BAD_REQUEST, 411, "a body needs Content-Length");
        } else if (http->body_expected > LIMIT_HTTP_BODY_BYTES) {
                http->must_close = http->dispatched = true;
                http_fail_code(http, ERROR_TOO_LARGE, "the body is above 1 MiB");
        } else if (!takes_body || http->body_expected == 0) {
                /* An unread body, or one without a length, would be taken for the next request. */
                http->no_length = takes_body && !has_length;
                http->must_close = http->no_length || (!takes_body && http->body_expected > 0);
                http_dispatch(http);
        }
        return 0;
}

static int gateway_on_http_writable(struct conn *conn, struct lws *wsi) {
        int r = conn->http ? http_on_writable(conn->http) : 0;
        if (r <= 0)
                return r;
        http_on_closed(conn->http);
        conn->http = NULL;
        return lws_http_transaction_completed(wsi) ? -1 : 0;
}

/* ---- callbacks ---- */

static void gateway_on_destroy(struct conn *conn) {
        if (conn->session)
                session_on_closed(conn->session);
        if (conn->http)
                http_on_closed(conn->http);
        gateway_settled(conn);
        list_remove(&conn->link);
        free(conn->claims);
        buf_deinit(&conn->message);
        free(conn);
}

static int gateway_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len) {
        struct conn *conn = wsi ? gateway_conn(wsi) : NULL;
        if (reason == LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS) /* once; lws knows nothing of tickets */
                return ticket_use(user, ((struct hub *)lws_context_user(lws_get_context(wsi)))->tickets);
        if (!conn)
                return 0;
        switch (reason) {
        case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
                return gateway_confirm_upgrade(conn, wsi);
        case LWS_CALLBACK_ESTABLISHED:
                return gateway_established(conn, wsi);
        case LWS_CALLBACK_RECEIVE:
                if (conn->session && !conn->peer_closed) /* lws hands out what follows a close in the same packet (RFC 6455 section 5.5.1) */
                        gateway_hear(conn, wsi, in, len);
                return 0;
        case LWS_CALLBACK_RECEIVE_PONG:
                if (conn->session)
                        session_on_heard(conn->session);
                return 0;
        case LWS_CALLBACK_SERVER_WRITEABLE:
                if (conn->session)
                        session_flush(conn->session);
                return 0;
        case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
                /* The answer to our close frame ends the connection; to a close of the peer's own lws answers. */
                if (conn->session && conn->session->close_sent)
                        return -1;
                conn->peer_closed = true;
                return 0;
        case LWS_CALLBACK_CLOSED:
                if (conn->session) {
                        session_on_closed(conn->session);
                        conn->session = NULL;
                }
                return 0;
        case LWS_CALLBACK_HTTP:
                return gateway_on_request(conn, wsi);
        case LWS_CALLBACK_HTTP_BODY:
                if (conn->http && !conn->http->dispatched)
                        http_on_body(conn->http, in, len);
                return 0;
        case LWS_CALLBACK_HTTP_BODY_COMPLETION:
                if (conn->http)
                        http_dispatch(conn->http);
                return 0;
        case LWS_CALLBACK_HTTP_WRITEABLE:
                return gateway_on_http_writable(conn, wsi);
        case LWS_CALLBACK_CLOSED_HTTP:
                if (conn->http) {
                        http_on_closed(conn->http);
                        conn->http = NULL;
                }
                return 0;
        case LWS_CALLBACK_WSI_DESTROY:
                lws_set_opaque_user_data(wsi, NULL);
                gateway_on_destroy(conn);
                return 0;
        default:
                return 0;
        }
}

static const struct lws_protocols gateway_protocols[] = {
        { .name = gateway_subprotocol, .callback = gateway_callback, .rx_buffer_size = APPETITE_READ_BYTES, .tx_packet_size = GATEWAY_TX_BYTES },
        { .name = NULL },
};

bool gateway_adopt(struct hub *hub, int fd) {
        struct conn *conn = calloc(1, sizeof(*conn));
        struct lws *wsi = conn ? lws_adopt_socket_vhost(hub->vhost, fd) : NULL;
        if (!wsi) {
                if (!conn)
                        close(fd);
                free(conn);
                return false;
        }
        conn->hub = hub;
        conn->wsi = wsi;
        conn->handshaking = true;
        conn->adopted_ms = uv_now(hub->loop);
        list_append(&hub->handshakes, &conn->link);
        lws_set_opaque_user_data(wsi, conn);
        /*
         * The request is there as a rule, and then its handshake is over before the next begins: lws's lists of those under way, which it walks,
         * stay short, and its 9 KB for the headers of each are the same all the time.
         */
        gateway_read(conn);
        return true;
}

void gateway_hurry(struct hub *hub, uint64_t patience_ms) {
        bool any = false;
        LIST_FOR_EACH(link, &hub->handshakes) {
                struct conn *conn = LIST_CONTAINER(link, struct conn, link);
                if (uv_now(hub->loop) < conn->adopted_ms + patience_ms || !hub_may_kill(hub))
                        break;
                list_remove(link); /* it is counted until it is gone */
                lws_set_timeout(conn->wsi, PENDING_TIMEOUT_HTTP_CONTENT, LWS_TO_KILL_ASYNC);
                any = true;
        }
        if (any)
                lws_cancel_service(hub->lws);
}

static void gateway_log(int level, const char *line) {
        log_debug("libwebsockets says: %.*s", (int)strcspn(line, "\n"), line);
}

int gateway_open(struct hub *hub) {
        static const lws_retry_bo_t no_validity = { 0 };
        void *loops[] = { hub->loop };
        bool tls = hub->config->tls_cert && *hub->config->tls_cert;
        struct lws_context_creation_info info = {
                .port = CONTEXT_PORT_NO_LISTEN_SERVER,
                .protocols = gateway_protocols,
                .foreign_loops = loops,
                .options = LWS_SERVER_OPTION_LIBUV | (tls ? LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT : 0),
                .max_http_header_data = GATEWAY_HEADER_BYTES,
                .timeout_secs = GATEWAY_HANDSHAKE_S,
                .alpn = "http/1.1",
                /* Its timers are a sorted list walked at each start: pings are ours, on a wheel. */
                .retry_and_idle_policy = &no_validity,
                .uid = (__typeof__(info.uid))-1, /* int up to 4.2, uid_t since */
                .gid = (__typeof__(info.gid))-1,
                .user = hub,
        };
        if (tls) {
                info.ssl_cert_filepath = hub->config->tls_cert;
                info.ssl_private_key_filepath = hub->config->tls_key;
        }
        lws_set_log_level(LLL_ERR | LLL_WARN, gateway_log);
        hub->lws = lws_create_context(&info);
        hub->vhost = hub->lws ? lws_get_vhost_by_name(hub->lws, "default") : NULL;
        if (!hub->vhost) {
                log_error("libwebsockets did not start. version=%s", lws_get_library_version());
                return -EIO;
        }
        return 0;
}

void gateway_close(struct hub *hub) {
        lws_context_destroy(hub->lws);
}

/* On a loop that is not its own, lws closes its handles first and frees its memory when it is called again after that. */
void gateway_deinit(struct hub *hub) {
        lws_context_destroy(hub->lws);
        hub->lws = NULL;
}
