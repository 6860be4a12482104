// SPDX-License-Identifier: Apache-2.0
// abuse.mjs: what a hostile stranger, a reckless client or a treacherous store would do to a hub that serves others meanwhile.
//
//   abuse.mjs [PROGRAM [WORD]]      the hub to try (else BELFRY); only the cases whose sentence holds WORD
//
// 1. After each case: the same worker processes, not a word from a sanitizer, and a well-behaved client on its first connection
//    is served. Run it against a sanitizer build.
// 2. At the end the hub drains under load with status 0 and leaks nothing.

import { Tap } from '../lib/tap.mjs';
import { Bench, expect } from './bench.mjs';
import { peerCases } from './peers.mjs';
import { storeCases } from './store.mjs';

if (process.argv[2]) process.env.BELFRY = process.argv[2];
const only = process.argv[3] ?? '';
const tap = new Tap('a hub under attack');
const bench = await new Bench().start();

for (const { name, run } of [...peerCases, ...storeCases]) {
  if (!name.includes(only)) continue;
  await tap.run(name, async () => {
    await run(bench);
    await bench.unharmed();
  });
}

await tap.run('SIGHUP under load disturbs nobody', async () => {
  const raw = await bench.session();
  for (let i = 0; i < 200; i += 1) {
    raw.text({ type: 'send', id: 100 + i, conv: 'room', op: `hup${i}`, body: i });
    if (i % 50 === 0) for (const { pid } of bench.hub.workers()) process.kill(pid, 'SIGHUP');
  }
  await raw.until(() => raw.messages.filter((each) => each.type === 'sent').length === 200, 'every send is stored');
  await bench.unharmed();
});

await tap.run('SIGTERM under load, with a peer that reads nothing and one that says nothing, ends with status 0', async () => {
  const deaf = await bench.session('alice', 'deaf');
  deaf.socket.pause();
  for (let i = 0; i < 2000; i += 1) deaf.text({ type: 'history', id: 100 + i, conv: 'room' });
  await bench.connect();
  const raw = await bench.session('alice', 'busy');
  for (let i = 0; i < 200; i += 1) raw.text({ type: 'send', id: 100 + i, conv: 'room', op: `term${i}`, body: i });
  const ended = bench.hub.stop();
  const { code } = await raw.over();
  expect(code === 4001, `closed with ${code}`);
  expect((await ended).code === 0, `${JSON.stringify(await ended)}\n${bench.hub.log(20)}`);
  expect(!bench.hub.complaint(), `${bench.hub.complaint()}\n${bench.hub.log(60)}`);
  expect(!/ status=[1-9]/.test(bench.hub.log(20)), bench.hub.log(20));
});
tap.finish();
