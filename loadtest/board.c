/* SPDX-License-Identifier: Apache-2.0 */
/* board.c: see board.h. */
#include "loadtest/board.h"
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

static size_t size_of(uint32_t slots) {
        return sizeof(struct board) + slots * sizeof(struct board_slot);
}

struct board *board_new(uint32_t slots) {
        struct board *board = mmap(NULL, size_of(slots), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (board == MAP_FAILED)
                return NULL;
        board->slots_count = slots;
        return board;
}

struct board *board_free(struct board *board) {
        if (board)
                munmap(board, size_of(board->slots_count));
        return NULL;
}

void board_complain(struct board_slot *slot, const char *text) {
        uint32_t count = atomic_load(&slot->complaints_count);
        if (count < BOARD_COMPLAINTS)
                snprintf(slot->complaints[count], sizeof slot->complaints[count], "%s", text);
        atomic_store(&slot->complaints_count, count + 1);
}

void board_count_error(struct board_slot *slot, struct slice code) {
        slot->tallies[TALLY_ERRORS]++;
        if (slot->error_code[0] || code.len == 0)
                return;
        for (size_t i = 0; i < code.len && i < sizeof slot->error_code - 1; i++) /* from outside, and for a terminal */
                slot->error_code[i] = (char)((code.ptr[i] >= 'a' && code.ptr[i] <= 'z') || code.ptr[i] == '_' ? code.ptr[i] : '?');
}

const char *board_error_code(const struct board *board) {
        for (uint32_t i = 0; i < board->slots_count; i++)
                if (board->slots[i].error_code[0])
                        return board->slots[i].error_code;
        return "";
}

uint64_t board_tally(const struct board *board, enum tally tally) {
        uint64_t sum = 0;
        for (uint32_t i = 0; i < board->slots_count; i++)
                sum += *(const volatile uint64_t *)&board->slots[i].tallies[tally];
        return sum;
}

void board_timing(const struct board *board, enum timing timing, struct histogram *ret_sum) {
        memset(ret_sum, 0, sizeof *ret_sum);
        for (uint32_t i = 0; i < board->slots_count; i++)
                histogram_merge(ret_sum, &board->slots[i].timings[timing]);
}

static const struct {
        const char *name, *sentence;
} rows[] = {
#define BOARD_TALLY(name, sentence) [TALLY_##name] = { #name, sentence },
        BOARD_TALLIES(BOARD_TALLY)
#undef BOARD_TALLY
};

const char *board_tally_name(enum tally tally) {
        static char name[32];
        size_t len = strlen(rows[tally].name);
        for (size_t i = 0; i <= len; i++) {
                char c = rows[tally].name[i];
                name[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
        }
        return name;
}

const char *board_tally_sentence(enum tally tally) {
        return rows[tally].sentence;
}

uint64_t board_now_us(void) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}
