# SPDX-License-Identifier: Apache-2.0
"""test_session: the sessions and devices of a user: session.lua."""
import unittest

from store import NODES, CHANNELS, COUNTERS, STORE, key
from test_functions import Case


class Attach(Case):
    def setUp(self):
        super().setUp()
        self.store.make('c', 'ann', 'bob')
        for i in range(3):
            self.store.append('c', 'ann', 'op%d' % i, ['ann', 'bob'])

    def test_a_device_never_seen_starts_at_the_head(self):
        self.assertEqual(self.store.attach('bob', 'phone', 's1'), ['ok', 'ue', 5, 5, 0, 1, 0])
        self.assertEqual(self.store.attach('bob', 'phone', 's1'), ['ok', 'ue', 5, 5, 0, 0, 0])

    def test_the_cursor_is_the_stored_one_unless_hello_brings_its_own(self):
        self.store.attach('bob', 'phone', 's1')
        self.store.append('c', 'ann', 'next', ['ann', 'bob'])
        self.assertEqual(self.store.attach('bob', 'phone', 's2')[2:4], [5, 6])
        self.assertEqual(self.store.attach('bob', 'phone', 's3', epoch='ue', cursor=2)[2:], [2, 6, 0, 0, 0])
        self.assertEqual(self.store.attach('bob', 'phone', 's4')[2], 2)

    def test_a_cursor_ahead_is_an_acknowledgement_that_is_still_to_be_told_to_others(self):
        self.store.attach('bob', 'phone', 's1')
        cursor, head = self.store.attach('bob', 'phone', 's2')[2:4]
        for i in range(3):
            self.store.append('c', 'ann', 'ahead%d' % i, ['ann', 'bob'])
        self.assertEqual(self.store.attach('bob', 'phone', 's3', epoch='ue', cursor=head + 2)[2], head + 2)
        self.assertEqual(self.store.link('HGET', key('d', 'bob'), 'phone').split(' ')[0], str(cursor))
        (flat,) = self.store.ack(('bob', 'phone', head + 2))
        self.assertEqual(flat[0], 'c')
        self.assertEqual(self.store.link('HGET', key('d', 'bob'), 'phone').split(' ')[0], str(head + 2))

    def test_a_cursor_of_another_past_is_reset_to_the_head(self):
        for epoch, cursor in ('old', 3), ('ue', 99):
            with self.subTest(epoch=epoch):
                answer = self.store.attach('bob', 'phone', 's', epoch=epoch, cursor=cursor)
                self.assertEqual((answer[2:4], answer[6]), ([5, 5], 1))

    def test_the_epoch_of_a_user_is_that_of_the_store(self):
        self.assertEqual(self.store.attach('bob', 'phone', 's1')[1], 'ue')
        self.assertEqual(self.store.attach('bob', 'phone', 's1', epoch='ue', cursor=0, store_epoch='later')[1:], ['later', 5, 5, 0, 0, 1])

    def test_a_second_session_of_the_device_replaces_the_first(self):
        node = self.node('n1')
        self.store.attach('bob', 'phone', 's1', 'n1')
        self.store.attach('bob', 'laptop', 's2', 'n1')
        self.store.attach('bob', 'phone', 's3', 'n2')
        self.assertEqual(self.messages_of(node), ['K 1 4409 bob phone s1'])
        self.assertEqual(self.store.live('bob'), ['laptop s2 n1 o 0', 'phone s3 n2 o 0'])
        self.assertEqual(self.store.head('bob')[2], ['n1', 'n2'])

    def test_again_keeps_the_cursor_and_yields_to_a_later_session(self):
        self.store.attach('bob', 'phone', 's1')
        self.store.ack(('bob', 'phone', 5))
        self.assertEqual(self.store.attach('bob', 'phone', 's1', again=1)[0], 'ok')
        self.assertEqual(self.link('HGET', key('d', 'bob'), 'phone').split(' ')[0], '5')
        self.store.attach('bob', 'phone', 's2')
        self.assertEqual(self.store.attach('bob', 'phone', 's1', again=1), ['err', 'conflict'])
        self.assertEqual(self.store.live('bob'), ['phone s2 n1 o 0'])

    def test_after_a_lost_past_a_live_session_gets_its_cursor_back(self):
        self.store.attach('bob', 'phone', 's1')
        self.link('FLUSHALL')
        self.store.make('c', 'ann', 'bob')
        self.assertEqual(self.store.attach('bob', 'phone', 's1', again=1, store_epoch='new')[:4], ['ok', 'new', 2, 2])
        self.store.append('c', 'ann', 'op', ['ann', 'bob'])
        self.assertEqual(self.store.ack(('bob', 'phone', 3), epoch='new'), [['c', 1]])

    def test_of_two_sessions_of_a_device_the_one_opened_later_stays(self):
        now = int(self.link('TIME')[0]) * 1000
        self.store.attach('bob', 'phone', 's2', opened=now - 100)
        self.assertEqual(self.store.attach('bob', 'phone', 's1', opened=now - 200), ['err', 'unavailable'])
        self.assertEqual(self.store.attach('bob', 'phone', 's3', opened=now - 50)[0], 'ok')
        self.assertEqual(self.store.attach('bob', 'phone', 's1', opened=now - 200, again=1), ['err', 'conflict'])
        self.assertEqual(self.store.attach('bob', 'phone', 's4', opened=now - 20, again=1)[0], 'ok')
        self.store.attach('bob', 'phone', 's4', opened=now + 999999)  # by a clock that was set back since
        self.assertEqual(self.store.attach('bob', 'phone', 's5', opened=now)[0], 'ok')

    def test_nobody_is_registered_under_an_epoch_that_is_over(self):
        self.store.attach('bob', 'phone', 's1', store_epoch='old')
        self.link('FLUSHALL')
        keys = self.store.pairs(['bob'], 'uid') + [STORE, key('push', 'bob'), key('h', 'bob')]
        attach = [CHANNELS, COUNTERS, 'bob', 'phone', 'n1', 's1', 'o', 'old', '', 0, 64, 0, 0, 0, 0, 0]
        self.assertEqual(self.store.call('attach', keys, *attach), ['err', 'unavailable'])
        self.assertEqual(self.store.call('visit', keys, 'phone', 'old', '', 0, 64, -1), ['err', 'unavailable'])
        self.assertEqual(self.link('EXISTS', key('u', 'bob')), 0)

    def test_numbers_that_a_session_was_told_are_never_given_again(self):
        self.store.attach('bob', 'phone', 's1')
        epoch = 'ue'
        for told, base in [(9, 0), (5000, 5000)]:
            with self.subTest(told=told):
                answer = self.store.attach('bob', 'phone', 's1', epoch=epoch, cursor=1, again=1, told=told)
                self.assertRegex(answer[1], r'^ue\.\d{13}$')
                self.assertNotEqual(answer[1], epoch)
                epoch = answer[1]
                self.assertEqual(answer[2:], [told, told, base, 0, 1])
                self.store.append('c', 'ann', 'op%d' % told, ['ann', 'bob'])
                self.assertEqual(self.store.sync('bob', told)[2], told + 1)
        self.assertEqual(self.store.attach('bob', 'phone', 's1', epoch=epoch, cursor=1, again=1, told=5001)[5:], [0, 0])

    def test_when_one_session_was_told_what_is_lost_all_devices_of_the_user_are(self):
        node = self.node('n2')
        self.store.attach('bob', 'phone', 's1')
        self.store.attach('bob', 'laptop', 's2', 'n2')
        self.store.attach('bob', 'phone', 's1', epoch='ue', cursor=1, again=1, told=9)
        self.assertEqual([text for text in self.messages_of(node) if text[0] == 'E'], ['E 1 bob'])
        self.assertEqual(self.store.attach('bob', 'laptop', 's2', epoch='ue', cursor=0, again=1)[5:], [0, 1])
        self.assertEqual(self.store.attach('bob', 'tablet', 's3', epoch='ue', cursor=0)[5:], [1, 1])
        # Another epoch of the store is one of each user's, too.
        self.assertEqual(self.store.attach('bob', 'laptop', 's2', epoch='ue', cursor=0, again=1, store_epoch='other')[1], 'other')

    def test_the_device_not_seen_for_longest_makes_room(self):
        for i in range(3):
            self.set_seen('bob', 'd%d' % i, 0, 1000000 - i)
        self.store.attach('bob', 'new', 's', devices_max=3)
        self.assertEqual(sorted(self.link('HKEYS', key('d', 'bob'))), ['d1', 'd2', 'new'])

    def test_a_device_with_a_session_makes_no_room(self):
        for device, ago_ms in ('phone', 3000), ('a', 2000), ('ab', 1000):
            self.store.attach('bob', device, 's')
            self.set_seen('bob', device, 1, ago_ms)
        self.store.detach('bob', 'ab', 's')
        self.assertEqual(self.store.attach('bob', 'new', 's', devices_max=3)[0], 'ok')
        self.assertEqual(sorted(self.link('HKEYS', key('d', 'bob'))), ['a', 'new', 'phone'])
        # All have one, so nobody has to leave for another; it changes nothing.
        before = self.link('HGETALL', key('u', 'bob')), self.link('HGETALL', key('d', 'bob')), self.store.head('bob')
        self.assertEqual(self.store.attach('bob', 'newer', 's', devices_max=3), ['err', 'full'])
        keys = [key(letter, 'bob') for letter in 'uid'] + [STORE, key('push', 'bob'), key('h', 'bob')]
        self.assertEqual(self.store.call('visit', keys, 'newer', 'ue', '', 0, 3, -1), ['err', 'full'])
        self.assertEqual((self.link('HGETALL', key('u', 'bob')), self.link('HGETALL', key('d', 'bob')), self.store.head('bob')), before)
        self.assertEqual(self.store.attach('bob', 'phone', 's9', devices_max=3)[0], 'ok')
        self.store.detach('bob', 'a', 's')
        self.assertEqual(self.store.call('visit', keys, 'newer', 'ue', '', 0, 3, -1)[0], 'ok')


    def test_of_what_sessions_know_of_being_invisible_the_latest_counts_in_any_order(self):
        def invisible():
            return self.link('HGET', key('u', 'bob'), 'inv')
        for phone, laptop, expected in ((10, 1), (20, 0), None), ((20, 1), (10, 0), '1'), ((20, 1), (0, 0), '1'):
            for order in (phone, laptop), (laptop, phone):
                self.link('DEL', key('u', 'bob'))
                for said, invisible_ in order:
                    self.store.attach('bob', 'phone' if (said, invisible_) == phone else 'laptop', 's', again=1, said=said, invisible=invisible_)
                self.assertEqual(invisible(), expected, (phone, laptop, order))
        self.assertEqual(self.store.attach('bob', 'tablet', 's')[7:], [1])
        # Who registers anew because its lease ran out knows nothing newer than the store.
        self.store.call('status', [key('u', 'bob')], 'b:{0}:node:', COUNTERS, 'bob', 'phone', 's', 'online')
        self.assertEqual(self.store.attach('bob', 'laptop', 's', again=1, said=20, invisible=1)[7:], [])
        self.assertIsNone(invisible())


