# SPDX-License-Identifier: Apache-2.0
"""store: a Redis of the test's own with the functions of fanout/lua loaded, and each function as a method.

Arguments are in the order of the comment above each function; keys are made as contract/keys.def says, all in partition 0.
"""
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STORE, NODES = 'b:{0}:store:store', 'b:{0}:nodes:'
CHANNELS, COUNTERS = 'b:{0}:node:', 'b:{0}:n:'
CONV_HEAD = ['base', 'mv', 'kind', 'ops', 'old', 'pt', 'class', 'states', 'epoch']
PATIENCE_S = 20


def key(letter, name):
    return 'b:{0}:%s:%s' % (letter, name)


def library(replace=None):
    """The files joined in the order of fanout/meson.build; replace: (file, text, by) is a fault to plant."""
    with open(os.path.join(ROOT, 'fanout/meson.build'), encoding='utf-8') as file:
        names = re.findall(r"'(lua/\w+\.lua)'", file.read())
    parts = []
    for name in names:
        with open(os.path.join(ROOT, 'fanout', name), encoding='utf-8') as file:
            text = file.read()
        if replace and name == 'lua/' + replace[0]:
            assert text.count(replace[1]) >= 1, 'the fault has no place: %s' % replace[1]
            text = text.replace(replace[1], replace[2], 1)
        parts.append(text)
    return ''.join(parts)


class Error(Exception):
    """Redis answered with an error."""


class Link:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE_S)
        try:
            self.socket.connect(path)
        except OSError:
            self.socket.close()
            raise
        self.file = self.socket.makefile('rb')

    def close(self):
        self.file.close()
        self.socket.close()

    def send(self, *words):
        parts = [b'*%d\r\n' % len(words)]
        for word in words:
            word = word if isinstance(word, bytes) else str(word).encode()
            parts.append(b'$%d\r\n%s\r\n' % (len(word), word))
        self.socket.sendall(b''.join(parts))

    def read(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:-2].decode()
        if kind == b'$':
            return None if rest == '-1' else self.file.read(int(rest) + 2)[:-2].decode(errors='surrogateescape')
        if kind == b'*':
            return [self.read_item() for _ in range(int(rest))]
        if kind == b':':
            return int(rest)
        if kind == b'-':
            raise Error(rest)
        if kind == b'+':
            return rest
        raise EOFError('Redis closed the connection')

    def read_item(self):
        try:
            return self.read()
        except Error as error:
            return error

    def __call__(self, *words):
        self.send(*words)
        return self.read()


