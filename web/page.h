/* SPDX-License-Identifier: Apache-2.0 */
/* page.h: the files of web/, compiled in. */
#pragma once
#include "base/slice.h"

struct page {
        const char *path;         /* "/", "/demo.js", … */
        const char *content_type;
        struct slice content;
};

/* NULL if there is no such file. */
const struct page *page_find(struct slice path);