class Sessions(Case):
    def test_only_its_own_session_is_detached(self):
        self.store.attach('bob', 'phone', 's1')
        self.store.attach('bob', 'phone', 's2')
        self.assertEqual(self.store.detach('bob', 'phone', 's1'), 0)
        self.assertEqual(self.store.live('bob'), ['phone s2 n1 o 0'])
        self.assertEqual(self.store.detach('bob', 'phone', 's2'), 1)
        self.assertEqual((self.link('HGET', key('u', 'bob'), 'live'), self.store.head('bob')[2]), (None, []))

    def test_followers_are_told_of_each_change(self):
        node = self.node('w1')
        self.assertEqual(self.store.call('watch', [key('u', 'bob')], 'w1'), ['', '0', '0'])
        self.store.call('watch', [key('u', 'bob')], 'w1')  # twice is once
        self.store.attach('bob', 'phone', 's1')
        self.store.call('status', [key('u', 'bob')], 'b:{0}:node:', COUNTERS, 'bob', 'phone', 's1', 'away')
        self.store.call('status', [key('u', 'bob')], 'b:{0}:node:', COUNTERS, 'bob', 'phone', 's1', 'invisible')
        self.store.detach('bob', 'phone', 's1')
        seen = self.link('HGET', key('u', 'bob'), 'seen')
        self.assertEqual(self.messages_of(node), ['P 1 bob 0 0\nphone s1 n1 o 0', 'P 2 bob 0 0\nphone s1 n1 a 0', 'P 3 bob 0 1\nphone s1 n1 a 0',
                                                  'P 4 bob %s 1\n' % seen])
        self.store.call('unwatch', [key('u', 'bob')], 'w1')
        self.store.attach('bob', 'phone', 's2')
        self.assertEqual(self.messages_of(node), [])

    def test_a_background_session_stays_one_whatever_its_status(self):
        self.store.attach('bob', 'phone', 's1', flags='b')
        self.store.call('status', [key('u', 'bob')], 'b:{0}:node:', COUNTERS, 'bob', 'phone', 's1', 'online')
        self.assertEqual(self.store.live('bob'), ['phone s1 n1 b 0'])

    def test_sessions_of_a_dead_node_are_forgotten(self):
        self.store.attach('bob', 'phone', 's1', 'dead')
        self.store.attach('bob', 'laptop', 's2', 'n1')
        prune = (key('u', 'bob'), NODES), 'b:{0}:node:', COUNTERS, 'bob', 'dead', 12345
        self.store.call('watch', [key('u', 'bob')], 'dead')
        self.store.call('watch', [key('u', 'bob')], 'n1')
        self.link('ZADD', NODES, int(self.link('TIME')[0]) * 1000, 'dead')
        self.assertEqual(self.store.call('prune', *prune), 0)  # it lives
        self.assertEqual(self.link('HGET', key('u', 'bob'), 'watch'), 'dead n1')
        self.link('ZADD', NODES, int(self.link('TIME')[0]) * 1000 - 6000, 'dead')
        self.assertEqual(self.store.call('prune', *prune), 1)
        self.assertEqual(self.link('HGET', key('u', 'bob'), 'watch'), 'n1')
        self.assertEqual(self.store.call('prune', *prune), 0)
        self.assertEqual(self.store.live('bob'), ['laptop s2 n1 o 0'])
        self.assertEqual(self.link('HGET', key('u', 'bob'), 'seen'), '12345')
        self.assertEqual(self.store.call('presence', [key('u', 'bob')]), ['laptop s2 n1 o 0', '12345', '0'])

    def test_sessions_are_asked_to_end(self):
        node = self.node('n1')
        self.store.attach('bob', 'phone', 's1')
        self.store.attach('bob', 'laptop', 's2')
        for device, count in ('phone', 1), ('', 2), ('none', 0):
            self.assertEqual(self.store.call('disconnect', [key('u', 'bob')], 'b:{0}:node:', COUNTERS, 'bob', device, 4403), count)
        self.assertEqual(self.messages_of(node)[0], 'K 1 4403 bob phone s1')
        # It stays to be ended, also when it registers anew; who comes after it does not inherit that.
        self.assertEqual(self.store.live('bob'), ['phone s1 n1 o 0 4403', 'laptop s2 n1 o 0 4403'])
        self.store.call('status', [key('u', 'bob')], 'b:{0}:node:', COUNTERS, 'bob', 'phone', 's1', 'away')
        self.store.attach('bob', 'laptop', 's2', again=1)
        self.assertTrue(self.messages_of(node)[-1].endswith(' 4403 bob laptop s2'))
        self.assertEqual(self.store.live('bob'), ['phone s1 n1 a 0 4403', 'laptop s2 n1 o 0 4403'])
        self.store.attach('bob', 'phone', 's3')
        self.assertEqual(self.store.live('bob'), ['laptop s2 n1 o 0 4403', 'phone s3 n1 o 0'])
        self.assertEqual(self.store.call('verify', [key('u', 'bob')], 'b:{0}:node:', 'bob', 'n1'), 1)

    def test_devices_are_listed_with_their_place(self):
        self.store.attach('bob', 'phone', 's1')
        live, device, packed, depth, oldest, registration = self.store.call('devices', self.store.pairs(['bob'], 'uid') + [key('push', 'bob'), key('h', 'bob')])
        self.assertEqual((live, device, packed.split(' ')[0], depth, oldest), ('phone s1 n1 o 0', 'phone', '0', 0, ''))


if __name__ == '__main__':
    unittest.main()
