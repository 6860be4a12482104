#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""map: the files and functions that our pages name exist, and each folder's README names each of its files.

A word is taken for a file if it ends like one of our sources or begins with one of our top folders; for a function if it
ends in (). In Markdown we look at `code`, [links](path) and code blocks; in hub/main.c at the comment it begins with.
"""
import glob
import os
import re

from layers import read_ladder
from tree import SOURCE, C, Problem, line_at, main

FILE = re.compile(r'[\w.*-]+(?:/[\w.*-]+)*/?')
FUNCTION = re.compile(r'(\w+)\(\)|(\w+_\w+)\(')
HISTORY = os.path.join('docs', 'changes')  # tells of what was, so it is not looked at


def check(tree):
    for path in tree.files('.md'):
        if not path.startswith(HISTORY):
            yield from check_words(tree, path, markdown_words(tree.text(path)))
    main_c = os.path.join('hub', 'main.c')
    if tree.text(main_c):
        comments = ((line, text) for line, text in tree.comments(main_c)[:2] if 'SPDX' not in text)
        yield from check_words(tree, main_c, (word for line, text in comments for word in split(line, text)))
    for rung in read_ladder(tree.text('ARCHITECTURE.md')) or {}:
        yield from check_readme(tree, rung)


def markdown_words(text):
    block = re.compile(r'^```.*?^```|`([^`\n]+)`|\]\(([^)#\s]+)[^)]*\)', re.M | re.S)
    for match in block.finditer(text):
        yield from split(line_at(text, match.start()), match[1] or match[2] or match[0])


def split(line, text):
    for row, words in enumerate(text.split('\n')):
        for word in words.split():
            yield line + row, word.strip('`"\',;:')


def check_words(tree, path, words):
    folder = os.path.dirname(path)
    tops = {p.split(os.sep)[0] for p in tree.all_files if os.sep in p}
    for line, word in words:
        name = re.sub(r'(:\d+)?[.),]*$', '', word)
        call = FUNCTION.match(word)
        if call:
            function = call[1] or call[2]
            if not any(re.search(rf'\b{function}\b', tree.code(p)) for p in tree.files(*C, '.lua', '.js', '.mjs', '.py')):
                yield Problem(path, line, 'map', f'no code has {function}(): name the one that does this now')
        elif FILE.fullmatch(name) and (name.endswith(SOURCE + ('.md', '.story')) or name.split('/')[0] in tops and '/' in name):
            if not any(glob.glob(os.path.join(tree.root, start, name)) for start in ('', folder)):
                yield Problem(path, line, 'map',
                              f'{name} does not exist: name the file (by its path from the root) that does this now')


def check_readme(tree, rung):
    readme = os.path.join(rung, 'README.md')
    named = tree.text(readme)
    for path in tree.files('.c', '.lua'):
        folder, name = os.path.split(path)
        if folder == rung and named is None:
            yield Problem(readme, 1, 'map', 'write it: what it does, promises, never does, where to start, one line per file')
            return
        if folder == rung and not re.search(rf'\b{re.escape(os.path.splitext(name)[0])}\b', named):
            yield Problem(readme, 1, 'map', f'give {name} its line: what this file decides or does')


if __name__ == '__main__':
    main(check)
