# SPDX-License-Identifier: Apache-2.0
"""test_tend: what grows old in the store: tend.lua, erase.lua."""
import unittest

from store import CHANNELS, COUNTERS, key
from test_functions import DAY_MS, Case

NAMES = ['ann', 'bob']


class Tend(Case):
    def now(self):
        seconds, micros = self.link('TIME')
        return int(seconds) * 1000 + int(micros) // 1000

    def seqs(self, conv='c'):
        return [seq for seq, _ in self.store.log(conv)]


class Users(Tend):
    def setUp(self):
        super().setUp()
        self.store.make('c', *NAMES)
        self.store.attach('bob', 'phone', 's1', 'n1')
        self.store.attach('bob', 'tablet', 's2', 'n2')
        self.store.detach('bob', 'tablet', 's2')
        for i in range(10):
            self.store.append('c', 'ann', 'op%d' % i, NAMES)

    def devices(self):
        return sorted(self.link('HKEYS', key('d', 'bob')))

    def mark(self, *pairs):
        self.link('HSET', key('u', 'bob'), 'marks', ' '.join('%d %d' % pair for pair in pairs))

    def marks(self):
        return [int(word) for word in (self.link('HGET', key('u', 'bob'), 'marks') or '').split()]

    def test_an_inbox_that_every_device_has_acknowledged_is_empty_and_n_goes_on(self):
        self.store.ack(('bob', 'phone', 12), ('bob', 'tablet', 12))
        self.assertEqual(self.store.sync('bob')[1], 0)  # too little for the ack itself to look
        self.assertEqual(self.store.tend_users('bob')[0][:3], [0, 0, 12])
        self.assertEqual(self.link('EXISTS', key('i', 'bob')), 0)
        self.store.append('c', 'ann', 'next', NAMES)
        self.assertEqual(self.store.sync('bob')[1:], [12, 13, 'm 11 c'])

    def test_what_one_device_lacks_is_kept_and_the_rest_goes(self):
        self.store.ack(('bob', 'phone', 12), ('bob', 'tablet', 4))
        self.assertEqual(self.store.tend_users('bob')[0][:3], [0, 0, 4])
        self.assertEqual(self.store.sync('bob')[1:3], [4, 12])
        self.assertEqual(self.store.tend_users('bob')[0][:3], [0, 0, 0])

    def test_a_device_not_seen_for_long_is_forgotten_and_holds_nothing_back(self):
        self.store.ack(('bob', 'phone', 12))
        self.set_seen('bob', 'tablet', 0, 2000000)
        self.assertEqual(self.store.tend_users('bob')[0][:3], [1, 0, 12])
        self.assertEqual(self.devices(), ['phone'])
        # When it comes back it is fresh; or, with its cursor, behind the start of the inbox: a gap.
        self.assertEqual(self.store.attach('bob', 'tablet', 's3')[2:], [12, 12, 12, 1, 0])
        self.assertEqual(self.store.attach('bob', 'other', 's4', epoch='ue', cursor=3)[2:], [3, 12, 12, 0, 0])

    def test_a_device_that_is_connected_is_never_forgotten(self):
        self.set_seen('bob', 'phone', 0, 90 * DAY_MS)
        self.set_seen('bob', 'tablet', 0, 90 * DAY_MS)
        self.store.tend_users('bob')
        self.assertEqual(self.devices(), ['phone'])
        self.assertEqual(self.store.sync('bob')[1:3], [0, 12])

    def test_an_inbox_of_who_has_no_device_is_empty(self):
        self.assertEqual(self.store.tend_users('ann')[0][:3], [0, 0, 12])
        self.assertEqual(self.store.attach('ann', 'new', 's')[2:6], [12, 12, 12, 1])

    def test_events_older_than_the_age_go_whoever_lacks_them(self):
        now = self.now()
        self.mark((now - 3 * DAY_MS, 3), (now - 2 * DAY_MS, 7), (now - DAY_MS // 2, 9))
        self.assertEqual(self.store.tend_users('bob', inbox_ms=DAY_MS)[0][:3], [0, 5, 7])  # the first two all had
        self.assertEqual(self.store.sync('bob')[1:3], [7, 12])
        self.assertEqual(self.marks()[:2], [now - DAY_MS // 2, 9])
        self.assertEqual(self.marks()[3:], [12])  # one of now, as the last is older than a sixteenth of the age

    def test_marks_are_few_and_end_with_the_inbox(self):
        self.store.tend_users('bob', inbox_ms=DAY_MS)
        first = self.marks()
        self.assertEqual(first[1:], [12])
        self.store.append('c', 'ann', 'next', NAMES)
        self.store.tend_users('bob', inbox_ms=DAY_MS)
        self.assertEqual(self.marks(), first)
        self.store.ack(('bob', 'phone', 13), ('bob', 'tablet', 13))
        self.store.tend_users('bob', inbox_ms=DAY_MS)
        self.assertEqual(self.marks(), [])

    def test_receipts_go_with_their_pointers(self):
        self.store.receipt('c', 'ann', 5, 0, NAMES)
        self.store.append('c', 'ann', 'next', NAMES)
        self.store.ack(('bob', 'phone', 14), ('bob', 'tablet', 13))
        self.assertEqual(self.link('HLEN', key('r', 'bob')), 1)
        self.store.tend_users('bob')
        self.assertEqual(self.link('HLEN', key('r', 'bob')), 0)
        self.assertEqual(self.store.sync('bob')[1:], [13, 14, 'm 11 c'])

    def test_a_receipt_that_is_still_pointed_to_stays(self):
        self.store.receipt('c', 'ann', 5, 0, NAMES)
        self.store.ack(('bob', 'phone', 12), ('bob', 'tablet', 12))
        self.store.tend_users('bob')
        self.assertEqual(self.store.sync('bob')[1:], [12, 13, 'r ann c 5 0'])

    def test_the_nodes_of_sessions_and_watchers_are_told_once_each(self):
        self.store.call('watch', [key('u', 'bob')], 'n1')
        self.store.call('watch', [key('u', 'bob')], 'n7')
        self.set_seen('bob', 'phone', 0, 5000)
        row = self.store.tend_users('bob')[0][3:]
        seen = dict(zip(row[::2], map(int, row[1::2])))
        self.assertEqual(sorted(seen), ['n1', 'n7'])
        self.assertGreater(seen['n1'], self.now() - 60000)
        self.assertEqual(seen['n7'], 0)

    def test_many_users_of_one_call_get_a_row_each(self):
        self.assertEqual([row[2] for row in self.store.tend_users('ann', 'nobody', 'bob')], [12, 0, 2])
        self.assertEqual(self.link('EXISTS', key('u', 'nobody')), 0)


class Logs(Tend):
    """Entries 1 to 10 with times 10 to 1 days ago."""

    def setUp(self):
        super().setUp()
        self.store.make('c', *NAMES)
        self.fill(10)

    def fill(self, count, day_ms=DAY_MS):
        now = self.now()
        for seq in range(1, count + 1):
            at = now - (count + 1 - seq) * day_ms
            self.link('RPUSH', key('l', 'c'), '%d message  ann dev op%d\n"text %d"' % (at, seq, seq))
        for user in NAMES:
            self.link('HSET', key('u', user), 'c:c', count)

    def test_exactly_what_is_too_old_goes(self):
        for days, first in [(20, 1), (9.5, 2), (4.5, 7), (1.5, 10)]:
            with self.subTest(days=days):
                self.assertEqual(self.store.tend_conv('c', int(days * DAY_MS)), ['group', 10, 1, 0, 0])
                self.assertEqual(self.seqs(), list(range(first, 11)))

    def test_a_log_of_which_nothing_is_left_is_gone_and_seq_goes_on(self):
        self.link('HSET', key('s', 'c'), '9', '10 0 ')
        self.assertEqual(self.store.tend_conv('c', DAY_MS // 2), ['group', 10, 0, 0, 0])
        self.assertEqual(self.link('EXISTS', key('l', 'c'), key('s', 'c')), 0)
        self.assertEqual(self.store.append('c', 'ann', 'next', NAMES)[:2], ['ok', 11])
        self.assertEqual(self.seqs(), [11])
        # The pointers of who was away find nothing, which is a gap.
        self.assertEqual(self.store.call('fetch', [key('l', 'c'), key('s', 'c')], 1000, 'm', 3), [''])

    def test_without_an_age_nothing_goes(self):
        self.assertEqual(self.store.tend_conv('c'), ['group', 10, 1, 0, 0])
        self.assertEqual(len(self.seqs()), 10)

    def test_one_call_drops_a_thousand_and_says_that_there_is_more(self):
        self.link('DEL', key('l', 'c'))
        self.fill(2500, day_ms=60000)
        self.store.append('c', 'ann', 'new', NAMES, log_max=100000)
        for more, first in [(1, 1001), (1, 2001), (0, 2497)]:
            self.assertEqual(self.store.tend_conv('c', 270000)[3], more)
            self.assertEqual(self.seqs()[0], first)

    def test_what_is_not_yet_everyones_stays(self):
        self.assertEqual(self.store.tend_conv('c', 1, upto=4), ['group', 10, 1, 0, 0])
        self.assertEqual(self.seqs(), list(range(5, 11)))
        self.store.tend_conv('c', 1, upto=10)
        self.assertEqual(self.link('EXISTS', key('l', 'c')), 0)

    def test_nothing_of_a_drained_conversation_is_left_but_what_it_needs(self):
        self.store.append('c', 'ann', 'next', NAMES)
        self.store.append('c', 'ann', 'edited', NAMES, kind='edit', ref=11)
        self.store.drain('c')
        self.link('DEL', key('s', 'c'))
        self.store.tend_conv('c', 1)
        self.assertNotEqual(self.store.conv_head('c')[3], '-')  # its ops are remembered
        self.assertEqual(self.fields(), ['lm'])
        self.link('DEL', key('o', 'c'))
        self.assertEqual(self.store.tend_conv('c', 1), ['group', 12, 0, 0, 0])
        self.assertEqual(self.store.conv_head('c'), ['12', self.store.versions[1], 'group'] + ['-'] * 5 + ['ce'])
        self.assertEqual(self.link('EXISTS', *[key(letter, 'c') for letter in 'closO']), 0)
        self.assertEqual(self.store.append('c', 'ann', 'again', NAMES)[:2], ['ok', 13])
        self.assertEqual(self.store.append('c', 'ann', 'again', NAMES)[:2], ['dup', 13])

    def fields(self):
        return sorted(self.link('HGETALL', key('c', 'c'))[::2])

    def test_unknown_and_deleted_conversations_are_nothing(self):
        self.assertEqual(self.store.tend_conv('x', 1), ['', 0, 0, 0, 0])
        self.store.delete('c', 1, NAMES)
        self.assertEqual(self.store.tend_conv('c', 1), ['', 10, 0, 0, 0])

    def test_everyone_has_it_when_every_device_has_acknowledged_all(self):
        for user, device in [('bob', 'phone'), ('bob', 'tablet'), ('ann', 'desk')]:
            self.store.attach(user, device, device)
        self.store.append('c', 'ann', 'next', NAMES)
        self.assertEqual(self.store.all_have('c', 11, *NAMES), 0)
        self.store.ack(('bob', 'phone', 3), ('bob', 'tablet', 3), ('ann', 'desk', 2))
        self.assertEqual(self.store.all_have('c', 11, *NAMES), 0)  # ann's desk has not her own
        self.store.ack(('ann', 'desk', 3))
        self.assertEqual(self.store.all_have('c', 11, *NAMES), 1)
        self.assertEqual(self.store.all_have('c', 12, *NAMES, marked=11), 0)  # not delivered to the inboxes yet


class Erase(Tend):
    def setUp(self):
        super().setUp()
        self.store.make('c', *NAMES)
        self.ops = 0
        self.link('CONFIG', 'SET', 'rdbcompression', 'no')  # so that a dump shows each byte

    def send(self, body, kind='message', ref=''):
        self.ops += 1
        return self.store.append('c', 'ann', 'op%d' % self.ops, NAMES, kind=kind, ref=ref, body='"%s"' % body, log_max=100000)[1]

    def holds(self, word):
        """Is it anywhere in the bytes of the log? Not for words of digits: each entry has a time."""
        self.link.send('DUMP', key('l', 'c'))
        return word.encode() in (self.read_bytes() or b'')

    def read_bytes(self):
        size = int(self.link.file.readline()[1:])
        return None if size < 0 else self.link.file.read(size + 2)

    def rounds(self):
        count = 1
        while self.store.erase('c'):
            count += 1
        return count

    def delete(self, seq):
        return self.send('', 'delete', seq)

    def history(self):
        flat = self.store.call('history', [key(letter, 'c') for letter in 'cmls'], 'bob', 0, 0, 1000, 10000000, 0)[4:]
        return {flat[i]: flat[i + 1].split('\n', 1)[1] for i in range(0, len(flat), 3)}

    def test_a_deleted_text_and_its_edits_are_in_no_byte_of_the_log_and_seq_has_no_hole(self):
        self.send('stays')
        secret = self.send('the code is open sesame')
        self.send('the code is swordfish', 'edit', secret)
        self.send('stays, too')
        self.delete(secret)
        self.assertTrue(self.holds('open sesame') and self.holds('swordfish'))
        before = self.history()
        self.assertEqual(self.store.tend_conv('c')[4], 1)
        self.assertEqual(self.rounds(), 1)
        self.assertFalse(self.holds('open sesame') or self.holds('swordfish'))
        self.assertTrue(self.holds('stays'))
        self.assertEqual(self.history(), before)
        self.assertEqual(self.seqs(), [1, 2, 3, 4, 5])
        self.assertEqual(self.store.tend_conv('c')[4], 0)
        self.assertEqual(self.send('next'), 6)
        self.assertEqual(self.send('again', 'edit', secret), 'conflict')

    def long(self):
        """A log that takes several calls, with a secret at its start."""
        self.send('the code is open sesame')
        for i in range(1300):
            self.send('filler %d' % i)
        self.delete(1)

    def test_what_is_appended_meanwhile_stays(self):
        self.long()
        for i in range(2):
            self.assertEqual(self.store.erase('c'), 1)
            self.send('meanwhile %d' % i)
        self.assertEqual(self.rounds(), 1)
        self.assertFalse(self.holds('open sesame'))
        self.assertEqual(self.seqs(), list(range(1, 1305)))
        self.assertTrue(self.holds('meanwhile 1'))

    def test_what_is_deleted_meanwhile_is_found_by_the_next_round(self):
        self.long()
        self.store.erase('c')
        self.assertTrue(self.holds('filler 3"'))
        self.delete(5)  # the walk is past filler 3
        self.assertGreater(self.rounds(), 2)
        self.assertFalse(self.holds('open sesame') or self.holds('filler 3"'))
        self.assertEqual(self.seqs(), list(range(1, 1304)))

    def test_what_was_cut_meanwhile_does_not_come_back(self):
        self.long()
        self.store.erase('c')
        self.store.cut('c', 400)
        self.rounds()
        self.assertEqual(self.seqs(), list(range(400, 1303)))

    def test_a_log_that_is_gone_meanwhile_stays_gone(self):
        self.long()
        self.store.erase('c')
        self.link('DEL', key('l', 'c'))
        self.assertEqual(self.rounds(), 1)
        self.assertEqual(self.link('EXISTS', key('l', 'c')), 0)

    def test_what_was_to_be_pushed_goes_with_the_text(self):
        self.store.append('c', 'ann', 'planned', NAMES, body='"open sesame"', plan='{"title":"open sesame"}')
        self.store.append('c', 'ann', 'other', NAMES, body='"stays"', plan='{"title":"stays"}')
        self.delete(1)
        self.rounds()
        self.assertFalse(self.holds('open sesame'))
        self.assertTrue(self.holds('{"title":"stays"}'))

    def test_a_conversation_that_is_deleted_meanwhile_has_nothing_to_erase(self):
        self.long()
        self.store.erase('c')
        self.store.delete('c', 1, NAMES)
        self.assertEqual(self.store.erase('c'), 0)

    def test_nothing_to_erase_is_nothing(self):
        self.send('stays')
        self.assertEqual(self.store.erase('c'), 0)
        self.assertEqual(self.seqs(), [1])

    def test_the_first_erasure_is_remembered_until_the_file_is_due(self):
        store = [key('store', 'store')]
        self.assertEqual(self.store.call('erased', store, 0), 0)
        self.store.call('erased', store, -1)
        self.assertEqual(self.store.call('erased', store, 1000000), 0)
        self.assertEqual(self.store.call('erased', store, 0), 1)
        self.assertEqual(self.store.call('erased', store, 0), 0)


class Walk(Tend):
    def test_a_walk_meets_every_key_and_goes_on_where_another_stood(self):
        for i in range(300):
            self.link('HSET', key('u', 'user%d' % i), 'base', 0)
            self.link('RPUSH', key('i', 'user%d' % i), 'x')
        store, met, first = [key('store', 'store')], [], True
        at = ''
        while at != '0':
            # Half of the steps by who was there, half by a newcomer.
            at, *keys = self.store.call('walk', store, at if first else '', 'b:{*}:[cu]:*', 32)
            met += keys
            first = not first
        self.assertEqual(sorted(set(met)), sorted(key('u', 'user%d' % i) for i in range(300)))

    def test_a_walk_meets_a_user_who_was_never_here_and_whose_inbox_was_full(self):
        keys = self.store.pairs(['eve'], 'hixX') + [key('push', 'eve')]
        for i in range(300):
            self.store.call('notify', keys, 'op%d' % i, 'low', 0, '', 2, '{}', 10, 10, 1000000, '', 0, '')
        self.assertEqual(self.store.call('walk', [key('store', 'store')], '', 'b:{*}:[cu]:*', 1000), ['0', key('u', 'eve')])
        self.assertGreater(self.store.tend_users('eve')[0][2], 0)
        self.assertEqual(self.link('EXISTS', key('i', 'eve')), 0)


class Full(Tend):
    """A store without room takes nothing new, and can be emptied."""

    def setUp(self):
        super().setUp()
        self.store.make('c', *NAMES)
        self.store.attach('bob', 'phone', 's1', 'n1')
        for i in range(100):
            self.store.append('c', 'ann', 'op%d' % i, NAMES)
        self.link('CONFIG', 'SET', 'maxmemory', 1)
        self.addCleanup(self.link, 'CONFIG', 'SET', 'maxmemory', 0)

    def test_what_would_grow_is_refused(self):
        for call in [lambda: self.store.append('c', 'ann', 'new', NAMES), lambda: self.store.change('d', 0, [('joined', 'ann', 'member')], ['ann']),
                     lambda: self.store.receipt('c', 'bob', 5, 0, NAMES), lambda: self.store.erase('c')]:
            with self.assertRaisesRegex(Exception, 'OOM'):
                call()

    def test_devices_come_read_acknowledge_and_go(self):
        self.assertEqual(self.store.attach('bob', 'tablet', 's2')[0], 'ok')
        self.assertEqual(len(self.store.pointers('bob')), 102)
        self.assertEqual(self.store.ack(('bob', 'phone', 102), ('bob', 'tablet', 102)), [['c', 100], []])
        self.assertEqual(self.store.sync('bob')[1:], [102, 102])
        self.assertEqual(self.store.detach('bob', 'tablet', 's2'), 1)
        self.assertEqual(self.store.tend_users('bob')[0][:3], [0, 0, 0])
        self.assertEqual(self.store.tend_conv('c', 1000000)[2], 1)

    def test_nodes_live_on(self):
        nodes = [key('nodes', '')]
        self.assertEqual(len(self.store.call('lease', nodes, 'n2', 'b:{0}:node:', 4000)), 3)
        self.assertEqual(self.store.call('store', [key('store', 'store'), *nodes], 'e', '', 'n2', 0), 'ue')
        self.assertEqual(self.store.call('watch', [key('u', 'bob')], 'n1')[0].split(' ')[0], 'phone')
        self.assertEqual(self.store.call('status', [key('u', 'bob')], 'b:{0}:node:', 'b:{0}:n:', 'bob', 'phone', 's1', 'away'), 0)
        self.assertEqual(self.store.call('prune', [key('u', 'bob'), key('nodes', '')], 'b:{0}:node:', 'b:{0}:n:', 'bob', 'n1', 5), 1)


if __name__ == '__main__':
    unittest.main()
