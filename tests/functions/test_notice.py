# SPDX-License-Identifier: Apache-2.0
"""test_notice: notifications, visits and preferences in the store: notice.lua and what inbox.lua makes of it, visit.lua, prefs.lua."""
import unittest

from store import STORE, CHANNELS, COUNTERS, key
from test_functions import Case

AGE_MS = 1000000


class Notice(Case):
    def setUp(self):
        super().setUp()
        self.store.attach('bob', 'phone', 's1', epoch='ue')

    def notify(self, op, collapse='', ttl_ms=0, notices_max=100, content='"title":"é"', plan='"push":1', priority='high', due='', first_ms=0, steps=''):
        return self.store.call('notify', self.store.pairs(['bob'], 'hixX') + [key('push', 'bob')], op, priority, ttl_ms, collapse,
                               len(content.encode()), content + plan, 1000, notices_max, AGE_MS, due, first_ms, steps)

    def state(self, op):
        """n, at, until, delivered, read, replaced by"""
        answer = self.store.call('notice', [key('x', 'bob'), key('push', 'bob')], op)
        return answer and answer[1].split(' ', 5)

    def lapse(self, op):
        """Its time is over."""
        packed = self.state(op)
        self.link('HSET', key('x', 'bob'), 's:' + op, ' '.join([packed[0], packed[1], '1'] + packed[3:]))

    def test_it_comes_to_the_inbox_and_to_nodes_without_its_plan(self):
        node = self.node('n1')
        answer = self.notify('an op')
        self.assertEqual(answer[:2], ['ok', 1])
        self.assertEqual(self.messages_of(node), ['X 1 %d high an op\nbob 1\n"title":"é"' % answer[2]])
        self.assertEqual(self.store.pointers('bob'), ['x %d an op' % answer[2]])
        self.assertEqual(self.store.call('fetch', [key('x', 'bob')], 1000, 'x', 'an op'),
                         ['%d 0 high 12 \n"title":"é""push":1' % answer[2]])
        self.assertEqual(self.state('an op'), ['1', str(answer[2]), '0', '0', '0', ''])

    def test_an_op_is_stored_once(self):
        first = self.notify('op')
        self.assertEqual(self.notify('op', content='"title":"other"'), ['dup', 1, first[2]])
        self.assertEqual(len(self.store.pointers('bob')), 1)

    def test_an_ack_of_any_device_delivers_it_and_once(self):
        self.notify('op')
        self.store.attach('bob', 'pad', 's2', epoch='ue')
        self.store.ack(('bob', 'phone', 1))
        delivered = self.state('op')[3]
        self.assertNotEqual(delivered, '0')
        self.link('HSET', key('x', 'bob'), 's:op', '1 %s 0 7 0 ' % self.state('op')[1])
        self.store.ack(('bob', 'pad', 1))
        self.assertEqual(self.state('op')[3], '7')

    def test_what_is_read_was_delivered_and_the_first_time_counts(self):
        self.notify('op')
        self.assertEqual(self.store.call('notice_read', [key('x', 'bob')], 'op'), ['ok'])
        state = self.state('op')
        self.assertEqual(state[3], state[4])
        self.assertNotEqual(state[4], '0')
        self.link('HSET', key('x', 'bob'), 's:op', '1 5 0 6 7 ')
        self.store.call('notice_read', [key('x', 'bob')], 'op')
        self.assertEqual(self.state('op'), ['1', '5', '0', '6', '7', ''])
        self.assertEqual(self.store.call('notice_read', [key('x', 'bob')], 'unknown'), ['err', 'not_found'])
        self.assertEqual(self.store.call('notice', [key('x', 'bob'), key('push', 'bob')], 'unknown'), [])

    def test_a_later_one_replaces_what_nobody_took(self):
        self.notify('a', collapse='one key')
        self.notify('b', collapse='one key')
        self.notify('c', collapse='another')
        self.assertEqual([pointer.split(' ')[-1] for pointer in self.store.pointers('bob')], ['', 'b', 'c'])
        self.assertEqual(self.state('a')[5], 'b')
        self.store.ack(('bob', 'phone', 3))
        self.assertEqual(self.state('a')[3], '0')
        self.notify('d', collapse='one key')
        self.assertEqual(self.state('b')[5], '')
        self.assertEqual([pointer.split(' ')[-1] for pointer in self.store.pointers('bob')], ['', 'b', 'c', 'd'])

    def test_an_expired_one_is_passed_over_and_not_delivered(self):
        self.notify('a', ttl_ms=100000)
        self.notify('b', ttl_ms=100000)
        self.assertEqual(len([pointer for pointer in self.store.pointers('bob') if pointer]), 2)
        self.lapse('a')
        self.assertEqual([pointer.split(' ')[-1] for pointer in self.store.pointers('bob')], ['', 'b'])
        self.store.ack(('bob', 'phone', 2))
        self.assertEqual([self.state('a')[3] == '0', self.state('b')[3] == '0'], [True, False])

    def test_the_oldest_are_forgotten_with_their_collapse_key_and_leave_a_gap(self):
        for op in 'a', 'b', 'c':
            self.notify(op, collapse='key ' + op, notices_max=2)
        self.assertEqual(self.state('a'), [])
        self.assertEqual(sorted(self.link('HKEYS', key('x', 'bob'))), ['c:key b', 'c:key c', 'n:b', 'n:c', 's:b', 's:c'])
        self.assertEqual(self.store.pointers('bob')[0].split(' ')[-1], 'a')  # not '': what is fetched for it is gone, and that is told
        self.assertEqual(self.store.call('fetch', [key('x', 'bob')], 1000, 'x', 'a'), [''])

    def test_a_key_that_went_to_a_later_one_stays_when_the_earlier_is_forgotten(self):
        self.notify('a', collapse='k', notices_max=2)
        self.notify('b', collapse='k', notices_max=2)
        self.notify('c', notices_max=2)
        self.assertEqual(self.link('HGET', key('x', 'bob'), 'c:k'), 'b')

    def test_those_too_old_are_forgotten(self):
        self.notify('a')
        self.link('ZADD', key('X', 'bob'), 1, 'a')
        self.notify('b')
        self.assertEqual(self.link('ZRANGE', key('X', 'bob'), 0, -1), ['b'])
        self.assertEqual(self.state('a'), [])
        for letter in 'x', 'X':
            self.assertTrue(0 < self.link('PTTL', key(letter, 'bob')) <= AGE_MS)

    def test_an_op_used_again_is_not_marked_by_its_old_pointer(self):
        self.notify('a')
        at = self.state('a')[1]
        self.link('HSET', key('x', 'bob'), 's:a', '9 %d 0 0 0 ' % (int(at) + 1))
        self.store.ack(('bob', 'phone', 1))
        self.assertEqual(self.state('a')[3], '0')


