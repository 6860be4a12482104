# SPDX-License-Identifier: Apache-2.0
"""test_functions: each function of fanout/lua against a real Redis: what it answers, writes and publishes."""
import unittest

from store import NODES, CHANNELS, COUNTERS, STORE, Error, Node, Server, Store, key

DAY_MS = 86400000


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.close)

    def setUp(self):
        self.store = Store(self.server)
        self.link = self.store.link

    def node(self, name):
        node = Node(self.server, name)
        self.addCleanup(node.close)
        return node

    def messages_of(self, node):
        return node.messages(self.server)

    def set_seen(self, user, device, cursor, ago_ms):
        now = self.link('TIME')
        self.link('HSET', key('d', user), device, '%s %d' % (cursor, int(now[0]) * 1000 - ago_ms))


class Append(Case):
    def test_entries_are_numbered_from_1_without_hole(self):
        self.store.make('c', 'ann', 'bob')
        for seq in 1, 2, 3:
            self.assertEqual(self.store.append('c', 'ann', 'op%d' % seq, ['ann', 'bob'])[:2], ['ok', seq])
        self.assertEqual([seq for seq, _ in self.store.log('c')], [1, 2, 3])

    def test_an_op_is_stored_once_and_the_repeat_gets_the_same_seq_and_time(self):
        self.store.make('c', 'ann', 'bob')
        first = self.store.append('c', 'ann', 'op', ['ann', 'bob'])
        self.store.append('c', 'ann', 'other', ['ann', 'bob'])
        self.assertEqual(self.store.append('c', 'ann', 'op', ['ann', 'bob']), ['dup', 1, first[2]])
        self.assertEqual(len(self.store.log('c')), 2)
        self.assertEqual(self.store.append('c', 'bob', 'op', ['ann', 'bob'])[:2], ['ok', 3])  # another sender's own name

    def test_a_repeat_leaves_everything_as_it_was(self):
        self.store.make('c', 'ann', 'bob')
        self.store.attach('bob', 'phone', 'sb', 'n1')
        first = self.store.append('c', 'ann', 'op', ['ann', 'bob'])
        node = self.node('n1')
        keys = [key('i', 'ann'), key('i', 'bob'), key('l', 'c'), key('C', 'c'), key('o', 'c')]
        before = [self.link('DUMP', name) for name in keys]
        self.assertEqual(self.store.append('c', 'ann', 'op', ['ann', 'bob']), ['dup', 1, first[2]])
        self.assertEqual([self.link('DUMP', name) for name in keys], before)
        self.assertEqual(self.messages_of(node), [])

    def test_a_repeat_of_what_the_log_has_lost_is_as_old_as_the_first_that_is_left(self):
        self.store.make('c', 'ann')
        self.store.append('c', 'ann', 'op', ['ann'])
        times = [self.store.append('c', 'ann', 'op%d' % i, ['ann'], plan='{"a":1}')[2] for i in range(3)]
        self.store.cut('c', 3)
        self.assertEqual(self.store.append('c', 'ann', 'op', ['ann']), ['dup', 1, times[1]])
        self.store.drain('c')
        self.assertEqual(self.store.append('c', 'ann', 'op', ['ann'])[:2], ['dup', 1])
        self.assertEqual(self.store.append('c', 'ann', 'next', ['ann'])[:2], ['ok', 5])

    def test_an_op_that_comes_twice_at_the_turn_of_a_generation_is_stored_once(self):
        self.store.make('c', 'ann')
        for i in range(63):
            self.store.append('c', 'ann', 'op%d' % i, ['ann'])
        for i in range(10000):
            self.link.send('HSET', key('o', 'c'), 'filler%d' % i, 1)
        for i in range(10000):
            self.link.read()
        self.assertEqual(self.store.append('c', 'ann', 'op62', ['ann'])[:2], ['dup', 63])  # would be the 64th, which turns
        self.assertEqual(self.link('EXISTS', key('O', 'c')), 0)
        self.assertEqual(self.store.append('c', 'ann', 'op63', ['ann'])[:2], ['ok', 64])
        self.assertEqual((self.link('HLEN', key('O', 'c')), self.link('HLEN', key('o', 'c'))), (10063, 1))
        self.assertEqual(self.store.append('c', 'ann', 'op62', ['ann'])[:2], ['dup', 63])
        self.assertEqual(len(self.store.log('c')), 64)

    def test_a_repeat_is_known_even_with_an_old_member_list(self):
        self.store.make('c', 'ann')
        self.store.append('c', 'ann', 'op', ['ann'])
        self.store.change('c', 1, [('joined', 'bob', 'member')], ['ann', 'bob'])
        self.assertEqual(self.store.append('c', 'ann', 'op', ['ann'], version=1)[:2], ['dup', 1])

    def test_an_old_member_list_writes_nothing_and_gets_the_present_one(self):
        self.store.make('c', 'ann', 'bob')
        answer = self.store.append('c', 'ann', 'op', ['ann'], version=0)
        self.assertEqual(answer[:2], ['members', '1'])
        self.assertEqual(sorted(answer[2]), ['ann', 'bob'])
        self.assertEqual(self.link('EXISTS', key('l', 'c'), key('o', 'c')), 0)
        self.assertEqual(self.store.append('c', 'ann', 'op', ['ann', 'bob'])[:2], ['ok', 1])

    def test_strangers_and_unknown_conversations_are_refused(self):
        self.store.make('c', 'ann')
        self.assertEqual(self.store.append('c', 'eve', 'op', ['ann']), ['err', 'forbidden'])
        self.assertEqual(self.store.append('x', 'ann', 'op', ['ann']), ['err', 'not_found'])
        self.assertEqual(self.store.append('c', 'eve', 'op', ['ann'], trusted=1)[:2], ['ok', 1])  # the backend may
        self.assertEqual(self.link('EXISTS', key('c', 'x')), 0)

    def test_an_entry_keeps_kind_ref_op_and_body_byte_for_byte(self):
        self.store.make('c', 'ann')
        self.store.append('c', 'ann', 'op with spaces', ['ann'], ref='5', body='{"a":\n "ü"}')
        header, body = self.store.log('c')[0][1].split('\n', 1)
        self.assertEqual(header.split(' ', 5)[1:], ['message', '5', 'ann', 'dev', 'op with spaces'])
        self.assertEqual(body, '{"a":\n "ü"}')

    def test_the_senders_own_pointer_is_told_from_others(self):
        self.store.make('c', 'ann', 'bob')
        self.store.append('c', 'ann', 'op', ['ann', 'bob'])
        self.store.append('c', 'ann', 'by the backend', ['ann', 'bob'], session='')
        self.store.append('c', 'ann', 'a third', ['bob'], complete=0)
        self.store.deliver('c', 3, 'ann', ['ann'], session='s2', marked=2)
        self.assertEqual(self.store.pointers('ann')[-3:], ['o 1 c s', 'o 2 c', 'o 3 c s2'])
        self.assertEqual(self.store.pointers('bob')[-3:], ['m 1 c', 'm 2 c', 'm 3 c'])

    def test_time_does_not_go_back_with_a_clock_that_is_set_back_a_little(self):
        store = Store(self.server, ('common.lua', "redis.call('TIME')", "{ redis.call('GET', 'b:{0}:clock'), 0 }"))
        self.link('SET', 'b:{0}:clock', 2000000000)
        store.make('c', 'ann')
        times = []
        for second in 2000000000, 2000000005, 1999999000, 2000000004, 2000000006, 1990000000, 1990000001:
            self.link('SET', 'b:{0}:clock', second)
            times.append(store.append('c', 'ann', 'op%d' % len(times), ['ann'])[2] / 1000)
        # Far back it was a clock that was wrong before: entries do not wait for it for years.
        self.assertEqual(times, [2000000000, 2000000005, 2000000005, 2000000005, 2000000006, 1990000000, 1990000001])

    def test_ops_are_remembered_for_a_generation_more_and_then_forgotten(self):
        self.store.make('c', 'ann')
        self.store.append('c', 'ann', 'first', ['ann'])

        def a_week_passes():
            self.store.set_conv_head('c', ops=int(self.store.conv_head('c')[3]) - 8)
        a_week_passes()
        self.store.append('c', 'ann', 'second', ['ann'])  # rotates
        self.assertEqual(self.link('HLEN', key('O', 'c')), 1)
        self.assertEqual(self.store.append('c', 'ann', 'first', ['ann'])[:2], ['dup', 1])
        a_week_passes()
        self.store.append('c', 'ann', 'third', ['ann'])
        self.assertEqual(self.store.append('c', 'ann', 'second', ['ann'])[:2], ['dup', 2])
        self.assertEqual(self.store.append('c', 'ann', 'first', ['ann'])[:2], ['ok', 4])
        self.assertGreater(self.link('PTTL', key('o', 'c')), DAY_MS)  # silence forgets too
        self.assertGreater(self.link('PTTL', key('O', 'c')), DAY_MS)

    def test_many_ops_rotate_too(self):
        self.store.make('c', 'ann')
        self.store.append('c', 'ann', 'first', ['ann'])
        for i in range(10000):
            self.link.send('HSET', key('o', 'c'), 'filler%d' % i, 1)
        for i in range(10000):
            self.link.read()
        for i in range(70):
            self.store.append('c', 'ann', 'op%d' % i, ['ann'])
        self.assertLess(self.link('HLEN', key('o', 'c')), 70)
        self.assertEqual(self.store.append('c', 'ann', 'first', ['ann'])[:2], ['dup', 1])

    def test_an_entry_that_not_all_got_is_pending_until_settled(self):
        self.store.make('c', 'ann', 'bob')
        self.store.append('c', 'ann', 'op', ['ann'], complete=0)
        self.assertEqual(self.store.call('unsettled', [key('w', '')], 0, 10), ['m 1 c'])
        self.assertEqual(self.store.call('unsettled', [key('w', '')], 60000, 10), [])  # not yet for long
        self.assertEqual(self.store.call('unsettled', [key('w', 'none'), key('w', ''), key('w', 'nor')], 0, 10), ['m 1 c'])
        self.assertEqual(self.store.call('unsettled', [key('w', 'none')], 0, 10), [])
        self.assertEqual(self.store.call('settle', [key('w', '')], 'm 1 c'), 1)
        self.assertEqual(self.store.call('settle', [key('w', '')], 'm 1 c'), 0)
        version, names, entry, marked = self.store.call('entry', [key(letter, 'c') for letter in 'clms'], 1)
        self.assertEqual((version, sorted(names), entry.split(' ')[1], marked), (self.store.versions[1], ['ann', 'bob'], 'message', '0'))

    def test_a_full_inbox_loses_its_oldest_and_keeps_its_numbers(self):
        self.store.make('c', 'ann')
        for i in range(300):
            self.store.append('c', 'ann', 'op%d' % i, ['ann'], inbox_max=10)
        _, base, head, *pointers = self.store.sync('ann', 0, 1000)
        self.assertEqual(head, 301)  # the own joining is the first
        self.assertEqual(base + len(pointers), head)
        self.assertGreaterEqual(len(pointers), 10)
        self.assertLessEqual(len(pointers), 10 + 256)
        self.assertEqual(pointers[-1], 'o 300 c s')
        self.assertEqual(self.store.sync('ann', head - 1, 10)[3:], ['o 300 c s'])

    def test_each_node_gets_one_message_with_all_its_users(self):
        self.store.make('c', 'ann', 'bob', 'carl')
        one, two = self.node('n1'), self.node('n2')
        self.store.attach('ann', 'phone', 's1', 'n1')
        self.store.attach('bob', 'phone', 's2', 'n1')
        self.store.attach('bob', 'laptop', 's3', 'n2')
        self.store.append('c', 'carl', 'op', ['ann', 'bob', 'carl'], body='{}')
        (message,) = self.messages_of(one)
        first, users, entry = message.split('\n', 2)
        self.assertEqual(first.split(' ')[:5], ['M', '1', '1', 'c', 's'])
        self.assertEqual((users, entry.split(' ', 1)[1]), ('ann 4 bob 4', 'message  carl dev op\n{}'))  # behind three joinings
        self.assertEqual([m.split('\n')[1] for m in self.messages_of(two)], ['bob 4'])
        self.assertEqual(self.link('GET', COUNTERS + 'n1'), '1')

    def test_a_conversation_speaks_again_after_its_ops_have_expired(self):
        self.store.make('c', 'ann')
        self.store.append('c', 'ann', 'first', ['ann'])
        self.store.set_conv_head('c', ops=int(self.store.conv_head('c')[3]) - 15)
        self.link('DEL', key('o', 'c'))  # as its time to live does
        self.assertEqual(self.store.append('c', 'ann', 'second', ['ann'])[:2], ['ok', 2])
        self.assertEqual(self.store.append('c', 'ann', 'second', ['ann'])[:2], ['dup', 2])


