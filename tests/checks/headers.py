#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""headers: every header compiles alone, and twice, with the flags its folder is built with."""
import json
import os
import shlex
import subprocess

from tree import Problem, main


def check(tree):
    commands = compile_commands(tree)
    if not commands:
        yield Problem('meson.build', 1, 'headers', 'no compile command was found in the build folder: run meson setup first')
        return
    for path in tree.files('.h'):
        # The flags of a neighbour; a folder without C files yet is tried with another's.
        neighbours = [words for source, words in commands if os.path.dirname(source) == os.path.dirname(path)]
        words = neighbours[0] if neighbours else commands[0][1]
        words = flags(words) + [f'-I{tree.root}', '-fdiagnostics-color=never', '-fsyntax-only', '-x', 'c', '-']
        run = subprocess.run(words, input=f'#include "{path}"\n' * 2, cwd=tree.build, capture_output=True, text=True)
        if run.returncode:
            complaint = next((line for line in run.stderr.splitlines() if 'error:' in line), run.stderr.strip())
            yield Problem(path, 1, 'headers',
                          f'include or forward-declare what it needs, and guard it with #pragma once: {complaint}')


def compile_commands(tree):
    """(source, words of the command) of each C file that is built."""
    try:
        with open(os.path.join(tree.build, 'compile_commands.json'), encoding='utf-8') as file:
            return [(os.path.relpath(os.path.join(row['directory'], row['file']), tree.root), shlex.split(row['command']))
                    for row in json.load(file)]
    except FileNotFoundError:
        return []


def flags(words):
    """The compile command without its input, its output and the dependency file."""
    kept, skip = [], False
    for word in words:
        if not skip and not word.startswith(('-M', '-o', '-c')) and not word.endswith(('.c', '.o')):
            kept.append(word)
        skip = word in ('-o', '-MF', '-MQ')
    return kept


if __name__ == '__main__':
    main(check)
