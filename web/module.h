/* SPDX-License-Identifier: Apache-2.0 */
/*
 * module.h: the modules of the JavaScript client, as the demo loads them: /client/js/index.js and what it imports.
 *
 * They are the same files that an app gets, so that there is one client and not a second one for the demo.
 */
#pragma once
#include "web/page.h"

/* NULL if there is no such module. The path is compared whole. */
const struct page *module_find(struct slice path);
