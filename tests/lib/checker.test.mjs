// SPDX-License-Identifier: Apache-2.0
// checker.test.mjs: plants one fault after the other in a right history; the checker must name each, and nothing in the right one.

import { Chance, seedFrom } from './chance.mjs';
import { check, describe } from './checker.mjs';
import { Tap } from './tap.mjs';

// A right history: conversations a and b, three users in a, two in b, two devices each, as a perfect hub would make it.
function rightHistory(chance) {
  const members = new Map([
    ['a', new Set(['ann', 'ben', 'cleo'])],
    ['b', new Set(['ann', 'ben'])],
  ]);
  const devices = ['ann', 'ben', 'cleo', 'zoe'].flatMap((user) => ['phone', 'laptop'].map((name) => ({ name: `${user}.${name}`, user, complete: true, shown: [] })));
  const logs = new Map([...members.keys()].map((conv) => [conv, []]));
  const numbers = new Map();
  const sends = [];
  for (let i = 0; i < 60; i += 1) {
    const conv = chance.pick(['a', 'b']);
    const user = chance.pick([...members.get(conv)]);
    const state = i % 10 === 3 ? 'refused' : i % 10 === 7 ? 'pending' : 'sent';
    const send = { op: `op-${i}`, conv, user, state };
    sends.push(send);
    if (state === 'refused' || (state === 'pending' && chance.below(2))) continue; // nobody knows of a pending one
    const seq = logs.get(conv).length + 1;
    if (state === 'sent') send.seq = seq;
    logs.get(conv).push({ seq, op: send.op, from: user });
    for (const device of devices) {
      if (!members.get(conv).has(device.user)) continue;
      const n = (numbers.get(device.name) ?? 0) + 1 + (chance.below(5) === 0 ? 1 : 0); // collapsed receipts leave holes in n
      numbers.set(device.name, n);
      device.shown.push({ era: 0, n, conv, seq, op: send.op });
    }
  }
  return { sends, logs, members, devices };
}

const deviceOf = (history, name) => history.devices.find((device) => device.name === name);
const sentIn = (history, conv, nth = 0) => history.sends.filter((send) => send.conv === conv && send.state === 'sent')[nth];

function renumber(log) {
  log.forEach((entry, index) => {
    entry.seq = index + 1;
  });
}

