/* SPDX-License-Identifier: Apache-2.0 */
/* section.c: see section.h. As in config.c, the value of a SECRET is never part of a message. */
#include "base/section.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/limits.h"

enum type { STRING, SECRET, BOOL };

static const struct {
        const char *name, *providers, *sentence;
        size_t offset; /* in struct config_push */
        enum type type;
} rows[] = {
#define PUSH_OPTION_ROW(field, type, providers, sentence) { #field, providers, sentence, offsetof(struct config_push, field), type },
#include "contract/push_options.def"
#undef PUSH_OPTION_ROW
};

static const char *const providers[] = { "apns", "fcm", "webpush", "webhook" };

enum { ROWS = sizeof(rows) / sizeof(rows[0]), PROVIDERS = sizeof(providers) / sizeof(providers[0]) };

bool section_is_provider(struct slice name) {
        for (size_t i = 0; i < PROVIDERS; i++)
                if (slice_is(name, providers[i]))
                        return true;
        return false;
}

static void section_deinit(struct config_push *section) {
        free(section->provider);
        free(section->name);
        for (size_t i = 0; i < ROWS; i++) {
                char *text = rows[i].type == BOOL ? NULL : *(char **)(void *)((char *)section + rows[i].offset);
                if (text)
                        explicit_bzero(text, strlen(text));
                free(text);
        }
}

void section_free_all(struct config_push *sections, size_t count) {
        for (size_t i = 0; i < count; i++)
                section_deinit(&sections[i]);
        free(sections);
}

static int section_init(struct config_push *section, const char *provider, const char *name) {
        *section = (struct config_push){ .provider = strdup(provider), .name = strdup(name) };
        bool failed = !section->provider || !section->name;
        for (size_t i = 0; i < ROWS; i++) {
                if (rows[i].type == BOOL)
                        continue;
                char **text = (char **)(void *)((char *)section + rows[i].offset);
                *text = strdup("");
                failed |= !*text;
        }
        if (!failed)
                return 0;
        section_deinit(section);
        return -ENOMEM;
}

/* The name of an app is part of metrics and requests: one short word. */
static bool section_is_name(const char *name) {
        size_t len = strlen(name);
        for (size_t i = 0; i < len; i++)
                if (name[i] <= 0x20 || name[i] > 0x7e || strchr("\"\\/{}", name[i]))
                        return false;
        return len >= 1 && len <= LIMIT_PUSH_APP_BYTES;
}

int section_get(struct config_push **sections, size_t *count, const char *name, struct config_push **ret) {
        const char *provider = NULL, *app = NULL;
        for (size_t i = 0; i < PROVIDERS; i++) {
                size_t len = strlen(providers[i]);
                if (strncmp(name, "push.", 5) == 0 && strncmp(name + 5, providers[i], len) == 0 && name[5 + len] == '.') {
                        provider = providers[i];
                        app = name + 5 + len + 1;
                }
        }
        if (!provider || !section_is_name(app))
                return 1;
        for (size_t i = 0; i < *count; i++) {
                if (strcmp((*sections)[i].provider, provider) == 0 && strcmp((*sections)[i].name, app) == 0) {
                        *ret = &(*sections)[i];
                        return 0;
                }
        }
        if (*count == LIMIT_PUSH_APPS)
                return 1;
        struct config_push *more = realloc(*sections, (*count + 1) * sizeof(*more));
        if (!more)
                return -ENOMEM;
        *sections = more;
        int r = section_init(&more[*count], provider, app);
        if (r == 0)
                *ret = &more[(*count)++];
        return r;
}

static bool section_knows(const struct config_push *section, size_t row) {
        char padded[16];
        snprintf(padded, sizeof(padded), " %s ", section->provider);
        return strstr(rows[row].providers, padded) != NULL;
}

int section_set(struct config_push *section, const char *name, const char *text, const char **ret_problem) {
        size_t row = 0;
        while (row < ROWS && strcmp(rows[row].name, name) != 0)
                row++;
        if (row == ROWS || !section_knows(section, row)) {
                *ret_problem = "is no option of this section";
                return 1;
        }
        void *field = (char *)section + rows[row].offset;
        if (rows[row].type == BOOL) {
                *ret_problem = "must be yes or no";
                return config_parse_bool(text, field) ? 0 : 1;
        }
        char **old = field;
        if (**old) {
                *ret_problem = "is set for the second time";
                return 1;
        }
        char *copy = strdup(text);
        if (!copy)
                return -ENOMEM;
        free(*old);
        *old = copy;
        return 0;
}

const char *section_lacks(const struct config_push *section) {
        const char *provider = section->provider;
        if (strcmp(provider, "apns") == 0) {
                bool has_key = section->key_file[0] && section->key_id[0] && section->team_id[0];
                bool has_any = section->key_file[0] || section->key_id[0] || section->team_id[0];
                if (!section->topic[0])
                        return "needs topic";
                return section->cert_file[0] ? has_any ? "has a key and cert_file; choose one" : NULL
                       : has_key             ? NULL
                                             : "needs key_file, key_id and team_id, or cert_file";
        }
        if (strcmp(provider, "fcm") == 0)
                return section->service_account[0] ? NULL : "needs service_account";
        if (strcmp(provider, "webpush") == 0)
                return section->vapid_key[0] && section->subject[0] ? NULL : "needs vapid_key and subject";
        return section->url[0] && section->secret[0] ? NULL : "needs url and secret";
}

void section_print_help(struct buf *out) {
        buf_add_text(out, "\n[push.PROVIDER.NAME]\nIn the file only. PROVIDER is apns, fcm, webpush or webhook, NAME the app of a registration.\n");
        for (size_t i = 0; i < ROWS; i++)
                buf_printf(out, "  %-16s(%.*s)\n    %s\n", rows[i].name, (int)strlen(rows[i].providers) - 2, rows[i].providers + 1,
                           rows[i].sentence);
}

void section_print_sample(struct buf *out) {
        for (size_t p = 0; p < PROVIDERS; p++) {
                struct config_push section = { .provider = (char *)(uintptr_t)providers[p] };
                buf_printf(out, "\n# Any number of sections such as this one:\n#   [push.%s.NAME]\n", providers[p]);
                for (size_t i = 0; i < ROWS; i++) {
                        if (section_knows(&section, i))
                                buf_printf(out, "#   ; %s\n#   %s =%s\n", rows[i].sentence, rows[i].name, rows[i].type == BOOL ? " no" : "");
                }
        }
}
