#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""size: reports the longest functions and refuses those, and the files, that nobody can keep in mind."""
import re

from tree import Problem, line_at, main

FUNCTION_LINES = 150
FILE_LINES = 900    # a longer one says why in a line `long-file: …`
README_LINES = 60   # a folder's README; the one at the root may be longer
REPORTED = 10

# A function begins at the left edge and ends with the closing word at the left edge: clang-format sees to that.
FUNCTIONS = {
    ('.c', '.h'): r'^(?!typedef|struct \w+ \{|enum|else)\w[^;{}=#]*?\b(?P<name>(?!__)\w+)\s*\([^;{}=]*\)\s*\{\n.*?^\}',
    ('.js', '.mjs'): r'^(?:export )?(?:default )?(?:async )?(?:function\*? |const (?=[^\n]*=>))(?P<name>\w+)[^\n]*\{\n.*?^\}',
    ('.lua',): r'^(?:local )?function (?P<name>[\w.:]+).*?^end',
    ('.py',): r'^def (?P<name>\w+)\(.*?(?=^\S|\Z)',
}


def functions(tree):
    """(lines, path, first line, name) of each function."""
    for endings, pattern in FUNCTIONS.items():
        for path in tree.files(*endings):
            code = tree.code(path)
            for match in re.finditer(pattern, code, re.M | re.S):
                yield match[0].rstrip().count('\n') + 1, path, line_at(code, match.start()), match['name']


def check(tree):
    for lines, path, line, name in sorted(functions(tree), reverse=True):
        if lines > FUNCTION_LINES:
            yield Problem(path, line, 'size',
                          f'{name} has {lines} lines: split it at its steps; at most {FUNCTION_LINES}, 10 to 20 is good')
    for path in tree.sources() + tree.files('.md'):
        lines = tree.text(path).count('\n')
        if path.endswith('/README.md') and lines > README_LINES:
            yield Problem(path, README_LINES + 1, 'size',
                          f'a folder\'s README has at most {README_LINES} lines: move the rest to docs/ or to its code')
        if lines > FILE_LINES and 'long-file:' not in tree.text(path):
            yield Problem(path, FILE_LINES + 1, 'size',
                          f'{lines} lines: split it by nouns, or say why not in a comment `long-file: …`')


def check_and_report(tree):
    for lines, path, line, name in sorted(functions(tree), reverse=True)[:REPORTED]:
        print(f'{lines:5} lines {path}:{line} {name}')
    return check(tree)


if __name__ == '__main__':
    main(check_and_report)
