#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tidy: what a reviewer should not have to say. Each rule is a row, or a function below the rows.

A test may pause for a reason it can say, in one place that others call: `// pause: why` on that line.
A skipped test says since when: `skip-since: 2026-11-21` on its line; after two weeks it fails the build.
"""
import collections
import datetime
import re

from tree import C, Problem, line_at, main

JS = ('.js', '.mjs')
SKIP_DAYS = 14
PAUSE = re.compile(r'pause: \w')

Row = collections.namedtuple('Row', 'where what rule advice')


def row(where, what, rule, advice):
    return Row(re.compile(where), re.compile(what, re.M), rule, advice)


# Where (in the path), what (in the code, without comments and strings), the rule's name, what to do instead.
BANNED = [
    row(r'\.[ch]$', r'\b(strcpy|strcat|stpcpy|sprintf|vsprintf)\s*\(', 'banned',
        'append to a struct buf, or check what snprintf() says'),
    row(r'\.[ch]$', r'\bstrtok\s*\(', 'banned',
        'walk a struct slice: the text stays as it is'),
    row(r'\.[ch]$', r'\bgets\s*\(', 'banned',
        'use fgets() or read(): they know how much room there is'),
    row(r'\.[ch]$', r'\b(atoi|atol|atoll|atof)\s*\(', 'banned',
        'use strtoll() and check errno and the end: this one cannot say that it failed'),
    row(r'\.[ch]$', r'\b(localtime|gmtime|ctime|asctime)\s*\(', 'banned',
        'use gmtime_r(): logs and wire speak UTC, and the result is yours'),
    row(r'\.[ch]$', r'\b(rand|random|srand|drand48)\s*\(', 'banned',
        'chance is an argument; where it comes from is base/chance.h'),
    row(r'\.[ch]$', r'\b(system|popen)\s*\(', 'banned',
        'start programs with fork() and execvp(), without a shell'),
    row(r'^(hub|fanout|presence)/.*\.[ch]$',
        r'\b(pthread_\w+|uv_(mutex|rwlock|sem|cond|barrier|thread|queue_work)\w*|atomic_\w+|_Atomic)\b',
        'locks',
        'a worker is one loop without threads or locks: give the work to the loop or to another process'),
    row(r'^tests/.*\.[ch]$', r'\b(sleep|usleep|nanosleep|uv_sleep)\s*\(', 'sleep',
        'take the time as an argument, or wait for the event itself'),
    row(r'^tests/.*\.py$', r'\bsleep\s*\(', 'sleep',
        'wait for the event itself, with a deadline'),
    row(r'^tests/([^.]*|.*\.sh)$', r'^[ \t]*sleep\s', 'sleep',
        'wait for the event itself, with a deadline'),
    row(r'^tests/.*\.m?js$',
        r'\bawait\s+(\w+\.)?(sleep|delay|setTimeout)\s*\(|(await|=>|return)\s+new Promise\(\s*\(?\w+\)?\s*=>\s*\{?\s*setTimeout\(',
        'sleep',
        'wait for the frame or the state itself, with a deadline (or say `// pause: why`)'),
]

# The same in the whole text, comments and all. (Written so that this file does not match itself.)
WORDS = [
    row(r'', r'[ \t]+$', 'space',
        'cut the space at the end of the line'),
    row(r'', r'(?<![\w.~}])/(farm|work|root|Users|home/\w+)/', 'machine',
        'this path exists on one machine only: say it relative to the root of the tree'),
    row(r'\.(c|h|def|lua|m?js|py|sh|build|css|html)$|^[^.]*$',
        r'\b(TO' r'DO|FIX' r'ME|XX' r'X)\b(?! ?\(?#\d)',
        'later',
        'do it now, or add the number of its issue: #12'),
    row(r'\.[ch]$', r'^[ \t]*#[ \t]*if 0\b', 'dead',
        'delete it: history remembers'),
]


def check(tree):
    sources = set(tree.sources())
    for path in tree.all_files:
        text = tree.text(path)
        yield from check_rows(path, WORDS, text, text)
        if path in sources:
            yield from check_rows(path, BANNED, tree.code(path), text)
            if 'SPDX-License-Identifier: Apache-2.0' not in ''.join(text.splitlines(True)[:5]):
                yield Problem(path, 1, 'license', 'begin with the comment SPDX-License-Identifier: Apache-2.0')
        if path.endswith(C + JS):
            yield from check_dead_code(tree, path)
        if path.startswith('tests/'):
            yield from check_skips(path, text, datetime.date.today())


def check_rows(path, rows, searched, text):
    lines = text.split('\n')
    for where, what, rule, advice in rows:
        for match in what.finditer(searched) if where.search(path) else []:
            line, found = line_at(searched, match.start()), match[0].strip()
            if not (rule == 'sleep' and PAUSE.search(lines[line - 1])):
                yield Problem(path, line, rule, f'{found}: {advice}' if found else advice)


def check_dead_code(tree, path):
    """A // line or a one-line comment that ends like a statement and has no four words in a row, as a sentence has.

    A comment of several lines may show how something is called.
    """
    for line, comment in tree.comments(path):
        said = re.sub(r'^//|^/\*|\*/$', '', comment).strip()
        statement = re.search(r'([=(].*|^(return|break|continue|else|\}).*)[;{}]$|^\}$', said)
        if statement and '\n' not in comment and not re.search(r'[A-Za-z]+ [a-z]+ [a-z]+ [a-z]+', said):
            yield Problem(path, line, 'dead', 'commented-out code: delete it, history remembers')


def check_skips(path, text, today):
    for number, line in enumerate(text.split('\n'), 1):
        if re.search(r'\b(skip\(\)|(it|test|describe)\.skip\(|skipTest\(|xit\()', line):
            since = re.search(r'skip-since: (\d{4}-\d\d-\d\d)', line)
            if not since:
                yield Problem(path, number, 'skip', 'say since when and why: skip-since: YYYY-MM-DD')
            elif (today - datetime.date.fromisoformat(since[1])).days > SKIP_DAYS:
                yield Problem(path, number, 'skip', f'skipped for more than {SKIP_DAYS} days: mend the test or delete it')


if __name__ == '__main__':
    main(check)
