#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""symbols: foo.c exports only foo and foo_…, and never a name that looks like a library's."""
import os
import re

from tree import Problem, line_at, main

LIBRARIES = ('json_', 'uv_', 'lws_', 'redis', 'curl_')
EXCEPTIONS = {  # symbol: why its name is not its file's
}


def check(tree):
    if not tree.objects:
        yield Problem('meson.build', 1, 'symbols', 'no static library was found in the build folder: build first')
    for item in tree.objects:
        noun = os.path.basename(item.source).split('.')[0]
        for symbol in sorted(item.defined - EXCEPTIONS.keys()):
            line = definition_line(tree.text(item.source), symbol)
            if symbol.startswith(LIBRARIES):
                yield Problem(item.source, line, 'symbols',
                              f'{symbol} looks like a library\'s function: choose another noun for the file')
            elif symbol != noun and not symbol.startswith(noun + '_'):
                yield Problem(item.source, line, 'symbols',
                              f'call it {noun}_…, make it static, or move {symbol} to the file of its noun')


def definition_line(text, symbol):
    match = re.search(rf'^\w.*\b{re.escape(symbol)}\b', text or '', re.M)
    return line_at(text, match.start()) if match else 1


if __name__ == '__main__':
    main(check)
