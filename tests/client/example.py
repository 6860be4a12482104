#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""example.py ROOT CC…: the example at the top of client/belfry.h compiles as it stands there, whoever formats the file."""
import os
import re
import subprocess
import sys

BEGIN, END = ' *      struct belfry_options', ' * THE LOOP.'
AROUND = '''#include <stddef.h>
#include "client/belfry.h"
void example(const char *jwt, void (*show)(struct belfry *, const char *, size_t, void *));
void example(const char *jwt, void (*show)(struct belfry *, const char *, size_t, void *)) {
%s
}
'''

root, cc = sys.argv[1], sys.argv[2:]
with open(os.path.join(root, 'client', 'belfry.h'), encoding='utf-8') as file:
    text = file.read()
start = text.find(BEGIN)
assert start >= 0, 'belfry.h begins with no example'
lines = [re.sub(r'^ \*', '', line) for line in text[start:text.index(END)].splitlines()]
code = AROUND % '\n'.join('' if line.strip() == '…' else line for line in lines)
assert code.count('belfry_') >= 5, f'hardly an example:\n{code}'
assert not re.search(r'^\s*\};? *\w', code, re.M), f'the example was reflowed; keep it out of clang-format:\n{code}'
run = subprocess.run([*cc, '-std=gnu17', '-Wall', '-Wextra', '-Werror', '-fsyntax-only', f'-I{root}', '-x', 'c', '-'], input=code, text=True, check=False)
sys.exit(run.returncode)
