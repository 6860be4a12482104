/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.c: see log.h.
 *
 * A line leaves in one write(2), so lines of several processes on one pipe do not mix (they are shorter than PIPE_BUF, pipe(7)).
 * A line that cannot be written is dropped: a log must not stop what it reports on.
 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/process.h"

enum {
        LINE_BYTES = 4096, /* PIPE_BUF on Linux */
        MESSAGE_BYTES = 2048,
};

static const char *const level_names[] = {
        [LOG_ERROR] = "error", [LOG_WARNING] = "warning", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"
};

void log_open(const char *ident, enum log_level level) {
        process.ident = ident;
        process.level = level;
}

void log_set_level(enum log_level level) {
        process.level = level;
}

int log_parse_level(const char *text, enum log_level *ret_level) {
        for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
                if (strcmp(text, level_names[i]) == 0) {
                        *ret_level = (enum log_level)i;
                        return 0;
                }
        }
        return 1;
}

/* Is a control character at text? C0 and DEL are one byte; C1 (U+0080 to U+009F), which terminals obey too, is two in UTF-8. */
static bool is_control(const unsigned char *text) {
        return text[0] < 0x20 || text[0] == 0x7f || (text[0] == 0xc2 && text[1] >= 0x80 && text[1] <= 0x9f);
}

/* Appends text to the line with control bytes as \n or \xNN; what does not fit in max is cut. */
static size_t add_escaped(char *line, size_t len, size_t max, const char *text) {
        static const char hex[] = "0123456789abcdef";

        for (const unsigned char *at = (const unsigned char *)text; *at && len + 4 <= max; at++) {
                if (*at == '\n') {
                        line[len++] = '\\';
                        line[len++] = 'n';
                } else if (is_control(at)) {
                        if (*at == 0xc2)
                                at++;
                        line[len++] = '\\';
                        line[len++] = 'x';
                        line[len++] = hex[*at >> 4];
                        line[len++] = hex[*at & 15];
                } else {
                        line[len++] = (char)*at;
                }
        }
        return len;
}

static size_t add_head(char *line, size_t max, enum log_level level) {
        int64_t now_ms = clock_wall_ms();
        time_t now_s = (time_t)(now_ms / 1000);
        struct tm utc;
        char time_text[32];

        gmtime_r(&now_s, &utc);
        strftime(time_text, sizeof(time_text), "%Y-%m-%dT%H:%M:%S", &utc);
        int len = snprintf(line, max, "%s.%03dZ %s %.64s[%d] ", time_text, (int)(now_ms % 1000), level_names[level],
                           process.ident, (int)getpid());
        return (size_t)len;
}

void log_write(enum log_level level, const char *format, ...) {
        if (level > process.level)
                return;

        int saved_errno = errno; /* so that a caller may log first and look at errno then */
        char message[MESSAGE_BYTES], line[LINE_BYTES];
        va_list args;

        va_start(args, format);
        int message_len = vsnprintf(message, sizeof(message), format, args);
        va_end(args);

        size_t len = add_head(line, sizeof(line), level);
        len = add_escaped(line, len, sizeof(line) - 5, message_len < 0 ? format : message);
        if (message_len >= (int)sizeof(message)) {
                memcpy(line + len, "...", 3);
                len += 3;
        }
        line[len++] = '\n';
        ssize_t written;
        do {
                written = write(STDERR_FILENO, line, len);
        } while (written < 0 && errno == EINTR);
        errno = saved_errno;
}
