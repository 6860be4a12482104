/* SPDX-License-Identifier: Apache-2.0 */
/* url.h: where the hub is: http://, https://, ws:// or wss://, a host, perhaps a port, perhaps a path to put before /v1/…. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct url {
        bool tls;
        uint16_t port;
        char host[256];      /* without the brackets of an IPv6 address */
        char authority[272]; /* for the Host header */
        char path[256];      /* without a slash at its end; a /v1/ws that was given is not part of it */
};

/* 0, or 1 if text is no such URL. No user, query or fragment: the token goes elsewhere. */
__attribute__((warn_unused_result)) int url_parse(const char *text, struct url *ret_url);
