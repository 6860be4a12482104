# SPDX-License-Identifier: Apache-2.0
"""test_model: 3,000 calls in random order against a real Redis, and after each the invariants of fanout/lua/common.lua.

The model remembers what it saw: each pointer at its n, each member's entries since joining. A failure names the seed:
BELFRY_SEED=… runs it again, BELFRY_STEPS=… as long as wanted. At the end the model itself is tried: on a library with a planted
fault it has to fail.
"""
import os
import random
import unittest

from store import COUNTERS, Error, Node, Server, Store, key

SEED = int(os.environ.get('BELFRY_SEED', '20261121'))
STEPS = int(os.environ.get('BELFRY_STEPS', '3000'))
USERS = ['ann', 'bob', 'carl', 'dora']
CONVS = ['c1', 'c2', 'c3']
NODES = ['n1', 'n2']
INBOX_MAX, LOG_MAX, LOG_SLACK = 30, 40, 64

FAULTS = [  # file, text, by: what a slip of the pen could be
    ('fan.lua', 'for missing = last + 1, seq - 1 do', 'for missing = last + 2, seq - 1 do'),
    ('fan.lua', 'if last and last < seq then', 'if last and last <= seq then'),
    ('fan.lua', "redis.call('HSET', user_key, field, text(seq))", ''),
    ('fan.lua', 'return base + drop', 'return base'),
    ('tell.lua', "local counter = redis.call('INCR', counter_key)", "local counter = redis.call('GET', counter_key) or 1"),
    ('append.lua', 'local seq, changes = base + length', 'local seq, changes = base + length + (length == 40 and 1 or 0)'),
    ('append.lua', "call('HSETNX', ops_key, digest, id) == 0", "call('HSETNX', ops_key, digest, id) == 2"),
    ('append.lua', "call('RPOP', log_key)", ''),
    ('append.lua', 'changes.pt = marked', ''),
    ('append.lua', 'conv_write(head_key, base + drop,', 'conv_write(head_key, base,'),
    ('fan.lua', 'tell(list, message, inbox_key, base + length)', 'tell(list, message, inbox_key, length)'),
    ('receipt.lua', 'read = math.max(old_read, read)', ''),
    ('inbox.lua', 'low = math.min(low, tonumber(at))', 'low = math.max(low, tonumber(at))'),
    ('inbox.lua', "head_write(head_key, low, pd, nodes)", "head_write(head_key, low - 1, pd, nodes)"),
    ('inbox.lua', "'LRANGE', inbox_key, math.max(cursor - base, 0), n", "'LRANGE', inbox_key, math.max(cursor - base, 0) + 1, n"),
    ('inbox.lua', 'if cursor and n > cursor and', 'if cursor and'),
    ('conversation.lua', "redis.call('HDEL', keys[key_of[user]], field)", ''),
]


class Broken(AssertionError):
    """An invariant does not hold."""


def demand(holds, rule, *seen):
    if not holds:
        raise Broken('%s: %s' % (rule, ' '.join(map(str, seen))))


class AsItIs:
    """Versions of member lists are not counted here."""

    def __getitem__(self, version):
        return version


class PlainStore(Store):
    def __init__(self, server, replace):
        super().__init__(server, replace)
        self.versions = AsItIs()

    def counted(self, version):
        return int(version or 0)


