/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oauth.h: access tokens by a service account (RFC 6749, RFC 7523: a JWT that we sign is exchanged for a token).
 *
 *      none ──ask──> asking ──> has one ── 5 minutes before its end, asks again while it still serves ──> …
 *                       └─ refused or no answer ──> waits, longer each time ──> asks
 *
 * 1. One request at a time, however many pushes want a token.
 * 2. The token is in no log and is wiped when it is replaced.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/slice.h"

struct http2_options;
struct oauth;
struct uv_loop_s;

struct oauth_account {
        const char *email, *key_id, *private_key, *token_url, *scope; /* copied; key_id may be "" */
};

enum {
        OAUTH_E_ACCOUNT = 1, /* the private key is none: *ret_reason (a literal) */
        OAUTH_E_WAIT,        /* asked for; on_ready comes */
        OAUTH_E_REFUSED,     /* the account is refused: again in *ret_wait_ms */
        OAUTH_E_DOWN,        /* no answer, or an outage: again in *ret_wait_ms */
};

/* on_ready: an OAUTH_E_WAIT is over; ask again. 0, OAUTH_E_ACCOUNT or -ENOMEM. */
__attribute__((warn_unused_result)) int oauth_new(struct uv_loop_s *loop, const struct oauth_account *account,
                                                  const struct http2_options *http2, void (*on_ready)(void *context), void *context,
                                                  struct oauth **ret_oauth, const char **ret_reason);
void oauth_close(struct oauth *oauth, void (*on_closed)(void *context), void *context);

/* The token: 0 and "Bearer …", good until the next call; or an OAUTH_E_ answer. */
__attribute__((warn_unused_result)) int oauth_get(struct oauth *oauth, int64_t wall_ms, const char **ret_token, uint64_t *ret_wait_ms);
/* The token that was used at sent_ms was refused: true if there is, or will be, a newer one. */
bool oauth_renew(struct oauth *oauth, int64_t sent_ms, int64_t wall_ms);

/* Pure: what to do about a token. expires_ms 0: there is none. */
enum oauth_move { OAUTH_USE, OAUTH_USE_AND_ASK, OAUTH_ASK };
enum oauth_move oauth_step(int64_t expires_ms, int64_t wall_ms);
/* Reads the answer {"access_token":…,"expires_in":…}: 0, or 1 if it is none. token gets "Bearer …" and NUL. */
__attribute__((warn_unused_result)) int oauth_read(struct slice body, char *token, size_t size, int64_t *ret_lives_s);
