/* SPDX-License-Identifier: Apache-2.0 */
/*
 * template.h: title and text of a push for a message whose sender says nothing of it, in a conversation that has a template (PROTOCOL section 6).
 *
 *   {from}        the sender
 *   {conv}        the conversation
 *   {body.NAME}   a text, number or truth value of that name in the message's body; nothing if there is none
 *
 *   template#1  Whatever is in a body, it is text here: a placeholder that comes with it is not filled in.
 */
#pragma once
#include "base/slice.h"

struct buf;

struct template_about {
        struct slice from, conv;
        struct slice body; /* JSON */
};

/* Appends pattern with its placeholders filled in, each with at most TEMPLATE_VALUE_BYTES. */
enum { TEMPLATE_VALUE_BYTES = 2048 };
void template_fill(struct slice pattern, const struct template_about *about, struct buf *out);
