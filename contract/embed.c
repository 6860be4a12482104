/* SPDX-License-Identifier: Apache-2.0 */
/* embed.c: build tool: joins files into one C array.   embed NAME OUT FILE…   defines NAME_text[] and NAME_text_len. */
#include <stdio.h>

int main(int argc, char **argv) {
        if (argc < 4) {
                fprintf(stderr, "usage: embed NAME OUT FILE...\n");
                return 2;
        }
        FILE *out = fopen(argv[2], "w");
        if (!out) {
                perror(argv[2]);
                return 1;
        }
        fprintf(out, "#include <stddef.h>\nextern const char %s_text[];\nextern const size_t %s_text_len;\nconst char %s_text[] = {", argv[1],
                argv[1], argv[1]);
        size_t count = 0;
        for (int i = 3; i < argc; i++) {
                FILE *in = fopen(argv[i], "r");
                if (!in) {
                        perror(argv[i]);
                        return 1;
                }
                for (int c; (c = getc(in)) != EOF; count++)
                        fprintf(out, count % 24 ? "%d," : "\n%d,", c > 127 ? c - 256 : c);
                fclose(in);
        }
        fprintf(out, "\n0};\nconst size_t %s_text_len = %zu;\n", argv[1], count);
        return fclose(out) ? 1 : 0;
}
