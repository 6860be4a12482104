/* SPDX-License-Identifier: Apache-2.0 */
/*
 * embed.c: a program of the build: turns files into C arrays.
 *
 *     embed OUT FILE...
 *
 * writes to OUT, for each FILE, `static const char index_html[] = "…";`, named after the file with every other byte than
 * letters and digits turned into `_`. A literal of one source line per line of the file keeps OUT readable when something
 * looks wrong, and compiles faster than a list of numbers.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/*
 * Three-digit octal ends by itself; \x would swallow a hexadecimal digit that follows it. '?' is escaped so that "??/" stays
 * three characters for a compiler that knows trigraphs.
 */
static void embed_byte(FILE *out, int byte) {
        if (byte == '"' || byte == '\\' || byte == '?')
                fprintf(out, "\\%c", byte);
        else if (byte == '\n')
                fputs("\\n\"\n        \"", out);
        else if (byte >= ' ' && byte <= '~')
                fputc(byte, out);
        else
                fprintf(out, "\\%03o", (unsigned)byte);
}

static void embed_name(FILE *out, const char *path) {
        const char *slash = strrchr(path, '/');
        for (const char *c = slash ? slash + 1 : path; *c; c++)
                fputc(isalnum((unsigned char)*c) ? *c : '_', out);
}

static int embed_file(FILE *out, const char *path) {
        FILE *in = fopen(path, "rb");
        if (!in)
                return -errno;
        fputs("static const char ", out);
        embed_name(out, path);
        fputs("[] =\n        \"", out);
        for (int byte = fgetc(in); byte != EOF; byte = fgetc(in))
                embed_byte(out, byte);
        fputs("\";\n", out);
        int r = ferror(in) ? -EIO : 0;
        fclose(in);
        return r;
}

int main(int argc, char **argv) {
        if (argc < 3) {
                fprintf(stderr, "usage: embed OUT FILE...\n");
                return 2;
        }
        FILE *out = fopen(argv[1], "wb");
        if (!out) {
                fprintf(stderr, "embed: %s: %s\n", argv[1], strerror(errno));
                return 1;
        }
        int r = 0;
        for (int i = 2; r == 0 && i < argc; i++) {
                r = embed_file(out, argv[i]);
                if (r < 0)
                        fprintf(stderr, "embed: %s: %s\n", argv[i], strerror(-r));
        }
        /* A full disk may show only here. */
        if (fclose(out) != 0 && r == 0) {
                fprintf(stderr, "embed: %s: %s\n", argv[1], strerror(errno));
                r = -EIO;
        }
        return r < 0 ? 1 : 0;
}
