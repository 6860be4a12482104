/* SPDX-License-Identifier: Apache-2.0 */
/* endpoint.c: see endpoint.h. */
#include "push/endpoint.h"

#include <stdio.h>

#include "base/limits.h"

enum { HOST_MAX = 253, PORT_MAX = 65535 };

static bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

static char lower(char c) {
        return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool is_name_char(char c) {
        return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') || c == '-' || c == '.' || c == '_';
}

/* A name whose last label begins with a digit is read as an IPv4 address by somebody: 127.1, 2130706433, 0x7f.1, 0177.0.0.1. */
static bool is_address(struct slice host) {
        size_t end = host.len, from;
        if (host.ptr[0] == '[')
                return true;
        while (end > 0 && host.ptr[end - 1] == '.')
                end--;
        for (from = end; from > 0 && host.ptr[from - 1] != '.';)
                from--;
        return from == end || is_digit(host.ptr[from]);
}

static bool is_host(struct slice host) {
        if (host.len == 0 || host.len > HOST_MAX)
                return false;
        bool in_brackets = host.ptr[0] == '[';
        if (in_brackets && (host.len < 4 || host.ptr[host.len - 1] != ']'))
                return false;
        for (size_t i = in_brackets; i < host.len - in_brackets; i++)
                if (in_brackets ? !(is_digit(host.ptr[i]) || (lower(host.ptr[i]) >= 'a' && lower(host.ptr[i]) <= 'f') ||
                                    host.ptr[i] == ':' || host.ptr[i] == '.') :
                                  !is_name_char(host.ptr[i]))
                        return false;
        return true;
}

/* Printable ASCII but what no URL has bare (RFC 3986 section 2), and no fragment. */
static bool is_path(struct slice path) {
        for (size_t i = 0; i < path.len; i++)
                if (path.ptr[i] <= ' ' || path.ptr[i] > '~' || strchr("#\\\"<>^`{}|", path.ptr[i]))
                        return false;
        return true;
}

/* ":443" or "": the number, 0 for none, -1 if it is no port. */
static int read_port(struct slice text) {
        int port = 0;
        if (text.len == 0)
                return 0;
        if (text.ptr[0] != ':' || text.len < 2 || text.len > 6)
                return -1;
        for (size_t i = 1; i < text.len; i++) {
                if (!is_digit(text.ptr[i]))
                        return -1;
                port = port * 10 + (text.ptr[i] - '0');
        }
        return port > 0 && port <= PORT_MAX ? port : -1;
}

static bool begins(struct slice text, const char *with) {
        size_t len = strlen(with);
        return text.len >= len && memcmp(text.ptr, with, len) == 0;
}

int endpoint_parse(struct slice url, bool allow_private, struct endpoint *ret_endpoint) {
        bool is_https = begins(url, "https://");
        if (url.len > LIMIT_PUSH_ENDPOINT_BYTES || !(is_https || (allow_private && begins(url, "http://"))))
                return ENDPOINT_E_BAD;

        size_t from = is_https ? 8 : 7, end = from, host_end;
        while (end < url.len && url.ptr[end] != '/' && url.ptr[end] != '?')
                end++;
        struct slice authority = { url.ptr + from, end - from }, path = { url.ptr + end, url.len - end };
        const char *close = authority.len > 0 && authority.ptr[0] == '[' ? memchr(authority.ptr, ']', authority.len) : NULL;
        const char *colon = close ? close + 1 : memchr(authority.ptr, ':', authority.len);
        host_end = colon ? (size_t)(colon - authority.ptr) : authority.len;

        struct slice host = { authority.ptr, host_end };
        int port = read_port((struct slice){ authority.ptr + host_end, authority.len - host_end });
        if (!is_host(host) || !is_path(path) || port < 0)
                return ENDPOINT_E_BAD;
        int usual = is_https ? 443 : 80;
        if (!allow_private && (is_address(host) || (port != 0 && port != usual)))
                return ENDPOINT_E_BAD;

        struct endpoint *out = ret_endpoint;
        int len = snprintf(out->origin, sizeof(out->origin), "%s%.*s", is_https ? "https://" : "http://", (int)host.len, host.ptr);
        for (char *c = out->origin; *c; c++)
                *c = lower(*c);
        if (port != 0 && port != usual)
                snprintf(out->origin + len, sizeof(out->origin) - (size_t)len, ":%d", port);
        out->host = host;
        out->path = path;
        return 0;
}
