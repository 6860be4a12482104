/* SPDX-License-Identifier: Apache-2.0 */
/*
 * section.h: one section [push.PROVIDER.NAME] of the configuration file, from contract/push_options.def. See config.h for what reads the file.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/slice.h"

struct buf;
struct config_push;

/* The section of this name ("push.apns.main"), made if it is new. 0, -ENOMEM, or 1 if it cannot be a section's name. */
__attribute__((warn_unused_result)) int section_get(struct config_push **sections, size_t *count, const char *name, struct config_push **ret);
/* 0, -ENOMEM, or 1 and *ret_problem: what is wrong with it, such as "has no option". */
__attribute__((warn_unused_result)) int section_set(struct config_push *section, const char *name, const char *text, const char **ret_problem);
/* Is it the name of a kind of provider, as in a section's name? */
bool section_is_provider(struct slice name);
/* What is missing from it, as a sentence's end; NULL: nothing. */
const char *section_lacks(const struct config_push *section);
void section_free_all(struct config_push *sections, size_t count);
/* As config_print_help() and config_print_sample() show them. */
void section_print_help(struct buf *out);
void section_print_sample(struct buf *out);