// [what is planted, the kind that must be reported, how it is planted]
const plants = [
  ['an acknowledged message at the end of the log is gone', 'lost', ({ sends, logs, devices }) => {
    const log = logs.get('a');
    for (;;) {
      const { op, seq } = log.pop();
      for (const device of devices) device.shown = device.shown.filter((each) => each.conv !== 'a' || each.seq !== seq);
      if (sends.find((send) => send.op === op).state === 'sent') return;
    }
  }],
  ['an acknowledged message is gone and the log closed over it', 'lost', ({ logs, sends }) => {
    const log = logs.get('a');
    log.splice(log.findIndex((entry) => sends.find((send) => send.op === entry.op).state === 'sent'), 1);
    renumber(log);
  }],
  ['a message is stored twice', 'twice', ({ logs }) => { logs.get('a').push({ ...logs.get('a')[2] }); renumber(logs.get('a')); }],
  ['a message is stored in two conversations', 'twice', ({ logs }) => { logs.get('b').push({ ...logs.get('a')[2] }); renumber(logs.get('b')); }],
  ['two neighbours of the log changed places after they were acknowledged', 'moved', ({ logs, sends }) => {
    const log = logs.get('a');
    const acknowledged = (entry) => sends.find((send) => send.op === entry.op).state === 'sent';
    const at = log.findIndex((entry, index) => index > 0 && acknowledged(entry) && acknowledged(log[index - 1]));
    [log[at - 1], log[at]] = [log[at], log[at - 1]];
    renumber(log);
  }],
  ['a seq is skipped in the log', 'hole', ({ logs }) => logs.get('b').slice(3).forEach((entry) => { entry.seq += 1; })],
  ['the log holds what nobody sent', 'invented', ({ logs }) => logs.get('b').push({ seq: logs.get('b').length + 1, op: 'from nowhere', from: 'ann' })],
  ['the log holds what was refused', 'invented', ({ logs, sends }) => {
    const send = sends.find((each) => each.state === 'refused');
    logs.get(send.conv).push({ seq: logs.get(send.conv).length + 1, op: send.op, from: send.user });
  }],
  ['the log names another sender', 'invented', ({ logs }) => { logs.get('b')[1].from = logs.get('b')[1].from === 'ann' ? 'ben' : 'ann'; }],
  ['a device misses a message in the middle', 'missing', (history) => deviceOf(history, 'ben.phone').shown.splice(5, 1)],
  ['a device misses the last message', 'missing', (history) => deviceOf(history, 'ben.phone').shown.pop()],
  ['a device was shown nothing at all', 'missing', (history) => { deviceOf(history, 'cleo.laptop').shown = []; }],
  ['the sender itself was not shown its message', 'missing', (history) => {
    const { op, user } = sentIn(history, 'b');
    const device = deviceOf(history, `${user}.phone`);
    device.shown = device.shown.filter((each) => each.op !== op);
  }],
  ['a message is shown again under a new n', 'repeated', (history) => {
    const { shown } = deviceOf(history, 'ann.laptop');
    shown.push({ ...shown.at(-1), n: shown.at(-1).n + 1 });
  }],
  ['an old message is shown again at the end', 'repeated', (history) => {
    const { shown } = deviceOf(history, 'ann.laptop');
    shown.push({ ...shown[0], n: shown.at(-1).n + 1 });
  }],
  ['one op is shown at two places', 'repeated', (history) => {
    const { shown } = deviceOf(history, 'ann.laptop');
    const inA = shown.filter((each) => each.conv === 'a');
    inA[3].op = inA[2].op;
  }],
  ['two messages of a conversation are shown in the wrong order', 'disordered', (history) => {
    const { shown } = deviceOf(history, 'cleo.phone'); // cleo is in one conversation only
    [shown[2], shown[3]] = [{ ...shown[3], n: shown[2].n }, { ...shown[2], n: shown[3].n }];
  }],
  ['n falls though seq rises', 'disordered', (history) => {
    const { shown } = deviceOf(history, 'cleo.phone');
    [shown[2].n, shown[3].n] = [shown[3].n, shown[2].n];
  }],
  ['n stands still', 'disordered', (history) => {
    const { shown } = deviceOf(history, 'cleo.phone');
    shown[3].n = shown[2].n;
  }],
  ['a message is shown that is not in the log', 'phantom', (history) => {
    const { shown } = deviceOf(history, 'ben.laptop');
    shown.push({ era: 0, n: shown.at(-1).n + 1, conv: 'a', seq: 4711, op: 'op-4711' });
  }],
  ['a device is shown another message than the log has there', 'phantom', (history) => { deviceOf(history, 'ben.laptop').shown[7].op = 'op-forged'; }],
  ['a message was shown and is no longer stored', 'phantom', ({ logs }) => logs.get('a').pop()],
  ['somebody outside was shown a message', 'stranger', (history) => deviceOf(history, 'zoe.phone').shown.push({ era: 0, n: 1, conv: 'a', seq: 1, op: history.logs.get('a')[0].op })],
  ['a member of one conversation was shown another', 'stranger', (history) => {
    const { shown } = deviceOf(history, 'cleo.phone');
    shown.push({ era: 0, n: shown.at(-1).n + 1, conv: 'b', seq: 1, op: history.logs.get('b')[0].op });
  }],
];

const tap = new Tap('checker.mjs finds what is planted');
const seed = seedFrom(process.argv[2] ?? 1);
tap.note(`seed ${seed}`);
for (let i = 0; i < 20; i += 1) {
  const faults = check(rightHistory(new Chance(seed + i)));
  if (i === 0 || faults.length) tap.ok(faults.length === 0, `a right history has no fault (seed ${seed + i})`, describe(faults));
}
for (const [sentence, kind, plant] of plants) {
  const history = rightHistory(new Chance(seed));
  const before = JSON.stringify([...history.logs, history.devices]);
  plant(history);
  const faults = check(history);
  const planted = before !== JSON.stringify([...history.logs, history.devices]);
  tap.ok(planted && faults.some((fault) => fault.kind === kind), `${sentence}: ${kind}`, planted ? describe(faults) : 'nothing was planted');
}

const partial = rightHistory(new Chance(seed));
deviceOf(partial, 'ben.phone').complete = false;
deviceOf(partial, 'ben.phone').shown.splice(0, 10);
tap.ok(check(partial).length === 0, 'a device that came later is not blamed for what it did not see', describe(check(partial)));

const repeatedEra = rightHistory(new Chance(seed));
for (const device of repeatedEra.devices) device.shown = [...device.shown.map((each) => ({ ...each, n: each.n + 1000 })), ...device.shown.map((each) => ({ ...each, era: 1 }))];
tap.ok(check(repeatedEra).length === 0, 'after a reset everything may be shown anew, from small numbers', describe(check(repeatedEra)));

const paged = rightHistory(new Chance(seed));
const { shown } = deviceOf(paged, 'cleo.phone');
shown.push({ ...shown.splice(2, 1)[0], n: undefined });
tap.ok(check(paged).length === 0, 'what a page of history filled in later is in order', describe(check(paged)));
tap.finish();
