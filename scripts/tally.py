#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tally: how many test cases passed and failed, as `passed failed`, of what really ran.

    tally.py meson TESTLOG.JSON     meson's log; the cases of cmocka, unittest or TAP in each test's output
    tally.py tap OUTPUT STATUS      the output of one TAP program and its exit status

1. A program that fails without naming a failed case counts one; so does one that ran nothing, or fewer than it announced.
2. A skipped case counts as neither.
"""
import json
import re
import sys


def count_cases(output):
    """(passed, failed) of the cases that the output tells of: TAP, cmocka, Python's unittest."""
    def lines(pattern):
        return len(re.findall(pattern, output, re.M))
    skip = r'(?!.*# SKIP)'
    passed, failed = lines(rf'^ok \d+{skip}'), lines(r'^not ok \d+')
    plan = re.search(r'^1\.\.(\d+)', output, re.M)
    if plan:
        failed += max(0, int(plan[1]) - lines(r'^(not )?ok \d+'))
    cmocka = lines(r'^\[       OK \] ')
    passed += cmocka
    skipped = set(re.findall(r'^\[  SKIPPED \] (\w+)$', output, re.M))  # each is told twice
    failed += lines(r'^\[ RUN      \] ') - cmocka - len(skipped)
    for count, verdict in re.findall(r'^Ran (\d+) tests? in .*\n\n(.*)', output, re.M):
        bad = sum(int(n) for n in re.findall(r'(?:failures|errors)=(\d+)', verdict))
        skipped = sum(int(n) for n in re.findall(r'skipped=(\d+)', verdict))
        passed, failed = passed + int(count) - bad - skipped, failed + bad
    return passed, failed


def count_program(output, good):
    passed, failed = count_cases(output)
    return passed, failed if good or failed else 1


def count_meson(text):
    totals = [0, 0]
    for test in map(json.loads, text.splitlines()):
        if test['result'] == 'SKIP':
            continue
        good = test['result'] in ('OK', 'EXPECTEDFAIL')
        passed, failed = count_program(test.get('stdout', '') + '\n' + test.get('stderr', ''), good)
        totals[0] += passed if passed + failed else 1  # a test that tells of no cases is one
        totals[1] += failed
    return totals if any(totals) else (0, 1)


def count_tap(text, status):
    passed, failed = count_program(text, status == 0)
    return (passed, failed) if passed + failed else (0, 1)


if __name__ == '__main__':
    with open(sys.argv[2], encoding='utf-8', errors='replace') as file:
        print(*(count_meson(file.read()) if sys.argv[1] == 'meson' else count_tap(file.read(), int(sys.argv[3]))))
