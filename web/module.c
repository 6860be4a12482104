/* SPDX-License-Identifier: Apache-2.0 */
/* module.c: see module.h. The bytes come from module_files.h, which embed.c makes from client/js at build time. */
#include "web/module.h"

#include "web/module_files.h"

/* sizeof counts the literal's NUL, which is not part of the file. */
#define MODULE(path, bytes) { "/client/js/" path ".js", "text/javascript; charset=utf-8", { bytes, sizeof(bytes) - 1 } }

static const struct page modules[] = {
        MODULE("batch", batch_js),
        MODULE("channels", channels_js),
        MODULE("check", check_js),
        MODULE("client", client_js),
        MODULE("errors", errors_js),
        MODULE("ids", ids_js),
        MODULE("inbox", inbox_js),
        MODULE("index", index_js),
        MODULE("limits", limits_js),
        MODULE("link", link_js),
        MODULE("log", log_js),
        MODULE("metrics", metrics_js),
        MODULE("outbox", outbox_js),
        MODULE("reading", reading_js),
        MODULE("reload", reload_js),
        MODULE("report", report_js),
        MODULE("retry", retry_js),
        MODULE("slot", slot_js),
        MODULE("store-indexeddb", store_indexeddb_js),
        MODULE("store-memory", store_memory_js),
        MODULE("sync", sync_js),
        MODULE("transport", transport_js),
        MODULE("turns", turns_js),
        MODULE("view", view_js),
};

const struct page *module_find(struct slice path) {
        for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++)
                if (slice_is(path, modules[i].path))
                        return &modules[i];
        return NULL;
}
