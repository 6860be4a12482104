/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_session_chance.c: a session through 300,000 accidents, against a model of the inbox and of a client.
 *
 * The store appends, trims, forgets, loses its past; the node channel delays, swaps and loses; pages are cut short or fail; the
 * socket blocks; the client acknowledges late, in part, or ahead, and reconnects. Whatever the order:
 *
 *   chance#1  The client gets every event once and in order of n; a number that does not come was replaced by a later receipt,
 *             lies in a gap that the client was told of, or was acknowledged by it before.
 *   chance#2  A gap is told once, in its place, and only for what is gone. caught_up comes once, behind all it speaks of.
 *   chance#3  At most the window of events is unacknowledged, counted where the bytes go out.
 *   chance#4  When the world is calm again everything arrives without anything new happening.
 *
 * A failure prints the seed: BELFRY_SEED=… runs it again, BELFRY_STEPS=… as long as wanted.
 */
#include "tests/unit/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/frame.h"
#include "base/limits.h"

enum {
        EVENTS = 1 << 20,   /* of one epoch */
        ABOUTS = 4,         /* whose receipts collapse */
        INBOX = 600,        /* kept by the model's store */
        CHANNEL = 1024,
};

enum what { ENTRY, GONE, RECEIPT };

static struct {
        uint64_t chance, seed;
        long step;
        /* the store */
        char epoch[8];
        unsigned epochs;
        uint64_t head, base;
        struct {
                uint8_t what, about;
                uint16_t bytes;
        } events[EVENTS];
        uint64_t latest[ABOUTS];
        unsigned snapped;              /* serial of the page whose events were read and whose answer is under way */
        struct inbox_page snapshot;
        struct inbox_event snapshot_events[LIMIT_WINDOW_EVENTS];
        uint64_t channel[CHANNEL];
        size_t channel_count;
        bool needs_repair;             /* something was lost, and will be noticed */
        bool lost_past;                /* the session is yet to attach again */
        bool heavy, receipts;          /* for a while: large bodies; receipts of one user only */
        /* the client */
        bool asleep, silent;           /* for a while: the socket blocks; it acknowledges nothing */
        bool welcome, caught_up;
        bool acks_events;              /* only numbers of events: not those of gaps */
        uint64_t last;                 /* event it got */
        uint64_t seen, acked, ahead;   /* all up to seen were got or excused; ahead: acknowledged without having it */
        char client_epoch[8];
        uint64_t window[2 * LIMIT_WINDOW_EVENTS]; /* got and unacknowledged */
        size_t window_count;
        unsigned long got, gaps, pages, falls, reconnects, resets;
} m;

/* xorshift64* (Vigna 2016) */
static uint64_t chance(uint64_t below) {
        m.chance ^= m.chance >> 12;
        m.chance ^= m.chance << 25;
        m.chance ^= m.chance >> 27;
        return (m.chance * UINT64_C(2685821657736338717) >> 16) % below;
}

static bool one_in(uint64_t count) {
        return chance(count) == 0;
}