class Server:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix='belfry-functions-')
        self.path = os.path.join(self.folder, 'redis.sock')
        self.process = subprocess.Popen(
            [os.environ.get('BELFRY_TEST_REDIS', 'redis-server'), '--port', '0', '--unixsocket', self.path, '--dir', self.folder,
             '--save', '', '--appendonly', 'no'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                self.link = Link(self.path)
                if self.link('PING') == 'PONG':
                    break
            except (OSError, Error):
                assert self.process.poll() is None and time.monotonic() < deadline, 'redis-server does not start'

    def close(self):
        self.link.close()
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder)


def events(message):
    """'Z' taken apart: '<letter> <counter, 0 behind the first> <header> \\n <user n user n …> \\n <body>' of each."""
    head, rest = message.split('\n', 1)
    out, counter = [], head.split(' ')[1]
    for event in rest.split('\udcff')[1:]:
        letter, event = event.split(' ', 1)
        header, event = event.split('\n', 1)
        body, users = event.split('\udcfe')
        users = ' '.join(word.split(':', 3)[3] if i % 2 == 0 else word for i, word in enumerate(users.strip(' ').split(' ')))
        out.append('%s %s %s\n%s\n%s' % (letter, counter, header, users, body))
        counter = '0'
    return out


class Node:
    """A hub worker as the store sees it: its channel."""

    def __init__(self, server, name):
        self.name, self.link = name, Link(server.path)
        self.link('SSUBSCRIBE', CHANNELS + name)

    def messages(self, server):
        """All that was published until now, events of users as events() has them."""
        server.link('SPUBLISH', CHANNELS + self.name, 'end')
        out = []
        while True:
            text = self.link.read()[2]
            if text == 'end':
                return out
            out += events(text) if text[:2] == 'Z ' else [text]

    def close(self):
        self.link.close()


class Store:
    """
    An emptied store; the functions as methods. Versions of member lists are times, so that none comes twice: here they are counted
    from 1 as they appear, and 0 is "there is none".
    """

    def __init__(self, server, replace=None):
        self.link = server.link
        self.link('FLUSHALL')
        self.link('FUNCTION', 'LOAD', 'REPLACE', library(replace))
        self.versions = ['0']

    def counted(self, version):
        if version not in self.versions:
            assert int(version) > int(self.versions[-1]), 'a version came twice'
            self.versions.append(version)
        return self.versions.index(version)

    def with_counted(self, answer):
        if answer[0] == 'members':
            answer[1] = str(self.counted(answer[1]))
        return answer

    def call(self, name, keys, *args):
        return self.link('FCALL', 'b1_' + name, len(keys), *keys, *args)

    @staticmethod
    def pairs(names, letters='ui'):
        return [key(letter, name) for name in names for letter in letters]

    # ---- conversations ----

    def change(self, conv, version, changes, names, kind='', public='', tell=1, inbox_max=1000, template=''):
        flat = [word for change in changes for word in change]
        answer = self.call('change', [key(letter, conv) for letter in 'cml'] + self.pairs(names), conv, self.versions[version], kind,
                           public, 'ce', inbox_max, tell, template, len(changes), *flat, *names)
        return ['ok', self.counted(str(answer[1]))] if answer[0] == 'ok' else self.with_counted(answer)

    def make(self, conv, *names, kind='group'):
        self.versions = ['0']
        answer = self.change(conv, 0, [('joined', name, 'member') for name in names], names, kind=kind)
        assert answer[0] == 'ok', answer

    def delete(self, conv, version, names):
        return self.call('delete', [key(letter, conv) for letter in 'cmloOs'] + self.pairs(names), conv, self.versions[version], 1000,
                         *names)

    def append_call(self, conv, sender, op, names, version=1, body='1', kind='message', ref='', trusted=0, inbox_max=1000, log_max=1000,
                    complete=1, session='s', digest=None, due='', plan=''):
        """The keys and the arguments."""
        options = '%s %d %d %d %d %d %s' % (kind, names.index(sender) + 1 if sender in names else 0, trusted, complete, inbox_max, log_max, due)
        said = '%s %s %s dev %s\n%s' % (kind, ref, sender, op, body)
        return ([key(letter, conv) for letter in 'lo'] + self.pairs(names, 'i') + self.pairs(names, 'h') + [key('C', conv)],
                [conv, self.versions[version], digest or sender + op, session, options, said, *([plan] if plan else [])])

    def append(self, *args, **options):
        keys, args = self.append_call(*args, **options)
        return self.with_counted(self.appended(self.call('append', keys, *args)))

    @staticmethod
    def appended(answer):
        """An answer of b1_append as a list."""
        return answer if not isinstance(answer, str) else [int(word) if word.isdigit() else word for word in answer.split(' ')]

    def deliver(self, conv, seq, sender, names, inbox_max=1000, session='s', body='1', due='', marked=0):
        return self.call('deliver', self.pairs(names, 'i') + self.pairs(names, 'h'), conv, seq, session,
                         '7 message  %s dev op\n%s' % (sender, body), inbox_max, due, marked, names.index(sender) + 1 if sender in names else 0)

    def receipts(self, conv, marks, names, version=1):
        """marks: (user, delivered, read) …"""
        flat = [word for mark in marks for word in mark]
        return self.with_counted(self.call('receipt', [key('C', conv), key('l', conv), key('m', conv)] + [
            key(letter, name) for letter in 'irh' for name in names], conv, self.versions[version], 1000, *flat))

    def receipt(self, conv, user, delivered, read, names, version=1):
        return self.receipts(conv, [(user, delivered, read)], names, version)

    def tell_receipt(self, conv, user, delivered, read, names):
        return self.call('tell_receipt', self.pairs(names, 'irh'), conv, user, delivered, read, 1000)

    def cast(self, conv, sender, names, version=1, letter='T', header='h', body=''):
        return self.with_counted(self.call('cast', [key('C', conv), key('m', conv)] + self.pairs(names, 'h'), sender,
                                           self.versions[version], letter, header, body))

    def follow(self, conv, node, *users, keep=0, store_epoch=None):
        epoch = store_epoch or self.call('store', [STORE, key('nodes', '')], 'ue', '', '', 0)
        return self.call('follow', [key(letter, conv) for letter in 'cml'] + [STORE], node, keep, epoch, *users)

    def unfollow(self, conv, node):
        return self.call('unfollow', [key('c', conv)], node)

    def replay(self, conv, after, limit=100, size=100000):
        return self.call('replay', [key(letter, conv) for letter in 'cls'], after, limit, size)

    def followers(self, conv):
        return (self.link('HGET', key('c', conv), 'subs') or '').split()

    def member(self, conv, user):
        packed = self.link('HGET', key('m', conv), user)
        return packed and packed.split(' ')

    def conv_head(self, conv):
        """CONV_HEAD, all as text."""
        return (self.link('GET', key('C', conv)) or '0 0 - - - - - - -').split(' ')

    def base(self, conv):
        return int(self.conv_head(conv)[0])

    def log(self, conv):
        """(seq, entry) of all that is in the log, without what is to be pushed."""
        entries = self.link('LRANGE', key('l', conv), 0, -1)
        return [(self.base(conv) + i, entry.split('\n', 1)[1] if entry[0] == '{' else entry) for i, entry in enumerate(entries, 1)]

    def cut(self, conv, first):
        """Drops the entries before first, one of which there is."""
        self.link('LTRIM', key('l', conv), first - 1 - self.base(conv), -1)
        self.set_conv_head(conv, base=first - 1)

    def drain(self, conv):
        """Drops all entries."""
        self.cut(conv, self.base(conv) + self.link('LLEN', key('l', conv)) + 1)

    def set_conv_head(self, conv, **words):
        """Other ops (or what is named) in the head of a conversation."""
        head = self.conv_head(conv)
        for name, value in words.items():
            head[CONV_HEAD.index(name)] = str(value)
        self.link('SET', key('C', conv), ' '.join(head))

    # ---- inboxes ----

    def sync(self, user, after=0, limit=100, device=''):
        answer = self.call('sync', self.pairs([user], 'uirxdh'), after, limit, device)
        return answer if device else answer[:3] + answer[4:]

    def pointers(self, user):
        return self.sync(user, 0, 100000)[3:]

    def ack(self, *acks, age_ms=1000000, epoch='ue', session=''):
        """Of each: conv, seq … : the highest entry by others in each conversation among what was acknowledged, as fanout/acks.c finds it."""
        flat = [word for user, device, n in acks for word in (device, n, epoch, session)]
        out = []
        for packed in self.call('ack', self.pairs([user for user, _, _ in acks], 'uidrxh'), age_ms, *flat):
            high = {}
            for pointer in packed.split('\udcff'):
                if pointer[:2] == 'm ':
                    _, seq, conv = pointer.split(' ')
                    high[conv] = max(high.get(conv, 0), int(seq))
            out.append([word for pair in high.items() for word in pair])
        return out

    def attach(self, user, device, session, node='n1', flags='o', epoch='', cursor=0, devices_max=64, again=0, store_epoch='ue', opened=0, told=0,
               said=0, invisible=0):
        if self.link('HGET', STORE, 'epoch') != store_epoch:
            self.link('HSET', STORE, 'epoch', store_epoch, 'layout', 3)
        return self.call('attach', self.pairs([user], 'uid') + [STORE, key('push', user), key('h', user)], CHANNELS, COUNTERS, user, device, node, session, flags, store_epoch, epoch,
                         cursor, devices_max, again, opened, told, said, invisible)

    def detach(self, user, device, session):
        return self.call('detach', self.pairs([user], 'ud'), CHANNELS, COUNTERS, user, device, session)

    def head(self, user):
        """base, pd (None: none), nodes."""
        base, pd, *nodes = (self.link('GET', key('h', user)) or '0 -').split(' ')
        return int(base), None if pd == '-' else pd, nodes

    def live(self, user):
        return (self.link('HGET', key('u', user), 'live') or '').split('\n')

    # ---- what grows old ----

    def tend_users(self, *users, device_ms=1000000, inbox_ms=0):
        return self.call('tend_users', self.pairs(users, ['u', 'i', 'd', 'r', 'push']), device_ms, inbox_ms)

    def tend_conv(self, conv, age_ms=0, upto=''):
        return self.call('tend_convs', [key(letter, conv) for letter in 'clsoO'], age_ms, upto)[0]

    def all_have(self, conv, seq, *users, marked=None):
        return self.call('all_have', self.pairs(users, 'uidh'), conv, seq, seq if marked is None else marked)

    def erase(self, conv):
        return self.call('erase', [key(letter, conv) for letter in 'cls'])
