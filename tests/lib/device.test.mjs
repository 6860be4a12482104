// SPDX-License-Identifier: Apache-2.0
// device.test.mjs: the client of the tests is itself held to PROTOCOL.md, and to seeing what a hub may not do.
//
// The hub here is a few lines that say what they are told to; none of the real one.

import { WebSocketServer } from 'ws';
import { Device } from './device.mjs';
import { Tap } from './tap.mjs';
import { Watched } from './until.mjs';

// One device against a hub that answers hello as `welcome` says and everything else by answer(frame, say).
class Puppet extends Watched {
  static async make({ welcome = {}, answer } = {}) {
    const puppet = new Puppet();
    puppet.heard = [];
    puppet.hellos = [];
    puppet.server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    await new Promise((resolve) => puppet.server.once('listening', resolve));
    puppet.server.on('connection', (socket) => {
      puppet.socket = socket;
      socket.on('message', (bytes) => {
        const frame = JSON.parse(bytes);
        puppet.heard.push(frame);
        if (frame.type === 'hello') {
          puppet.hellos.push(frame);
          puppet.say({
            type: 'welcome', id: frame.id, session: `s${puppet.hellos.length}`, user: 'bob', device: 'd', epoch: 'e', cursor: 0, head: 0, server_time: 1,
            ping_ms: 25000, window: 4, max_frame: 65536, retry: { base_ms: 1, max_ms: 5, reset_ms: 1000 }, ...welcome,
          });
        } else {
          (puppet.answer ?? answer)?.(frame, (reply) => puppet.say(reply));
        }
        puppet.changed();
      });
    });
    const target = () => `ws://127.0.0.1:${puppet.server.address().port}/`;
    puppet.device = new Device({ user: 'bob', device: 'd', target, token: () => 'a token' });
    await puppet.device.start();
    return puppet;
  }

  say(frame) {
    this.socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
  }

  // Frames, and then a fence: returns when the device has seen all of them.
  async tell(...frames) {
    frames.forEach((frame) => this.say(frame));
    const before = this.device.frames.signal.length;
    this.say({ type: 'signal', conv: 'c', from: 'x', body: 0 });
    await this.device.until(() => this.device.frames.signal.length > before, 'the fence');
  }

  end() {
    this.device.drop();
    this.server.close();
    for (const client of this.server.clients) client.terminate();
  }
}

const message = (n, seq, more = {}) => ({ type: 'message', n, conv: 'c', seq, from: 'ann', device: 'a', op: `op-${seq}`, at: 1, body: seq, ...more });
const receipt = (n, delivered, read) => ({ type: 'receipt', n, conv: 'c', user: 'ann', delivered, read });

const tap = new Tap('device.mjs');

// [what the hub does, the frames, what the device calls it]
const wrongs = [
  ['nothing wrong', [message(1, 1), message(2, 2), receipt(4, 2, 1), message(5, 3)], undefined],
  ['an event again', [message(1, 1), message(1, 1)], undefined],
  ['a hole in a conversation', [message(1, 1), message(2, 3)], /seq 3 was shown after 1/],
  ['a seq again under a new n', [message(1, 1), message(2, 1)], /seq 1 was shown after 1/],
  ['seqs in the wrong order', [message(1, 2), message(2, 1)], /seq 1 was shown after 2/],
  ['a message without a body', [message(1, 1, { body: undefined })], /without a body/],
  ['a delivered watermark that falls', [receipt(1, 5, 1), receipt(2, 4, 1)], /fell/],
  ['a read watermark that falls', [receipt(1, 5, 3), receipt(2, 6, 2)], /fell/],
  ['a read above delivered', [receipt(1, 1, 2)], /more than the 1 delivered/],
  ['a frame that is no JSON', ['{"type":'], /not JSON/],
  ['a frame that is a list', ['[{"type":"typing"}]'], /no object/],
  ['a frame without a type', [{ n: 5 }], /no object with a type/],
  ['a frame of unknown type', [{ type: 'dance' }], /unknown type/],
  ['a reply to nothing', [{ type: 'ok', id: 999 }], /reply to nothing/],
];
for (const [sentence, frames, wanted] of wrongs) {
  const puppet = await Puppet.make();
  await puppet.tell(...frames);
  const { faults } = puppet.device;
  tap.ok(wanted ? faults.some((fault) => wanted.test(fault)) : faults.length === 0, `${sentence}: ${wanted ? 'a fault' : 'no fault'}`, JSON.stringify(faults));
  puppet.end();
}

