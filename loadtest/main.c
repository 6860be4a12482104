/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c: the program belfry-load: reads its command line and runs the plan. The map of the files is loadtest/README.md.
 */
#include <stdio.h>
#include <stdlib.h>
#include "base/buf.h"
#include "loadtest/conductor.h"
#include "loadtest/plan.h"

enum { HELP_BYTES = 1 << 16 };

int main(int argc, char *argv[]) {
        static struct plan plan;
        const char *error = NULL;
        int r = plan_read(argc, argv, getenv, &plan, &error);
        if (r == PLAN_E_HELP) {
                _cleanup_buf_ struct buf help = BUF_INIT(HELP_BYTES);
                plan_print_help(&help);
                fputs(buf_failed(&help) ? "" : help.ptr, stdout);
                return argc > 1 ? EXIT_SUCCESS : CONDUCTOR_EXIT_WRONG;
        }
        if (r != 0) {
                fprintf(stderr, "belfry-load: %s\n", error);
                return CONDUCTOR_EXIT_WRONG;
        }
        return conductor_run(&plan);
}
