/* SPDX-License-Identifier: Apache-2.0 */
/* process.c: see process.h. */
#include "base/process.h"

#include "base/metrics.h"

/* What is counted before metrics_open() is counted here and never shown. */
static struct metrics_slot private_slot;

struct process process = { .ident = "belfry", .level = LOG_INFO, .metrics = &private_slot };
