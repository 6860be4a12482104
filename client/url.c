/* SPDX-License-Identifier: Apache-2.0 */
/* url.c: see url.h. */
#include "client/url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
        const char *scheme;
        bool tls;
} schemes[] = { { "http://", false }, { "ws://", false }, { "https://", true }, { "wss://", true } };

static const char *parse_scheme(const char *text, struct url *url) {
        for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
                size_t len = strlen(schemes[i].scheme);

                if (strncmp(text, schemes[i].scheme, len) != 0)
                        continue;
                url->tls = schemes[i].tls;
                return text + len;
        }
        return NULL;
}

/* host, host:port, [v6] or [v6]:port, from text to end. */
static int parse_authority(const char *text, const char *end, struct url *url) {
        const char *host_end, *port = NULL;
        long number;
        char *stop;

        if ((size_t)(end - text) >= sizeof(url->authority))
                return 1;
        snprintf(url->authority, sizeof(url->authority), "%.*s", (int)(end - text), text);
        text = url->authority;
        if (*text == '[') {
                text++;
                host_end = strchr(text, ']');
                if (!host_end || (host_end[1] != '\0' && host_end[1] != ':'))
                        return 1;
                port = host_end[1] == ':' ? host_end + 2 : NULL;
        } else {
                host_end = text + strcspn(text, ":");
                port = *host_end == ':' ? host_end + 1 : NULL;
        }
        if (host_end == text || (size_t)(host_end - text) >= sizeof(url->host))
                return 1;
        snprintf(url->host, sizeof(url->host), "%.*s", (int)(host_end - text), text);
        url->port = url->tls ? 443 : 80;
        if (!port)
                return 0;
        number = strtol(port, &stop, 10);
        if (stop == port || *stop || number < 1 || number > 65535)
                return 1;
        url->port = (uint16_t)number;
        return 0;
}

static int parse_path(const char *text, struct url *url) {
        static const char known[] = "/v1/ws";
        size_t len = strlen(text);

        while (len > 0 && text[len - 1] == '/')
                len--;
        if (len >= sizeof(known) - 1 && strncmp(text + len - (sizeof(known) - 1), known, sizeof(known) - 1) == 0)
                len -= sizeof(known) - 1;
        if (len >= sizeof(url->path))
                return 1;
        snprintf(url->path, sizeof(url->path), "%.*s", (int)len, text);
        return 0;
}

int url_parse(const char *text, struct url *ret_url) {
        struct url url = { .tls = false };
        const char *at = parse_scheme(text, &url), *slash;

        if (!at)
                return 1;
        for (const char *c = at; *c; c++)
                if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f || strchr("?#@\"", *c))
                        return 1;
        slash = at + strcspn(at, "/");
        if (parse_authority(at, slash, &url) || parse_path(slash, &url))
                return 1;
        *ret_url = url;
        return 0;
}