class Batch(Case):
    def calls(self, *calls):
        """calls: (function, keys, arguments) …"""
        keys = [word for _, words, _ in calls for word in words]
        args = [word for name, words, rest in calls for word in ['b1_%s %d %d' % (name, len(words), len(rest)), *rest]]
        return [self.store.appended(answer) for answer in self.store.call('batch', keys, CHANNELS, COUNTERS, *args)]

    def append(self, op, names=('ann', 'bob'), conv='c'):
        return ('append', *self.store.append_call(conv, 'ann', op, names, digest=op, body='"%s"' % op))

    def test_each_call_is_as_if_alone_and_one_that_fails_hinders_no_other(self):
        self.store.make('c', 'ann', 'bob')
        first, failed, unknown, second = self.calls(self.append('a'), ('append', [], []), self.append('x', conv='x'), self.append('b'))
        self.assertEqual((first[:2], unknown, second[:2]), (['ok', 1], ['err', 'not_found'], ['ok', 2]))
        self.assertIsInstance(failed, Error)
        self.assertEqual(self.store.pointers('bob')[-2:], ['m 1 c', 'm 2 c'])

    def test_a_node_is_told_of_all_by_one_message_with_one_counter(self):
        self.store.make('c', 'ann', 'bob')
        self.store.attach('bob', 'phone', 'sb', 'n1')
        node = self.node('n1')
        self.calls(self.append('a'), self.append('b'))
        first, second = self.messages_of(node)
        counter = self.link('GET', COUNTERS + 'n1')
        self.assertEqual([m.split(' ')[:3] for m in (first, second)], [['M', counter, '1'], ['M', '0', '2']])
        self.assertTrue(first.endswith('"a"') and second.endswith('"b"'))

    def test_an_op_twice_in_it_is_stored_once(self):
        self.store.make('c', 'ann', 'bob')
        first, second, third = self.calls(self.append('a'), self.append('a'), self.append('b'))
        self.assertEqual((first[:2], second[:2], third[:2]), (['ok', 1], ['dup', 1], ['ok', 2]))
        self.assertEqual([seq for seq, _ in self.store.log('c')], [1, 2])

    def test_what_two_calls_say_in_the_same_words_is_told_twice(self):
        self.store.make('c', 'ann', 'bob')
        self.store.attach('bob', 'phone', 'sb', 'n1')
        node = self.node('n1')
        typing = ('cast', [key('C', 'c'), key('m', 'c'), key('h', 'bob')], ['ann', self.store.versions[1], 'T', 'c ann 1', ''])
        self.calls(typing, typing)
        self.assertEqual(self.messages_of(node), ['T 0 c ann 1\nbob 0\n'] * 2)

    def test_a_call_alone_is_told_as_ever_afterwards(self):
        self.store.make('c', 'ann', 'bob')
        self.store.attach('bob', 'phone', 'sb', 'n1')
        self.calls(self.append('a'), ('append', [], []))
        node = self.node('n1')
        self.store.append('c', 'ann', 'op', ['ann', 'bob'])
        self.assertEqual([m[:2] for m in self.messages_of(node)], ['M '])