await tap.run('more than the window unacknowledged is a fault, and the window itself is not', async () => {
  const puppet = await Puppet.make();
  puppet.device.holdAcks();
  await puppet.tell(message(1, 1), message(2, 2), message(3, 3), message(4, 4));
  if (puppet.device.faults.length > 0) throw new Error(puppet.device.faults[0]);
  await puppet.tell(message(5, 5));
  if (!/window of 4/.test(puppet.device.faults[0])) throw new Error('it was not seen');
  puppet.end();
});

await tap.run('what was seen is shown once, and the ack names the highest n', async () => {
  const puppet = await Puppet.make();
  await puppet.tell(message(1, 1), message(2, 2), message(2, 2), message(1, 1), message(3, 3));
  await puppet.until(() => puppet.heard.some((frame) => frame.type === 'ack' && frame.n === 3), 'an ack of 3');
  const seqs = puppet.device.shown.map(({ seq }) => seq);
  if (String(seqs) !== '1,2,3' || puppet.device.repeats !== 2) throw new Error(`shown ${seqs}, ${puppet.device.repeats} repeats`);
  puppet.end();
});

await tap.run('a new session begins with the own cursor, and goes on where the old one ended', async () => {
  const puppet = await Puppet.make();
  await puppet.tell(message(1, 1), message(7, 2));
  puppet.socket.terminate();
  await puppet.until(() => puppet.hellos.length === 2, 'a second hello');
  if (JSON.stringify(puppet.hellos[1].cursor) !== '{"epoch":"e","n":7}') throw new Error(JSON.stringify(puppet.hellos[1]));
  await puppet.device.until(() => puppet.device.live, 'it is live');
  await puppet.tell(message(7, 2), message(8, 3));
  if (puppet.device.shown.length !== 3 || puppet.device.faults.length > 0) throw new Error(JSON.stringify([puppet.device.shown, puppet.device.faults]));
  puppet.end();
});

await tap.run('a send keeps its op over a lost connection and over a refusal that is temporary', async () => {
  const ops = [];
  const puppet = await Puppet.make();
  puppet.answer = (frame, say) => {
    if (frame.type !== 'send') return;
    ops.push(frame.op);
    if (ops.length === 1) puppet.socket.terminate();
    else if (ops.length === 2) say({ type: 'error', id: frame.id, code: 'unavailable', message: 'later', temporary: true, retry_after_ms: 5 });
    else say({ type: 'sent', id: frame.id, conv: 'c', op: frame.op, seq: 1, at: 1 });
  };
  const sent = await puppet.device.send('c', 'hello');
  if (sent.seq !== 1 || ops.length !== 3 || new Set(ops).size !== 1) throw new Error(`ops ${ops}`);
  puppet.end();
});

await tap.run('a refusal that is not temporary ends a send', async () => {
  const puppet = await Puppet.make({ answer: (frame, say) => frame.type === 'send' && say({ type: 'error', id: frame.id, code: 'forbidden', message: 'no', temporary: false }) });
  const error = await puppet.device.send('c', 'hello').then(() => undefined, (each) => each);
  if (error?.code !== 'forbidden' || [...puppet.device.sends.values()][0].state !== 'refused') throw new Error(`it ended with ${error}`);
  puppet.end();
});

await tap.run('one op at two places is a fault', async () => {
  let seq = 0;
  const puppet = await Puppet.make({ answer: (frame, say) => frame.type === 'send' && say({ type: 'sent', id: frame.id, conv: 'c', op: frame.op, seq: (seq += 1), at: 1 }) });
  await puppet.device.send('c', 'hello', { op: 'x' });
  await puppet.device.send('c', 'hello', { op: 'x' });
  if (!puppet.device.faults.some((fault) => /seq 1, then as 2/.test(fault))) throw new Error('it was not seen');
  puppet.end();
});

