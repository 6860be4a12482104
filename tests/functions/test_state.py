# SPDX-License-Identifier: Apache-2.0
"""test_state: edits, deletions and reactions in the store: state.lua, and what the other functions make of it."""
import re
import unittest

from store import key
from test_functions import Case

NAMES = ['ann', 'bob']
LARGE = 'x' * 1000


class State(Case):
    def setUp(self):
        super().setUp()
        self.store.make('c', *NAMES)
        self.ops = 0

    def send(self, sender='ann', kind='message', ref='', body='1', **more):
        self.ops += 1
        answer = self.store.append('c', sender, 'op%d' % self.ops, NAMES, kind=kind, ref=ref, body=body, **more)
        return answer[1]

    def page(self, after=0, limit=100, size=1000000, versions=0):
        flat = self.store.call('history', [key(letter, 'c') for letter in 'cmls'], 'bob', 0, after, limit, size, versions)[4:]
        return {flat[i]: (flat[i + 1], flat[i + 2]) for i in range(0, len(flat), 3)}

    def info(self, user='bob'):
        return self.store.call('infos', [key(letter, 'c') for letter in 'cmls'], user, 100, 1000000)[0]

    def fetch(self, *seqs):
        asked = [word for seq in seqs for word in ('m', seq)]
        return self.store.call('fetch', [key('l', 'c'), key('s', 'c')] * len(seqs), 1000000, *asked)

    def commands(self, ask):
        """How often a call gives which commands."""
        self.link('CONFIG', 'RESETSTAT')
        ask()
        found = dict(re.findall(r'cmdstat_(\w+):calls=(\d+)', self.link('INFO', 'commandstats')))
        return {name: int(calls) for name, calls in found.items() if not name.startswith(('fcall', 'config'))}

    def test_what_is_refused_is_refused_with_its_reason_and_changes_nothing(self):
        self.store.change('c', 1, [('role', 'bob', 'admin')], NAMES)
        self.send(version=2)
        self.send('bob', version=2)
        self.send(kind='edit', ref=1, version=2)
        self.send(kind='delete', ref=2, sender='bob', version=2)
        rows = [
            ('ann', 'edit', 9, 'not_found'), ('ann', 'delete', 5, 'not_found'), ('ann', 'react', 0, 'not_found'),
            ('ann', 'edit', 3, 'conflict'), ('ann', 'react', 4, 'conflict'), ('bob', 'edit', 2, 'conflict'),
            ('bob', 'delete', 2, 'conflict'), ('ann', 'react', 2, 'conflict'), ('ann', 'edit', 2, 'forbidden'),
        ]
        before = self.link('HGETALL', key('c', 'c')), self.link('HGETALL', key('s', 'c')), len(self.store.log('c'))
        for sender, kind, ref, code in rows:
            with self.subTest(sender=sender, kind=kind, ref=ref):
                self.assertEqual(self.send(sender, kind, ref, version=2), code)
        self.assertEqual((self.link('HGETALL', key('c', 'c')), self.link('HGETALL', key('s', 'c')), len(self.store.log('c'))), before)

    def test_others_may_edit_and_delete_with_the_role_of_admin_or_owner_or_if_trusted(self):
        self.send()
        for version, role, answer in [(2, 'guest', 'forbidden'), (3, 'admin', 2), (4, 'owner', 3), (5, 'administrator', 'forbidden')]:
            self.store.change('c', version - 1, [('role', 'bob', role)], NAMES)
            with self.subTest(role=role):
                self.assertEqual(self.send('bob', 'edit', 1, version=version), answer)
        self.assertEqual(self.send('bot', 'edit', 1, version=5), 'forbidden')
        self.assertEqual(self.send('bot', 'edit', 1, version=5, trusted=1), 4)

    def test_an_op_of_a_deletion_is_a_repeat_and_no_conflict(self):
        self.send()
        self.store.append('c', 'ann', 'gone', NAMES, kind='delete', ref=1)
        self.assertEqual(self.store.append('c', 'ann', 'gone', NAMES, kind='delete', ref=1)[:2], ['dup', 2])

    def test_history_gives_the_latest_edit_and_versions_if_asked(self):
        self.send(body='"a"')
        self.send(kind='edit', ref=1, body='"b"')
        self.send(kind='edit', ref=1, body='"c"')
        entry, (deletion, count, latest, versions, reactions) = self.page()[1]
        self.assertTrue(entry.endswith('\n"a"'))
        self.assertEqual((deletion, count, versions, reactions), ('', 2, [], []))
        self.assertTrue(latest.endswith('\n"c"'))
        self.assertEqual([text.split('\n')[1] if isinstance(text, str) else text for text in self.page(versions=1)[1][1][3]], [2, '"b"', 3, '"c"'])

    def test_a_deleted_text_is_given_by_no_function(self):
        self.send(body='"secret 1"')
        self.send(kind='edit', ref=1, body='"secret 2"')
        self.send('bob', 'react', 1, body='"+1"')
        self.send(kind='delete', ref=1, body='"a reason"')
        for answer in (self.page(), self.page(versions=1), self.info(), self.fetch(1, 2, 3, 4),
                       self.store.call('entry', [key(letter, 'c') for letter in 'clms'], 1),
                       self.store.call('entry', [key(letter, 'c') for letter in 'clms'], 2)):
            self.assertNotIn('secret', str(answer))
        self.assertEqual([text.split('\n')[1] for text in self.fetch(1, 2, 3, 4)], ['', '', '"+1"', '"a reason"'])
        deletion, count, latest, versions, reactions = self.page(versions=1)[1][1]
        self.assertRegex(deletion, r'^\d+ delete 1 ann dev op4\n$')
        self.assertEqual((latest, versions[0::2], reactions), ('', [2], []))

    def test_a_deleted_text_stays_away_while_an_edit_of_it_is_in_the_log(self):
        self.send(body='"secret 1"')
        self.send(kind='edit', ref=1, body='"secret 2"')
        self.send(kind='delete', ref=1)
        self.store.cut('c', 2)
        for _ in range(50):
            self.send(kind='react', ref=self.send(), log_max=1)
            self.assertNotIn('secret', str(self.page()))
            self.assertNotIn('secret', str(self.fetch(1, 2)))

    def keep_twenty(self):
        self.store.cut('c', max(self.store.log('c')[-1][0] - 19, 1))

    def test_states_of_what_the_log_has_lost_are_forgotten(self):
        for _ in range(400):
            self.send(kind='edit', ref=self.send())
            self.keep_twenty()
        self.assertEqual(self.link('HLEN', key('s', 'c')), 400)  # log_max is 1000 and not reached
        for _ in range(400):
            self.send(kind='edit', ref=self.send(log_max=20), log_max=20)
            self.keep_twenty()
        self.assertLess(self.link('HLEN', key('s', 'c')), 60)
        self.assertEqual(len([state for _, state in self.page().values() if state]), 10)

    def test_unread_counts_messages_of_others_that_are_not_deleted(self):
        steps = [(('ann',), 1), (('bob',), 1), (('ann',), 2), (('ann', 'edit', 1), 2), (('ann', 'react', 3), 2), (('ann', 'delete', 1), 1),
                 (('bob', 'delete', 2), 1), (('ann', 'delete', 3), 0)]
        for arguments, unread in steps:
            with self.subTest(arguments=arguments):
                self.send(*arguments)
                self.assertEqual(self.info()[5], unread)

    def test_a_deletion_of_what_was_read_leaves_unread_alone(self):
        self.send()
        self.send()
        self.store.receipt('c', 'bob', 1, 1, NAMES)
        self.assertEqual(self.info()[5], 1)
        self.send(kind='delete', ref=1)
        self.assertEqual(self.info()[5], 1)

    def test_the_latest_message_stands_whatever_comes_behind_it(self):
        for arguments, last in [((), 1), ((), 2), (('ann', 'edit', 1), 2), (('ann', 'react', 1), 2), ((), 5), (('ann', 'delete', 5), 5)]:
            self.send(*arguments)
            self.assertEqual(self.info()[6], last)
        self.assertTrue(self.info()[7].endswith('\n'))

    def test_a_page_counts_the_bytes_of_edits_versions_and_reactions(self):
        for _ in range(3):
            self.send(body=LARGE)
        for ref in 1, 2, 3:
            for kind in 'edit', 'edit', 'react':
                self.send(kind=kind, ref=ref, body=LARGE)
        self.assertEqual([len(self.page(limit=3, size=size)) for size in (1, 4000, 7000, 10000)], [1, 1, 2, 3])
        self.assertEqual([len(self.page(limit=3, size=size, versions=1)) for size in (4000, 11000, 16000)], [1, 2, 3])

    def test_versions_beyond_the_size_leave_out_the_oldest_edits(self):
        self.send()
        for _ in range(5):
            self.send(kind='edit', ref=1, body=LARGE)
        self.assertEqual(self.page(limit=1, size=2500, versions=1)[1][1][3][0::2], [5, 6])

    def test_a_deleted_conversation_leaves_no_states(self):
        self.send()
        self.send(kind='react', ref=1)
        self.assertEqual(self.store.delete('c', 1, NAMES), ['ok'])
        self.assertEqual(self.link('EXISTS', key('s', 'c')), 0)
        self.assertIsNone(self.link('HGET', key('c', 'c'), 'lm'))

    def test_a_conversation_of_messages_only_pays_nothing(self):
        for _ in range(5):
            self.send()
        self.assertEqual(self.commands(self.page), {'get': 1, 'hget': 1, 'hexists': 1, 'llen': 1, 'lrange': 1})
        self.assertEqual(self.commands(self.info), {'get': 1, 'hget': 1, 'lindex': 1, 'llen': 1, 'lrange': 1})
        self.assertEqual(self.commands(lambda: self.fetch(1, 2, 3, 4, 5)), {'get': 1, 'lindex': 5, 'exists': 1})
        self.assertNotIn('lm', self.link('HGETALL', key('c', 'c')))
        self.assertEqual(self.link('EXISTS', key('s', 'c')), 0)


if __name__ == '__main__':
    unittest.main()
