#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each check finds the violation planted for it in a small tree, at its line, and finds nothing in a clean one.

Words that tidy looks for in all texts are put together from parts, so that it does not find them here.
"""
import datetime
import json
import os
import subprocess
import tempfile
import unittest

import headers
import layers
import map as map_check
import size
import symbols
import tidy
from tree import Tree

SPDX = '/* SPDX-License-Identifier: Apache-2.0 */\n'
LADDER = '# Architecture\n\n```layers\nbase : \nhub  : base\npush : base\ntests : *\n```\n'


class Planted(unittest.TestCase):
    def plant(self, files):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        for path, text in files.items():
            os.makedirs(os.path.join(folder.name, os.path.dirname(path)), exist_ok=True)
            with open(os.path.join(folder.name, path), 'w', encoding='utf-8') as file:
                file.write(text)
        os.makedirs(os.path.join(folder.name, 'build'), exist_ok=True)
        return Tree(folder.name, os.path.join(folder.name, 'build'))

    def archive(self, tree, rung, *sources):
        """A thin static library, as meson makes them."""
        out = os.path.join(tree.build, rung)
        os.makedirs(out + f'/lib{rung}.a.p')
        objects = []
        for source in sources:
            objects.append(f'lib{rung}.a.p/{source}.o')
            subprocess.run(['cc', '-c', os.path.join(tree.root, rung, source), '-o', objects[-1]], cwd=out, check=True)
        subprocess.run(['ar', 'csrDT', f'lib{rung}.a', *objects], cwd=out, check=True)

    def assertFinds(self, check, tree, expected):
        """expected: [(path, line, rule, a word of the advice)]"""
        found = list(check(tree))
        self.assertEqual([(p.path, p.line, p.rule) for p in found], [row[:3] for row in expected], found)
        for problem, row in zip(found, expected):
            self.assertIn(row[3], problem.advice)


class Layers(Planted):
    def test_a_clean_tree(self):
        tree = self.plant({'ARCHITECTURE.md': LADDER, 'hub/a.c': '#include "base/b.h"\n#include "hub/a.h"\n#include <uv.h>\n',
                           'hub/meson.build': "hub_lib = static_library('hub', 'a.c', dependencies: [base]) # not push\n"})
        self.assertFinds(layers.check, tree, [])

    def test_no_ladder(self):
        tree = self.plant({'ARCHITECTURE.md': '# A\n'})
        self.assertFinds(layers.check, tree, [('ARCHITECTURE.md', 1, 'layers', 'draw the ladder')])

    def test_an_arrow_that_points_up(self):
        tree = self.plant({'ARCHITECTURE.md': '```layers\nbase : hub\nhub : base\n```\n'})
        self.assertFinds(layers.check, tree, [('ARCHITECTURE.md', 2, 'layers', 'hub is not one')])

    def test_an_include_from_a_rung_that_is_not_allowed(self):
        include = '\n#include "push/p.h"\n'
        tree = self.plant({'ARCHITECTURE.md': LADDER, 'hub/a.c': include, 'tests/t.c': include})
        self.assertFinds(layers.check, tree, [('hub/a.c', 2, 'layers', 'hub may not include push')])

    def test_an_include_without_its_folder(self):
        tree = self.plant({'ARCHITECTURE.md': LADDER, 'hub/a.c': '#include "a.h"\n'})
        self.assertFinds(layers.check, tree, [('hub/a.c', 1, 'layers', '"hub/a.h"')])

    def test_a_folder_that_has_no_rung(self):
        tree = self.plant({'ARCHITECTURE.md': LADDER, 'misc/a.c': 'int a;\n'})
        self.assertFinds(layers.check, tree, [('misc/a.c', 1, 'layers', 'give misc a row')])

    def test_a_library_linked_against_a_rung_that_is_not_allowed(self):
        library = "\nbase_lib = static_library('base', 'b.c', link_with: hub_lib)\n"
        tree = self.plant({'ARCHITECTURE.md': LADDER, 'base/meson.build': library})
        self.assertFinds(layers.check, tree, [('base/meson.build', 2, 'layers', 'base may not be linked against hub')])

    def test_a_call_up_the_ladder_behind_the_headers_back(self):
        tree = self.plant({'ARCHITECTURE.md': LADDER, 'hub/h.c': 'void h_go(void) {}\n',
                           'base/b.c': 'extern void h_go(void);\nvoid b_go(void) { h_go(); }\n'})
        self.archive(tree, 'hub', 'h.c')
        self.archive(tree, 'base', 'b.c')
        self.assertFinds(layers.check, tree, [('base/b.c', 1, 'layers', 'base may not use h_go of hub/h.c')])


class Symbols(Planted):
    def test_a_clean_library(self):
        tree = self.plant({'base/foo.c': 'int foo;\nstatic int own(void) { return 1; }\nint foo_get(void) { return own(); }\n'})
        self.archive(tree, 'base', 'foo.c')
        self.assertFinds(symbols.check, tree, [])

    def test_a_name_of_another_noun(self):
        functions = '\nint foo_get(void) { return 1; }\nint food_get(void) { return 1; }\n'
        tree = self.plant({'base/foo.c': functions, 'base/bar.c': 'int bar;\n'})
        self.archive(tree, 'base', 'bar.c', 'foo.c')
        self.assertFinds(symbols.check, tree, [('base/foo.c', 3, 'symbols', 'call it foo_')])

    def test_a_name_like_a_librarys(self):
        tree = self.plant({'base/json.c': 'int json_get(void) { return 1; }\n'})
        self.archive(tree, 'base', 'json.c')
        self.assertFinds(symbols.check, tree, [('base/json.c', 1, 'symbols', 'looks like a library')])

    def test_nothing_built(self):
        self.assertFinds(symbols.check, self.plant({}), [('meson.build', 1, 'symbols', 'build first')])


class Headers(Planted):
    def tree_with(self, header):
        tree = self.plant({'base/foo.h': header, 'base/foo.c': ''})
        command = f'cc -I{tree.root} -Wall -Werror -MD -MQ foo.o -MF foo.d -o foo.o -c ../base/foo.c'
        with open(os.path.join(tree.build, 'compile_commands.json'), 'w', encoding='utf-8') as file:
            json.dump([{'directory': tree.build, 'command': command, 'file': '../base/foo.c'}], file)
        return tree

    def test_a_header_that_stands_alone(self):
        self.assertFinds(headers.check, self.tree_with('#pragma once\n#include <stdint.h>\nstruct foo { uint8_t a; };\n'), [])

    def test_a_header_that_needs_another(self):
        tree = self.tree_with('#pragma once\nstruct foo { uint8_t a; };\n')
        self.assertFinds(headers.check, tree, [('base/foo.h', 1, 'headers', 'uint8_t')])

    def test_nothing_to_compile_with(self):
        self.assertFinds(headers.check, self.plant({}), [('meson.build', 1, 'headers', 'meson setup')])

    def test_a_header_without_a_guard(self):
        tree = self.tree_with('struct foo { int a; };\n')
        self.assertFinds(headers.check, tree, [('base/foo.h', 1, 'headers', '#pragma once')])


class Tidy(Planted):
    def finds(self, path, line, rule, advice=''):
        """The violation stands in the third line, behind the license and an empty line."""
        head = ('// ' if path.endswith(('.c', '.mjs')) else '# ') + 'SPDX-License-Identifier: Apache-2.0\n\n'
        self.assertFinds(tidy.check, self.plant({path: head + line + '\n'}), [(path, 3, rule, advice)] if rule else [])

    def test_banned_calls(self):
        for call in ('strcpy', 'strcat', 'sprintf', 'strtok', 'gets', 'atoi', 'localtime', 'rand', 'system'):
            with self.subTest(call):
                self.finds('base/a.c', f'x = {call}(a);', 'banned')

    def test_calls_only_named_in_comments_and_strings_and_longer_names(self):
        self.finds('base/a.c', 'log("strcpy(a)"); /* never sprintf() */ my_strcpy(a); snprintf(a, 1, b);', None)

    def test_threads_and_locks_in_a_worker(self):
        self.finds('hub/a.c', 'pthread_create(&t);', 'locks')
        self.finds('client/a.c', 'pthread_create(&t);', None)

    def test_sleep_in_tests(self):
        self.finds('tests/a.c', 'usleep(1);', 'sleep')
        self.finds('tests/a.py', 'time.sleep(1)', 'sleep')
        self.finds('tests/a.sh', 'sleep 1', 'sleep')
        self.finds('tests/a.mjs', 'await new Promise((r) => setTimeout(r, 100));', 'sleep')
        self.finds('tests/a.mjs', 'const nap = (ms) => new Promise(r => setTimeout(r, ms));', 'sleep')
        self.finds('tests/a.mjs', 'await sleep(100);', 'sleep')

    def test_timers_that_are_no_sleep(self):
        self.finds('tests/a.mjs', 'await Promise.race([frame, new Promise((r) => setTimeout(r, 100))]);', None)
        self.finds('tests/a.mjs', 'const timer = setTimeout(() => fail("no frame"), 100);', None)
        self.finds('tests/a.mjs', 'await sleep(100); // pause: the kernel has no event for this', None)

    def test_commented_out_code(self):
        self.finds('base/a.c', '        // free(old);', 'dead', 'delete it')
        self.finds('base/a.c', '/* if (x) { */', 'dead', 'delete it')
        self.finds('base/a.c', '#if 0', 'dead', 'delete it')
        self.finds('base/a.c', '        // return;', 'dead', 'delete it')
        self.finds('base/a.c', '// struct conn, link', None)
        self.finds('base/a.c', '// Whoever calls this first does foo_go(x);', None)
        self.finds('base/a.c', '/* Two lines show how it is called:\n *      foo_go(x);\n */', None)

    def test_a_task_without_an_issue(self):
        self.finds('base/a.c', '/* TO' 'DO: mend */', 'later', 'issue')
        self.finds('base/a.c', '/* FIX' 'ME */', 'later', 'issue')
        self.finds('base/a.c', '/* TO' 'DO(#12): mend; TO' 'DO #12 */', None)

    def test_no_license(self):
        tree = self.plant({'base/a.c': 'int a;\n', 'scripts/go': '#!/bin/sh\n', 'docs/a.md': 'no need\n'})
        self.assertFinds(tidy.check, tree, [('base/a.c', 1, 'license', 'SPDX'), ('scripts/go', 1, 'license', 'SPDX')])

    def test_space_at_the_end(self):
        self.assertFinds(tidy.check, self.plant({'docs/a.md': 'one \ntwo\n'}), [('docs/a.md', 1, 'space', 'cut')])

    def test_a_path_of_one_machine(self):
        for path in ('/' + 'work/x', '/' + 'farm/x', '/' + 'root/x', '/home' + '/ann/x'):
            with self.subTest(path):
                tree = self.plant({'docs/a.md': f'see {path}\n'})
                self.assertFinds(tidy.check, tree, [('docs/a.md', 1, 'machine', 'relative')])
        self.assertFinds(tidy.check, self.plant({'docs/a.md': 'see docs/' + 'work/x\n'}), [])

    def test_a_test_skipped_too_long(self):
        today = datetime.date(2026, 11, 21)

        def rules(line):
            return [p.rule for p in tidy.check_skips('tests/a.c', line, today)]
        self.assertEqual(rules('skip' '(); /* skip-since: 2026-11-08 */'), [])
        self.assertEqual(rules('skip' '(); /* skip-since: 2026-11-06 */'), ['skip'])
        self.assertEqual(rules('skip' '();'), ['skip'])


class Map(Planted):
    def test_names_that_exist(self):
        page = 'See `hub/a.c` and `a_go()`, `a_go(a, b)`, [it](hub/README.md#x), `hub/a.c:1`, `hub/*.c`, `kill -9`, `n/a`.\n'
        tree = self.plant({'ARCHITECTURE.md': LADDER + page, 'hub/README.md': '`a.c` goes, `main.c` starts.\n',
                           'hub/a.c': 'void a_go(void);\n', 'hub/main.c': SPDX + '/* hub/a.c a_go() goes. */\n'})
        self.assertFinds(map_check.check, tree, [])

    def test_a_file_that_is_gone(self):
        page = '`hub/b.c`\n[it](docs/none.md)\n```sh\nhub/run\n```\n'
        tree = self.plant({'docs/a.md': page, 'hub/main.c': SPDX + '\n/*\n * hub/gone.c\n */\n'})
        self.assertFinds(map_check.check, tree, [('docs/a.md', 1, 'map', 'hub/b.c'), ('docs/a.md', 2, 'map', 'docs/none.md'),
                                                 ('docs/a.md', 4, 'map', 'hub/run'), ('hub/main.c', 4, 'map', 'hub/gone.c')])

    def test_a_function_that_is_gone(self):
        tree = self.plant({'docs/a.md': 'calls\n`a_gone()`\n', 'hub/a.c': '/* a_gone() */ void a_go(void);\n'})
        self.assertFinds(map_check.check, tree, [('docs/a.md', 2, 'map', 'a_gone()')])

    def test_a_folder_without_a_readme(self):
        tree = self.plant({'ARCHITECTURE.md': LADDER, 'hub/a.c': 'int a;\n'})
        self.assertFinds(map_check.check, tree, [('hub/README.md', 1, 'map', 'write it')])

    def test_a_readme_that_forgets_a_file(self):
        tree = self.plant({'ARCHITECTURE.md': LADDER, 'hub/a.c': 'int a;\n', 'hub/README.md': '# hub\n'})
        self.assertFinds(map_check.check, tree, [('hub/README.md', 1, 'map', 'give a.c its line')])


class Size(Planted):
    def function(self, lines):
        head, short = 'static int\nlong_one(int a,\n         int b) {\n', '\nint short_one(void) {\n        return 1;\n}\n'
        return SPDX + head + '        a++;\n' * (lines - 4) + '}\n' + short

    def test_a_long_function(self):
        self.assertFinds(size.check, self.plant({'base/a.c': self.function(151)}), [('base/a.c', 2, 'size', 'long_one has 151')])
        self.assertFinds(size.check, self.plant({'base/a.c': self.function(150)}), [])

    def test_a_long_function_in_the_other_languages(self):
        tree = self.plant({'web/a.js': 'export async function a() {\n' + '  x();\n' * 150 + '}\n',
                           'tests/b.mjs': 'const b = async () => {\n' + '  x();\n' * 150 + '}\n',
                           'fanout/c.lua': 'local function c(keys)\n' + '  x()\n' * 150 + 'end\n',
                           'tests/d.py': 'def d():\n' + '        x()\n' * 151})
        self.assertEqual(sorted(p.path for p in size.check(tree)), ['fanout/c.lua', 'tests/b.mjs', 'tests/d.py', 'web/a.js'])

    def test_a_long_file(self):
        self.assertFinds(size.check, self.plant({'base/a.c': 'int a;\n' * 901}), [('base/a.c', 901, 'size', 'long-file')])
        self.assertFinds(size.check, self.plant({'base/a.c': '/* long-file: one table */\n' + 'int a;\n' * 900}), [])

    def test_a_long_readme(self):
        tree = self.plant({'base/README.md': 'x\n' * 61, 'README.md': 'x\n' * 61})
        self.assertFinds(size.check, tree, [('base/README.md', 61, 'size', 'at most 60')])


if __name__ == '__main__':
    unittest.main()