// [close code, what the client does]
for (const [code, stays] of [[4001, true], [4100, true], [4201, true], [4300, true], [1006, true], [1011, true], [4400, false], [4401, false], [4409, false], [4413, false]]) {
  await tap.run(`after ${code} the device ${stays ? 'comes back' : 'stays away'}`, async () => {
    const puppet = await Puppet.make();
    if (code === 1006) puppet.socket.terminate();
    else puppet.socket.close(code);
    if (stays) await puppet.until(() => puppet.hellos.length === 2, 'it comes back');
    else await puppet.device.until(() => puppet.device.state === 'stopped', 'it stays away');
    puppet.end();
  });
}

await tap.run('after a drain the device waits as long as it was told', async () => {
  const puppet = await Puppet.make();
  puppet.say({ type: 'goaway', reason: 'drain', retry_after_ms: 120 });
  puppet.socket.close(4001);
  const started = Date.now();
  await puppet.until(() => puppet.hellos.length === 2, 'it comes back');
  if (Date.now() - started < 110) throw new Error(`it came back after ${Date.now() - started} ms`);
  puppet.end();
});

await tap.run('after a gap the device loads what is missing, shows it once, and takes what follows', async () => {
  const puppet = await Puppet.make({
    answer(frame, say) {
      if (frame.type === 'conversations') say({ type: 'conversations', id: frame.id, items: [{ conv: 'c' }] });
      const entries = [2, 3, 4, 5].filter((seq) => seq > frame.after).map((seq) => message(undefined, seq));
      if (frame.type === 'history') say({ type: 'history', id: frame.id, conv: 'c', entries: entries.slice(0, 2), more: entries.length > 2 });
    },
  });
  await puppet.tell(message(1, 1), { type: 'gap', from: 2, to: 4 }, message(5, 5), message(6, 6));
  await puppet.device.until(() => puppet.device.reloads === 1, 'it has reloaded');
  const seqs = puppet.device.shown.map(({ seq }) => seq).sort();
  if (String(seqs) !== '1,2,3,4,5,6' || puppet.device.faults.length > 0) throw new Error(`shown ${seqs}; ${puppet.device.faults}`);
  puppet.end();
});

await tap.run('after a reset the device starts anew', async () => {
  const puppet = await Puppet.make({ answer: (frame, say) => frame.type === 'conversations' && say({ type: 'conversations', id: frame.id, items: [] }) });
  await puppet.tell(message(100, 9), receipt(101, 9, 9), { type: 'reset', epoch: 'f', head: 3 }, message(4, 1), receipt(5, 1, 0));
  if (puppet.device.faults.length > 0) throw new Error(puppet.device.faults.join('; '));
  if (JSON.stringify(puppet.device.cursor) !== '{"epoch":"f","n":5}') throw new Error(JSON.stringify(puppet.device.cursor));
  puppet.end();
});

await tap.run('typing ends with its time or when the hub says so, and not by a message alone', async () => {
  const puppet = await Puppet.make();
  const { device } = puppet;
  await puppet.tell({ type: 'typing', conv: 'c', user: 'ann', active: true, ttl_ms: 30 });
  await device.until(() => !device.isTyping('c', 'ann'), 'it ends by itself');
  await puppet.tell({ type: 'typing', conv: 'c', user: 'ann', active: true, ttl_ms: 60000 });
  if (!device.isTyping('c', 'ann')) throw new Error('it is not seen');
  await puppet.tell(message(1, 1)); // that the hub ends it with the message is for stories to see
  if (!device.isTyping('c', 'ann')) throw new Error('the device ended it');
  await puppet.tell({ type: 'typing', conv: 'c', user: 'ann', active: false, ttl_ms: 60000 });
  if (device.isTyping('c', 'ann')) throw new Error('it does not end');
  puppet.end();
});

tap.finish();