#define CHECK(condition, ...)                                                                                                    \
        do {                                                                                                                     \
                if (!(condition)) {                                                                                              \
                        print_error("seed %llu, step %ld: " #condition ": ", (unsigned long long)m.seed, m.step);               \
                        fail_msg(__VA_ARGS__);                                                                                   \
                }                                                                                                                \
        } while (0)

#define N(n) ((unsigned long long)(n))

/* ---- the client ---- */

static bool is_excused(uint64_t n) {
        bool replaced = m.events[n].what == RECEIPT && m.latest[m.events[n].about] > n;
        return replaced || n <= m.ahead;
}

static void client_moves(uint64_t to, const char *because) {
        for (uint64_t n = m.seen + 1; n < to; n++)
                CHECK(is_excused(n), "%s %llu came before event %llu", because, N(to), N(n));
        m.seen = to;
}

static void client_takes_event(const char *frame) {
        uint64_t n = stage_number(frame, "n");
        CHECK(n > m.seen, "event %llu came again or too late, behind %llu", N(n), N(m.seen));
        CHECK(n <= m.head && stage_number(frame, "event") == n, "not the bytes of event %llu", N(n));
        client_moves(n, "event");
        m.last = n;
        m.got++;
        if (n <= m.acked)
                return; /* acknowledged ahead */
        CHECK(m.window_count < LIMIT_WINDOW_EVENTS, "the window is exceeded at event %llu", N(n));
        m.window[m.window_count++] = n;
}

static void client_takes_gap(const char *frame) {
        uint64_t from = stage_number(frame, "from"), to = stage_number(frame, "to");
        CHECK(from <= to && from > m.seen && to <= m.head, "gap %llu to %llu behind %llu", N(from), N(to), N(m.seen));
        client_moves(from, "gap");
        for (uint64_t n = from; n <= to; n++)
                CHECK(n <= m.base || m.events[n].what == GONE || is_excused(n), "event %llu is not gone", N(n));
        m.seen = to;
        m.gaps++;
}

static void client_takes(const char *frame) {
        bool durable = stage_is(frame, "message") || stage_is(frame, "receipt") || stage_is(frame, "gap") || stage_is(frame, "caught_up");
        if (durable && strcmp(m.client_epoch, m.epoch) != 0)
                return; /* of a past that is lost; a reset is on its way */
        if (stage_is(frame, "message") || stage_is(frame, "receipt")) {
                client_takes_event(frame);
        } else if (stage_is(frame, "gap")) {
                client_takes_gap(frame);
        } else if (stage_is(frame, "caught_up")) {
                uint64_t n = stage_number(frame, "n");
                CHECK(m.welcome && !m.caught_up, "caught_up %llu", N(n));
                for (uint64_t k = m.seen + 1; k <= n; k++)
                        CHECK(is_excused(k), "caught_up %llu came before event %llu", N(n), N(k));
                m.caught_up = true;
        } else if (stage_is(frame, "reset")) {
                m.seen = m.acked = m.last = stage_number(frame, "head");
                m.ahead = m.window_count = 0;
                m.caught_up = false;
                const char *epoch = strstr(frame, "\"epoch\":\"") + 9;
                snprintf(m.client_epoch, sizeof(m.client_epoch), "%.*s", (int)strcspn(epoch, "\""), epoch);
                m.resets++;
        } else if (stage_is(frame, "welcome")) {
                CHECK(!m.welcome, "welcome again");
                m.welcome = true;
        } else {
                CHECK(strcmp(frame, "ping") == 0 || stage_is(frame, "pong") || stage_is(frame, "typing") || stage_is(frame, "error"),
                      "unexpected %s", frame);
        }
}

static void client_reads(uint64_t count) {
        const char *frame;
        if (m.asleep)
                return;
        while (count-- && (frame = stage_take()))
                client_takes(frame);
        if (stage.wire.len == 0 && stage.partial)
                stage_unblock();
}

static void client_acks(uint64_t n) {
        if (!m.welcome || !session_is_open(stage.session) || strcmp(m.client_epoch, stage.session->epoch) != 0)
                return;
        stage_ack(n);
        if (n > stage.session->head)
                return; /* refused */
        if (n > m.acked)
                m.acked = n;
        size_t kept = 0;
        for (size_t i = 0; i < m.window_count; i++)
                if (m.window[i] > n)
                        m.window[kept++] = m.window[i];
        m.window_count = kept;
        if (n > m.seen && n > m.ahead)
                m.ahead = n;
}

static void client_acks_something(void) {
        uint64_t head = stage.session->head;
        if (m.silent)
                return;
        if (one_in(40))
                client_acks(head + 1 + chance(3)); /* nonsense */
        else if (one_in(30) && head > m.seen)
                client_acks(one_in(2) ? head : m.seen + 1 + chance(head - m.seen));
        else if (m.window_count && one_in(3))
                client_acks(m.window[chance(m.window_count)]);
        else
                client_acks(m.acks_events ? m.last : m.seen);
}

/* ---- the store ---- */

static void store_appends(void) {
        uint64_t count = one_in(100) ? 400 : one_in(4) ? 1 + chance(10) : 1;
        uint64_t most_bytes = m.heavy ? 60000 : one_in(3) ? 2000 : 100;
        while (count-- && m.head + 1 < EVENTS && m.channel_count < CHANNEL) {
                uint64_t n = ++m.head;
                m.events[n].what = m.receipts || one_in(3) ? RECEIPT : ENTRY;
                m.events[n].about = m.receipts ? 0 : (uint8_t)chance(ABOUTS);
                m.events[n].bytes = (uint16_t)chance(most_bytes);
                if (m.events[n].what == RECEIPT)
                        m.latest[m.events[n].about] = n;
                if (one_in(60))
                        m.needs_repair = true;
                else
                        m.channel[m.channel_count++] = n;
        }
}

/* Beyond its limit, or what all devices have: as b1_ack does. */
static void store_trims(void) {
        if (m.head - m.base > INBOX)
                m.base = m.head - INBOX;
        else if (stage.noted > m.base && stage.noted <= m.head && !m.lost_past)
                m.base = stage.noted;
}

static void store_forgets_entries(void) {
        uint64_t first = m.base + 1 + chance(m.head - m.base + 1);
        for (uint64_t n = first; n < first + chance(20) && n <= m.head; n++)
                if (m.events[n].what == ENTRY)
                        m.events[n].what = GONE;
}

static void store_loses_its_past(void) {
        m.lost_past = true;
        snprintf(m.epoch, sizeof(m.epoch), "E%u", ++m.epochs);
        m.head = chance(30);
        m.base = 0;
        m.channel_count = 0;
        m.needs_repair = false;
        memset(m.latest, 0, sizeof(m.latest));
        for (uint64_t n = 1; n <= m.head; n++)
                m.events[n].what = ENTRY;
}

static void store_drops_page(void) {
        for (size_t i = 0; m.snapped && i < m.snapshot.count; i++)
                frame_unref(m.snapshot_events[i].tail);
        m.snapped = 0;
}

static void store_reads_page(void) {
        if (!stage.page || m.snapped == stage.page->serial)
                return;
        store_drops_page();
        struct inbox_page *page = &m.snapshot;
        uint64_t after = stage.page->after > m.base ? stage.page->after : m.base;
        uint64_t bytes = 0, limit = stage.page->limit < LIMIT_PAGE_EVENTS ? stage.page->limit : LIMIT_PAGE_EVENTS;
        *page = (struct inbox_page){ .base = m.base, .head = m.head, .next = after, .events = m.snapshot_events };
        snprintf(page->epoch, sizeof(page->epoch), "%s", m.epoch);
        for (uint64_t n = after + 1; n <= m.head && n <= after + limit; n++) {
                bool replaced = m.events[n].what == RECEIPT && m.latest[m.events[n].about] != n;
                bytes += m.events[n].bytes;
                if (!replaced && page->count && (bytes > LIMIT_PAGE_BYTES || one_in(500)))
                        break;
                page->next = n;
                if (replaced)
                        continue;
                page->events[page->count++] = (struct inbox_event){
                        .n = n,
                        .type = m.events[n].what == RECEIPT ? EVENT_RECEIPT : EVENT_MESSAGE,
                        .tail = m.events[n].what == GONE ? NULL : stage_tail(n, m.events[n].bytes),
                };
        }
        m.snapped = stage.page->serial;
        m.pages++;
}

static void store_answers_page(void) {
        if (!stage.page)
                return;
        store_reads_page();
        struct inbox_page failed = { .answer = FANOUT_E_UNAVAILABLE };
        bool fails = one_in(40);
        m.snapped = 0; /* an answer may begin the next page */
        struct inbox_page page = m.snapshot;
        struct inbox_event events[LIMIT_WINDOW_EVENTS];
        memcpy(events, m.snapshot_events, sizeof(events));
        page.events = events;
        stage_answer_page(fails ? &failed : &page);
        for (size_t i = 0; i < page.count; i++)
                frame_unref(events[i].tail);
}

static void store_answers_attach(void) {
        if (!stage.on_attached)
                return;
        if (!stage.attached_again) {
                bool known = strcmp(stage.attached_epoch, m.epoch) == 0 && stage.attached_cursor <= m.head;
                stage_answer_attach(0, m.epoch, known ? stage.attached_cursor : m.head, m.head);
        } else {
                /* Numbers that were told are never given again (attach#6). */
                if (stage.attached_told > m.head)
                        m.base = m.head = stage.attached_told;
                stage_answer_attach(0, m.epoch, m.head, m.head);
        }
        m.lost_past = false;
}

static void channel_brings(void) {
        uint64_t count = 1 + chance(30);
        while (count-- && m.channel_count) {
                size_t i = m.channel_count > 1 && one_in(20) ? 1 : 0;
                uint64_t n = m.channel[i];
                memmove(&m.channel[i], &m.channel[i + 1], (--m.channel_count - i) * sizeof(m.channel[0]));
                if (m.events[n].what == GONE) {
                        stage_head(n); /* it was published before it went: the session learns of it, if not from its bytes */
                        continue;
                }
                uint64_t queued = stage.session->outbox.events;
                stage_event(n, m.events[n].bytes);
                m.falls += queued && stage.session->outbox.events < queued;
        }
}

static void world_repairs(void) {
        m.needs_repair = false;
        stage_head(m.head);
}

/* ---- the connection ---- */

static void connection_begins(void) {
        m.welcome = m.caught_up = false;
        m.window_count = 0;
        m.acked = m.last = m.seen;
        m.acks_events = one_in(2);
        stage_hello(m.client_epoch, m.seen);
}

static void connection_breaks(void) {
        store_drops_page();
        stage_disconnect();
        stage_connect();
        connection_begins();
        m.asleep |= one_in(3);
        m.reconnects++;
}

static void anything_else(void) {
        switch (chance(8)) {
        case 0:
                session_reply(stage.session, SLICE("{\"type\":\"pong\"}"));
                break;
        case 1: {
                struct frame *frame = frame_new(SLICE("{\"type\":\"typing\",\"conv\":\"c\"}"));
                stage.session->subscriber.calls->on_ephemeral(&stage.session->subscriber, frame);
                frame_unref(frame);
                break;
        }
        case 2:
                session_on_heard(stage.session);
                stage_tick(chance(30000));
                break;
        case 3:
                stage.refuses_pages = one_in(2);
                break;
        case 4:
                if (one_in(20))
                        connection_breaks();
                break;
        case 5:
                if (m.head > m.base)
                        store_forgets_entries();
                break;
        case 6:
                if (one_in(40) && session_is_open(stage.session) && !stage.on_attached) {
                        store_loses_its_past();
                        session_attach_again(stage.session);
                }
                break;
        case 7:
                if (session_is_open(stage.session) && !stage.on_attached && !m.lost_past)
                        session_attach_again(stage.session); /* the lease had run out, no more */
                break;
        }
}

static void check_session(void) {
        const struct session *session = stage.session;
        CHECK(!stage.killed && session->state < SESSION_CLOSING, "the session ended");
        if (!session_is_open(session))
                return;
        CHECK(session->acked <= session->sent && session->sent <= session->head, "breaks session#1: acked %llu sent %llu head %llu",
              N(session->acked), N(session->sent), N(session->head));
        CHECK(session->state != SESSION_LIVE || session->sent == session->head, "breaks session#3");
        CHECK(session->outbox.count <= LIMIT_OUTBOX_FRAMES + 64 && session->outbox.bytes <= LIMIT_OUTBOX_BYTES + 65536, "unbounded");
}

static void world_turns(void) {
        if (m.step % 300 == 0) {
                m.heavy = one_in(3);
                m.receipts = one_in(8);
                m.asleep = one_in(4);
                m.silent = one_in(4);
        }
        stage.partial |= m.asleep && (stage.page || stage.session->state == SESSION_LIVE);
        static void (*const steps[])(void) = {
                store_appends, store_appends, channel_brings, channel_brings, channel_brings, store_reads_page, store_answers_page,
                store_answers_page, store_answers_attach, stage_flush, stage_flush, stage_flush, client_acks_something, anything_else,
        };
        size_t i = chance(sizeof(steps) / sizeof(steps[0]) + 3);
        if (i < sizeof(steps) / sizeof(steps[0]))
                steps[i]();
        else if (i % 3 == 0)
                client_reads(1 + chance(60));
        else if (i % 3 == 1)
                stage.partial |= one_in(4) && stage.wire.len;
        else if (one_in(8))
                store_trims();
        if (m.needs_repair && one_in(100) && !m.lost_past)
                world_repairs();
}

/* Nothing new happens; what is under way comes to its end. */
static void world_calms_down(void) {
        stage.refuses_pages = m.asleep = false;
        for (int i = 0; i < 20000 && (m.seen < m.head || !m.caught_up || i < 10); i++) {
                m.step++;
                store_answers_attach();
                channel_brings();
                store_answers_page();
                stage_flush();
                client_reads(1000);
                if (m.window_count > LIMIT_WINDOW_EVENTS / 2)
                        client_acks(m.acks_events ? m.last : m.seen);
                if (m.needs_repair)
                        world_repairs();
                session_on_heard(stage.session);
                stage_tick(100);
                check_session();
                uint64_t n = m.seen + 1;
                while (n <= m.head && is_excused(n))
                        n++;
                if (n > m.head && m.caught_up)
                        break; /* the rest needs not come */
        }
        uint64_t missing = m.seen + 1;
        while (missing <= m.head && is_excused(missing))
                missing++;
        CHECK(missing > m.head && m.caught_up, "event %llu of %llu never came: state %d, head %llu, sent %llu, acked %llu",
              N(missing), N(m.head), stage.session->state, N(stage.session->head), N(stage.session->sent), N(stage.session->acked));
}

static void whatever_happens_each_event_comes_once_and_in_order(void **state) {
        const char *seed = getenv("BELFRY_SEED"), *steps = getenv("BELFRY_STEPS");
        long count = steps ? strtol(steps, NULL, 10) : 300000;
        memset(&m, 0, sizeof(m));
        m.seed = seed ? strtoull(seed, NULL, 10) : UINT64_C(20261121);
        m.chance = m.seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
        stage_open();
        snprintf(m.epoch, sizeof(m.epoch), "E0");
        snprintf(m.client_epoch, sizeof(m.client_epoch), "E0");
        connection_begins();
        for (long i = 0; i < count; i++) {
                m.step++;
                world_turns();
                check_session();
                if (one_in(1000) || m.head + 1000 > EVENTS)
                        world_calms_down();
        }
        world_calms_down();
        print_message("seed %llu: %lu events, %lu pages, %lu gaps, %lu falls back, %lu resets, %lu reconnects\n", N(m.seed), m.got, m.pages,
                      m.gaps, m.falls, m.resets, m.reconnects);
        store_drops_page();
        stage_close();
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(whatever_happens_each_event_comes_once_and_in_order) };
        return cmocka_run_group_tests_name("session, by chance", tests, NULL, NULL);
}