class Deliver(Case):
    def setUp(self):
        super().setUp()
        self.store.make('c', 'ann', 'bob')
        for i in range(3):
            self.store.append('c', 'ann', 'op%d' % i, ['ann'], complete=0)

    def got(self, user):
        return [p for p in self.store.pointers(user) if p[0] in 'mo']

    def test_a_repeat_is_nothing(self):
        node = self.node('n1')
        self.store.attach('bob', 'phone', 's', 'n1')
        self.store.deliver('c', 1, 'ann', ['bob'])
        self.store.deliver('c', 1, 'ann', ['bob'])
        self.assertEqual(self.got('bob'), ['m 1 c'])
        self.assertEqual(len(self.messages_of(node)), 1)

    def test_an_overtaken_call_is_nothing_and_the_overtaking_one_brings_all(self):
        self.store.deliver('c', 3, 'ann', ['bob'])
        self.store.deliver('c', 1, 'ann', ['bob'])
        self.store.deliver('c', 2, 'ann', ['bob'])
        self.assertEqual(self.got('bob'), ['m 1 c', 'm 2 c', 'm 3 c'])

    def test_catching_up_past_the_inboxs_limit_tells_the_right_number(self):
        node = self.node('n1')
        self.store.attach('bob', 'phone', 's', 'n1')
        for i in range(3, 300):
            self.store.append('c', 'ann', 'op%d' % i, ['ann'], complete=0)
        self.store.deliver('c', 300, 'ann', ['bob'], inbox_max=10)
        base, head, *pointers = self.store.sync('bob', 0, 1000)[1:]
        self.assertGreater(base, 0)
        self.assertEqual((head, pointers[-1]), (302, 'm 300 c'))
        self.assertEqual([m.split('\n')[1] for m in self.messages_of(node)], ['bob 302'])

    def test_who_left_meanwhile_gets_nothing(self):
        self.store.change('c', 1, [('left', 'bob', '-')], ['ann', 'bob'])
        self.store.deliver('c', 1, 'ann', ['bob'])
        self.assertEqual(self.got('bob'), [])

    def test_who_joined_later_gets_nothing_from_before(self):
        self.store.change('c', 1, [('joined', 'carl', 'member')], ['ann', 'bob', 'carl'])
        self.store.deliver('c', 3, 'ann', ['carl'])
        self.assertEqual(self.got('carl'), [])


