/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backend.h: the app's backend: makes the conversations, changes members, sends notifications; makes all anew when it is gone.
 */
#pragma once
#include <stdbool.h>

void backend_init(void);
void backend_deinit(void);
/* Is all as it wants it? */
bool backend_is_content(void);
