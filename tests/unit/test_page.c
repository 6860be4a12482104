/* SPDX-License-Identifier: Apache-2.0 */
#include "web/page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static const struct {
        const char *path;
        const char *content_type; /* NULL: there is no such page */
} rows[] = {
        { "/", "text/html; charset=utf-8" },
        { "/demo.css", "text/css; charset=utf-8" },
        { "/js/demo.js", "text/javascript; charset=utf-8" },
        { "/js/room.js", "text/javascript; charset=utf-8" },
        { "/client/js/index.js", "text/javascript; charset=utf-8" },
        { "/client/js/store-indexeddb.js", "text/javascript; charset=utf-8" },
        { "/icon.svg", "image/svg+xml; charset=utf-8" },
        { "", NULL },
        { "/index.html", NULL },
        { "/demo.js", NULL },
        { "/js", NULL },
        { "/js/", NULL },
        { "/js/demo.js?v=1", NULL },
        { "/js/Demo.js", NULL },
        { "/js/demo.j", NULL },
        { "/client/js/", NULL },
        { "/client/js/store-file.js", NULL },
        { "/js/index.js", NULL },
        { "/js/../demo.css", NULL },
};

static void a_path_has_its_page_or_none(void **state) {
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                const struct page *page = page_find(slice_of(rows[i].path));
                if (!rows[i].content_type) {
                        assert_null(page);
                        continue;
                }
                assert_non_null(page);
                assert_string_equal(page->path, rows[i].path);
                assert_string_equal(page->content_type, rows[i].content_type);
        }
}

static const char *page_text(const char *path) {
        const struct page *page = page_find(slice_of(path));
        assert_non_null(page);
        /* The literal's own NUL follows the content, so the page can be searched as a string. */
        assert_int_equal(page->content.ptr[page->content.len], '\0');
        assert_int_equal(strlen(page->content.ptr), page->content.len);
        return page->content.ptr;
}

static void a_page_is_whole_and_byte_for_byte(void **state) {
        assert_non_null(strstr(page_text("/js/journal.js"), "'\xe2\x86\x92'")); /* UTF-8 */
        assert_non_null(strstr(page_text("/js/kept.js"), "?? "));               /* what trigraphs would eat */
        assert_non_null(strstr(page_text("/js/ids.js"), "/[\\s/\\p{Cc}]+/gu")); /* backslashes */
        const char *script = page_text("/js/demo.js");
        assert_memory_equal(script, "// SPDX-License-Identifier: Apache-2.0\n", 39);
        assert_string_equal(script + strlen(script) - 10, "\nstart();\n");
        const char *page = page_text("/");
        assert_memory_equal(page, "<!doctype html>\n", 16);
        assert_string_equal(page + strlen(page) - 8, "</html>\n");
}

/*
 * The page's script and whatever it imports, each looked at once: a module that is not served would leave a blank page, and
 * nothing of what others wrote may become markup.
 */
static void every_module_that_is_imported_is_served(void **state) {
        struct slice found[64] = { slice_of("/js/demo.js") };
        size_t count = 1;
        for (size_t i = 0; i < count; i++) {
                static const char import[] = " from '";
                char path[96];
                snprintf(path, sizeof(path), "%.*s", (int)found[i].len, found[i].ptr);
                const char *script = page_text(path);
                assert_null(strstr(script, "innerHTML"));
                for (const char *at = strstr(script, import); at; at = strstr(at, import)) {
                        at += sizeof(import) - 1;
                        bool beside = at[0] == '.' && at[1] == '/'; /* in the same folder; else by its path */
                        int folder = beside ? (int)(strrchr(found[i].ptr, '/') + 1 - found[i].ptr) : 0;
                        snprintf(path, sizeof(path), "%.*s%.*s", folder, found[i].ptr, (int)strcspn(at, "'") - (beside ? 2 : 0), at + (beside ? 2 : 0));
                        const struct page *page = page_find(slice_of(path));
                        if (!page)
                                fail_msg("%.*s imports %s, which is no page", (int)found[i].len, found[i].ptr, path);
                        size_t known = 0;
                        while (known < count && !slice_is(found[known], page->path))
                                known++;
                        if (known < count)
                                continue;
                        assert_true(count < sizeof(found) / sizeof(found[0]));
                        found[count++] = slice_of(page->path);
                }
        }
        assert_true(count >= 30);
}

/* The hub answers with a Content-Security-Policy of default-src 'self'. */
static void the_page_asks_for_nothing_but_its_own_files(void **state) {
        const char *page = page_text("/");
        assert_null(strstr(page, "<style"));
        assert_null(strstr(page, " style="));
        assert_null(strstr(page, " onclick="));
        assert_null(strstr(page, "<script>"));
        size_t found = 0;
        static const char *const attributes[] = { " src=\"", " href=\"" };
        for (size_t i = 0; i < 2; i++) {
                for (const char *at = strstr(page, attributes[i]); at; at = strstr(at, attributes[i])) {
                        at += strlen(attributes[i]);
                        struct slice path = { at, strcspn(at, "\"") };
                        if (!page_find(path))
                                fail_msg("index.html asks for %.*s, which is no page", (int)path.len, path.ptr);
                        found++;
                }
        }
        assert_true(found >= 4);
        assert_null(strstr(page_text("/demo.css"), "url("));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_path_has_its_page_or_none),
                cmocka_unit_test(a_page_is_whole_and_byte_for_byte),
                cmocka_unit_test(every_module_that_is_imported_is_served),
                cmocka_unit_test(the_page_asks_for_nothing_but_its_own_files),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
