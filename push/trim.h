/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trim.h: cuts texts that people read so that a payload fits into what a provider takes.
 *
 * 1. What is left is a beginning of the text, cut between two characters (RFC 3629), never inside one.
 * 2. Measured is what a text takes inside a JSON string, as buf_add_json() writes it: one byte may become six.
 */
#pragma once
#include <stddef.h>
#include "base/slice.h"

/* Bytes between the quotes of the text as a JSON string. */
size_t trim_json_len(struct slice text);
/* The longest beginning that takes at most room bytes as JSON. */
struct slice trim_to_json(struct slice text, size_t room);
/* The longest beginning of at most room bytes. */
struct slice trim_to_bytes(struct slice text, size_t room);

/*
 * Cuts title and text so that both together take at most room bytes as JSON: the text first, as the title says from whom it is;
 * but a title alone gets no more than half if there is a text.
 */
void trim_both(struct slice *title, struct slice *text, size_t room);