class Receipt(Case):
    def setUp(self):
        super().setUp()
        self.store.make('c', 'ann', 'bob')
        for i in range(5):
            self.store.append('c', 'ann', 'op%d' % i, ['ann', 'bob'])

    def test_watermarks_only_rise_and_read_implies_delivered(self):
        for delivered, read, rose in [(2, 0, ['bob', 2, 0]), (1, 0, []), (2, 2, ['bob', 2, 2]), (0, 4, ['bob', 4, 4]),
                                      (5, 1, ['bob', 5, 4]), (5, 4, [])]:
            with self.subTest(delivered=delivered, read=read):
                self.assertEqual(self.store.receipt('c', 'bob', delivered, read, ['ann', 'bob']), ['ok'] + rose)
        self.assertEqual(self.store.member('c', 'bob'), ['member', '5', '4'])

    def test_what_does_not_exist_cannot_be_read(self):
        self.assertEqual(self.store.receipt('c', 'bob', 0, 6, ['ann', 'bob']), ['err', 'bad_request'])
        self.assertEqual(self.store.receipt('c', 'bob', 6, 0, ['ann', 'bob']), ['err', 'bad_request'])
        self.assertEqual(self.store.receipt('c', 'eve', 1, 1, ['ann', 'bob']), ['err', 'forbidden'])
        self.assertEqual(self.store.receipt('x', 'bob', 1, 1, ['ann', 'bob']), ['err', 'not_found'])

    def test_an_old_member_list_changes_nothing(self):
        self.assertEqual(self.store.receipt('c', 'bob', 1, 1, ['bob'], version=0)[0], 'members')
        self.assertEqual(self.store.member('c', 'bob'), ['member', '0', '0'])

    def test_two_devices_of_a_user_in_one_call_lower_nothing(self):
        self.store.receipts('c', [('bob', 3, 2), ('bob', 1, 0)], ['ann', 'bob'])
        self.assertEqual(self.store.member('c', 'bob'), ['member', '3', '2'])
        self.assertEqual(self.store.pointers('ann')[-1], 'r bob c 3 2')

    def test_receipts_of_one_user_collapse_to_the_latest(self):
        for seq in 1, 2, 3:
            self.store.receipt('c', 'bob', seq, 0, ['ann', 'bob'])
        self.assertEqual([p for p in self.store.pointers('ann') if p == '' or p[0] == 'r'], ['', '', 'r bob c 3 0'])

    def test_a_page_tells_of_each_n_the_watermarks_that_were_true_then(self):
        self.store.receipt('c', 'bob', 1, 0, ['ann', 'bob'])
        self.store.receipt('c', 'bob', 3, 2, [])  # as if the others were to be told by a second call
        self.assertEqual(self.store.pointers('ann')[-1], 'r bob c 1 0')
        self.store.tell_receipt('c', 'bob', 3, 2, ['ann'])
        self.assertEqual(self.store.pointers('ann')[-2:], ['', 'r bob c 3 2'])
        self.store.tell_receipt('c', 'bob', 2, 1, ['ann'])  # overtaken
        self.assertEqual(self.store.pointers('ann')[-1], 'r bob c 3 2')

    def test_several_members_rise_in_one_call_and_one_message(self):
        node = Node(self.server, 'n1')
        self.addCleanup(node.close)
        self.store.attach('ann', 'phone', 's1')
        before = self.store.sync('ann')[2]
        marks = [('ann', 2, 1), ('eve', 1, 1), ('bob', 9, 0), ('bob', 3, 0)]
        self.assertEqual(self.store.receipts('c', marks, ['ann', 'bob']), ['ok', 'ann', 2, 1, 'bob', 3, 0])
        self.assertEqual(self.store.sync('ann', before)[2:], [before + 2, 'r ann c 2 1', 'r bob c 3 0'])
        self.assertEqual([text.split(' ', 2)[2] for text in node.messages(self.server)], ['c ann 2 1 bob 3 0\nann %d\n' % (before + 1)])

    def test_the_rest_of_the_members_is_told_by_a_second_call(self):
        node = self.node('n1')
        self.store.attach('bob', 'phone', 's', 'n1')
        self.store.tell_receipt('c', 'bob', 3, 0, ['bob'])
        self.assertEqual(self.store.pointers('bob')[-1], 'r bob c 3 0')
        self.assertEqual(self.messages_of(node), ['R 1 c bob 3 0\nbob %d\n' % self.store.sync('bob')[2]])

