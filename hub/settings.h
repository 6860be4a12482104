/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings.h: a configuration that was looked at as a whole: what can be known to be wrong is found before anything starts.
 *
 * config_load() knows options one by one; this adds the secrets of development mode and asks what only the whole can tell: can
 * the address be read, are the TLS files a pair, is there a key to verify tokens with. serve uses it at the start, and the
 * supervisor and each worker again on SIGHUP, so that a wrong edit changes nothing anywhere.
 */
#pragma once

struct config;

enum {
        SETTINGS_E_INVALID = 1, /* *ret_error is one clear line (free() it) */
        SETTINGS_E_HELP,        /* --help was asked for */
};

/* argv[0] is not looked at. The caller owns *ret_config (config_free). */
__attribute__((warn_unused_result)) int settings_load(int argc, char *const argv[], struct config **ret_config, char **ret_error);
