/* SPDX-License-Identifier: Apache-2.0 */
/* chat.h: `belfry chat`: one conversation in the terminal, with ticks, typing and presence. */
#pragma once

struct command_options;

int chat_run(const struct command_options *options);
