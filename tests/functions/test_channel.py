# SPDX-License-Identifier: Apache-2.0
"""test_channel: lua/channel.lua, and appends to channels, against a real Redis."""
import unittest

from store import COUNTERS, key
from test_functions import Case


class Channel(Case):
    def setUp(self):
        super().setUp()
        self.store.make('c', 'ann', 'bob', kind='channel')

    def test_each_node_that_follows_is_told_once_and_no_inbox_knows(self):
        nodes = [self.node(name) for name in ('n1', 'n2', 'n3')]
        self.store.follow('c', 'n1', 'ann')
        self.store.follow('c', 'n2', 'bob')
        self.store.follow('c', 'n2', 'ann')
        before = self.store.pointers('ann'), self.store.pointers('bob')
        seq, at = self.store.append('c', 'ann', 'op', [], version=0)[1:3]
        told = 'C 1 %d c %d message  ann dev op\n1' % (seq, at)
        self.assertEqual([self.messages_of(node) for node in nodes], [[told], [told], []])
        self.assertEqual((self.store.pointers('ann'), self.store.pointers('bob')), before)
        self.assertEqual(self.link('EXISTS', key('w', '')), 0)
        self.assertEqual([self.link('GET', COUNTERS + name) for name in ('n1', 'n2', 'n3')], ['1', '1', None])

    def test_members_and_the_backend_post_and_an_op_is_stored_once(self):
        self.link('HSET', key('c', 'c'), 'public', '1')
        self.assertEqual(self.store.append('c', 'eve', 'op', []), ['err', 'forbidden'])
        self.assertEqual(self.store.append('c', 'eve', 'op', [], trusted=1)[:2], ['ok', 1])
        self.assertEqual(self.store.append('c', 'ann', 'op', [])[:2], ['ok', 2])
        self.assertEqual(self.store.append('c', 'ann', 'op', [])[:2], ['dup', 2])
        self.assertEqual(self.store.append('c', 'ann', 'edit', [], kind='edit', ref='2')[:2], ['ok', 3])

    def test_who_may_follow(self):
        self.assertEqual(self.store.follow('x', 'n1', 'ann'), ['err', 'not_found'])
        self.assertEqual(self.store.follow('c', 'n1', 'eve'), ['err', 'forbidden'])
        self.assertEqual(self.store.followers('c'), [])
        self.assertEqual(self.store.follow('c', 'n1', 'ann', store_epoch='other'), ['err', 'unavailable'])
        self.assertEqual(self.store.follow('c', 'n1', 'ann'), ['ok', 'ue', 0, 1, 0, 1])
        self.assertEqual(self.store.conv_head('c')[8], 'ue')
        self.assertEqual(self.store.follow('c', 'n2', 'eve', keep=1), ['ok', 'ue', 0, 1, 0, 0])
        self.assertEqual(self.store.follow('c', 'n2', 'ann', 'eve', 'bob'), ['ok', 'ue', 0, 1, 0, 1, 0, 1])
        self.link('HSET', key('c', 'c'), 'public', '1')
        self.assertEqual(self.store.follow('c', 'n3', 'eve'), ['ok', 'ue', 0, 1, 1, 1])
        self.assertEqual(self.store.followers('c'), ['n1', 'n2', 'n3'])
        self.store.make('g', 'ann')
        self.assertEqual(self.store.follow('g', 'n1', 'ann'), ['err', 'no_channel'])

    def test_the_first_entry_of_the_log_is_told(self):
        for i in range(5):
            self.store.append('c', 'ann', 'op%d' % i, [])
        self.store.cut('c', 3)
        self.assertEqual(self.store.follow('c', 'n1', 'ann')[2:4], [5, 3])
        self.store.drain('c')
        self.assertEqual(self.store.follow('c', 'n1', 'ann')[2:4], [5, 6])

    def test_unfollowing_takes_only_that_node(self):
        for name in 'n1', 'n11', 'n2':
            self.store.follow('c', name, 'ann')
        self.assertEqual(self.store.unfollow('c', 'n1'), 1)
        self.assertEqual(self.store.unfollow('c', 'n1'), 0)
        self.assertEqual(self.store.unfollow('x', 'n1'), 0)
        self.assertEqual(self.store.followers('c'), ['n11', 'n2'])

    def test_a_node_that_nobody_hears_is_followed_no_longer_and_leaves_no_counter(self):
        node = self.node('n2')
        for name in 'dead', 'n2':
            self.store.follow('c', name, 'ann')
        self.store.append('c', 'ann', 'op', [])
        self.assertEqual(self.store.followers('c'), ['n2'])
        self.assertEqual(self.link('EXISTS', COUNTERS + 'dead'), 0)
        self.assertEqual(len(self.messages_of(node)), 1)

    def test_whatever_narrows_who_may_read_is_told(self):
        node = self.node('n1')
        self.store.follow('c', 'n1', 'ann')
        self.store.change('c', 1, [('joined', 'eve', 'member')], ['ann', 'bob', 'eve'])
        self.assertEqual(self.messages_of(node), [])
        self.store.change('c', 2, [('removed', 'eve', 'member')], ['ann', 'bob', 'eve'])
        self.assertEqual(self.messages_of(node), ['D 1 c'])
        self.store.change('c', 3, [], ['ann', 'bob'], public='0')
        self.assertEqual(self.messages_of(node), ['D 2 c'])
        self.store.delete('c', 4, ['ann', 'bob'])
        self.assertEqual(self.messages_of(node), ['D 3 c'])

    def test_a_replay_gives_pages_of_what_is_not_deleted(self):
        for i in range(1, 5):
            self.store.append('c', 'ann', 'op%d' % i, [], body='"%d"' % i)
        self.store.append('c', 'ann', 'del', [], kind='delete', ref='2', body='null')
        flat = self.store.replay('c', 1, 3)
        self.assertEqual(flat[:3], ['ok', 'ce', 5])
        self.assertEqual(flat[3::2], [2, 3, 4])
        self.assertEqual([entry.split('\n')[1] for entry in flat[4::2]], ['', '"3"', '"4"'])
        self.assertEqual(self.store.replay('c', 1, 3, 1)[3::2], [2])
        self.assertEqual(self.store.replay('c', 5), ['ok', 'ce', 5])
        self.assertEqual(self.store.replay('x', 0), ['err', 'not_found'])

    def test_there_are_no_receipts_no_typing_and_nothing_unread(self):
        self.store.append('c', 'ann', 'op', [])
        self.assertEqual(self.store.receipt('c', 'bob', 0, 1, ['ann', 'bob']), ['err', 'channel'])
        self.assertEqual(self.store.cast('c', 'ann', ['ann', 'bob']), ['err', 'channel'])
        info = self.store.call('infos', [key(letter, 'c') for letter in 'cmls'], 'bob', 100, 1000)[0]
        self.assertEqual((info[0], info[2], info[5]), ('channel', 1, 0))


if __name__ == '__main__':
    unittest.main()