class Visit(Case):
    def setUp(self):
        super().setUp()
        self.link('RPUSH', key('i', 'bob'), 'm 1 c', 'm 2 c', 'm 3 c', 'm 4 c')

    def visit(self, device='phone', epoch='', cursor=0, ack=-1, devices_max=64, store_epoch='ue'):
        self.link('HSET', STORE, 'epoch', store_epoch)
        return self.store.call('visit', self.store.pairs(['bob'], 'uid') + [STORE, key('push', 'bob'), key('h', 'bob')], device, store_epoch, epoch, cursor, devices_max, ack)

    def packed(self, device='phone'):
        return self.link('HGET', key('d', 'bob'), device)

    def test_a_device_never_seen_starts_at_the_head_or_at_its_cursor(self):
        self.assertEqual(self.visit(), ['ok', 'ue', 4, 4, 0, 1, 0])
        self.assertEqual(self.visit('pad', epoch='ue', cursor=2), ['ok', 'ue', 2, 4, 0, 0, 0])
        self.assertEqual([self.packed().split(' ')[0], self.packed('pad').split(' ')[0]], ['4', '2'])

    def test_the_stored_cursor_stays_whatever_the_device_brings(self):
        self.visit('phone', epoch='ue', cursor=2)
        self.assertEqual(self.visit('phone', epoch='ue', cursor=1)[2], 1)
        self.assertEqual(self.visit('phone', epoch='ue', cursor=3)[2], 3)
        self.assertEqual(self.packed().split(' ')[0], '2')
        self.assertEqual(self.visit()[2], 2)

    def test_a_session_of_the_device_lives_on_and_nobody_is_told(self):
        node = self.node('n1')
        self.store.attach('bob', 'phone', 's1')
        live = self.store.live('bob')
        self.link('HSET', key('u', 'bob'), 'watch', 'n1', 'seen', '5')
        self.visit()
        self.assertEqual(self.store.live('bob'), live)
        self.assertEqual(self.messages_of(node), [])
        self.assertEqual(self.link('HGET', key('u', 'bob'), 'seen'), '5')

    def test_a_cursor_of_another_past_is_reset_and_its_ack_ignored(self):
        self.visit()
        for epoch, cursor in ('gone', 1), ('ue', 5):
            self.assertEqual(self.visit(epoch=epoch, cursor=cursor, ack=1000), ['ok', 'ue', 4, 4, 0, 0, 1])

    def test_an_ack_beyond_the_head_is_refused_and_registers_nothing(self):
        self.assertEqual(self.visit(ack=5), ['err', 'bad_request'])
        self.assertEqual(self.visit(epoch='ue', cursor=1, ack=5), ['err', 'bad_request'])
        self.assertIsNone(self.packed())
        self.assertEqual(self.visit(ack=4)[0], 'ok')

    def test_the_device_not_seen_for_longest_makes_room(self):
        for device, ago_ms in ('a', 10000), ('b', 20000):
            self.set_seen('bob', device, 1, ago_ms)
        self.visit('c', devices_max=2)
        self.assertEqual(sorted(self.link('HKEYS', key('d', 'bob'))), ['a', 'c'])

    def test_what_else_is_known_of_a_device_stays(self):
        self.link('HSET', key('d', 'bob'), 'phone', '2 1 more words')
        self.visit()
        self.assertRegex(self.packed(), r'^2 \d{10,} more words$')


