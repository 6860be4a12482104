/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plot_redial.c: draws docs/reconnect-c.svg: when 10,000 clients are back after a hub was gone for 3 s, by client/redial.c.
 *
 *      plot_redial > docs/reconnect-c.svg
 *
 * Above: the hub died without a word. Below: it drained, and told each client its own delay within 10 s (it is back at once).
 * Chance is a generator with a fixed seed, so the same code draws the same picture, and a test compares the two.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

#include "client/redial.h"

enum {
        CLIENTS = 10000,
        DOWN_MS = 3000,
        DRAIN_MS = 10000,
        SLICE_MS = 100,
        SLICES = 150,
        WIDTH = 900,
        LEFT = 60,
        HIGH = 160,
        GAP = 80
};

/* SplitMix64 (Steele and others, 2014). */
static uint64_t next_random(uint64_t *seed) {
        uint64_t z = *seed += 0x9e3779b97f4a7c15u;

        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
}

/* When one client is back. first: how it lost its session. */
static uint64_t back_ms(struct redial_end first, uint64_t down_ms, uint64_t *seed) {
        struct redial redial = REDIAL_INIT;
        struct redial_end end = first;
        uint64_t at_ms = 0;

        do {
                at_ms += redial_step(&redial, &end, next_random(seed)).delay_ms;
                end = (struct redial_end){ .hint_ms = -1 };
        } while (at_ms < down_ms);
        return at_ms;
}

static void draw(const char *title, const unsigned *back, unsigned beyond, int top) {
        unsigned most = 1;

        for (int i = 0; i < SLICES; i++)
                most = back[i] > most ? back[i] : most;
        printf("<text x=\"%d\" y=\"%d\" font-size=\"14\">%s</text>\n", LEFT, top - 10, title);
        for (int i = 0; i < SLICES; i++) {
                int height = (int)(back[i] * HIGH / most);

                if (height > 0)
                        printf("<rect x=\"%d\" y=\"%d\" width=\"4\" height=\"%d\" fill=\"#3a6ea5\"/>\n", LEFT + i * 5,
                               top + HIGH - height, height);
        }
        printf("<path d=\"M%d %dH%d\" stroke=\"#333\"/>\n", LEFT, top + HIGH, LEFT + SLICES * 5);
        printf("<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%u</text>\n", LEFT - 6, top + 10, most);
        for (int second = 0; second <= SLICES * SLICE_MS / 1000; second += 3)
                printf("<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%d s</text>\n", LEFT + second * 50, top + HIGH + 16,
                       second);
        if (beyond)
                printf("<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%u later</text>\n", LEFT + SLICES * 5, top + 10, beyond);
}

static void draw_case(const char *title, bool drained, int top) {
        unsigned back[SLICES] = { 0 }, beyond = 0;
        uint64_t seed = 1;

        for (int i = 0; i < CLIENTS; i++) {
                struct redial_end lost = { .close_code = 1006, .hint_ms = -1, .alive_ms = 60000 };
                struct redial_end sent_away = { .close_code = 4001,
                                                .hint_ms = (int64_t)(next_random(&seed) % DRAIN_MS),
                                                .alive_ms = 60000 };
                uint64_t at_ms = back_ms(drained ? sent_away : lost, drained ? 0 : DOWN_MS, &seed);

                if (at_ms / SLICE_MS < SLICES)
                        back[at_ms / SLICE_MS]++;
                else
                        beyond++;
        }
        draw(title, back, beyond, top);
}

int main(void) {
        printf("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"11\">\n",
               WIDTH, 2 * (HIGH + GAP) + 20);
        puts("<!-- SPDX-License-Identifier: Apache-2.0. Made by tests/client/plot_redial.c. -->\n<rect width=\"100%\" "
             "height=\"100%\" fill=\"#fff\"/>");
        draw_case("10,000 clients, hub gone for 3 s without a word: how many are back in each tenth of a second", false, 40);
        draw_case("10,000 clients, hub drained: each was told its own delay within 10 s", true, 40 + HIGH + GAP);
        puts("</svg>");
        return 0;
}