class Change(Case):
    def test_a_conversation_is_made_once(self):
        self.assertEqual(self.store.change('c', 0, [('joined', 'ann', 'owner')], ['ann'], kind='direct'), ['ok', 1])
        self.assertEqual(self.store.change('c', 0, [('joined', 'eve', 'owner')], ['eve'], kind='direct')[:2], ['members', '1'])
        kind, epoch, seq, version, public, members, template = self.store.call('members', [key('c', 'c'), key('m', 'c'), key('l', 'c')])
        self.assertEqual((kind, epoch, seq, version, public, members),
                         ('direct', 'ce', '0', self.store.versions[1], '0', ['ann', 'owner 0 0']))

    def test_who_joins_starts_at_the_present_seq(self):
        self.store.make('c', 'ann')
        self.store.append('c', 'ann', 'op', ['ann'])
        self.assertEqual(self.store.change('c', 1, [('joined', 'bob', 'member')], ['ann', 'bob']), ['ok', 2])
        self.assertEqual(self.store.member('c', 'bob'), ['member', '1', '1'])
        self.store.append('c', 'ann', 'op2', ['ann', 'bob'], version=2)
        self.assertEqual([p.split(' ')[0] for p in self.store.pointers('bob')], ['j', 'm'])
        self.assertEqual(self.store.pointers('bob')[1], 'm 2 c')

    def test_who_leaves_is_told_so_and_gets_nothing_more(self):
        self.store.make('c', 'ann', 'bob')
        self.store.change('c', 1, [('removed', 'bob', 'member')], ['ann', 'bob'])
        self.store.append('c', 'ann', 'op', ['ann'], version=2)
        for user in 'ann', 'bob':
            self.assertIn(' removed member bob c', [p for p in self.store.pointers(user) if p[0] == 'j'][-1])
        self.assertNotIn('m 1 c', self.store.pointers('bob'))
        self.assertIsNone(self.store.member('c', 'bob'))
        self.assertEqual(self.store.call('conversations', [key('u', 'bob')]), [])

    def test_a_role_keeps_the_watermarks(self):
        self.store.make('c', 'ann', 'bob')
        self.store.append('c', 'ann', 'op', ['ann', 'bob'])
        self.store.receipt('c', 'bob', 1, 1, ['ann', 'bob'])
        self.store.change('c', 1, [('role', 'bob', 'admin')], ['ann', 'bob'])
        self.assertEqual(self.store.member('c', 'bob'), ['admin', '1', '1'])
        self.assertIn(' role admin bob c', self.store.pointers('ann')[-1])

    def test_in_large_groups_only_those_concerned_are_told(self):
        self.store.make('c', 'ann')
        before = self.store.sync('ann')[2]
        self.store.change('c', 1, [('joined', 'bob', 'member')], ['ann', 'bob'], tell=0)
        self.assertEqual(self.store.sync('ann')[2], before)
        self.assertEqual(self.store.sync('bob')[2], 1)

    def test_a_deleted_conversation_is_gone_for_all(self):
        self.store.make('c', 'ann', 'bob')
        self.store.append('c', 'ann', 'op', ['ann', 'bob'])
        self.assertEqual(self.store.delete('c', 0, ['ann'])[0], 'members')
        self.assertEqual(self.store.delete('c', 1, ['ann', 'bob']), ['ok'])
        self.assertEqual(self.store.delete('c', 1, ['ann', 'bob']), ['err', 'not_found'])
        self.assertEqual(self.link('EXISTS', *[key(letter, 'c') for letter in 'mloO']), 0)
        self.assertIn(' removed member ann c', self.store.pointers('ann')[-1])
        self.assertEqual(self.store.call('conversations', [key('u', 'ann')]), [])
        self.assertEqual(self.store.append('c', 'ann', 'op2', ['ann', 'bob']), ['err', 'not_found'])
        self.assertEqual(self.store.cast('c', 'ann', ['ann', 'bob']), ['err', 'not_found'])
        self.assertEqual(self.store.receipt('c', 'ann', 1, 1, ['ann', 'bob']), ['err', 'not_found'])
        self.assertEqual(self.store.call('history', [key(letter, 'c') for letter in 'cmls'], 'ann', 0, -1, 10, 1000, 0), ['err', 'not_found'])
        self.assertEqual(self.store.call('members', [key('c', 'c'), key('m', 'c'), key('l', 'c')]), [])

    def test_a_conversation_made_again_goes_on_behind_its_old_seq_under_a_new_version(self):
        self.store.make('c', 'ann', 'bob')
        self.store.append('c', 'ann', 'op', ['ann', 'bob'])
        old = self.store.versions[1]
        self.store.delete('c', 1, ['ann', 'bob'])
        self.assertGreater(self.link('PTTL', key('C', 'c')), 0)
        self.assertEqual(self.link('EXISTS', key('c', 'c')), 0)
        self.store.make('c', 'eve', 'ann')
        self.assertEqual(self.link('PTTL', key('C', 'c')), -1)
        self.assertNotEqual(self.store.versions[1], old)  # who remembers ann and bob is told
        self.assertEqual(self.store.append('c', 'ann', 'op', ['eve', 'ann'])[:2], ['ok', 2])
        self.assertEqual(self.store.member('c', 'eve'), ['member', '1', '1'])
        self.assertEqual(self.store.call('fetch', [key('l', 'c'), key('s', 'c')], 1000, 'm', 1), [''])  # bob's old pointer finds nothing new


