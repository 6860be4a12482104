/* SPDX-License-Identifier: Apache-2.0 */
/*
 * page.c: which path is answered with which file of web/.
 *
 * The bytes come from page_files.h, which embed.c makes from the files at build time: the hub is one file to copy, and no
 * request can reach the file system.
 */
#include "web/page.h"

#include "web/module.h"
#include "web/page_files.h"

/* sizeof counts the literal's NUL, which is not part of the file. */
#define PAGE(path, type, bytes) { path, type, { bytes, sizeof(bytes) - 1 } }
#define SCRIPT(name) PAGE("/js/" #name ".js", "text/javascript; charset=utf-8", name##_js)

static const struct page pages[] = {
        PAGE("/", "text/html; charset=utf-8", index_html),
        PAGE("/demo.css", "text/css; charset=utf-8", demo_css),
        PAGE("/icon.svg", "image/svg+xml; charset=utf-8", icon_svg),
        SCRIPT(composer),
        SCRIPT(demo),
        SCRIPT(details),
        SCRIPT(device),
        SCRIPT(dom),
        SCRIPT(ids),
        SCRIPT(journal),
        SCRIPT(kept),
        SCRIPT(limits),
        SCRIPT(message),
        SCRIPT(people),
        SCRIPT(reading),
        SCRIPT(room),
        SCRIPT(status),
        SCRIPT(timeline),
        SCRIPT(view),
        SCRIPT(words),
};

const struct page *page_find(struct slice path) {
        for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
                if (slice_is(path, pages[i].path))
                        return &pages[i];
        return module_find(path);
}
