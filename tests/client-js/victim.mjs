// SPDX-License-Identifier: Apache-2.0
// victim.mjs: an app on the JavaScript client with a file for a store, made to be killed: see kill.mjs.
//
//   victim.mjs URL USER TOKEN FILE MODE    MODE: live, sync (background syncs only), or last (sends nothing, ends when all is quiet)
//
// It says on stdout, a line each and at once, what an app would rely on: `kept CONV OP` (send() has resolved), `told CONV SEQ OP` (a
// message of others was shown), `synced CONV OP`, `view JSON` (at the end: all it would show).

import { writeSync } from 'node:fs';
import WebSocket from 'ws';
import { openClient } from '../../client/js/index.js';
import { FileStore } from '../../client/js/store-file.js';
import { pause } from '../lib/until.mjs';

const [url, user, token, file, mode] = process.argv.slice(2);
const convs = ['one', 'two', 'three'];
const say = (text) => writeSync(1, `${text}\n`);
const pick = (list) => list[Math.floor(Math.random() * list.length)];

// What survives is the end of a process; that of the machine cannot be tried here, and fsync takes its time.
const client = await openClient({ url, user, device: 'phone', token: () => token, store: new FileStore(file, { sync: false }), WebSocket });
client.on('message', ({ what, conv, op, seq }) => {
  if (what === 'received') say(`told ${conv} ${seq} ${op}`);
  if (what === 'synced') say(`synced ${conv} ${op}`);
});
client.on('problem', ({ code, message }) => say(`problem ${code} ${message}`));
say('open');
if (mode !== 'sync') await client.start();

async function act() {
  const conv = pick(convs);
  const done = Math.random();
  if (done < 0.6) {
    const { op } = await client.send(conv, { text: `${user} ${Math.random()}` });
    say(`kept ${conv} ${op}`);
    return;
  }
  const views = (await client.messages(conv, { limit: 10 })).filter(({ from, deleted }) => from === user && !deleted);
  const view = pick(views);
  if (!view) return;
  const target = view.seq === undefined ? { op: view.op } : { conv, seq: view.seq };
  if (done < 0.75) await client.edit(target, { text: `${user} edited ${Math.random()}` });
  else if (done < 0.85) await client.react(target, '+1');
  else if (done < 0.9 && view.seq !== undefined) await client.remove(target);
  else if (view.seq !== undefined) await client.read(conv, view.seq);
}

// Settled: nothing waits, and we are connected and have all.
async function quiet() {
  const waits = () => client.pending().some(({ state }) => state === 'pending' || state === 'sending');
  let caughtUp = false;
  client.on('caught_up', () => { caughtUp = true; });
  client.on('state', ({ state }) => { if (state !== 'online') caughtUp = false; });
  await new Promise((resolve) => {
    const look = () => {
      if (caughtUp && !waits()) resolve();
    };
    client.on('caught_up', () => setImmediate(look));
    client.on('message', () => setImmediate(look));
    client.on('reloaded', () => setImmediate(look));
  });
}

if (mode === 'last') {
  await quiet();
  const views = {};
  for (const conv of convs) views[conv] = (await client.messages(conv, { limit: 100000 })).map(({ seq, op, from, body, deleted, state }) => ({ seq, op, from, body, deleted, state }));
  say(`view ${JSON.stringify({ views, pending: client.pending().map(({ op, state, reason }) => ({ op, state, reason })), metrics: client.measure() })}`);
  await client.close();
} else {
  for (;;) {
    await act().catch((error) => { if (!['conflict', 'not_found'].includes(error.code)) say(`problem ${error.code ?? ''} ${error.message}`); });
    if (mode === 'sync') await client.syncOnce(2000);
    await pause(Math.random() * 12);
  }
}
