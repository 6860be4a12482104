# SPDX-License-Identifier: Apache-2.0
"""What all checks share: the files of the tree, code without its comments, symbols of the libraries, how a problem is told.

A check is a generator check(tree) of Problems. It reads the tree and the build folder and changes neither.
"""
import collections
import functools
import os
import re
import subprocess
import sys

Problem = collections.namedtuple('Problem', 'path line rule advice')
Object = collections.namedtuple('Object', 'rung source defined undefined')

C = ('.c', '.h', '.def')
SOURCE = C + ('.lua', '.js', '.mjs', '.css', '.html', '.py', '.sh', '.build')
FOREIGN = ('node_modules', 'belfry-data', '__pycache__')  # never ours, as in .gitignore

# Comments, then strings, by language; the first that matches where the scan stands wins.
STRINGS = r'"(?:\\.|[^"\\\n])*"' r"|'(?:\\.|[^'\\\n])*'"
SYNTAX = {
    'c': re.compile(r'(?P<comment>//[^\n]*|/\*.*?\*/)|' + STRINGS + r'|`(?:\\.|[^`\\])*`', re.S),
    'lua': re.compile(r'(?P<comment>--\[\[.*?\]\]|--[^\n]*)|' + STRINGS, re.S),
    'hash': re.compile(r'(?P<comment>(?<!\S)#[^\n]*)|"""[^"]*"""|' + STRINGS, re.S),
}


def syntax_of(path):
    ending = os.path.splitext(path)[1]
    return SYNTAX['c' if ending in C + ('.js', '.mjs', '.css') else 'lua' if ending == '.lua' else 'hash']


def line_at(text, offset):
    return text.count('\n', 0, offset) + 1


class Tree:
    def __init__(self, root, build=None):
        self.root, self.build = os.path.abspath(root), os.path.abspath(build or root)

    @functools.cached_property
    def all_files(self):
        found = []
        for folder, folders, names in os.walk(self.root):
            folders[:] = [f for f in folders if (f == '.ci' or not f.startswith(('.', 'build'))) and f not in FOREIGN]
            found += [os.path.relpath(os.path.join(folder, n), self.root) for n in names if not n.startswith('.')]
        return sorted(p for p in found if self.text(p) is not None)

    def files(self, *endings):
        """Text files with these endings (all if none), as paths from the root."""
        return [p for p in self.all_files if not endings or p.endswith(endings)]

    def sources(self):
        """Files that people write and machines read: by ending, or because they begin with #!."""
        return [p for p in self.all_files if p.endswith(SOURCE) or self.text(p).startswith('#!')]

    @functools.lru_cache(maxsize=None)
    def text(self, path):
        """None if it is no UTF-8 text file."""
        try:
            with open(os.path.join(self.root, path), encoding='utf-8') as file:
                return file.read()
        except (OSError, UnicodeDecodeError):
            return None

    @functools.lru_cache(maxsize=None)
    def code(self, path):
        """The text with comments and strings blanked; lines and columns stay what they are."""
        return syntax_of(path).sub(lambda m: re.sub(r'[^\n]', ' ', m[0]), self.text(path))

    def comments(self, path):
        """(line, text) of each comment."""
        text = self.text(path)
        return [(line_at(text, m.start()), m[0]) for m in syntax_of(path).finditer(text) if m['comment']]

    @functools.cached_property
    def objects(self):
        """What each object in the folders' static libraries defines for others and needs of others (nm)."""
        found = []
        for rung in sorted(os.listdir(self.build)):
            folder = os.path.join(self.build, rung)
            for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
                if name.startswith('lib') and name.endswith('.a'):
                    found += archive_objects(rung, os.path.join(folder, name))
        return found


def archive_objects(rung, archive):
    listing = subprocess.run(['nm', '-g', '-P', archive], check=True, capture_output=True, text=True).stdout
    for line in listing.splitlines():
        member = re.fullmatch(r'.*\[(.*)\.o\]:', line)
        if member:
            source = os.path.basename(member[1]).replace('meson-generated_.._', '')
            current = Object(rung, f'{rung}/{source}', set(), set())
            yield current
        elif line and not line.startswith('__'):  # what begins with __ is the compiler's, such as the sanitizers' names
            symbol, kind = line.split()[:2]
            (current.undefined if kind in 'Uwv' else current.defined).add(symbol)


def main(check):
    """check.py ROOT BUILD: prints a line for each problem; the exit status says whether there was one."""
    problems = list(check(Tree(*sys.argv[1:3])))
    for problem in problems:
        print('{}:{}: {}: {}'.format(*problem))
    print(f'{len(problems)} problems')
    sys.exit(1 if problems else 0)