class History(Case):
    def setUp(self):
        super().setUp()
        self.store.make('c', 'ann')
        for i in range(5):
            self.store.append('c', 'ann', 'op%d' % i, ['ann'])

    def page(self, user='ann', before=0, after=-1, limit=10, size=1000000):
        return self.store.call('history', [key(letter, 'c') for letter in 'cmls'], user, before, after, limit, size, 0)

    def test_pages_ascend_from_either_end(self):
        for arguments, seqs, more in [({}, [1, 2, 3, 4, 5], 0), ({'limit': 2}, [4, 5], 1), ({'before': 4, 'limit': 2}, [2, 3], 1),
                                      ({'before': 2}, [1], 0), ({'before': 1}, [], 0), ({'after': 0, 'limit': 2}, [1, 2], 1),
                                      ({'after': 3}, [4, 5], 0), ({'after': 5}, [], 0), ({'size': 1}, [5], 1),
                                      ({'after': 0, 'size': 1}, [1], 1)]:
            with self.subTest(**arguments):
                ok, epoch, seq, said_more, *flat = self.page(**arguments)
                self.assertEqual((ok, epoch, seq, flat[0::3], said_more), ('ok', 'ce', 5, seqs, more))

    def test_only_members_and_the_backend_read_unless_it_is_public(self):
        self.assertEqual(self.page(user='eve'), ['err', 'forbidden'])
        self.assertEqual(self.page(user='')[0], 'ok')
        self.link('HSET', key('c', 'c'), 'public', '1')
        self.assertEqual(self.page(user='eve')[0], 'ok')

    def test_what_is_unread_are_messages_of_others(self):
        self.store.change('c', 1, [('joined', 'bob', 'member')], ['ann', 'bob'])
        for kind, ref in ('message', ''), ('edit', '6'), ('message', ''):
            self.store.append('c', 'ann', 'x' + kind + str(len(self.store.log('c'))), ['ann', 'bob'], version=2, kind=kind, ref=ref)

        def info(user):
            return self.store.call('infos', [key(letter, 'c') for letter in 'cmls'], user, 100, 1000)[0]
        self.assertEqual(info('bob')[:7], ['group', 'ce', 8, 5, 5, 2, 8])
        self.assertEqual(info('ann')[5], 0)
        self.assertEqual(info('eve'), [])

    def test_what_is_too_much_to_count_is_unread_and_what_is_too_much_to_tell_is_left(self):
        self.store.change('c', 1, [('joined', 'bob', 'member')], ['ann', 'bob'])
        for i in range(200):
            self.store.append('c', 'bob', 'own%d' % i, ['ann', 'bob'], version=2)
        keys = [key(letter, 'c') for letter in 'cmls']
        unread = [info[5] for info in self.store.call('infos', keys * 2, 'bob', 100, 1000000)]
        self.assertEqual(unread, [72, 200])  # two steps of 64 were looked at, all of them bob's own; then nothing was left
        self.assertEqual(len(self.store.call('infos', keys * 3, 'bob', 100, 50)), 1)


class Sync(Case):
    def test_a_page_begins_behind_the_cursor_or_behind_what_is_gone(self):
        self.store.make('c', 'ann')
        for i in range(4):
            self.store.append('c', 'ann', 'op%d' % i, ['ann'])
        self.link('LTRIM', key('i', 'ann'), 2, -1)
        self.link('SET', key('h', 'ann'), '2 -')
        for after, limit, pointers in [(0, 2, ['o 2 c s', 'o 3 c s']), (3, 9, ['o 3 c s', 'o 4 c s']), (4, 9, ['o 4 c s']), (5, 9, []), (99, 9, [])]:
            with self.subTest(after=after, limit=limit):
                self.assertEqual(self.store.sync('ann', after, limit)[1:], [2, 5] + pointers)

    def test_what_pointers_point_to_is_fetched_in_their_order(self):
        self.store.make('c', 'ann', 'bob')
        self.store.append('c', 'ann', 'op', ['ann', 'bob'], body='BODY')
        log, states, notices = key('l', 'c'), key('s', 'c'), key('x', 'ann')
        gone, entry, no_notice = self.store.call('fetch', [log, states, log, states, notices], 100000, 'm', 9, 'm', 1, 'x', 'op')
        self.assertEqual((gone, entry[-5:], no_notice), ('', '\nBODY', ''))
        self.assertEqual(len(self.store.call('fetch', [log, states, log, states], 1, 'm', 1, 'm', 1)), 1)  # out of bytes; the first always comes

    def test_heads_are_told_of_many(self):
        self.store.make('c', 'ann', 'bob')
        self.store.attach('ann', 'phone', 's1')
        self.assertEqual(self.store.call('heads', self.store.pairs(['ann', 'nobody'], 'uih')), [2, 'phone s1 n1 o 0', 0, ''])


