/* SPDX-License-Identifier: Apache-2.0 */
/* inquiry.h: `belfry push-test`: tells an operator which devices of a user would get what now, and why not. Takes and changes nothing. */
#pragma once

struct config;

/* Prints to stdout. 0, or 1 if the store does not answer. */
int inquiry_run(const struct config *config, const char *redis_url, const char *user);
