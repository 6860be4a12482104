// SPDX-License-Identifier: Apache-2.0
// report.mjs: what a client reports of its syncing is in the hub's histograms, from libbelfry and from the JavaScript client.
//
// A first report is due a minute after it was first looked for, which the store remembers: here that is put back to long ago.

import { spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { dirname, join } from 'node:path';
import WebSocket from 'ws';
import { MemoryStore, openClient } from '../../client/js/index.js';
import '../../client/js/store-file.js'; // for crypto in Node 18
import { Contract } from '../lib/contract.mjs';
import { Hub, JWT_SECRET, findProgram } from '../lib/hub.mjs';
import { makeFolder, start } from '../lib/started.mjs';
import { Tap } from '../lib/tap.mjs';
import { makeToken } from '../lib/token.mjs';
import { eventually } from '../lib/until.mjs';

const program = join(dirname(findProgram()), '..', 'tests', 'client', 'belfry_story');
const tap = new Tap('reports of clients in the metrics of the hub');
const contract = new Contract();
const hub = await new Hub({ workers: 2 }).start();
await hub.untilReady();
await hub.api.conversation('room', ['alice', 'bob', 'carol']);
const store = join(makeFolder('report'), 'alice.db');
const token = (user) => makeToken(JWT_SECRET, { sub: user, dev: 'phone' });

// { synced, spans, bounds }: of all workers.
async function told() {
  const { text } = await hub.api.raw('GET', '/metrics', { key: undefined });
  const sum = (name) => [...text.matchAll(new RegExp(`^belfry_client_${name} (\\d+)$`, 'gm'))].reduce((all, [, value]) => all + Number(value), 0);
  const of = (name) => sum(`${name}\\{process="[^"]*"\\}`);
  return {
    reports: of('reports_total'), synced: of('synced_total'), wakes: of('wakes_total'),
    spans: of('op_to_synced_milliseconds_count'), bounded: sum('op_to_synced_milliseconds_bucket\\{process="[^"]*",le="[+]Inf"\\}'),
    catchUps: of('catch_up_milliseconds_count'), depths: of('outbox_depth_count'),
  };
}

function open(user, path, ...more) {
  const child = start(program, [hub.url, token(user), path, '0', ...more], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.said = [];
  createInterface({ input: child.stdout }).on('line', (line) => child.said.push(JSON.parse(line)));
  child.say = async (...words) => {
    const before = child.said.filter(({ reply }) => reply === words[0]).length;
    child.stdin.write(`${words.join(' ')}\n`);
    return eventually(() => child.said.filter(({ reply }) => reply === words[0])[before], `${words[0]} is answered`);
  };
  return child;
}

async function synced(child, count) {
  await eventually(() => child.said.filter(({ type, state }) => type === 'outbox' && state === 'synced').length >= count, `${count} synced`);
}

async function quit(child) {
  await child.say('quit');
  await child.gone;
}

await tap.run('libbelfry reports nothing unless it is told to', async () => {
  const child = open('alice', store);
  await child.say('start');
  await child.say('send', 'room', '"one"');
  await synced(child, 1);
  await quit(child);
  const { reports } = await told();
  if (reports !== 0) throw new Error(`${reports} reports`);
});

const longAgo = (path) => spawnSync('python3', ['-c', 'import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute("INSERT OR REPLACE INTO facts VALUES (\'reported_at\', 1)"); db.commit()', path], { stdio: 'inherit' });

await tap.run('libbelfry reports over a session', async () => {
  longAgo(store);
  const child = open('alice', store, '60000');
  await child.say('start');
  await child.say('send', 'room', '"two"');
  await synced(child, 1);
  const is = await eventually(async () => { const each = await told(); return each.reports === 1 && each; }, 'the report came');
  await quit(child);
  if (is.synced < 1 || is.spans !== is.synced || is.bounded !== is.spans || is.catchUps < 1 || is.depths !== 1 || is.wakes !== 0) throw new Error(JSON.stringify(is));
});

await tap.run('and in a background sync, in which it is no empty wake by that', async () => {
  const [before, other] = [await told(), `${store}.carol`];
  await quit(open('carol', other));
  longAgo(other);
  const child = open('carol', other, '60000');
  await child.say('send', 'room', '"three"');
  const { error } = await child.say('sync', '10000');
  if (error !== 0) throw new Error(`the sync ended with ${error}`);
  await quit(child);
  const after = await told();
  if (after.reports !== before.reports + 1 || after.synced !== before.synced + 1 || after.bounded !== before.bounded + 1) throw new Error(JSON.stringify({ before, after }));
});

await tap.run('the JavaScript client reports, as asyncapi.yaml has it', async () => {
  const before = await told();
  const memory = new MemoryStore();
  await memory.commit([{ table: 'meta', key: 'report', value: { at: 1, news: { losses: 3 } } }]);
  const client = await openClient({ url: hub.wsUrl, user: 'bob', device: 'phone', token: () => token('bob'), store: memory, WebSocket, report_ms: 60000 });
  const frames = [];
  client.on('frame', ({ dir, frame }) => { if (dir === 'out' && frame.type === 'report') frames.push(frame); });
  await client.start();
  await eventually(() => frames.length === 1, 'it reports');
  const after = await eventually(async () => { const each = await told(); return each.reports > before.reports && each; }, 'the report came');
  await client.close();
  const wrong = contract.request(frames[0]);
  if (wrong || frames[0].losses !== 3 || after.catchUps !== before.catchUps + 1) throw new Error(`${wrong} ${JSON.stringify(frames)} ${JSON.stringify(after)}`);
});
await hub.stop();
tap.finish();
