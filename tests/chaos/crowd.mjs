// SPDX-License-Identifier: Apache-2.0
// crowd.mjs: one process of ramp.mjs: opens its share of the sockets, says hello on each, answers pings, and is quiet.
//
// Argument: a JSON object { url, from, count, at_once, secret, localAddress }. Prints a line of JSON for each step.

import WebSocket from 'ws';
import { makeToken } from '../lib/token.mjs';

const { url, from, count, at_once: atOnce, secret, localAddress } = JSON.parse(process.argv[2]);
const sockets = new Set();
const refused = {};
let next = from;
let welcomed = 0;
let lost = 0;

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

function connect() {
  if (next >= from + count) return;
  const user = `crowd-${next}`;
  next += 1;
  const socket = new WebSocket(url, 'belfry.v1', { perMessageDeflate: false, localAddress, handshakeTimeout: 60000 });
  let settled = false;
  const settle = (why) => {
    if (settled) return;
    settled = true;
    if (why) refused[why] = (refused[why] ?? 0) + 1;
    else welcomed += 1;
    if (welcomed + Object.values(refused).reduce((sum, each) => sum + each, 0) === count) say({ step: 'up', welcomed, refused });
    connect();
  };
  socket.on('open', () => socket.send(JSON.stringify({ type: 'hello', id: 1, device: 'd', token: makeToken(secret, { sub: user, dev: 'd' }) })));
  socket.on('message', (bytes) => {
    if (settled) return;
    const frame = JSON.parse(bytes);
    if (frame.type === 'welcome') {
      sockets.add(socket);
      settle();
    } else {
      settle(`error ${frame.code}`);
    }
  });
  socket.on('unexpected-response', (req, res) => {
    settle(`HTTP ${res.statusCode}`);
    req.destroy();
  });
  socket.on('error', (error) => settle(error.code ?? error.message));
  socket.on('close', (code) => {
    settle(`close ${code}`);
    if (sockets.delete(socket)) lost += 1;
  });
}

process.stdin.on('data', (text) => {
  if (String(text).includes('count')) say({ step: 'count', open: sockets.size, lost });
});
process.stdin.on('end', () => process.exit(0)); // with the one who started us
for (let i = 0; i < atOnce; i += 1) connect();
