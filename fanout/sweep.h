/* SPDX-License-Identifier: Apache-2.0 */
/* sweep.h: repeats deliveries that were begun and not finished, because a process ended or the store was away. */
#pragma once

struct fanout;

/* Looks at all partitions for what has been pending for 3 s. Call it once a second on one worker; more do no harm. */
void sweep_run(struct fanout *fanout);
