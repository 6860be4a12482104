/* SPDX-License-Identifier: Apache-2.0 */
/*
 * endpoint.h: the URL that a push goes to, checked before it is used.
 *
 * It is a stranger's word in a browser's subscription. What passes reads the same to us and to libcurl: a narrow set of letters,
 * no user, no fragment, no escape in the host. Where the host's name leads is another question: address.h, at connect time.
 */
#pragma once
#include <stdbool.h>
#include "base/slice.h"

enum {
        ENDPOINT_ORIGIN_BYTES = 8 + 253 + 6, /* https://, a host name (RFC 1035 section 2.3.4), :port */
};

enum { ENDPOINT_E_BAD = 1 };

struct endpoint {
        char origin[ENDPOINT_ORIGIN_BYTES + 1]; /* as RFC 6454 section 6.2 writes it: lower case, no default port */
        struct slice host;                      /* of the text */
        struct slice path;                      /* of the text, with the query; "" if there is none */
};

/* Without allow_private: https and port 443 only, and a name, not an address. 0 or ENDPOINT_E_BAD. */
__attribute__((warn_unused_result)) int endpoint_parse(struct slice url, bool allow_private, struct endpoint *ret_endpoint);