class Ack(Case):
    def setUp(self):
        super().setUp()
        self.store.make('c', 'ann', 'bob')
        self.store.attach('bob', 'phone', 's1')
        for i in range(100):
            self.store.append('c', 'ann', 'op%d' % i, ['ann', 'bob'])

    def cursor(self, device):
        return int(self.link('HGET', key('d', 'bob'), device).split(' ')[0])

    def test_a_cursor_only_rises_and_not_above_the_head(self):
        for n, cursor in [(10, 10), (7, 10), (999, 102)]:
            self.store.ack(('bob', 'phone', n))
            self.assertEqual(self.cursor('phone'), cursor)

    def test_an_n_of_another_epoch_moves_nothing(self):
        self.assertEqual(self.store.ack(('bob', 'phone', 10), epoch='before'), [[]])
        self.assertEqual(self.cursor('phone'), 2)

    def test_the_ack_of_a_session_that_was_replaced_comes_too_late(self):
        self.store.ack(('bob', 'phone', 10), session='s1')
        self.assertEqual(self.cursor('phone'), 10)
        self.store.attach('bob', 'phone', 's2')
        self.assertEqual(self.store.ack(('bob', 'phone', 20), session='s1'), [[]])
        self.assertEqual(self.cursor('phone'), 10)
        self.store.ack(('bob', 'phone', 20))  # of a sync, which has no session
        self.assertEqual(self.cursor('phone'), 20)
        self.store.call('detach', self.store.pairs(['bob'], 'ud'), CHANNELS, COUNTERS, 'bob', 'phone', 's2')
        self.store.ack(('bob', 'phone', 30), session='s2')  # on its way while the session ended
        self.assertEqual(self.cursor('phone'), 30)

    def test_a_page_behind_which_something_is_gone_tells_the_cursor(self):
        self.store.attach('bob', 'phone', 's1')
        self.store.ack(('bob', 'phone', 80))
        self.assertEqual(self.store.sync('bob', 5, device='phone')[1:4], [80, 102, 80])
        self.assertEqual(self.store.sync('bob', 80, device='phone')[1:4], [80, 102, 0])

    def test_the_highest_entry_of_others_is_told_once(self):
        self.store.append('c', 'bob', 'own', ['ann', 'bob'])
        self.assertEqual(self.store.ack(('bob', 'phone', 52)), [['c', 50]])
        self.assertEqual(self.store.ack(('bob', 'phone', 52)), [[]])
        self.assertEqual(self.store.ack(('bob', 'phone', 102), ('ann', 'none', 5)), [['c', 100], []])
        self.assertEqual(self.store.ack(('bob', 'phone', 103)), [[]])  # the own one

    def test_events_go_only_when_every_device_has_them(self):
        self.store.attach('bob', 'laptop', 's2', epoch='ue', cursor=20)
        self.store.ack(('bob', 'phone', 102))
        self.assertEqual(self.store.sync('bob')[1], 20)
        self.store.ack(('bob', 'laptop', 102))
        self.assertEqual(self.store.sync('bob')[1:], [102, 102])
        self.assertEqual(self.store.append('c', 'ann', 'next', ['ann', 'bob'])[:2], ['ok', 101])
        self.assertEqual(self.store.sync('bob')[1:], [102, 103, 'm 101 c'])

    def test_a_device_that_was_not_seen_for_long_holds_nothing_back(self):
        self.set_seen('bob', 'lost', 3, 2000000)
        self.store.ack(('bob', 'phone', 102), age_ms=1000000)
        self.assertEqual(self.store.sync('bob')[1], 102)

    def test_an_unknown_device_moves_nothing(self):
        self.assertEqual(self.store.ack(('bob', 'stranger', 50)), [[]])
        self.assertEqual(self.link('HEXISTS', key('d', 'bob'), 'stranger'), 0)

    def test_receipts_that_were_dropped_are_forgotten(self):
        self.store.receipt('c', 'ann', 5, 0, ['ann', 'bob'])
        self.assertEqual(self.link('HLEN', key('r', 'bob')), 1)
        self.store.ack(('bob', 'phone', 103))
        self.assertEqual(self.link('HLEN', key('r', 'bob')), 0)