class Model:
    def __init__(self, server, seed, replace=None):
        self.server, self.store = server, PlainStore(server, replace)
        self.chance = random.Random(seed)
        self.nodes = [Node(server, name) for name in NODES]
        self.counters = dict.fromkeys(NODES, 0)
        self.version = dict.fromkeys(CONVS, 0)
        self.seq = dict.fromkeys(CONVS, 0)
        self.sent = {conv: {} for conv in CONVS}             # (sender, op) -> seq
        self.authors = {conv: {} for conv in CONVS}          # seq -> sender
        self.members = {conv: {} for conv in CONVS}          # user -> [delivered, read]
        self.pointed = {}                                    # (conv, user) -> the highest seq that the inbox points to
        self.reached = {}                                    # (conv, user) -> the latest entry seen in the inbox, or the seq at joining
        self.marked = dict.fromkeys(CONVS)                   # the seq from which on what each inbox points to is written down
        self.waiting = []                                    # (conv, seq, names): deliveries to come
        self.inboxes = {user: {} for user in USERS}          # n -> pointer
        self.heads = dict.fromkeys(USERS, 0)
        self.bases = dict.fromkeys(USERS, 0)
        self.cursors = {user: {} for user in USERS}
        self.sessions = 0
        self.told = []                                       # (letter, seq and conv, user, n) that a node was told of
        for user in USERS:
            self.attach(user, 'phone')

    def close(self):
        for node in self.nodes:
            node.close()

    # ---- steps ----

    def pick(self, items):
        return self.chance.choice(sorted(items))

    def some(self, names):
        return [name for name in names if self.chance.random() < 0.5]

    def attach(self, user, device):
        self.sessions += 1
        node = self.pick(NODES)
        cursor = self.cursors[user].get(device)
        answer = self.store.attach(user, device, 's%d' % self.sessions, node)
        demand(answer[2] == (self.heads[user] if cursor is None else cursor), 'attach#2', user, device, answer, cursor)
        demand(answer[5] == (cursor is None), 'attach#2', answer)
        self.cursors[user][device] = answer[2]

    def step_attach(self):
        self.attach(self.pick(USERS), self.pick(['phone', 'laptop']))

    def step_change(self):
        conv = self.pick(CONVS)
        members = self.members[conv]
        changes = {}
        for user in self.some(USERS):
            changes[user] = self.pick(['removed', 'role']) if user in members else 'joined'
        if not changes:
            return
        names = sorted(set(members) | set(changes))
        flat = [(action, user, 'member') for user, action in changes.items()]
        if self.chance.random() < 0.1:
            demand(self.store.change(conv, self.version[conv] + 7, flat, names)[0] == 'members', 'stale members change nothing')
            return
        answer = self.store.change(conv, self.version[conv], flat, names, kind='group', tell=self.chance.randrange(2), inbox_max=INBOX_MAX)
        demand(answer[0] == 'ok' and answer[1] > self.version[conv], 'a version is given once', answer, self.version[conv])
        self.version[conv] = answer[1]
        for user, action in changes.items():
            if action == 'joined':
                members[user] = [self.seq[conv], self.seq[conv]]
                self.pointed[conv, user] = self.reached[conv, user] = self.seq[conv]
            elif action == 'removed':
                del members[user]
                del self.pointed[conv, user], self.reached[conv, user]

    def step_append(self):
        conv, sender = self.pick(CONVS), self.pick(USERS)
        members = self.members[conv]
        if not self.version[conv]:
            return
        if self.sent[conv] and self.chance.random() < 0.15:
            sender, op = self.pick(self.sent[conv])
        else:
            op = 'op%d' % len(self.sent[conv])
        whole = conv == CONVS[0] or self.chance.random() < 0.6
        names = sorted(members) if whole else self.some(sorted(members))
        stale = self.chance.random() < 0.1
        answer = self.store.append(conv, sender, op, names, version=self.version[conv] + (9 if stale else 0), complete=int(whole),
                                   inbox_max=INBOX_MAX, log_max=LOG_MAX)
        known = self.sent[conv].get((sender, op))
        if sender not in members:
            demand(answer == ['err', 'forbidden'], 'append', answer)
        elif known:
            demand(answer[:2] == ['dup', known], 'append#1', answer, known)
        elif stale:
            demand(answer[0] == 'members' and sorted(answer[2]) == sorted(members), 'append#2', answer)
        else:
            self.seq[conv] += 1
            demand(answer[:2] == ['ok', self.seq[conv]], 'lua#1', answer, self.seq[conv])
            self.sent[conv][sender, op] = self.seq[conv]
            self.authors[conv][self.seq[conv]] = sender
            if not whole and self.marked[conv] is None:
                self.marked[conv] = self.seq[conv] - 1
            self.point(conv, self.seq[conv], names)
            rest = [name for name in members if name not in names]
            if rest:
                self.waiting.append((conv, self.seq[conv], rest))

    def point(self, conv, seq, names):
        for user in names:
            if (conv, user) in self.pointed:
                self.pointed[conv, user] = max(seq, self.pointed[conv, user])

    def step_deliver(self):
        if not self.waiting:
            return
        job = self.pick(self.waiting)  # in any order
        if self.chance.random() < 0.7:
            self.waiting.remove(job)   # else again later
        conv, seq, names = job
        self.store.deliver(conv, seq, self.authors[conv][seq], names, inbox_max=INBOX_MAX, marked=self.marked[conv])
        self.point(conv, seq, names)

    def step_receipt(self):
        conv, user = self.pick(CONVS), self.pick(USERS)
        members, seq = self.members[conv], self.seq[conv]
        delivered, read = self.chance.randrange(seq + 2), self.chance.randrange(seq + 2)
        answer = self.store.receipt(conv, user, delivered, read, sorted(members), version=self.version[conv])
        if not self.version[conv] or user not in members:
            demand(answer[0] == 'err', 'receipt', answer)
        elif max(delivered, read) > seq:
            demand(answer == ['err', 'bad_request'], 'receipt#1', answer)
        else:
            before = members[user]
            read = max(read, before[1])
            members[user] = [max(delivered, read, before[0]), read]
            demand(answer == ['ok'] + ([] if before == members[user] else [user] + members[user]), 'receipt#1', answer, members[user])

    def step_ack(self):
        user = self.pick(USERS[:-1])  # the last one acknowledges nothing: that inbox meets its limit
        device = self.pick(self.cursors[user])
        cursor, head, base = self.cursors[user][device], self.heads[user], self.bases[user]
        n = self.chance.choice([head, head + 5, self.chance.randrange(head + 1)])
        (flat,) = self.store.ack((user, device, n))
        n = min(n, head)
        told = {}
        for k in range(max(cursor, base) + 1, n + 1):
            words = self.inboxes[user][k].split(' ')
            if words[0] == 'm':
                told[words[2]] = max(told.get(words[2], 0), int(words[1]))
        demand(dict(zip(flat[0::2], flat[1::2])) == told, 'ack tells the highest entries of others', user, cursor, n, flat, told)
        self.cursors[user][device] = max(cursor, n)

    def step_sync(self):
        user = self.pick(USERS)
        after, limit = self.chance.randrange(self.heads[user] + 3), self.chance.randrange(1, 20)
        epoch, base, head, *pointers = self.store.sync(user, after, limit)
        start = max(after, base)
        last = {}
        for n, pointer in self.inboxes[user].items():
            if pointer[0] == 'r':
                last[pointer] = n
        expected = [self.inboxes[user][n] for n in range(start + 1, min(start + limit, head) + 1)]
        expected = ['' if p[0] == 'r' and last[p] != start + 1 + i else p for i, p in enumerate(expected)]
        for pointer in pointers:
            if pointer[:1] == 'r':  # with watermarks: those of then, which have only risen since
                _, about, conv, *marks = pointer.split(' ')
                now = self.members[conv].get(about)
                demand(now is None or all(int(then) <= n for then, n in zip(marks, now)), 'receipt#1', pointer, now)
        plain = [' '.join(p.split(' ')[:3]) if p[:1] == 'r' else p for p in pointers]
        demand(plain == expected, 'sync', user, after, limit, base, head, pointers, expected)

    # ---- invariants ----

    def check(self):
        """Reads all in one go, as each round trip costs."""
        link = self.store.link
        for user in USERS:
            link.send('HGETALL', key('u', user))
            link.send('LRANGE', key('i', user), 0, -1)
            link.send('HGETALL', key('d', user))
            link.send('GET', key('h', user))
        for conv in CONVS:
            link.send('GET', key('C', conv))
            link.send('LLEN', key('l', conv))
            link.send('HGETALL', key('m', conv))
        replies = [link.read() for _ in range(4 * len(USERS) + 3 * len(CONVS))]
        for i, user in enumerate(USERS):
            fields, pointers, devices, head = replies[4 * i:4 * i + 4]
            self.check_user(user, as_map(fields), pointers, as_map(devices), head)
        del replies[:4 * len(USERS)]
        for i, conv in enumerate(CONVS):
            head, length, members = replies[3 * i:3 * i + 3]
            self.check_conv(conv, int(head.split(' ')[0]) if head else 0, length, as_map(members))
        for node in self.nodes:
            self.check_node(node)
        for letter, about, user, n in self.told:
            words = self.inboxes[user].get(n, '').split(' ')
            demand({'M': 'mo', 'R': 'r', 'J': 'j'}[letter].find(words[0] or '?') >= 0, 'lua#4: told, not written', user, n, words)
            demand(letter != 'M' or words[1:3] == about, 'lua#4: told under another number', user, n, words, about)
        self.told.clear()

    def check_user(self, user, fields, pointers, devices, head):
        base, inbox = int((head or '0').split(' ')[0]), self.inboxes[user]
        head = base + len(pointers)
        demand(base >= self.bases[user] and head >= self.heads[user], 'lua#2: n falls', user, base, head, self.bases[user], self.heads[user])
        for k, pointer in enumerate(pointers):
            demand(inbox.setdefault(base + k + 1, pointer) == pointer, 'lua#2: n is given twice', user, base + k + 1, pointer)
        for n in range(self.heads[user] + 1, head + 1):
            demand(n in inbox, 'lua#2: an event was never seen', user, n)
            words = inbox[n].split(' ')
            if words[0] in 'mo':
                conv, seq = words[2], int(words[1])
                demand((words[0] == 'o') <= (self.authors[conv][seq] == user), 'own', user, inbox[n])
                self.check_next(user, conv, seq)
        if base > self.bases[user] and len(pointers) < INBOX_MAX:
            demand(base <= min(self.cursors[user].values()), 'ack#2', user, base, self.cursors[user])
        self.bases[user], self.heads[user] = base, head
        for conv in CONVS:
            field, highest = fields.get('c:' + conv), self.pointed.get((conv, user))
            if field:
                field = max(int(field), self.seq[conv] if self.marked[conv] is None else self.marked[conv])
            demand(field == highest, 'lua#3', user, conv, field, highest)
            demand(highest is None or self.reached.get((conv, user), highest) == highest, 'lua#3: an entry is missing', user, conv)
        for device, cursor in self.cursors[user].items():
            demand(devices[device].split(' ')[0] == str(cursor), 'ack#1', user, device, devices[device], cursor)

    def check_next(self, user, conv, seq):
        """Entries come into an inbox one after the other, from the joining on."""
        before = self.reached.get((conv, user))
        demand(before is not None and seq == before + 1, 'lua#3: seq has a hole or comes again', user, conv, before, seq)
        self.reached[conv, user] = seq

    def check_conv(self, conv, base, length, members):
        demand(base + length == self.seq[conv] and length >= min(self.seq[conv], LOG_MAX), 'lua#1', conv, base, length, self.seq[conv])
        demand(base == 0 or length <= LOG_MAX + LOG_SLACK, 'the log is within its limit', conv, base, length)
        packed = {user: 'member %d %d' % tuple(marks) for user, marks in self.members[conv].items()}
        demand(members == packed, 'receipt#1', conv, members, packed)

    def check_node(self, node):
        for message in node.messages(self.server):
            letter, counter = message.split(' ', 2)[:2]
            if counter == '0':  # not the first of its message
                counter = str(self.counters[node.name])
            else:
                self.counters[node.name] += 1
            demand(counter == str(self.counters[node.name]), 'lua#4: the counter does not rise by one', node.name, message)
            if letter in 'MRJ':
                words = message.split('\n')[1].split(' ')
                about = message.split(' ')[2:4]
                self.told += [(letter, about, words[i], int(words[i + 1])) for i in range(0, len(words), 2)]
        demand(self.store.link('GET', COUNTERS + node.name) in (None, str(self.counters[node.name])), 'lua#4')

    def run(self, steps):
        kinds = [self.step_append] * 6 + [self.step_deliver] * 4 + [self.step_receipt] * 2 + [self.step_ack] * 3 + [self.step_sync] * 2
        kinds += [self.step_change, self.step_attach]
        for self.at in range(steps):
            self.chance.choice(kinds)()
            self.check()


def as_map(flat):
    return dict(zip(flat[0::2], flat[1::2]))


class TestModel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.close)

    def run_model(self, seed, steps, replace=None):
        model = Model(self.server, seed, replace)
        try:
            model.run(steps)
        except Broken as broken:
            raise Broken('seed %d, step %d: %s' % (seed, model.at, broken)) from None
        finally:
            model.close()
        return model

    def test_whatever_is_called_in_whatever_order_the_invariants_hold(self):
        model = self.run_model(SEED, STEPS)
        print('seed %d: %s entries, inboxes %s' % (SEED, sum(model.seq.values()), model.heads))
        self.assertGreater(model.bases[USERS[-1]], 0, 'no inbox met its limit: the run is too short')

    def test_the_model_notices_each_planted_fault(self):
        for file, text, by in FAULTS:
            with self.subTest(file=file, text=text, by=by), self.assertRaises((Broken, Error)):
                self.run_model(SEED, 3000, (file, text, by))


if __name__ == '__main__':
    unittest.main()
