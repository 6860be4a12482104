# SPDX-License-Identifier: Apache-2.0
"""test_push: due.lua and push.lua: who is put on the due set, how push workers take users and let go of them, registrations, dead letters."""
import unittest

from store import CHANNELS, COUNTERS, key
from test_functions import Case

CLASS = 4000000000000
DUE, DEAD, DEAD_TIMES = key('due', ''), key('dead', ''), key('Dead', '')
AGE_MS = 1000000


class Push(Case):
    def setUp(self):
        super().setUp()
        self.store.make('room', 'alice', 'bob')

    # ---- what is there ----

    def now(self):
        seconds, micros = self.link('TIME')
        return int(seconds) * 1000 + int(micros) // 1000

    def due(self, user='bob'):
        """(class, ms from now) of the due set; None. And pd says the same."""
        score, pd = self.link('ZSCORE', DUE, user), self.store.head(user)[1]
        self.assertEqual(score, pd if pd != '0' else None, 'due#1')
        return score and (int(score) // CLASS, int(score) % CLASS - self.now())

    def pd(self, user='bob'):
        return self.store.head(user)[1]

    def ledger(self, device='phone'):
        return self.link('HGET', key('push', 'bob'), 'd:' + device)

    # ---- what is done ----

    def register(self, device='phone', where='fcm app production', token='token', devices_max=64):
        return self.store.call('push_register', [key('u', 'bob'), key('push', 'bob'), key('i', 'bob')], device, where, token, devices_max)

    def unregister(self, device='phone', provider=''):
        return self.store.call('push_unregister', [key('u', 'bob'), key('push', 'bob')], device, provider)

    def claim(self, user='bob', device='phone', former=''):
        return self.store.call('push_claim', [key('token', 'digest')], user, device, former, 1000000)

    def release(self, device='phone', provider='fcm', token='token'):
        return self.store.call('push_release', [key('u', 'bob'), key('push', 'bob')], device, provider, token)

    def send(self, op, due='3 5000', plan='', sender='alice', **more):
        return self.store.append('room', sender, op, ['alice', 'bob'], due=due, plan=plan, **more)

    def notify(self, op, due='2 5000', first_ms=0, steps='', priority='normal'):
        content = '"title":"t"'
        return self.store.call('notify', self.store.pairs(['bob'], 'hixX') + [key('push', 'bob')], op, priority, 0,
                               '', len(content), content, 1000, 100, AGE_MS, due, first_ms, steps)

    def quiet(self, quiet):
        return self.store.call('prefs_set', [key('prefs', 'bob'), key('u', 'bob')], '', 0, 1, quiet, 10)

    def counted(self, limit=10):
        return self.store.call('push_due', [DUE, key('due', 'x')], limit, 1)[1:3]

    def polled(self, limit=10):
        return self.store.call('push_due', [DUE], limit, 0)[3]

    def set_pd(self, user, pd):
        base, _, nodes = self.store.head(user)
        self.link('SET', key('h', user), ' '.join([str(base), pd, *nodes]))

    def look_keys(self, user='bob'):
        return [key('u', user), key('push', user), key('i', user), key('d', user), key('prefs', user), key('x', user), DUE]

    def take(self, worker='w1', lease_ms=15000, events_max=128, user='bob'):
        return self.store.call('push_take', self.look_keys(user), user, worker, lease_ms, events_max)

    def done(self, *ops, worker='w1', release=1, head=None, dead_max=64):
        if head is None:
            head = self.store.head('bob')[0] + self.link('LLEN', key('i', 'bob'))
        flat = [word for op in ops for word in op]
        return self.store.call('push_done', [key('u', 'bob'), key('push', 'bob'), key('i', 'bob'), key('x', 'bob'), DUE, DEAD, DEAD_TIMES],
                               'bob', worker, release, head, dead_max, *flat)

    # ---- due.lua ----

    def test_who_has_no_registration_is_never_due(self):
        self.send('a')
        self.notify('n')
        self.assertIsNone(self.due())
        self.assertIsNone(self.pd())

    def test_who_has_one_is_due_at_once_when_away_and_later_when_connected(self):
        self.register()
        self.assertEqual(self.pd(), '0')
        self.send('a')
        self.assertEqual(self.due()[0], 3)
        self.assertLessEqual(self.due()[1], 0)
        self.assertEqual(self.polled(), [3, 'bob'])
        self.store.attach('bob', 'phone', 's1', epoch='ue')
        self.link('ZREM', DUE, 'bob')
        self.set_pd('bob', '0')
        self.send('b')
        self.assertGreater(self.due()[1], 3000)
        self.assertEqual(self.polled(), [])

    def test_a_hub_that_does_not_push_writes_nothing(self):
        self.register()
        self.send('a', due='')
        self.notify('n', due='', steps='1000 waiting 0 push')
        self.assertIsNone(self.due())
        self.assertEqual(self.link('HKEYS', key('push', 'bob')), ['g:phone', 'd:phone'])

    def test_the_sender_is_not_due(self):
        self.register()
        self.send('a', sender='bob')
        self.assertIsNone(self.due())

    def test_the_more_urgent_and_the_sooner_count(self):
        self.register()
        self.store.attach('bob', 'phone', 's1', epoch='ue')
        self.send('a', due='3 60000')
        self.send('b', due='1 90000')
        self.assertEqual(self.due()[0], 1)
        self.assertLess(self.due()[1], 61000)
        self.send('c', due='2 1000')
        self.assertEqual(self.due()[0], 1)
        self.assertLess(self.due()[1], 1001)
        before = self.due()[1]
        self.send('d', due='3 60000')
        self.assertEqual(self.due()[0], 1)
        self.assertLessEqual(self.due()[1], before)

    def test_the_urgent_are_given_first(self):
        self.link('ZADD', DUE, 3 * CLASS + 1, 'low', 1, 'critical', CLASS + 2, 'high', CLASS + 1, 'first high', CLASS + self.now() + 60000, 'later')
        self.assertEqual(self.polled(), [0, 'critical', 1, 'first high', 1, 'high', 3, 'low'])
        self.assertEqual(self.polled(2), [0, 'critical', 1, 'first high'])
        count, waited_ms = self.counted(0)
        self.assertEqual(count, 4)
        self.assertGreater(waited_ms, self.now() - 60000)  # since 1970

    def test_deliveries_that_come_later_make_due_too(self):
        self.register()
        self.send('a')
        self.take()
        self.done(('d', 'phone', '0 3 2'))
        self.assertIsNone(self.due())
        self.link('HINCRBY', key('c', 'room'), 'seq', 1)
        self.store.deliver('room', 2, 'alice', ['bob'], due='2 5000', marked=1)
        self.assertEqual(self.due()[0], 2)

    # ---- take and done ----

    def test_a_look_shows_what_is_owed(self):
        self.register(token='the token')
        self.send('a', plan='{"title":"t"}')
        self.notify('op x')
        look = self.take()
        self.assertEqual(look[0], 'ok')
        self.assertEqual(look[4], 4)
        self.assertTrue(any(field.startswith('fcm app production ') and field.endswith(' the token') for field in look[6]))
        self.assertEqual(look[10][:2], [3, 'm 1 room'])  # behind two who joined
        self.assertEqual(look[10][2], 4)
        self.assertEqual(look[11][0], 'op x')
        fetched = self.fetch(1)
        self.assertEqual(fetched[0], 2)  # one message and one notification are unread
        self.assertEqual(fetched[2:], ['{"title":"t"}', 0, 0, '', ''])

    def fetch(self, *seqs):
        entries = [key(letter, 'room') for _ in seqs for letter in 'lsmc']
        return self.store.call('push_fetch', [key('x', 'bob'), key('X', 'bob'), *entries, key('c', 'room'), key('l', 'room'), key('m', 'room')],
                               'bob', 100, len(seqs), *seqs)

    def test_a_message_of_which_its_sender_says_nothing_is_as_urgent_as_the_template_says(self):
        self.register()
        self.assertEqual(self.store.change('room', 1, [], ['alice', 'bob'], template='1 {"text":"{body.text}"}')[0], 'ok')
        self.send('a', version=2)
        self.assertEqual(self.due()[0], 1)
        self.send('b', plan='{"title":"t"}', version=2)
        self.send('c', kind='edit', ref=1, version=2)
        fetched = self.fetch(1, 2, 3)
        self.assertEqual(fetched[5:7], ['{"text":"{body.text}"}', self.store.log('room')[0][1].split('\n', 1)[1]])
        self.assertEqual(fetched[11:13] + fetched[17:19], [''] * 4)
        self.assertEqual(self.store.change('room', 2, [], ['alice', 'bob'])[0], 'ok')
        self.assertEqual(self.fetch(1)[5], '{"text":"{body.text}"}', 'it stays')
        self.assertEqual(self.store.change('room', 3, [], ['alice', 'bob'], template='-')[0], 'ok')
        self.assertEqual(self.fetch(1)[5:], ['', ''])

    def test_one_worker_has_a_user_and_the_other_is_fenced(self):
        self.register()
        self.send('a')
        self.assertEqual(self.take('w1')[0], 'ok')
        self.assertEqual(self.take('w2'), ['later'])
        self.send('b')
        self.assertEqual(self.take('w2'), ['busy'])
        self.assertGreater(self.due()[1], 10000)
        self.send('c')
        self.assertEqual(self.take('w1')[0], 'ok')  # its own again, as something new has come
        self.assertEqual(self.done(('d', 'phone', '0 3 9'), worker='w2'), ['fenced'])
        self.assertEqual(self.ledger(), '0 3 2')
        self.assertEqual(self.done(('d', 'phone', '0 3 4'), worker='w1'), ['ok', 0])
        self.assertEqual(self.ledger(), '0 3 4')

    def test_a_lease_that_ran_out_is_taken_over_and_fences_the_old_worker(self):
        self.register()
        self.send('a')
        self.take('w1', lease_ms=0)
        self.assertEqual(self.take('w2')[0], 'ok')
        self.assertEqual(self.store.call('push_keep', [key('u', 'bob'), key('push', 'bob'), DUE], 'bob', 'w1', 15000), 0)
        self.assertEqual(self.done(('d', 'phone', '0 3 2'), worker='w1'), ['fenced'])
        self.assertEqual(self.store.call('push_keep', [key('u', 'bob'), key('push', 'bob'), DUE], 'bob', 'w2', 60000), 1)
        self.assertGreater(self.due()[1], 50000)

    def test_the_worker_that_has_a_user_may_look_again_before_he_is_due_and_no_other(self):
        self.register()
        self.send('a')
        self.assertEqual(self.take()[0], 'ok')
        self.assertEqual(self.take(worker='w2'), ['later'])
        self.assertEqual(self.take()[0], 'ok')
        later = self.now() + 60000
        self.done(('d', 'phone', '%d 3 2\n2 1 %d 3' % (later, later)))
        self.assertEqual(self.take(), ['later'])

    def test_a_release_leaves_the_user_due_for_what_is_owed(self):
        self.register()
        self.register('pad')
        self.send('a')
        self.take()
        later, soon = self.now() + 60000, self.now() + 30000
        self.done(('d', 'phone', '%d 3 2\n2 1 %d 3' % (later, later)), ('d', 'pad', '%d 1 2\n2 1 %d 1' % (soon, soon)))
        self.assertEqual(self.due()[0], 1)
        self.assertAlmostEqual(self.due()[1], 30000, delta=5000)
        self.assertIsNone(self.link('HGET', key('push', 'bob'), 't'))

    def test_what_came_meanwhile_is_due_at_once(self):
        self.register()
        self.send('a')
        self.take()
        self.send('b')
        self.done(('d', 'phone', '0 3 3'), head=3)
        self.assertLessEqual(self.due()[1], 0)

    def test_who_changes_the_quiet_hours_is_looked_at_at_once_even_if_a_worker_has_him(self):
        self.quiet('22:00 07:00 UTC')
        self.assertIsNone(self.due())  # no device is registered
        self.register()
        self.send('a')
        self.take()
        later = self.now() + 60000
        self.done(('d', 'phone', '%d 2 2\n2 0 %d 2 q' % (later, later)))
        self.quiet('22:00 07:00 UTC')
        self.assertGreater(self.due()[1], 30000)  # nothing changed
        self.quiet('')
        self.assertLessEqual(self.due()[1], 0)
        self.take()
        self.assertGreater(self.due()[1], 10000)
        self.quiet('22:00 07:00 UTC')
        self.assertEqual(self.store.call('push_keep', [key('u', 'bob'), key('push', 'bob'), DUE], 'bob', 'w1', 15000), 1)
        self.assertLessEqual(self.due()[1], 0)
        self.done(('d', 'phone', '%d 2 2\n2 0 %d 2 q' % (later, later)))
        self.assertLessEqual(self.due()[1], 0)
        self.take()
        self.done(('d', 'phone', '%d 2 2\n2 0 %d 2 q' % (later, later)))
        self.assertGreater(self.due()[1], 30000)

    def test_nobody_is_lost_while_one_device_is_written_and_another_is_not(self):
        self.register()
        self.send('a')
        self.take()
        self.done(('d', 'phone', '0 3 2'), release=0)
        self.assertGreater(self.due()[1], 10000)  # until the lease ends

    def test_who_acknowledged_is_let_go_of_in_the_take(self):
        self.store.attach('bob', 'phone', 's1', epoch='ue')
        self.register()
        self.send('a', due='3 0')
        self.store.ack(('bob', 'phone', 3))
        self.assertEqual(self.take(), ['idle'])
        self.assertIsNone(self.due())
        self.assertEqual(self.pd(), '0')

    # ---- registrations ----

    def test_a_device_that_comes_again_keeps_what_is_owed_and_another_token_does_not(self):
        self.register()
        self.send('a')
        self.take()
        self.done(('d', 'phone', '5 3 3\n3 1 5 3'))
        self.register()
        self.assertEqual(self.ledger(), '5 3 3\n3 1 5 3')
        self.register(token='another')
        self.assertEqual(self.ledger(), '0 3 3')

    def test_so_many_devices_and_no_more(self):
        self.assertEqual(self.register('a', devices_max=2), ['ok'])
        self.assertEqual(self.register('b', devices_max=2), ['ok'])
        self.assertEqual(self.register('c', devices_max=2), ['err', 'conflict'])
        self.assertEqual(self.register('a', token='new', devices_max=2), ['ok'])

    def test_it_ends_by_its_provider_and_the_user_with_the_last(self):
        self.register()
        self.assertEqual(self.unregister(provider='apns'), 0)
        self.assertEqual(self.unregister(provider='fcm'), 1)
        self.assertEqual(self.unregister(), 0)
        self.assertEqual(self.link('EXISTS', key('push', 'bob')), 0)
        self.assertIsNone(self.pd())

    def test_it_ends_with_its_device_by_age_or_to_make_room_and_others_stay(self):
        self.store.attach('bob', 'phone', 's1')
        self.store.detach('bob', 'phone', 's1')
        self.register()
        self.register('pad', token='another')
        self.set_seen('bob', 'phone', 0, 2000000)
        self.assertEqual(self.store.tend_users('bob')[0][0], 1)
        self.assertEqual(sorted(self.link('HKEYS', key('push', 'bob'))), ['d:pad', 'g:pad'])
        self.assertEqual(self.pd(), '0')
        self.store.attach('bob', 'pad', 's2', devices_max=1)
        self.store.detach('bob', 'pad', 's2')
        self.store.attach('bob', 'laptop', 's3', devices_max=1)
        self.assertEqual(self.link('EXISTS', key('push', 'bob')), 0)
        self.assertIsNone(self.pd())
        self.send('a')
        self.assertIsNone(self.due())

    def test_what_is_still_to_be_pushed_stays_in_the_inbox(self):
        self.register()
        self.send('a')
        self.take()
        self.store.tend_users('bob')
        self.done(('d', 'phone', '77 2 3 0 0 0\n3 0 77 2'))
        self.store.tend_users('bob')
        self.assertEqual(self.take()[10][:2], [3, 'm 1 room'])
        self.done(('d', 'phone', '0 3 3 0 0 0'))
        self.store.tend_users('bob')
        self.assertEqual(self.link('EXISTS', key('i', 'bob')), 0)

    def test_an_acknowledgement_of_one_device_leaves_what_is_to_be_pushed_to_another(self):
        self.store.attach('bob', 'laptop', 's1')
        self.register()
        for i in range(80):
            self.send('op%d' % i)
        self.take()
        self.done(('d', 'phone', '77 2 3 0 0 0\n3 0 77 2'))
        head = self.store.sync('bob')[2]
        self.store.ack(('bob', 'laptop', head - 5), session='s1')
        self.assertEqual(self.store.sync('bob')[1], 0)
        self.assertEqual(self.store.all_have('room', 80, 'bob'), 0)
        self.done(('d', 'phone', '0 3 %d 0 0 0' % head))
        self.set_pd('bob', '0')  # nobody is to look
        self.store.ack(('bob', 'laptop', head), session='s1')
        self.assertEqual(self.store.sync('bob')[1:3], [head, head])

    def test_an_edit_of_what_is_deleted_is_not_pushed(self):
        self.send('a')
        self.send('e', kind='edit', ref=1, plan='{"text":"new"}')
        self.send('x', kind='delete', ref=1)
        fetched = self.fetch(2)
        self.assertEqual(fetched[3], 1)

    def test_a_plan_of_several_lines_stays_a_plan(self):
        self.send('a', plan='{"data":{\n"1 message  bob dev y":1},\n"title":"t"}', body='{}')
        header, plan = self.fetch(1)[1:3]
        self.assertEqual(header.split(' ')[1:], ['message', '', 'alice', 'dev', 'a'])
        self.assertEqual(plan, '{"data":{ "1 message  bob dev y":1}, "title":"t"}')
        self.assertEqual(self.store.log('room')[0][1].split('\n')[1:], ['{}'])

    def test_a_token_is_claimed_only_once_who_had_it_was_asked_to_let_go(self):
        self.assertEqual(self.claim(), '')
        self.assertEqual(self.claim(), '')
        self.assertEqual(self.claim('ann', 'phone'), 'bob phone')
        self.assertEqual(self.claim('ann', 'phone', former='eve phone'), 'bob phone')
        self.assertEqual(self.claim('ann', 'phone', former='bob phone'), '')
        self.assertEqual(self.claim(), 'ann phone')
        self.assertGreater(self.link('PTTL', key('token', 'digest')), 900000)

    def test_a_device_lets_go_of_a_token_only_if_it_still_has_it(self):
        self.register()
        self.assertEqual(self.release(token='another'), 0)
        self.assertEqual(self.release(provider='apns'), 0)
        self.assertEqual(self.release('pad'), 0)
        self.assertEqual(self.pd(), '0')
        self.assertEqual(self.release(), 1)
        self.assertIsNone(self.pd())

    def dead(self, since, tried=None):
        packed = tried or self.link('HGET', key('push', 'bob'), 'g:phone')
        return self.done(('u', 'phone', '%s %s' % (since, packed)), release=0)

    def test_only_the_registration_that_was_tried_ends(self):
        self.register()
        self.send('a')
        self.take()
        tried = self.link('HGET', key('push', 'bob'), 'g:phone')
        at = int(tried.split(' ')[3])
        self.assertEqual(self.dead(at - 1), ['ok', 0], 'it was registered after it died')
        self.link('HSET', key('push', 'bob'), 'g:phone', tried.replace(str(at), str(at + 1)))
        self.assertEqual(self.dead(0, tried), ['ok', 0], 'it was registered again meanwhile')
        self.link('HSET', key('push', 'bob'), 'g:phone', tried)
        self.assertEqual(self.dead(at), ['ok', 1])
        self.assertEqual(self.done(('d', 'phone', '0 3 2')), ['ok', 0])
        self.assertIsNone(self.ledger(), 'what ended comes back with no ledger')
        self.assertIsNone(self.pd())

    # ---- notifications and escalations ----

    def test_an_escalation_makes_due_without_any_registration(self):
        self.notify('op', first_ms=60000, steps='60000 waiting 0 webhook:sms')
        self.assertEqual(self.due()[0], 2)
        self.assertAlmostEqual(self.due()[1], 60000, delta=5000)
        self.notify('other', due='0 5000', first_ms=1000, steps='1000 waiting 0 webhook:sms')
        self.assertEqual(self.due()[0], 0)
        self.assertLess(self.due()[1], 1001)

    def state(self, op='op'):
        return self.store.call('notice', [key('x', 'bob'), key('push', 'bob')], op)[3:]

    def test_its_steps_can_be_read_while_it_runs_and_when_it_has_ended(self):
        self.register()
        self.notify('op', first_ms=0, steps='0 waiting 0 push')
        self.assertRegex(self.state()[1], r'^\d+ 2 0 0\n0 waiting 0 push$')
        self.take()
        self.done(('p', 'op', ''), ('e', 'op', '7 2 1 0\n0 sent 5 push'), release=0)
        self.assertNotEqual(self.state()[0], '')
        self.assertEqual(self.state()[1], '7 2 1 0\n0 sent 5 push')
        self.done(('f', 'op', '0 2 1 0\n0 sent 5 push'))
        self.assertEqual(self.state()[1], '0 2 1 0\n0 sent 5 push')
        self.assertIsNone(self.link('HGET', key('push', 'bob'), 'e:op'))

    def test_what_is_forgotten_leaves_nothing(self):
        self.register()
        self.notify('op', first_ms=0, steps='0 waiting 0 push')
        self.take()
        self.link('DEL', key('x', 'bob'))
        self.done(('p', 'op', ''), ('f', 'op', '0 2 1 0\n0 sent 5 push'))
        self.assertEqual(self.link('HKEYS', key('x', 'bob')), [])

    # ---- dead letters ----

    def letters(self, *ids, dead_max=64):
        self.done(*[('l', name, 'letter of ' + name) for name in ids], release=0, dead_max=dead_max)

    def test_dead_letters_are_listed_in_pages_and_the_oldest_make_room(self):
        self.register()
        self.send('a')
        self.take()
        self.letters('0.a', '0.c', '0.b')
        page = self.store.call('push_dead', [DEAD], '', 2)
        self.assertEqual(page, ['0.a', 'letter of 0.a', '0.b', 'letter of 0.b'])
        self.assertEqual(self.store.call('push_dead', [DEAD], page[-2], 2), ['0.c', 'letter of 0.c'])
        self.assertEqual(self.store.call('push_letter', [DEAD], '0.b'), 'letter of 0.b')
        self.assertEqual(self.store.call('push_forget', [DEAD, DEAD_TIMES], '0.b'), 1)
        self.assertEqual(self.store.call('push_letter', [DEAD], '0.b'), '')
        self.letters(*['0.%03d' % i for i in range(10)], dead_max=4)
        self.assertEqual(len(self.link('HKEYS', DEAD)), 4)
        self.assertEqual(self.link('ZCARD', DEAD_TIMES), 4)

    def replay(self, name, what, which, n):
        return self.store.call('push_replay', [key('u', 'bob'), key('push', 'bob'), key('x', 'bob'), DEAD, DEAD_TIMES], name, 'bob', what, which, n)

    def test_a_replay_makes_it_owed_again(self):
        self.register()
        self.send('a')
        self.take()
        self.letters('0.a')
        self.done(('d', 'phone', '0 3 3 0 0 0'))
        self.assertIsNone(self.due())
        self.assertEqual(self.replay('0.b', 'd', 'phone', 3), ['err', 'not_found'])
        self.assertEqual(self.replay('0.a', 'd', 'phone', 3), ['ok'])
        self.assertRegex(self.ledger(), r'^\d+ 1 3 0 0 0\n3 0 \d+ 1$')
        self.assertLessEqual(self.due()[1], 0)
        self.assertEqual(self.take()[10][:2], [3, 'm 1 room'])
        self.assertEqual(self.replay('0.a', 'd', 'phone', 3), ['err', 'not_found'])

    def test_a_replay_runs_a_step_again(self):
        self.notify('op', first_ms=0, steps='0 waiting 0 webhook:sms')
        self.take()
        self.letters('0.a')
        self.done(('f', 'op', '0 2 1 0\n0 failed 5 webhook:sms gone'))
        self.assertEqual(self.replay('0.a', 'e', 'op', 0), ['ok'])
        self.assertRegex(self.link('HGET', key('push', 'bob'), 'e:op'), r'^\d+ 1 0 0\n0 failed 5 webhook:sms gone$')
        self.assertEqual(self.due()[0], 1)

    # ---- workers ----

    def test_workers_hear_of_each_other(self):
        def heard(name, age_ms=5000, leave=0):
            return self.store.call('push_workers', [key('pushers', 'all')], name, age_ms, leave)
        self.assertEqual(heard('b'), ['b'])
        self.assertEqual(heard('a'), ['a', 'b'])
        self.link('ZADD', key('pushers', 'all'), self.now() - 6000, 'b')
        self.assertEqual(heard('a'), ['a'])
        self.assertEqual(heard('a', leave=1), [])


if __name__ == '__main__':
    unittest.main()