class Nodes(Case):
    def lease(self, node):
        return self.store.call('lease', ['b:{0}:nodes:'], node, 'b:{0}:node:', 4000)

    def test_a_new_node_and_one_that_lives_again_are_told_to_the_others(self):
        old = self.node('old')
        self.lease('old')
        now, *flat = self.lease('new')
        self.assertEqual(sorted(flat[0::2]), ['new', 'old'])
        self.lease('new')  # a renewal is no birth
        self.assertEqual(self.messages_of(old), ['N 0 new'])
        self.link('ZADD', 'b:{0}:nodes:', now - 5000, 'new')
        self.lease('new')
        self.assertEqual(self.messages_of(old), ['N 0 new'])

    def test_a_node_that_leaves_is_gone_with_its_counters(self):
        self.lease('n1')
        self.link('SET', COUNTERS + 'n1', 5)
        self.assertEqual(self.store.call('leave', ['b:{0}:nodes:', COUNTERS + 'n1'], 'n1', 0), 1)
        self.assertEqual(self.link('EXISTS', 'b:{0}:nodes:', COUNTERS + 'n1'), 0)

    def test_a_node_that_only_seems_dead_stays(self):
        now = self.lease('n1')[0]
        leave = ['b:{0}:nodes:', COUNTERS + 'n1'], 'n1', 4000
        self.assertEqual(self.store.call('leave', *leave), 0)
        self.assertEqual(self.link('EXISTS', 'b:{0}:nodes:'), 1)
        self.link('ZADD', 'b:{0}:nodes:', now - 5000, 'n1')
        self.assertEqual(self.store.call('leave', *leave), 1)
        self.assertEqual(self.link('EXISTS', 'b:{0}:nodes:'), 0)

    def test_the_epoch_of_the_store_is_made_once(self):
        keys = ['b:{0}:store:', NODES]
        self.assertEqual(self.store.call('store', keys, 'first', '', '', 0), 'first')
        self.assertEqual(self.store.call('store', keys, 'second', '', '', 0), 'first')

    def test_a_store_of_another_layout_has_another_epoch(self):
        keys = [STORE, key('nodes', '')]
        self.link('HSET', STORE, 'epoch', 'first', 'layout', 'of tomorrow')
        self.assertEqual(self.store.call('store', keys, 'second', 'first', '', 0), 'second')
        self.assertEqual(self.store.call('store', keys, 'third', 'second', '', 0), 'second')

    def test_a_store_whose_conversations_have_no_heads_gets_them_and_keeps_its_epoch(self):
        self.link('HSET', STORE, 'epoch', 'first', 'layout', '2')
        day, at = 20000, 20000 * DAY_MS + 5
        self.link('HSET', key('c', 'a'), 'kind', 'group', 'epoch', 'e', 'seq', 7, 'mv', 99, 'at', at, 'oa', at, 'ob', at, 'pt', 3, 'tc', 2, 'lm', 6)
        self.link('RPUSH', key('l', 'a'), 5, '1 message  ann dev six\n6', '2 message  ann dev seven\n7')
        self.link('HSET', key('c', 'b'), 'kind', 'channel', 'epoch', 'e', 'seq', 4, 'mv', 98, 'at', 0, 'public', 1)  # its log is gone
        self.link('HSET', key('c', 'gone'), 'seq', 12, 'mv', 97)
        self.link('PEXPIRE', key('c', 'gone'), 5000000)
        for _ in 'once', 'again':
            self.assertEqual(self.store.call('store', [STORE, key('nodes', '')], 'second', '', '', 0), 'first')
            self.assertEqual([' '.join(self.store.conv_head(conv)) for conv in ('a', 'b', 'gone')],
                             ['5 99 group %d %d 3 2 1 e' % (day - 1, day + 1), '4 98 channel - - - - - e', '12 97 - - - - - - -'])
        self.assertEqual(self.link('HGETALL', key('c', 'a')), ['lm', '6'])
        self.assertEqual(self.link('HGETALL', key('c', 'b')), ['public', '1'])
        self.assertEqual([seq for seq, _ in self.store.log('a')], [6, 7])
        self.assertEqual(self.link('EXISTS', key('c', 'gone')), 0)
        self.assertTrue(0 < self.link('PTTL', key('C', 'gone')) <= 5000000)

    def test_what_a_hub_of_before_did_to_a_store_of_today_is_converted_too(self):
        self.store.make('c', 'ann')
        for i in range(3):
            self.store.append('c', 'ann', 'op%d' % i, ['ann'])
        self.store.cut('c', 2)
        # It made the conversation anew, as its own one, and put its entry behind those that it did not expect.
        self.link('HSET', STORE, 'epoch', 'other', 'layout', '2')
        self.link('HSET', key('c', 'c'), 'kind', 'group', 'epoch', 'other', 'seq', 1, 'mv', 5, 'at', 1)
        self.link('RPUSH', key('l', 'c'), '1 message  ann dev other\n1')
        for _ in 'once', 'again':
            self.assertEqual(self.store.call('store', [STORE, key('nodes', '')], 'second', '', '', 0), 'other')
            self.assertEqual(' '.join(self.store.conv_head('c')), '1 %s group - - - - - other' % self.store.versions[1])
            self.assertEqual([seq for seq, _ in self.store.log('c')], [2, 3, 4])

    def test_a_store_without_heads_gets_them_and_keeps_its_epoch(self):
        self.link('HSET', STORE, 'epoch', 'first')  # as before there was a layout
        self.link('HSET', key('u', 'ann'), 'epoch', 'first', 'base', 90, 'nodes', 'n1 n2', 'live', 'phone s n1 o 0')
        self.link('HSET', key('u', 'bob'), 'pd', '0')
        self.link('HSET', key('u', 'carl'), 'epoch', 'first', 'base', 7, 'pd', '4000000000005')
        self.link('RPUSH', key('l', 'c:{1}:u:d'), 0, 'entry')  # none of a user, though its name looks so
        for _ in 'once', 'again':
            self.assertEqual(self.store.call('store', [STORE, key('nodes', '')], 'second', '', '', 0), 'first')
            self.assertEqual([self.store.head(user) for user in ('ann', 'bob', 'carl')],
                             [(90, None, ['n1', 'n2']), (0, '0', []), (7, '4000000000005', [])])
        self.assertEqual(self.link('HGETALL', key('u', 'ann')), ['epoch', 'first', 'live', 'phone s n1 o 0'])
        self.assertEqual(self.link('HGETALL', key('u', 'bob')), ['reg', '1'])

    def test_a_store_that_knows_less_of_a_lease_than_it_told_has_another_epoch(self):
        keys = ['b:{0}:store:', NODES]
        now = self.lease('n1')[0]
        self.assertEqual(self.store.call('store', keys, 'first', '', 'n1', now), 'first')
        for node, at in ('n1', now), ('n1', now - 500), ('n2', now), ('', 0):  # n2 was taken out, which is no proof
            self.assertEqual(self.store.call('store', keys, 'second', 'first', node, at), 'first')
        self.assertEqual(self.store.call('store', keys, 'second', 'first', 'n1', now + 3600000), 'first')  # its clock was set back
        self.link('ZADD', NODES, now - 1, 'n1')
        self.assertEqual(self.store.call('store', keys, 'second', 'other', 'n1', now), 'first')  # others saw it, too
        self.assertEqual(self.store.call('store', keys, 'second', 'first', 'n1', now), 'second')
        self.assertEqual(self.store.call('store', keys, 'third', 'first', 'n1', now), 'second')


class Cast(Case):
    def test_only_members_who_are_here_are_told_and_nothing_is_written(self):
        node = self.node('n1')
        self.store.make('c', 'ann', 'bob', 'carl')
        self.store.attach('bob', 'phone', 's1')
        before = self.link('DBSIZE'), self.store.sync('bob')[2]
        self.assertEqual(self.store.cast('c', 'ann', ['bob', 'carl'], header='c ann 1'), ['ok'])
        self.assertEqual(self.messages_of(node), ['T 0 c ann 1\nbob 0\n'])
        self.assertEqual((self.link('DBSIZE'), self.store.sync('bob')[2]), before)

    def test_strangers_are_refused_and_old_lists_renewed(self):
        self.store.make('c', 'ann')
        self.assertEqual(self.store.cast('c', 'eve', ['ann']), ['err', 'forbidden'])
        self.assertEqual(self.store.cast('x', 'ann', ['ann']), ['err', 'not_found'])
        self.assertEqual(self.store.cast('c', 'ann', ['ann'], version=0), ['members', '1', ['ann']])


if __name__ == '__main__':
    unittest.main()
