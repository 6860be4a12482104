/* SPDX-License-Identifier: Apache-2.0 */
/* api.h: the HTTP API (PROTOCOL section 7): finds the route of a request, checks who asks, answers. */
#pragma once

struct http;

/* Answers now or later, exactly once. */
void api_handle(struct http *http);
