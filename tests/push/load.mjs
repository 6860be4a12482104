// SPDX-License-Identifier: Apache-2.0
// load.mjs: how fast one push worker is, and what an outage of a provider costs it. Not part of scripts/test: its figures depend on the machine.
//
//   node tests/push/load.mjs [--users 100000] [--outage 60]

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Hub } from '../lib/hub.mjs';
import { makeFolder } from '../lib/started.mjs';
import { Tap } from '../lib/tap.mjs';
import { Receiver } from './receiver.mjs';

const { values } = parseArgs({ options: { users: { type: 'string', default: '100000' }, outage: { type: 'string', default: '60' } } });
const USERS = Number(values.users);
const tap = new Tap(`${USERS} users whose provider is away for ${values.outage} s`);
const receiver = await new Receiver().start();
receiver.status = 503;
const data = makeFolder('push-load');
writeFileSync(join(data, 'belfry.ini'), `[push.webhook.app]\nurl = ${receiver.url}\nsecret = whsec_YSBzZWNyZXQgZm9yIHRlc3RzIG9ubHkgMTIzNDU2\nallow_private = yes\n`);
const hub = await new Hub({ workers: 1, data, args: ['--config', join(data, 'belfry.ini')], env: { BELFRY_LOG_LEVEL: 'warning' } }).start();
const pid = hub.children().find(({ comm }) => comm === 'belfry-push').pid;
const memory_mb = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
const before_mb = memory_mb();

// What expires soon, and what is urgent, comes last of all: it was not asked for first, it has to be found.
const plan = (i) => (i % 10 === 0 ? { priority: 'normal', ttl_s: 1 } : { priority: i % 10 === 9 ? 'critical' : 'low' });
const started = Date.now();
const batches = [];
for (let i = 0; i < USERS; i += 50) batches.push(Array.from({ length: Math.min(50, USERS - i) }, (_, k) => i + k));
const work = async () => {
  for (let batch = batches.pop(); batch; batch = batches.pop()) {
    const operations = batch.flatMap((i) => [
      { method: 'PUT', path: `/v1/users/u${i}/devices/d/push`, body: { provider: 'webhook', app: 'app' } },
      { method: 'POST', path: `/v1/users/u${i}/notifications`, body: { op: 'n', title: 't', push: { title: 't' }, ...plan(i) } },
    ]);
    await hub.api.call('POST', '/v1/batch', { operations });
  }
};
await Promise.all(Array.from({ length: 32 }, work));
tap.note(`${USERS} notifications were posted in ${((Date.now() - started) / 1000).toFixed(1)} s, ${receiver.pushes.length} attempts were refused meanwhile`);
let most_mb = before_mb;
await receiver.until(() => false, 'the outage is over', Number(values.outage) * 1000).catch(() => {});
most_mb = Math.max(most_mb, memory_mb());
tap.ok(most_mb - before_mb < 64, `the outage costs the push worker ${(most_mb - before_mb).toFixed(1)} MB`);

const refused = receiver.pushes.length;
receiver.pushes.length = 0;
receiver.status = 200;
const due = USERS - Math.ceil(USERS / 10);
const drained = Date.now();
let first = 0;
await receiver.until(() => {
  first ||= receiver.pushes.length ? Date.now() : 0;
  return receiver.pushes.length >= due;
}, () => `${due} pushes; there are ${receiver.pushes.length}`, 900000);
const seconds = (Date.now() - first) / 1000;
tap.note(`${refused} attempts were refused; the first push came ${((first - drained) / 1000).toFixed(1)} s after the outage, all ${due} in ${seconds.toFixed(1)} s: ${Math.round(due / seconds)} a second`);
const expired = receiver.pushes.filter((push) => push.event.data.expires_at <= push.at_ms).length;
tap.ok(expired === 0, `${expired} came after they had expired`);
const ids = new Set(receiver.pushes.map((push) => push.id));
tap.ok(ids.size === due, `${due} pushes have ${ids.size} ids`);
const place = (priority) => receiver.pushes.map((push, i) => (push.event.data.priority === priority ? i : -1)).filter((i) => i >= 0);
const median = (list) => list[Math.floor(list.length / 2)];
tap.ok(median(place('critical')) < median(place('low')), `the urgent came first: medians ${median(place('critical'))} and ${median(place('low'))}`);

// Without an outage: straight through.
receiver.pushes.length = 0;
const more = Array.from({ length: USERS }, (_, i) => i);
const posted = Date.now();
const again = async () => {
  for (let batch = more.splice(0, 50); batch.length; batch = more.splice(0, 50))
    await hub.api.call('POST', '/v1/batch', { operations: batch.map((i) => ({ method: 'POST', path: `/v1/users/u${i}/notifications`, body: { op: 'again', title: 't' } })) });
};
await Promise.all(Array.from({ length: 32 }, again));
await receiver.until(() => receiver.pushes.length >= USERS, () => `${USERS} pushes; there are ${receiver.pushes.length}`, 900000);
tap.note(`${USERS} posted and pushed in ${((Date.now() - posted) / 1000).toFixed(1)} s: ${Math.round((USERS * 1000) / (Date.now() - posted))} a second; the worker has ${memory_mb().toFixed(0)} MB`);
await hub.stop();
await receiver.stop();
tap.finish();
