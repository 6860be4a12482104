/* SPDX-License-Identifier: Apache-2.0 */
/*
 * address.h: which network addresses belong to the public internet.
 *
 * Where a browser's subscription points to is a stranger's word, and so may be a webhook's: without this they could make us knock
 * at machines behind our own firewall, or at the cloud's metadata service (169.254.169.254). Unknown families are not public.
 * Ranges: the IANA special-purpose address registries (RFC 6890 and what came after).
 */
#pragma once
#include <stdbool.h>

struct sockaddr;

bool address_is_public(const struct sockaddr *address);
