/* SPDX-License-Identifier: Apache-2.0 */
/*
 * page.h: the files of web/, compiled in.
 *
 * A page lives as long as the program: nobody owns it, nobody frees it.
 */
#pragma once
#include "base/slice.h"

struct page {
        const char *path;         /* "/", "/demo.js", … */
        const char *content_type; /* with its charset */
        struct slice content;
};

/* NULL if there is no such file. The path is compared whole: without query, letter by letter. */
const struct page *page_find(struct slice path);
