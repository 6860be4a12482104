/* SPDX-License-Identifier: Apache-2.0 */
/* verdict.c: see verdict.h. */
#include "push/verdict.h"

#include "push/http2.h"

const struct verdict verdict_accepted = { .class = PUSH_ACCEPTED, .about = VERDICT_ONE, .reason = "" };

bool verdict_of_error(const struct http2_answer *answer, struct verdict *ret_verdict) {
        static const struct verdict verdicts[] = {
                [HTTP2_E_DOWN] = { .class = PUSH_TRANSIENT, .about = VERDICT_SERVER, .reason = "no connection" },
                [HTTP2_E_FORBIDDEN] = { .class = PUSH_PAYLOAD_BAD, .about = VERDICT_ONE, .reason = "forbidden address" },
                [HTTP2_E_TLS] = { .class = PUSH_TRANSIENT, .about = VERDICT_SERVER, .reason = "TLS" },
                [HTTP2_E_OLD] = { .class = PUSH_TRANSIENT, .about = VERDICT_SERVER, .reason = "no HTTP/2" },
                [HTTP2_E_LOST] = { .class = PUSH_TRANSIENT, .about = VERDICT_SERVER, .reason = "connection lost" },
                [HTTP2_E_LATE] = { .class = PUSH_TRANSIENT, .about = VERDICT_SERVER, .reason = "timeout" },
                [HTTP2_E_OURS] = { .class = PUSH_AUTH_BAD, .about = VERDICT_US, .reason = "our certificate" },
                [HTTP2_E_CLOSED] = { .class = PUSH_DEFERRED, .about = VERDICT_ONE, .reason = "closing" },
        };
        if (answer->error == 0)
                return false;
        *ret_verdict = verdicts[answer->error];
        return true;
}

struct verdict verdict_find(const struct verdict_row *rows, int status, struct slice said) {
        while ((rows->status != 0 && rows->status != status) || (rows->said && !slice_is(said, rows->said)))
                rows++;
        struct verdict verdict = rows->verdict;
        if (!verdict.reason)
                verdict.reason = rows->said ? rows->said : "other";
        return verdict;
}
