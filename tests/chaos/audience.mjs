// SPDX-License-Identifier: Apache-2.0
// audience.mjs: one process of channel.mjs: its share of the subscribers, each of which counts what it is shown.
//
// Argument: a JSON object { url, from, count, at_once, secret, conv, localAddress }. For each line that it reads it says one:
// { step: 'up', … } when all have subscribed; { least, most, faults, span_ms } for each "look".

import WebSocket from 'ws';
import { makeToken } from '../lib/token.mjs';

const { url, from, count, at_once: atOnce, secret, conv, localAddress } = JSON.parse(process.argv[2]);
const seqs = []; // of each subscriber, the entry it was shown last
const faults = [];
const lastCame_ms = new Map(); // seq -> when the last of us was shown it
let next = from;
let up = 0;

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const fault = (text) => faults.length < 20 && faults.push(text);

function connect() {
  if (next >= from + count) return;
  const index = next - from;
  const user = `listener-${next}`;
  next += 1;
  const socket = new WebSocket(url, 'belfry.v1', { perMessageDeflate: false, localAddress, handshakeTimeout: 60000, skipUTF8Validation: true });
  socket.on('open', () => {
    socket.send(JSON.stringify({ type: 'hello', id: 1, token: makeToken(secret, { sub: user, dev: 'd' }) }));
    socket.send(JSON.stringify({ type: 'subscribe', id: 2, conv }));
  });
  socket.on('message', (bytes) => {
    const text = bytes.toString('latin1', 0, 80);
    const found = /^\{"type":"message","conv":"[^"]*","seq":(\d+)/.exec(text);
    if (found) {
      const seq = Number(found[1]);
      if (seqs[index] !== undefined && seq !== seqs[index] + 1) fault(`${user} was shown ${seq} after ${seqs[index]}`);
      seqs[index] = seq;
      lastCame_ms.set(seq, performance.timeOrigin + performance.now());
    } else if (text.startsWith('{"type":"subscribed"')) {
      seqs[index] = JSON.parse(bytes).seq;
      up += 1;
      if (up === count) say({ step: 'up' });
      connect();
    } else if (text.startsWith('{"type":"error"')) {
      fault(`${user}: ${bytes}`);
    }
  });
  socket.on('error', (error) => fault(`${user}: ${error.message}`));
  socket.on('close', (code) => fault(`${user} was closed with ${code}`));
}

process.stdin.on('data', (text) => {
  if (!String(text).includes('look')) return;
  say({ least: Math.min(...seqs), most: Math.max(...seqs), faults, came: Object.fromEntries(lastCame_ms) });
});
process.stdin.on('end', () => process.exit(0)); // with the one who started us
for (let i = 0; i < atOnce; i += 1) connect();
