/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.h: every option, from contract/options.def, read from defaults, file (INI), environment and flags, in this order.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

/* A section [push.PROVIDER.NAME]; texts are "" where the file sets none. */
struct config_push {
        char *provider, *name;
#define CONFIG_TYPE_STRING char *
#define CONFIG_TYPE_SECRET char *
#define CONFIG_TYPE_BOOL bool
#define PUSH_OPTION_ROW(field, type, providers, sentence) CONFIG_TYPE_##type field;
#include "contract/push_options.def"
#undef PUSH_OPTION_ROW
};

struct config {
#define CONFIG_TYPE_INT int64_t
#define CONFIG_TYPE_MS int64_t
#define OPTION_ROW(field, type, initial, section, name, flag, env, sentence) CONFIG_TYPE_##type field;
#include "contract/options.def"
#undef OPTION_ROW
        char *file; /* --config; NULL if none */
        struct config_push *pushes; /* in the order of the file */
        size_t pushes_count;
};

enum {
        CONFIG_E_INVALID = 1, /* an option is unknown or has a wrong value: *ret_error says which, where and what is allowed */
        CONFIG_E_HELP,        /* --help was asked for */
};

/*
 * Reads all sources. argv[0] is not looked at. getenv_fn is getenv() or a test's own. On CONFIG_E_INVALID *ret_error is one
 * clear line (free() it). On success the caller owns *ret_config (config_free). Unknown sections and names are invalid. *_file options that name a file are read into their secret
 * (trailing newline cut; api_key_file may hold several lines).
 */
__attribute__((warn_unused_result)) int config_load(int argc, char *const argv[], char *(*getenv_fn)(const char *),
                                                    struct config **ret_config, char **ret_error);
struct config *config_free(struct config *config);

/* yes or no, as a switch may be written. */
bool config_parse_bool(const char *text, bool *ret_value);

/* The options as the text of --help, and as a commented sample file. */
void config_print_help(struct buf *out);
void config_print_sample(struct buf *out);
