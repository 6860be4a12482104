// SPDX-License-Identifier: Apache-2.0
// words.mjs: the language of the stories, one row a sentence: what is said, what it does, and an example.
//
// `run.mjs --words` prints this table. Every expectation waits for an event, with a deadline; none waits for time to pass.
// That something does not happen is shown by a fence: something later happens, and it is not there.

import { Refused } from '../lib/device.mjs';
import { DEADLINE_MS, eventually, pause } from '../lib/until.mjs';
import { within } from './world.mjs';

const expect = (holds, sentence) => {
  if (!holds) throw new Error(sentence);
};

async function refusedWith(promise, code, what) {
  try {
    await promise;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    expect(error.code === code, `${what} was refused with ${error.code}, not ${code}`);
    return;
  }
  throw new Error(`${what} was not refused`);
}

const watermark = (device, conv, user) => device.receipts.get(conv)?.get(user) ?? { delivered: 0, read: 0 };

// Sentences about the world. do(world, args); the first four are settings, and come before all else.
const world = [
  // -- what is there
  { say: 'nodes NODES', setup: true, eg: 'nodes n1 n2', do: (w, { nodes }) => { w.nodeNames = nodes; } },
  { say: 'workers NUMBER', setup: true, eg: 'workers 2', do: (w, { number }) => { w.workers = number; } },
  { say: 'a private redis', setup: true, eg: 'a private redis', do: (w) => { w.privateRedis = true; } },
  {
    say: 'with WORD VALUE', setup: true, eg: 'with grace 500ms',
    do: (w, { word, value }) => {
      w.env[`BELFRY_${word.toUpperCase()}`] = value;
      if (word.startsWith('log_')) w.lossy = true; // what the log has lost cannot be compared with what was shown
    },
  },
  {
    say: 'USERS in CONV', eg: 'alice, bob in #room',
    do: (w, { users, conv }) => w.makeConversation(conv, users[0] === 'all' ? w.users() : users),
  },
  {
    say: 'USERS in KIND CONV', eg: 'alice and bob in direct #pair',
    do: (w, { users, kind, conv }) => w.makeConversation(conv, users, kind),
  },
  {
    say: 'NUMBER strangers and then USERS in CONV', eg: '200 strangers and then bob in #room', // the store lists them in this order
    do: (w, { number, users, conv }) => w.makeConversation(conv, [...Array.from({ length: number }, (_, i) => `stranger${i}`), ...users]),
  },
  { say: 'USERS in open channel CONV', eg: 'alice in open channel #news', do: (w, { users, conv }) => w.makeConversation(conv, users, 'channel', { public: true }) },
  // -- the backend
  {
    say: 'backend sends TEXT from USER as NAME[ to CONV][ -> seq NUMBER]', eg: 'backend sends "hello" from alice as m1 to #room -> seq 1',
    do: async (w, { text, user, name, conv, number }) => {
      const answer = await w.backendSend(name, user, conv, text);
      expect(answer.status === 201, `the backend's send was answered ${answer.status}`);
      expect(number === undefined || answer.json.seq === number, `${name} was stored as seq ${answer.json.seq}, not ${number}`);
    },
  },
  {
    say: 'backend sends NAME again -> same seq', eg: 'backend sends m1 again -> same seq',
    do: async (w, { name }) => {
      const message = w.message(name);
      const { seq } = message;
      const answer = await w.backendPost(message);
      expect(answer.status === 200 && answer.json.duplicate === true && answer.json.seq === seq, `the repeat was answered ${answer.status} ${answer.text}`);
    },
  },
  {
    say: 'backend sends NUMBER messages from USER as STEM[ to CONV]', eg: 'backend sends 1,000 messages from alice as b',
    do: async (w, { number, user, stem, conv }) => {
      for (let i = 1; i <= number; i += 1) await w.backendSend(`${stem}${i}`, user, conv, `${stem} ${i}`);
    },
  },
  { say: 'backend edits NAME to TEXT from USER as NAME2', eg: 'backend edits m1 to "[moderated]" from bot as m2', do: (w, { name, text, user, name2 }) => w.backendSend(name2, user, w.message(name).conv, text, { kind: 'edit', ref: w.message(name).seq }) },
  { say: 'backend makes USER WORD of CONV', eg: 'backend makes carol admin of #room', do: (w, { user, word, conv }) => w.api.addMember(conv, user, { role: word }) },
  {
    say: 'backend adds USER to CONV', eg: 'backend adds carol to #room',
    do: async (w, { user, conv }) => {
      await w.api.addMember(conv, user);
      w.conversations.get(conv).everMembers.add(user);
      for (const device of w.devices.values()) if (device.user === user) device.complete = false; // it need not see what was before
    },
  },
  {
    say: 'backend removes USER from CONV', eg: 'backend removes carol from #room',
    do: async (w, { user, conv }) => {
      await w.api.removeMember(conv, user);
      for (const device of w.devices.values()) if (device.user === user) device.complete = false;
    },
  },
  {
    say: 'backend sees USER STATUS', eg: 'backend sees bob online',
    do: async (w, { user, status }) => {
      let last;
      await eventually(async () => {
        last = await w.api.presence(user);
        return last.status === status;
      }, () => `${user} is ${status} for the backend; it was last told ${JSON.stringify(last)}`);
    },
  },
  {
    say: 'backend sees at least NUMBER waiting for DEVICE', eg: 'backend sees at least 3 waiting for bob.phone', // receipts wait there too
    do: (w, { number, device }) => untilQueue(w, device, (depth) => depth >= number, `at least ${number}`),
  },
  {
    say: 'backend sees nothing waiting for DEVICE', eg: 'backend sees nothing waiting for bob.phone',
    do: (w, { device }) => untilQueue(w, device, (depth) => depth === 0, 'empty'),
  },
  {
    say: 'backend notifies USER of TEXT as NAME[ under WORD]', eg: 'backend notifies bob of "your taxi is here" as x1 under taxi',
    do: (w, { user, text, name, word }) => notify(w, w.newMessage(name, { user, title: text, collapse: word }), 202),
  },
  {
    say: 'backend notifies USER of TEXT as NAME for SPAN', eg: 'backend notifies bob of "tea is hot" as x2 for 1s',
    do: (w, { user, text, name, span }) => notify(w, w.newMessage(name, { user, title: text, ttl_s: span / 1000 }), 202),
  },
  { say: 'backend notifies of NAME again', eg: 'backend notifies of x1 again', do: (w, { name }) => notify(w, w.message(name), 200) },
  {
    say: 'backend sees notice NAME WORD', eg: 'backend sees notice x1 delivered',
    do: async (w, { name, word }) => {
      const { user, op } = w.message(name);
      let last;
      await eventually(async () => {
        last = await w.api.call('GET', `/v1/users/${user}/notifications/${op}`);
        return last.state === word;
      }, () => `${name} is ${word} for the backend; it was last told ${JSON.stringify(last)}`);
    },
  },
  { say: 'backend opens CONV', eg: 'backend opens #news', do: (w, { conv }) => w.api.call('PUT', `/v1/conversations/${conv}`, { kind: 'channel', public: true }) },
  { say: 'backend closes CONV', eg: 'backend closes #news', do: (w, { conv }) => w.api.call('PUT', `/v1/conversations/${conv}`, { kind: 'channel', public: false }) },
  {
    say: 'backend deletes CONV', eg: 'backend deletes #news',
    do: async (w, { conv }) => {
      await w.api.call('DELETE', `/v1/conversations/${conv}`);
      w.conversations.delete(conv);
      for (const [name, message] of w.messages) if (message.conv === conv) w.messages.delete(name); // its log is gone
    },
  },
  { say: 'backend disconnects USER', eg: 'backend disconnects bob', do: (w, { user }) => w.api.disconnect(user) },
  // -- people, whichever device they hold
  {
    say: 'USER types[ in CONV]', eg: 'bob types',
    do: (w, { user, conv }) => {
      const device = [...w.devices.values()].find((each) => each.user === user && each.live);
      expect(device, `no device of ${user} is connected`);
      device.tell('typing', { conv: w.conv(conv), active: true });
    },
  },
  // -- what goes wrong
  {
    say: 'cut redis', eg: 'cut redis',
    do: async (w) => {
      await w.redisCommand('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      await w.redisCommand('CLIENT', 'KILL', 'TYPE', 'pubsub');
    },
  },
  {
    say: 'stall redis SPAN', eg: 'stall redis 3s', // it goes on by itself: what follows happens while it stands still
    do: async (w, { span }) => {
      const pid = await w.redisPid();
      process.kill(pid, 'SIGSTOP');
      w.stalled = pause(span).then(() => process.kill(pid, 'SIGCONT'));
    },
  },
  {
    say: 'redis holds at most NUMBER states of CONV', eg: 'redis holds at most 200 states of #room',
    do: async (w, { number, conv }) => {
      const reply = await w.redisCommand('EVAL', "return redis.call('HLEN', redis.call('KEYS', '*:s:' .. ARGV[1])[1])", '0', conv);
      const states = Number(reply.slice(1));
      expect(states >= 1 && states <= number, `it holds ${states}`);
    },
  },
  {
    say: 'redis holds NUMBER events of USER', eg: 'redis holds 0 events of bob',
    do: (w, { number, user }) => eventually(async () => (await w.redisSize('LLEN', 'i', user)) === number, `${number} events are left in the inbox of ${user}`),
  },
  {
    say: 'redis holds NUMBER entries of CONV', eg: 'redis holds 0 entries of #room',
    do: (w, { number, conv }) => eventually(
      async () => (await w.redisSize('LLEN', 'l', conv)) === number,
      `${number} entries are left in the log of ${conv}`),
  },
  {
    say: 'redis holds NUMBER devices of USER', eg: 'redis holds 1 devices of bob',
    do: (w, { number, user }) => eventually(async () => (await w.redisSize('HLEN', 'd', user)) === number, `${number} devices are left of ${user}`),
  },
  {
    say: 'redis names NUMBER nodes for USER', eg: 'redis names 1 nodes for bob', // on which the user has sessions, or is watched
    do: (w, { number, user }) => eventually(async () => (await w.nodesOf(user)) === number, `${number} nodes are named for ${user}`),
  },
  // As if word of it had been lost: what the store says of sessions, and the nodes do not know.
  { say: 'redis wants DEVICE to end with CLOSE', eg: 'redis wants bob.phone to end with 4202', do: (w, { device, close }) => w.rewriteSessions(device, '.*', `%0 ${close}`) },
  { say: 'redis believes in another device beside DEVICE', eg: 'redis believes in another device beside bob.phone', do: (w, { device }) => w.rewriteSessions(device, '%S+ %S+ (.*)', '%0\nghost 0123456789abcdef %1') },
  {
    // A base file is compressed: what a text has in common with one before it, as ids have, is not in it letter by letter.
    say: 'redis compresses no files', eg: 'redis compresses no files',
    do: (w) => w.redisCommand('CONFIG', 'SET', 'rdbcompression', 'no'),
  },
  {
    say: 'the files of redis hold TEXT', eg: 'the files of redis hold "1234"', // a private one's
    do: (w, { text }) => expect(w.filesHold(text), `"${text}" is in no file`),
  },
  {
    say: 'the files of redis lose TEXT', eg: 'the files of redis lose "1234"',
    do: (w, { text }) => eventually(() => !w.filesHold(text), `"${text}" is in no file any more`),
  },
  { say: 'redis goes on', eg: 'redis goes on', do: (w) => w.stalled },
  {
    say: 'kill redis', eg: 'kill redis',
    do: async (w) => {
      if (w.redis) await w.redis.kill();
      else await w.node('n1').killPid(await w.redisPid());
    },
  },
  { say: 'start redis', eg: 'start redis', do: (w) => w.redis.start() },
  {
    say: 'restart redis', eg: 'restart redis', // a private one is brought back by its supervisor
    do: async (w) => {
      const pid = await w.redisPid();
      if (w.redis) {
        await w.redis.kill();
        await w.redis.start();
      } else {
        await w.node('n1').killPid(pid);
        await eventually(() => w.node('n1').redisPid(), 'the supervisor starts Redis again');
      }
    },
  },
  {
    say: 'wipe redis', eg: 'wipe redis',
    do: async (w) => {
      w.lossy = true;
      await w.redisCommand('FLUSHALL');
    },
  },
  {
    say: 'kill worker on NODE', eg: 'kill worker on n1',
    do: async (w, { node }) => {
      w.wounded.add(node);
      const before = w.node(node).workers();
      expect(before.length > 0, `${node} has no worker`);
      await w.node(node).killPid(before[0].pid);
      await eventually(() => w.node(node).workers().length === before.length, `${node} has ${before.length} workers again`);
    },
  },
  {
    say: 'kill every worker on NODE', eg: 'kill every worker on n1',
    do: async (w, { node }) => {
      w.wounded.add(node);
      const before = w.node(node).workers();
      for (const { pid } of before) await w.node(node).killPid(pid);
      await eventually(() => w.node(node).workers().length === before.length, `${node} has ${before.length} workers again`);
    },
  },
  { say: 'kill NODE', eg: 'kill n1', do: (w, { node }) => w.node(node).kill() },
  { say: 'start NODE', eg: 'start n1', do: (w, { node }) => w.startNode(node) },
  {
    say: 'restart NODE', eg: 'restart n1',
    do: async (w, { node }) => {
      await w.node(node).kill();
      await w.startNode(node);
    },
  },
  { say: 'drain NODE', eg: 'drain n1', do: (w, { node }) => { w.node(node).ended = w.node(node).stop(); } },
  {
    say: 'NODE ends with status NUMBER', eg: 'n1 ends with status 0',
    do: async (w, { node, number }) => {
      const ended = await within(w.node(node).ended, `${node} ends`, 2 * DEADLINE_MS);
      expect(ended.code === number, `${node} ended with ${JSON.stringify(ended)}`);
    },
  },
  { say: 'NODE is ready', eg: 'n1 is ready', do: (w, { node }) => w.node(node).untilReady() },
  {
    say: 'NODE is not ready', eg: 'n1 is not ready',
    do: (w, { node }) => eventually(async () => (await w.node(node).api.raw('GET', '/readyz')).status === 503, `${node} answers /readyz with 503`),
  },
];

// What devices do and see. do(world, device, args); with `group`, all subjects at once: do(world, [device], args);
// with `label`, the subject's name, as there is no such device yet.
const device = [
  // -- coming and going
  {
    say: 'on NODE as DEVICE', eg: 'bob.twin on n2 as bob.phone', label: true, // another session of the same device
    do: (w, label, { node, device: identity }) => arrive(w, label, node, identity),
  },
  { say: 'on NODE', eg: 'alice.phone on n1', label: true, do: (w, label, { node }) => arrive(w, label, node) },
  { say: 'is welcomed fresh', eg: 'alice.phone is welcomed fresh', do: (w, d) => expect(d.welcomes.at(-1).fresh === true, `${d.name} was not welcomed as fresh`) },
  { say: 'leaves', eg: 'bob.phone leaves', do: (w, d) => d.leave() },
  { say: 'drops', eg: 'bob.phone drops', do: (w, d) => d.drop() },
  {
    say: 'returns[ on NODE]', eg: 'bob.phone returns on n1',
    do: async (w, d, { node }) => {
      await d.until(() => d.state === 'off' || d.state === 'stopped', `${d.name} is gone, so that it can return`);
      if (node) d.nodeName = node;
      await d.start();
    },
  },
  {
    say: 'flickers', eg: 'bob.phone flickers',
    do: async (w, d) => {
      const before = d.welcomes.length;
      d.flicker();
      await d.until(() => d.welcomes.length > before, `${d.name} comes back`);
    },
  },
  {
    say: 'moves to NODE', eg: 'bob.phone moves to n2',
    do: async (w, d, { node }) => {
      const before = d.welcomes.length;
      d.nodeName = node;
      d.flicker();
      await d.until(() => d.welcomes.length > before, `${d.name} comes to ${node}`);
    },
  },
  { say: 'heads for NODE', eg: 'bob.phone heads for n2', do: (w, d, { node }) => { d.nodeName = node; } }, // at its next connect
  { say: 'syncs', eg: 'bob.phone syncs', do: (w, d) => within(d.sync(), `the sync of ${d.name} is answered`) }, // over HTTP, without a session
  {
    say: 'syncs with TEXT as NAME[ to CONV][ -> seq NUMBER]', eg: 'bob.phone syncs with "yes" as m2 -> seq 2',
    do: async (w, d, { text, name, conv, number }) => {
      const message = w.newMessage(name, { conv: w.conv(conv), body: text, from: d.user });
      const [sent] = await within(d.sync([{ type: 'send', id: 1, conv: message.conv, op: message.op, body: text }]), `the sync of ${d.name} is answered`);
      expect(sent.type === 'sent' && sent.id === 1 && sent.op === message.op, `the send was answered ${JSON.stringify(sent)}`);
      expect(number === undefined || sent.seq === number, `${name} was stored as seq ${sent.seq}, not ${number}`);
      message.seq = sent.seq;
    },
  },
  {
    say: 'syncs with NAME read', eg: 'bob.phone syncs with m1 read',
    do: async (w, d, { name }) => {
      const [ok] = await within(d.sync([{ type: 'read', id: 1, conv: w.message(name).conv, seq: w.message(name).seq }]), `the sync of ${d.name} is answered`);
      expect(ok.type === 'ok', `the read was answered ${JSON.stringify(ok)}`);
    },
  },
  { say: 'forgets its cursor', eg: 'bob.phone forgets its cursor', do: (w, d) => d.forget() },
  {
    say: 'is connected', eg: 'all are connected',
    do: (w, d) => eventually(() => d.request('ping', {}, 2000), () => `${d.name} is connected and answered (is ${d.state})`),
  },
  { say: 'catches up', eg: 'bob.phone catches up', do: (w, d) => d.until(() => d.caughtUp, `${d.name} is told that it has caught up`) },
  {
    say: 'is closed with CLOSE', eg: 'bob.phone is closed with 4409',
    do: async (w, d, { close }) => {
      const last = await d.until(() => d.closes.find((each) => each.code >= 1000 && each.code !== 1006) ?? d.closes.at(-1), `${d.name} is closed`);
      expect(last.code === close, `${d.name} was closed with ${last.code} ${last.reason}, not ${close}`);
    },
  },
  { say: 'is closed', eg: 'bob.phone is closed', do: (w, d) => d.until(() => d.closes.length > 0, `${d.name} is closed`) },
  {
    say: 'stays away', eg: 'bob.phone stays away', // it was told not to reconnect
    do: (w, d) => d.until(() => d.state === 'stopped', () => `${d.name} stays away (is ${d.state})`),
  },
  {
    say: 'is told to go away with their own delays', group: true, eg: 'all are told to go away with their own delays',
    do: async (w, devices) => {
      const delays = [];
      for (const d of devices) {
        const frame = await d.until(() => d.frames.goaway.at(-1), `${d.name} is told to go away`);
        expect(Number.isInteger(frame.retry_after_ms) && frame.retry_after_ms >= 0, `${d.name} was told to come back after ${frame.retry_after_ms}`);
        delays.push(frame.retry_after_ms);
      }
      expect(new Set(delays).size > delays.length / 2, `the delays are ${delays.join(', ')}`);
    },
  },
  // -- sending
  {
    say: 'sends TEXT as NAME[ to CONV][ -> seq NUMBER]', eg: 'alice.phone sends "are you there?" as m1 -> seq 1',
    do: async (w, d, { text, name, conv, number }) => w.stored(w.begin(d, name, conv, text), number),
  },
  {
    say: 'sends TEXT[ to CONV] -> error CODE', eg: 'mallory.phone sends "let me in" to #room -> error forbidden',
    do: (w, d, { text, conv, code }) => refusedWith(d.send(w.conv(conv), text), code, `a send of ${d.name}`),
  },
  { say: 'begins to send TEXT as NAME[ to CONV]', eg: 'alice.phone begins to send "hello" as m1', do: (w, d, { text, name, conv }) => { w.begin(d, name, conv, text); } },
  { say: 'has NAME stored[ -> seq NUMBER]', eg: 'alice.phone has m1 stored -> seq 1', do: (w, d, { name, number }) => w.stored(w.message(name), number) },
  {
    say: 'sends NAME again -> same seq', eg: 'alice.phone sends m1 again -> same seq',
    do: async (w, d, { name }) => {
      const { conv, body, op, seq, kind, ref } = w.message(name);
      const sent = await within(d.send(conv, body, { op, kind, ref }), `the repeat of ${name} is answered`);
      expect(sent.seq === seq, `the repeat of ${name} became seq ${sent.seq}`);
      expect(sent.duplicate === true, `the repeat of ${name} is not called a duplicate`);
    },
  },
  {
    say: 'sends NUMBER messages as STEM[ to CONV]', eg: 'alice.phone sends 300 messages as b',
    do: async (w, d, { number, stem, conv }) => {
      const messages = [];
      for (let i = 1; i <= number; i += 1) {
        messages.push(w.begin(d, `${stem}${i}`, conv, `${stem} ${i}`));
        if (i >= 64) await w.stored(messages[i - 64]);
      }
      for (const message of messages) await w.stored(message);
    },
  },
  { say: 'edits NAME to TEXT as NAME2', eg: 'alice.phone edits m1 to "sorry" as m2', do: (w, d, { name, text, name2 }) => w.stored(w.begin(d, name2, w.message(name).conv, text, { kind: 'edit', ref: w.message(name).seq })) },
  {
    say: 'sends and edits NUMBER messages as STEM', eg: 'alice.phone sends and edits 500 messages as c',
    do: async (w, d, { number, stem }) => {
      for (let i = 1; i <= number; i += 1) {
        const { conv, seq } = await w.stored(w.begin(d, `${stem}${2 * i - 1}`, undefined, 'first'));
        await w.stored(w.begin(d, `${stem}${2 * i}`, conv, 'second', { kind: 'edit', ref: seq }));
      }
    },
  },
  { say: 'deletes NAME as NAME2', eg: 'alice.phone deletes m1 as m3', do: (w, d, { name, name2 }) => w.stored(w.begin(d, name2, w.message(name).conv, null, { kind: 'delete', ref: w.message(name).seq })) },
  { say: 'reacts to NAME with TEXT as NAME2', eg: 'bob.phone reacts to m1 with "+1" as m4', do: (w, d, { name, text, name2 }) => w.stored(w.begin(d, name2, w.message(name).conv, text, { kind: 'react', ref: w.message(name).seq })) },
  { say: 'edits NAME to TEXT -> error CODE', eg: 'bob.phone edits m1 to "mine" -> error forbidden', do: (w, d, { name, text, code }) => refusedWith(about(w, d, 'edit', name, text), code, `an edit of ${d.name}`) },
  { say: 'deletes NAME -> error CODE', eg: 'bob.phone deletes m1 -> error forbidden', do: (w, d, { name, code }) => refusedWith(about(w, d, 'delete', name, null), code, `a deletion of ${d.name}`) },
  { say: 'reacts to NAME with TEXT -> error CODE', eg: 'bob.phone reacts to m1 with "+1" -> error conflict', do: (w, d, { name, text, code }) => refusedWith(about(w, d, 'react', name, text), code, `a reaction of ${d.name}`) },
  // -- receiving
  { say: 'receives nothing more', eg: 'bob.phone receives nothing more', do: (w, d) => w.nothingMore(d) },
  {
    say: 'receives signal TEXT', eg: 'bob.phone receives signal "ring"',
    do: (w, d, { text }) => d.until(() => d.frames.signal.some((each) => each.body === text), `${d.name} receives the signal "${text}"`),
  },
  { say: 'receives NAMES in order once', eg: 'bob.phone receives b1..b300 in order once', do: (w, d, { names }) => w.receives(d, names, { inOrder: true, once: true }) },
  { say: 'receives NAMES in order', eg: 'bob.phone receives m1 m2 m3 in order', do: (w, d, { names }) => w.receives(d, names, { inOrder: true }) },
  { say: 'receives NAMES once', eg: 'bob.phone receives m1 once', do: (w, d, { names }) => w.receives(d, names, { once: true }) },
  { say: 'receives NAMES', eg: 'bob.phone, bob.laptop receive m1', do: (w, d, { names }) => w.receives(d, names, {}) },
  {
    say: 'receives NAME without its text', eg: 'bob.phone receives m1 without its text', // it was deleted meanwhile
    do: async (w, d, { name }) => {
      const { op } = w.message(name);
      const [shown] = await d.until(() => w.places(d).get(op), `${d.name} receives ${name}`);
      w.named.get(d).add(op);
      expect(shown.deleted === true && shown.body === undefined, `${d.name} was shown ${JSON.stringify(shown)}`);
    },
  },
  {
    say: 'does not receive NAMES', eg: 'carol.phone does not receive m2',
    do: async (w, d, { names }) => {
      await w.fence(d);
      for (const name of names) expect(!w.places(d).has(w.message(name).op), `${d.name} was shown ${name}`);
    },
  },
  {
    say: 'sees NAME as WORD of NAME2', eg: 'bob.phone sees m2 as edit of m1',
    do: (w, d, { name, word, name2 }) => {
      const [shown] = w.places(d).get(w.message(name).op) ?? [];
      expect(shown?.type === word && shown.ref === w.message(name2).seq, `${d.name} sees ${name} as ${JSON.stringify(shown)}`);
    },
  },
  { say: 'holds its acks', eg: 'bob.phone holds its acks', do: (w, d) => d.holdAcks() },
  { say: 'acknowledges again', eg: 'bob.phone acknowledges again', do: (w, d) => d.releaseAcks() },
  { say: 'is told of a gap', eg: 'bob.phone is told of a gap', do: (w, d) => d.until(() => d.frames.gap.length > 0, `${d.name} is told of a gap`) },
  { say: 'is told of a reset', eg: 'bob.phone is told of a reset', do: (w, d) => d.until(() => d.frames.reset.length > 0, `${d.name} is told of a reset`) },
  { say: 'reloads', eg: 'bob.phone reloads', do: (w, d) => d.until(() => d.reloads > 0, `${d.name} has loaded everything anew`) },
  // -- notifications
  {
    say: 'is notified of NAMES', eg: 'bob.phone is notified of x1',
    do: async (w, d, { names }) => {
      for (const { op, title } of names.map((name) => w.message(name))) {
        const event = await d.until(() => d.events.find((each) => each.type === 'notification' && each.op === op), `${d.name} is notified of "${title}"`);
        expect(event.title === title && event.priority === 'normal' && Number.isInteger(event.at), `${d.name} was notified by ${JSON.stringify(event)}`);
        expect(event.push === undefined && event.escalate === undefined, `${d.name} was told the plan: ${JSON.stringify(event)}`);
      }
    },
  },
  {
    say: 'is not notified of NAMES', eg: 'bob.laptop is not notified of x1',
    do: async (w, d, { names }) => {
      await w.fence(d);
      for (const name of names) expect(!d.events.some((each) => each.type === 'notification' && each.op === w.message(name).op), `${d.name} was notified of ${name}`);
    },
  },
  {
    say: 'opens NAME', eg: 'bob.phone opens x1',
    do: async (w, d, { name }) => {
      const reply = await d.request('read', { op: w.message(name).op });
      expect(reply.type === 'ok', `read was answered with ${reply.type}`);
    },
  },
  // -- channels
  {
    say: 'subscribes to CONV', eg: 'bob.phone subscribes to #news',
    do: async (w, d, { conv }) => {
      const frame = await d.subscribe(conv);
      expect(frame.recovered === true, `${d.name} subscribed, and got ${JSON.stringify(frame)}`);
    },
  },
  { say: 'subscribes to CONV -> error CODE', eg: 'eve.phone subscribes to #news -> error forbidden', do: (w, d, { conv, code }) => refusedWith(d.subscribe(conv), code, `a subscription of ${d.name}`) },
  {
    say: 'subscribes to CONV from NUMBER', eg: 'bob.phone subscribes to #news from 3', // in the epoch that it knows
    do: async (w, d, { conv, number }) => {
      const frame = await d.subscribe(conv, { epoch: d.channels.get(conv).epoch, seq: number });
      expect(frame.recovered === true, `${d.name} subscribed from ${number}, and got ${JSON.stringify(frame)}`);
    },
  },
  {
    say: 'subscribes to CONV from NUMBER and is not recovered', eg: 'bob.phone subscribes to #news from 99 and is not recovered',
    do: async (w, d, { conv, number }) => {
      const frame = await d.subscribe(conv, { epoch: d.channels.get(conv).epoch, seq: number });
      expect(frame.recovered === false, `${d.name} subscribed from ${number}, and got ${JSON.stringify(frame)}`);
    },
  },
  { say: 'unsubscribes from CONV', eg: 'bob.phone unsubscribes from #news', do: (w, d, { conv }) => d.unsubscribe(conv) },
  {
    say: 'is told that CONV is not recovered', eg: 'bob.phone is told that #news is not recovered',
    do: (w, d, { conv }) => d.until(() => d.subscribed.some((each) => each.conv === conv && !each.recovered), `${d.name} is told that entries of ${conv} are lost`),
  },
  {
    say: 'is always recovered', eg: 'bob.phone is always recovered',
    do: (w, d) => expect(d.subscribed.every((each) => each.recovered), `${d.name} was told ${JSON.stringify(d.subscribed)}`),
  },
  {
    say: 'loses CONV with CODE', eg: 'bob.phone loses #news with forbidden',
    do: (w, d, { conv, code }) => d.until(() => d.channels.get(conv)?.ended === code, () => `${d.name} is told that ${conv} ends with ${code}; it was told ${d.channels.get(conv)?.ended}`),
  },
  { say: 'has a token for CONV', eg: 'eve.phone has a token for #news', do: (w, d, { conv }) => { d.granted = [conv]; } }, // from its next connect on
  { say: 'has a token for nothing', eg: 'eve.phone has a token for nothing', do: (w, d) => { d.granted = undefined; } },
  {
    say: 'renews its token', eg: 'eve.phone renews its token',
    do: async (w, d) => expect((await d.request('auth', { token: d.token(d.user, d.device) })).type === 'ok', 'auth was refused'),
  },
  { say: 'reads nothing from its socket', eg: 'bob.phone reads nothing from its socket', do: (w, d) => d.pauseReading() },
  { say: 'reads from its socket again', eg: 'bob.phone reads from its socket again', do: (w, d) => d.resumeReading() },
  {
    say: 'reads NAME -> error CODE', eg: 'bob.phone reads m1 -> error bad_request',
    do: (w, d, { name, code }) => refusedWith(d.read(w.message(name).conv, w.message(name).seq), code, `${d.name}'s read`),
  },
  {
    say: 'types in CONV -> error CODE', eg: 'bob.phone types in #news -> error bad_request',
    do: async (w, d, { conv, code }) => {
      d.tell('typing', { conv, active: true });
      await d.until(() => d.lastError?.code === code, `${d.name} is told ${code}`);
    },
  },
  { say: 'signals TEXT to CONV -> error CODE', eg: 'bob.phone signals "ring" to #news -> error bad_request', do: (w, d, { text, conv, code }) => refusedWith(d.request('signal', { conv, body: text }), code, `${d.name}'s signal`) },
  // -- receipts
  {
    say: 'reads NAME', eg: 'bob.phone reads m1',
    do: async (w, d, { name }) => {
      const reply = await d.read(w.message(name).conv, w.message(name).seq);
      expect(reply.type === 'ok', `read was answered with ${reply.type}`);
    },
  },
  {
    say: 'sees NAME delivered to USER', eg: 'alice.phone sees m1 delivered to bob',
    do: (w, d, { name, user }) => d.until(() => watermark(d, w.message(name).conv, user).delivered >= w.message(name).seq, () => `${d.name} sees ${name} delivered to ${user}; it sees ${JSON.stringify(watermark(d, w.message(name).conv, user))}`),
  },
  {
    say: 'sees NAME read by USER', eg: 'alice.phone sees m1 read by bob',
    do: (w, d, { name, user }) => d.until(() => watermark(d, w.message(name).conv, user).read >= w.message(name).seq, () => `${d.name} sees ${name} read by ${user}; it sees ${JSON.stringify(watermark(d, w.message(name).conv, user))}`),
  },
  {
    say: 'sees NAME not read by USER', eg: 'alice.phone sees m2 not read by bob',
    do: async (w, d, { name, user }) => {
      await w.fence(d);
      expect(watermark(d, w.message(name).conv, user).read < w.message(name).seq, `${d.name} sees ${name} read by ${user}`);
    },
  },
  {
    say: 'sees NAME not delivered to USER', eg: 'alice.phone sees m2 not delivered to bob',
    do: async (w, d, { name, user }) => {
      await w.fence(d);
      expect(watermark(d, w.message(name).conv, user).delivered < w.message(name).seq, `${d.name} sees ${name} delivered to ${user}`);
    },
  },
  // -- typing and signals
  { say: 'types NUMBER times[ in CONV]', eg: 'bob.phone types 5 times', do: (w, d, { number, conv }) => { for (let i = 0; i < number; i += 1) d.tell('typing', { conv: w.conv(conv), active: true }); } },
  { say: 'types[ in CONV]', eg: 'bob.phone types', do: (w, d, { conv }) => d.tell('typing', { conv: w.conv(conv), active: true }) },
  { say: 'stops typing[ in CONV]', eg: 'bob.phone stops typing', do: (w, d, { conv }) => d.tell('typing', { conv: w.conv(conv), active: false }) },
  {
    say: 'is told that USER stopped typing[ in CONV]', eg: 'alice.phone is told that bob stopped typing',
    do: (w, d, { user, conv }) => d.until(() => d.frames.typing.some((each) => each.user === user && each.conv === w.conv(conv) && each.active === false), `${d.name} is told that ${user} stopped typing`),
  },
  { say: 'sees USER typing[ in CONV]', eg: 'alice.phone sees bob typing', do: (w, d, { user, conv }) => d.until(() => d.isTyping(w.conv(conv), user), `${d.name} sees ${user} typing`) },
  { say: 'sees USER no longer typing[ in CONV]', eg: 'alice.phone sees bob no longer typing', do: (w, d, { user, conv }) => d.until(() => !d.isTyping(w.conv(conv), user), `${d.name} sees ${user} no longer typing`) },
  {
    say: 'was told once that USER types[ in CONV]', eg: 'alice.phone was told once that bob types',
    do: async (w, d, { user, conv }) => {
      const count = () => d.frames.typing.filter((each) => each.user === user && each.conv === w.conv(conv) && each.active).length;
      await d.until(() => count() > 0, `${d.name} is told that ${user} types`);
      const typist = [...w.devices.values()].find((each) => each.user === user && each.live);
      await signalFence(w, typist, d, w.conv(conv));
      expect(count() === 1, `${d.name} was told ${count()} times that ${user} types`);
    },
  },
  {
    say: 'was not told that USER types[ in CONV]', eg: 'bob.phone was not told that bob types',
    do: async (w, d, { user, conv }) => {
      await w.fence(d);
      expect(!d.frames.typing.some((each) => each.user === user && each.conv === w.conv(conv)), `${d.name} was told that ${user} types`);
    },
  },
  {
    say: 'signals TEXT[ to CONV]', eg: 'alice.phone signals "ring"',
    do: async (w, d, { text, conv }) => {
      const reply = await d.request('signal', { conv: w.conv(conv), body: text });
      expect(reply.type === 'ok', `signal was answered with ${reply.type}`);
    },
  },
  {
    say: 'never received signal TEXT', eg: 'bob.phone never received signal "ring"',
    do: async (w, d, { text }) => {
      await w.fence(d);
      expect(!d.frames.signal.some((each) => each.body === text), `${d.name} received the signal "${text}"`);
    },
  },
  // -- presence
  { say: 'watches USERS', eg: 'alice.phone watches bob and carol', do: (w, d, { users }) => d.watch(users) },
  {
    say: 'unwatches USERS', eg: 'alice.phone unwatches bob',
    do: (w, d, { users }) => d.request('unwatch', { users }),
  },
  {
    say: 'sees USER STATUS', eg: 'alice.phone sees bob offline',
    do: (w, d, { user, status }) => d.until(() => d.presence.get(user)?.status === status, () => `${d.name} sees ${user} ${status}; it sees ${JSON.stringify(d.presence.get(user))}`),
  },
  {
    say: 'never saw USER STATUS', eg: 'alice.phone never saw bob offline',
    do: (w, d, { user, status }) => expect(!d.frames.presence.some((each) => each.user === user && each.status === status), `${d.name} was told that ${user} is ${status}`),
  },
  {
    say: 'saw USER STATUS once', eg: 'alice.phone saw bob offline once',
    do: (w, d, { user, status }) => {
      const count = d.frames.presence.filter((each) => each.user === user && each.status === status).length;
      expect(count === 1, `${d.name} was told ${count} times that ${user} is ${status}`);
    },
  },
  {
    say: 'has status WORD', eg: 'bob.phone has status away',
    do: async (w, d, { word }) => {
      const reply = await d.request('status', { status: word });
      expect(reply.type === 'ok', `status was answered with ${reply.type}`);
    },
  },
  // -- asking
  {
    say: 'asks history[ of CONV] -> error CODE', eg: 'mallory.phone asks history of #room -> error forbidden',
    do: (w, d, { conv, code }) => refusedWith(d.request('history', { conv: w.conv(conv), after: 0 }), code, `${d.name}'s history`),
  },
  {
    say: 'asks members[ of CONV] -> error CODE', eg: 'mallory.phone asks members of #room -> error forbidden',
    do: (w, d, { conv, code }) => refusedWith(d.request('members', { conv: w.conv(conv) }), code, `${d.name}'s members`),
  },
  { say: 'asks history[ of CONV][ limit NUMBER] after NAME -> NAMES[ and more]', eg: 'bob.phone asks history after m1 -> m2 m3', do: (w, d, a, text) => history(w, d, a, { after: w.message(a.name).seq }, text) },
  { say: 'asks history[ of CONV][ limit NUMBER] before NAME -> NAMES[ and more]', eg: 'bob.phone asks history limit 2 before m4 -> m2 m3 and more', do: (w, d, a, text) => history(w, d, a, { before: w.message(a.name).seq }, text) },
  { say: 'asks history[ of CONV][ limit NUMBER] -> NAMES[ and more]', eg: 'bob.phone asks history of #room -> m1 m2', do: (w, d, a, text) => history(w, d, a, {}, text) },
  {
    say: 'asks history -> NAME reads TEXT[ in version NUMBER][ by USER]', eg: 'bob.phone asks history -> m1 reads "sorry" in version 1 by carol',
    do: async (w, d, { name, text, number, user }) => {
      const entry = await entryOf(w, d, name);
      expect(entry.body === text && entry.version === number && entry.edited_by === user && entry.deleted === undefined, `${name} is ${JSON.stringify(entry)}`);
      expect(Number.isInteger(entry.edited_at) === (number !== undefined), `${name} has edited_at ${entry.edited_at}`);
    },
  },
  {
    say: 'asks history -> NAME is deleted[ by USER]', eg: 'bob.phone asks history -> m1 is deleted by carol',
    do: async (w, d, { name, user }) => {
      const entry = await entryOf(w, d, name);
      expect(isWithheld(entry) && entry.version === undefined && entry.reactions === undefined, `${name} is ${JSON.stringify(entry)}`);
      expect(Number.isInteger(entry.deleted_at) && entry.deleted_by === user, `${name} is ${JSON.stringify(entry)}`);
    },
  },
  {
    say: 'asks history -> NAME is without its text', eg: 'bob.phone asks history -> m2 is without its text', // an edit of what was deleted
    do: async (w, d, { name }) => {
      const entry = await entryOf(w, d, name);
      expect(isWithheld(entry), `${name} is ${JSON.stringify(entry)}`);
    },
  },
  {
    say: 'asks history -> NAME has reactions NAMES', eg: 'alice.phone asks history -> m1 has reactions m3 m4',
    do: async (w, d, { name, names }) => {
      const { reactions = [] } = await entryOf(w, d, name);
      const wanted = names.map((each) => w.message(each));
      expect(JSON.stringify(reactions.map(({ seq, from, body }) => [seq, from, body])) === JSON.stringify(wanted.map(({ seq, from, body }) => [seq, from, body])), `the reactions are ${JSON.stringify(reactions)}`);
      expect(reactions.every((each) => Number.isInteger(each.at)), 'a reaction has no time');
    },
  },
  { say: 'asks history -> NAME has no reactions', eg: 'bob.phone asks history -> m1 has no reactions', do: async (w, d, { name }) => expect((await entryOf(w, d, name)).reactions === undefined, `${name} has reactions`) },
  {
    say: 'asks history -> NAME has versions TEXTS', eg: 'bob.phone asks history -> m1 has versions "helo" "hello"',
    do: async (w, d, { name, texts }) => {
      const { versions, seq } = await entryOf(w, d, name, { versions: true });
      expect(JSON.stringify(versions?.map((each) => each.body)) === JSON.stringify(texts), `the versions are ${JSON.stringify(versions)}`);
      expect(versions[0].seq === seq && versions.every((each) => Number.isInteger(each.at) && each.from), `the versions are ${JSON.stringify(versions)}`);
    },
  },
  {
    say: 'asks history -> NAME has NUMBER versions without text', eg: 'bob.phone asks history -> m1 has 2 versions without text',
    do: async (w, d, { name, number }) => {
      const { versions } = await entryOf(w, d, name, { versions: true });
      expect(versions?.length === number && versions.every(isWithheld), `the versions are ${JSON.stringify(versions)}`);
    },
  },
  {
    say: 'asks conversations -> CONV ends with NAME reading TEXT', eg: 'bob.phone asks conversations -> #room ends with m1 reading "sorry"',
    do: async (w, d, { conv, name, text }) => {
      const last = await lastOf(d, conv);
      expect(last?.op === w.message(name).op && last.body === text, `${conv} ends with ${JSON.stringify(last)}`);
    },
  },
  {
    say: 'asks conversations -> CONV ends with NAME deleted', eg: 'bob.phone asks conversations -> #room ends with m1 deleted',
    do: async (w, d, { conv, name }) => {
      const last = await lastOf(d, conv);
      expect(last?.op === w.message(name).op && isWithheld(last), `${conv} ends with ${JSON.stringify(last)}`);
    },
  },
  {
    say: 'asks conversations -> CONV unread NUMBER', eg: 'bob.phone asks conversations -> #room unread 2',
    do: async (w, d, { conv, number }) => {
      const items = await d.conversations();
      const item = items.find((each) => each.conv === conv);
      expect(item, `${d.name} has no conversation ${conv}, only ${items.map((each) => each.conv).join(', ')}`);
      for (const field of ['kind', 'epoch', 'seq', 'delivered', 'read', 'unread']) expect(item[field] !== undefined, `the conversation has no ${field}`);
      expect(item.unread === number, `${conv} has ${item.unread} unread, not ${number}`);
    },
  },
  {
    say: 'asks conversations -> not CONV', eg: 'mallory.phone asks conversations -> not #room',
    do: async (w, d, { conv }) => expect(!(await d.conversations()).some((each) => each.conv === conv), `${d.name} has the conversation ${conv}`),
  },
  {
    say: 'asks members of CONV -> USER has read NAME', eg: 'alice.phone asks members of #room -> bob has read m1',
    do: (w, d, { conv, user, name }) => eventually(async () => {
      const { items } = await d.request('members', { conv: w.conv(conv) });
      return items.find((each) => each.user === user).read >= w.message(name).seq;
    }, `members says that ${user} has read ${name}`),
  },
  {
    say: 'asks members[ of CONV] -> USERS', eg: 'bob.phone asks members of #room -> alice and bob',
    do: async (w, d, { conv, users }) => {
      const reply = await d.request('members', { conv: w.conv(conv) });
      const found = reply.items.map((each) => each.user).sort();
      expect(String(found) === String([...users].sort()), `the members are ${found.join(', ')}`);
      for (const item of reply.items) for (const field of ['role', 'delivered', 'read']) expect(item[field] !== undefined, `${item.user} has no ${field}`);
    },
  },
  {
    say: 'sees USER WORD CONV', eg: 'alice.phone sees carol joined #room',
    do: (w, d, { user, word, conv }) => d.until(() => d.events.some((each) => each.type === 'member' && each.user === user && each.action === word && each.conv === conv), `${d.name} sees that ${user} ${word} ${conv}`),
  },
  { say: 'pings', eg: 'alice.phone pings', do: (w, d) => d.ping() },
];

async function untilQueue(w, label, holds, what) {
  const [user, device] = label.split('.');
  let last;
  await eventually(async () => {
    last = (await w.api.devices(user)).find((each) => each.device === device);
    return last && holds(last.queue.depth);
  }, () => `the queue of ${label} is ${what}; it was last told ${JSON.stringify(last)}`);
}

async function notify(w, { user, op, title, collapse, ttl_s }, status) {
  const body = { op, title, collapse, ttl_s, push: { title }, escalate: [{ after_s: 60 }] };
  const answer = await w.api.raw('POST', `/v1/users/${user}/notifications`, { body });
  expect(answer.status === status && Boolean(answer.json.duplicate) === (status === 200), `the notification was answered ${answer.status} ${answer.text}`);
}

async function arrive(w, label, node, identity) {
  const made = w.addDevice(label, node, identity);
  if (!identity && w.messages.size === 0) made.complete = true; // it is there from the beginning
  await made.start();
}

// What `from` signals, `to` sees after all that it was told of `from` before.
async function signalFence(w, from, to, conv) {
  const body = `fence ${Math.random()}`;
  await from.request('signal', { conv, body });
  await to.until(() => to.frames.signal.some((each) => each.body === body), `${to.name} sees a signal of ${from.name}`);
}

// A send about another entry, by its name.
const about = (w, d, kind, name, body) => d.send(w.message(name).conv, body, { kind, ref: w.message(name).seq });

const isWithheld = (entry) => entry.deleted === true && entry.body === undefined;

async function entryOf(w, d, name, more = {}) {
  const { conv, op, seq } = w.message(name);
  const { entries } = await d.request('history', { conv, before: seq + 1, limit: 1, ...more });
  expect(entries[0]?.op === op, `history has ${JSON.stringify(entries)} instead of ${name}`);
  return entries[0];
}

async function lastOf(d, conv) {
  return (await d.conversations()).find((each) => each.conv === conv)?.last;
}

async function history(w, d, { conv, number, names }, where, text) {
  const wanted = names.map((name) => w.message(name));
  const reply = await d.request('history', { conv: w.conv(conv), limit: number ?? 200, ...where });
  const ops = reply.entries.map((each) => each.op);
  const nameOf = (op) => wanted.find((each) => each.op === op)?.name ?? op;
  expect(String(ops) === String(wanted.map((each) => each.op)), `history is ${ops.map(nameOf).join(' ')}`);
  expect(String(reply.entries.map((each) => each.body)) === String(wanted.map((each) => each.body)), `history has other bodies: ${JSON.stringify(reply.entries)}`);
  expect(Boolean(reply.more) === / and more$/.test(text), `history says more: ${reply.more}`);
  expect(reply.epoch !== undefined, 'history has no epoch');
}

export const words = { world, device };
