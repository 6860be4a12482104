/* SPDX-License-Identifier: Apache-2.0 */
/*
 * courier.h: one POST over a connection of its own, and its answer.
 *
 * 1. on_answer comes exactly once, from the loop, unless courier_cancel() came first. status 0: there was no answer.
 * 2. on_gone comes always, last of all: its memory is free.
 */
#pragma once
#include <stdint.h>
#include <uv.h>
#include "base/slice.h"

struct courier;
struct url;

struct courier_port {
        void *context;
        void (*on_answer)(void *context, int status, struct slice body); /* body: lent; the reason if status is 0 */
        void (*on_gone)(void *context);
};

/* 0, -ENOMEM or TLS_E_CA. path begins with a slash. url and ca_file are borrowed until on_gone. */
__attribute__((warn_unused_result)) int courier_send(uv_loop_t *loop, const struct url *url, const char *ca_file,
                                                     const char *path, const char *token, struct slice body,
                                                     const struct courier_port *port, struct courier **ret_courier);
void courier_cancel(struct courier *courier);
