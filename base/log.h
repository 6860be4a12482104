/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.h: one line, one event: an English sentence, then key=value.
 *
 *      log_info("Redis link is up. address=%s took_ms=%" PRIu64, address, took_ms);
 *
 * Goes to stderr as  2026-11-21T03:22:31.123Z info worker1[4711] Redis link is up. address=…
 * Tokens, secrets and bodies are never logged. Control bytes in the output are escaped, so a line is always one line.
 */
#pragma once

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* The name of the process in each line, such as "worker1". Borrowed: a literal or what lives as long as the process. */
void log_open(const char *ident, enum log_level level);
void log_set_level(enum log_level level);
/* "error", "warning", "info", "debug": 0, or 1 if it is none of them. */
int log_parse_level(const char *text, enum log_level *ret_level);

void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)
