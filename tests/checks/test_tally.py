#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""scripts/tally.py counts what ran, and a failure is never lost."""
import importlib.util
import json
import pathlib
import unittest

path = pathlib.Path(__file__).parents[2] / 'scripts' / 'tally.py'
spec = importlib.util.spec_from_file_location('tally', path)
tally = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tally)

CMOCKA = '''[==========] Running 4 test(s).
[ RUN      ] one
[       OK ] one
[ RUN      ] two
[  ERROR   ] --- 1 != 2
[  FAILED  ] two
[ RUN      ] three
[  SKIPPED ] three
[ RUN      ] four
[       OK ] four
[==========] 4 test(s) run.
[  PASSED  ] 2 test(s).
[  SKIPPED ] 1 test(s), listed below:
[  SKIPPED ] three
[  FAILED  ] 1 test(s), listed below:
[  FAILED  ] two
'''


def row(result, stdout='', stderr=''):
    return json.dumps({'name': 'x', 'result': result, 'stdout': stdout, 'stderr': stderr}) + '\n'


class Tap(unittest.TestCase):
    def test_rows(self):
        for text, status, expected in (
                ('ok 1 - a\nok 2 - b\n1..2\n', 0, (2, 0)),
                ('ok 1 - a\nnot ok 2 - b\n1..2\n', 1, (1, 1)),
                ('ok 1 - a\nok 2 - b # SKIP no disk\n1..2\n', 0, (1, 0)),
                ('1..3\nok 1 - a\n', 0, (1, 2)),             # announced and not run
                ('ok 1 - a\n', 137, (1, 1)),                 # killed
                ('', 0, (0, 1)),                             # ran nothing
                ('# ok 1 - only told of\n', 0, (0, 1))):
            with self.subTest(text):
                self.assertEqual(tuple(tally.count_tap(text, status)), expected)


class Meson(unittest.TestCase):
    def test_rows(self):
        for text, expected in (
                (row('OK'), (1, 0)),
                (row('FAIL', CMOCKA), (2, 1)),
                (row('FAIL', '', CMOCKA), (2, 1)),
                (row('FAIL', '[ RUN      ] one\n'), (0, 1)),  # crashed
                (row('TIMEOUT', 'ok 1 - a\n'), (1, 1)),
                (row('OK', '', 'Ran 3 tests in 0.1s\n\nOK (skipped=1)\n'), (2, 0)),
                (row('FAIL', '', 'Ran 3 tests in 0.1s\n\nFAILED (failures=1, errors=1)\n'), (1, 2)),
                (row('SKIP') + row('OK'), (1, 0)),
                (row('SKIP'), (0, 1)),
                ('', (0, 1))):
            with self.subTest(text):
                self.assertEqual(tuple(tally.count_meson(text)), expected)


if __name__ == '__main__':
    unittest.main()
