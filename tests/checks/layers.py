#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""layers: arrows point down. A folder includes, links and calls only what the ```layers block of ARCHITECTURE.md allows it."""
import os
import re

from tree import C, Problem, line_at, main

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include\s+"([^"]+)"', re.M)


def read_ladder(text):
    """{rung: set of rungs it may use, itself among them}; None without a block. `*` is every rung."""
    block = re.search(r'^```layers\n(.*?)^```', text or '', re.M | re.S)
    if not block:
        return None
    rows = dict((part.strip() for part in line.split(':')) for line in block[1].splitlines() if ':' in line)
    return {rung: set(rows) if below == '*' else {rung, *below.split()} for rung, below in rows.items()}


def check(tree):
    text = tree.text('ARCHITECTURE.md')
    ladder = read_ladder(text)
    if not ladder:
        yield Problem('ARCHITECTURE.md', 1, 'layers', 'draw the ladder in a ```layers block, lines of `rung : rungs it may use`')
        return
    rungs = list(ladder)
    for rung, allowed in ladder.items():
        for other in sorted(allowed):
            if other not in rungs[:rungs.index(rung) + 1]:
                line = line_at(text, text.index('\n' + rung, text.index('```layers')) + 1)
                yield Problem('ARCHITECTURE.md', line, 'layers',
                              f'{rung} may use only rungs above it in the block, and {other} is not one')
    yield from check_includes(tree, ladder)
    yield from check_meson(tree, ladder)
    yield from check_calls(tree, ladder)


def check_includes(tree, ladder):
    for path in tree.files(*C):
        rung, text = path.split(os.sep)[0], tree.text(path)
        if rung not in ladder:
            yield Problem(path, 1, 'layers', f'give {rung} a row in the ```layers block of ARCHITECTURE.md, or move this file')
            continue
        for match in INCLUDE.finditer(text):
            other = match[1].split('/')[0]
            if other == match[1]:
                yield Problem(path, line_at(text, match.start(1)), 'layers', f'include by path from the root: "{rung}/{other}"')
            elif other not in ladder[rung]:
                yield Problem(path, line_at(text, match.start(1)), 'layers',
                              f'{rung} may not include {other}: define callbacks that it fills in, or move the code down')


def check_meson(tree, ladder):
    for rung in ladder:
        path = f'{rung}/meson.build'
        if tree.text(path) is None:
            continue
        for match in re.finditer(r'\b([a-z]+?)(_lib)?\b', tree.code(path)):
            if match[1] in ladder and match[1] not in ladder[rung]:
                yield Problem(path, line_at(tree.text(path), match.start()), 'layers',
                              f'{rung} may not be linked against {match[1]}: take it out')


def check_calls(tree, ladder):
    """A declaration written by hand would slip past the includes; the linker's own names do not."""
    home = {symbol: item for item in tree.objects for symbol in item.defined}
    for item in tree.objects:
        for symbol in sorted(item.undefined & home.keys()):
            if item.rung in ladder and home[symbol].rung not in ladder[item.rung]:
                yield Problem(item.source, 1, 'layers',
                              f'{item.rung} may not use {symbol} of {home[symbol].source}: pass it in as a callback')


if __name__ == '__main__':
    main(check)
