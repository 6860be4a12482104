/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verdict.h: what an answer of a provider means: for the push, for the registration, for the credential.
 *
 * Each provider has a pure function for it (apns_judge() …). Reasons are literals of a closed list, so that they may be counted and
 * logged, and nothing that a server made up gets there: what is not on the list is "other".
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "push/job.h"

struct http2_answer;

enum verdict_about {
        VERDICT_ONE,     /* this push or this registration: the provider itself is well */
        VERDICT_SERVER,  /* the server's own trouble, or no answer at all */
        VERDICT_US,      /* our credential or configuration: goes for all pushes */
        VERDICT_RATE,    /* all pushes by this credential came too fast */
};

enum verdict_repair {
        VERDICT_NO_REPAIR,
        VERDICT_NEW_ACCESS,     /* our token has run out: get a new one, and send once more */
        VERDICT_NEW_TOKEN,      /* the same, if it is allowed yet, and on a new connection */
        VERDICT_NEW_CONNECTION, /* this connection will serve no more: what follows goes over a new one */
};

struct verdict {
        enum push_class class;
        enum verdict_about about;
        enum verdict_repair repair;
        bool is_doubt;         /* TOKEN_DEAD, but our configuration may be what is wrong: guard.h decides */
        int64_t dead_since_ms; /* TOKEN_DEAD: 0 unknown */
        const char *reason;
};

extern const struct verdict verdict_accepted;

/* True if there was no answer: fills the verdict by what happened instead. */
bool verdict_of_error(const struct http2_answer *answer, struct verdict *ret_verdict);

/* A row of a provider's table: what a status and a reason mean. */
struct verdict_row {
        int status;         /* 0: any */
        const char *said;   /* NULL: any, or none */
        struct verdict verdict;
};
#define VERDICT_ROW(code, words, push_class, whom, ...)                                                                           \
        {                                                                                                                        \
                .status = code, .said = words, .verdict = { .class = PUSH_##push_class, .about = VERDICT_##whom, __VA_ARGS__ }   \
        }
/* The first row that fits; said is "" if the provider said nothing. The last row of rows must fit everything. */
struct verdict verdict_find(const struct verdict_row *rows, int status, struct slice said);