class Prefs(Case):
    def set(self, conv='', until=0, quiet=None, mutes_max=10):
        return self.store.call('prefs_set', [key('prefs', 'bob'), key('u', 'bob')], conv, until, int(quiet is not None), quiet or '', mutes_max)

    def get(self):
        return self.store.call('prefs', [key('prefs', 'bob')])

    def in_ms(self, ms):
        now = self.link('TIME')
        return int(now[0]) * 1000 + ms

    def test_each_is_set_and_ended_alone(self):
        self.assertEqual(self.get(), [''])
        soon = self.in_ms(100000)
        self.assertEqual(self.set('b', soon), ['ok'])
        self.set('a', soon + 1)
        self.set(quiet='22:00 07:00 UTC')
        self.assertEqual(self.get(), ['22:00 07:00 UTC', 'a', str(soon + 1), 'b', str(soon)])
        self.set('a', 0)
        self.set('c', 1)
        self.assertEqual(self.get(), ['22:00 07:00 UTC', 'b', str(soon)])
        self.set(quiet='')
        self.set('b', 0)
        self.assertEqual(self.link('EXISTS', key('prefs', 'bob')), 0)

    def test_a_conversation_called_quiet_is_one(self):
        self.set('quiet', self.in_ms(100000))
        self.assertEqual(self.get()[:2], ['', 'quiet'])

    def test_mutes_that_are_over_make_room_and_others_do_not(self):
        soon = self.in_ms(100000)
        self.set('a', soon, mutes_max=2)
        self.set('b', soon, quiet='22:00 07:00 UTC', mutes_max=2)
        self.assertEqual(self.set('c', soon, quiet='', mutes_max=2), ['err', 'conflict'])
        self.assertEqual(self.get()[0], '22:00 07:00 UTC')  # a refused request changes nothing
        self.assertEqual(self.set('a', soon + 5, mutes_max=2), ['ok'])
        self.link('HSET', key('prefs', 'bob'), 'm:a', 1)
        self.assertEqual(self.get()[1:], ['b', str(soon)])
        self.assertEqual(self.set('c', soon, mutes_max=2), ['ok'])
        self.assertEqual(self.get()[1::2], ['b', 'c'])


if __name__ == '__main__':
    unittest.main()
