/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program.c: see program.h.
 *
 * A drain: no user is taken any more -> what the providers have under way ends, or is put off after a few seconds -> it is written
 * down -> the store is left. What does not get so far is found again by whoever looks next.
 */
#include "push/program.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/config.h"
#include "base/link.h"
#include "base/log.h"
#include "fanout/fanout.h"
#include "fanout/store.h"
#include "push/dispatch.h"
#include "push/provider.h"
#include "push/zone.h"

enum { PROGRAM_TICK_MS = 100, PROGRAM_SECOND_TICKS = 10, PROGRAM_DRAIN_MS = 8000 };

struct program {
        const struct program_options *options;
        struct config *config;   /* loaded again; NULL: options->config */
        struct fanout fanout;
        struct link_address address;
        struct provider_set *providers;
        struct dispatch *dispatch;
        uv_loop_t loop;
        uv_timer_t tick;
        uv_signal_t on_term, on_hup;
        unsigned ticks;
        uint64_t drain_ends_ms;  /* 0: it does not drain */
        bool announced, idle, providers_closing;
};

static void program_announce(struct program *program) {
        int fd = program->options->ready_fd;
        if (program->announced)
                return;
        program->announced = true;
        log_info("The push worker works. apps=%zu", program->options->config->pushes_count);
        if (fd < 0)
                return;
        if (write(fd, "r", 1) != 1)
                log_warning("Nobody waits for this push worker to be ready.");
        close(fd);
}

static void program_on_store_up(void *context, bool changed) {
        struct program *program = context;
        program_announce(program);
        if (changed)
                log_warning("The store is another: what was owed before is not known any more.");
}

static void program_on_store_down(void *context) {
        log_warning("The store is away; nothing is pushed until it is back.");
}

static void program_on_store_closed(void *context) {
        struct program *program = context;
        uv_close((uv_handle_t *)&program->tick, NULL);
        uv_close((uv_handle_t *)&program->on_term, NULL);
        uv_close((uv_handle_t *)&program->on_hup, NULL);
}

/* Now all outcomes are in; the last of them are on their way to the store, on the link that closes behind them. */
static void program_on_providers_closed(void *context) {
        struct program *program = context;
        uv_timer_stop(&program->tick);
        store_close(program->fanout.store, program_on_store_closed, program);
}

static void program_close_providers(struct program *program) {
        if (program->providers_closing)
                return;
        program->providers_closing = true;
        dispatch_stop(program->dispatch);
        provider_close(program->providers, program_on_providers_closed, program);
}

static void program_on_idle(void *context) {
        struct program *program = context;
        program->idle = true;
}

static void program_on_tick(uv_timer_t *timer) {
        struct program *program = timer->data;
        if (++program->ticks % PROGRAM_SECOND_TICKS == 0)
                store_tick(program->fanout.store);
        dispatch_tick(program->dispatch);
        if (program->drain_ends_ms && (program->idle || uv_now(&program->loop) >= program->drain_ends_ms))
                program_close_providers(program);
}

static void program_on_term(uv_signal_t *handle, int number) {
        struct program *program = handle->data;
        if (program->drain_ends_ms)
                return;
        log_info("The push worker drains.");
        int64_t drain_ms = (program->config ? program->config : program->options->config)->drain_ms;
        program->drain_ends_ms = uv_now(&program->loop) + (uint64_t)(drain_ms < PROGRAM_DRAIN_MS ? drain_ms : PROGRAM_DRAIN_MS);
        dispatch_drain(program->dispatch, program_on_idle, program);
}

static void program_on_hup(uv_signal_t *handle, int number) {
        struct program *program = handle->data;
        struct config *config = program->options->reload(program->options->context);
        if (!config)
                return;
        program->fanout.push_delay_ms = config->push_delay_ms;
        provider_reload(program->providers, config);
        config_free(program->config);
        program->config = config;
        log_info("The configuration was loaded again. apps=%zu", config->pushes_count);
}

static int program_open(struct program *program) {
        const struct program_options *options = program->options;
        const struct config *config = options->config;
        if (uv_loop_init(&program->loop))
                return -EIO;
        uv_timer_init(&program->loop, &program->tick);
        uv_signal_init(&program->loop, &program->on_term);
        uv_signal_init(&program->loop, &program->on_hup);
        program->tick.data = program->on_term.data = program->on_hup.data = program;
        uv_timer_start(&program->tick, program_on_tick, PROGRAM_TICK_MS, PROGRAM_TICK_MS);
        uv_signal_start(&program->on_term, program_on_term, SIGTERM);
        uv_signal_start(&program->on_hup, program_on_hup, SIGHUP);
        if (link_parse_address(options->redis_url, &program->address)) {
                log_error("The Redis URL cannot be used.");
                return -EINVAL;
        }
        int r = provider_open(&program->loop, config, &program->providers);
        if (r < 0)
                return r;
        program->fanout = (struct fanout){ .push_delay_ms = config->push_delay_ms };
        program->fanout.store = store_open(&(struct store_options){
                .loop = &program->loop,
                .address = &program->address,
                .ca_file = config->redis_ca_file[0] ? config->redis_ca_file : NULL,
                .prefix = config->redis_prefix,
                .timeout_ms = (uint64_t)config->redis_timeout_ms,
                .context = program,
                .on_up = program_on_store_up,
                .on_down = program_on_store_down,
        });
        program->dispatch = dispatch_new(&(struct dispatch_options){
                .loop = &program->loop,
                .fanout = &program->fanout,
                .providers = program->providers,
                .zones = ZONE_FOLDER,
        });
        return program->fanout.store && program->dispatch ? 0 : -ENOMEM;
}

int program_run(const struct program_options *options) {
        struct program *program = calloc(1, sizeof(*program));
        if (!program)
                return 1;
        program->options = options;
        signal(SIGPIPE, SIG_IGN);
        int r = program_open(program);
        if (r < 0) {
                log_error("The push worker cannot start. error=\"%s\"", strerror(-r));
                free(program);
                return 1;
        }
        uv_run(&program->loop, UV_RUN_DEFAULT);
        log_info("The push worker has ended.");
        dispatch_free(program->dispatch);
        if (uv_loop_close(&program->loop))
                log_warning("Something is still open at the end of the loop.");
        config_free(program->config);
        link_address_deinit(&program->address);
        free(program);
        return 0;
}
