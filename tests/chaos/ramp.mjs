// SPDX-License-Identifier: Apache-2.0
// ramp.mjs: as many connections to one worker as a process may open, each authenticated, then idle: what does one cost?
//
//   ramp.mjs [--connections N] [--processes P] [--reserve R] [--limit BYTES]
//
// Without --connections: the open-files limit of this machine less a reserve of 600. Prints the memory of the worker for each
// idle connection, by the kernel's count (Pss and Rss from /proc/pid/smaps_rollup), and how fast they came up. With --limit it
// fails above so many bytes of Pss.

import { createInterface } from 'node:readline';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Hub, JWT_SECRET } from '../lib/hub.mjs';
import { isAlive, memoryOf, openFilesLimit } from '../lib/proc.mjs';
import { start } from '../lib/started.mjs';
import { Tap } from '../lib/tap.mjs';
import { eventually } from '../lib/until.mjs';

const option = (name, otherwise) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
};
const reserve = option('reserve', 600);
const connections = option('connections', openFilesLimit() - reserve);
const processes = option('processes', 4);
const limit = option('limit', Infinity);

const tap = new Tap(`${connections} connections to one worker, from ${processes} processes`);
const hub = await new Hub({ name: 'hub', workers: 1, env: { BELFRY_PING: '60s', BELFRY_LOG_LEVEL: 'warning' } }).start();
await hub.untilReady();
const [worker] = hub.workers();
tap.note(`worker ${worker.pid} may open ${openFilesLimit(worker.pid)} files`);

// The memory has come to rest when five looks, a quarter of a second apart, differ by less than half a percent.
async function settled() {
  const looks = [];
  return eventually(
    () => {
      looks.push(memoryOf(worker.pid));
      const last = looks.slice(-5);
      const low = Math.min(...last.map(({ pss }) => pss));
      const high = Math.max(...last.map(({ pss }) => pss));
      return last.length === 5 && high - low <= high * 0.005 && looks.at(-1);
    },
    'the memory of the worker comes to rest',
    { deadline_ms: 60000, every_ms: 250 },
  );
}

function crowd(index, from, count) {
  const order = { url: hub.wsUrl, from, count, at_once: 64, secret: JWT_SECRET, localAddress: `127.0.0.${2 + index}` };
  const child = start(process.execPath, [join(dirname(fileURLToPath(import.meta.url)), 'crowd.mjs'), JSON.stringify(order)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const waiting = [];
  createInterface({ input: child.stdout }).on('line', (line) => waiting.shift()?.(JSON.parse(line)));
  const answer = () => new Promise((resolve, reject) => {
    waiting.push(resolve);
    child.gone.then((ended) => reject(new Error(`a crowd ended: ${JSON.stringify(ended)}`)));
  });
  return {
    child,
    up: answer(),
    count() {
      child.stdin.write('count\n');
      return answer();
    },
  };
}

// A few first, so that what the worker makes once is not counted as what a connection costs.
const warm = crowd(processes, connections, Math.min(100, connections));
await warm.up;
const before = await settled();

const share = Math.ceil(connections / processes);
const started = Date.now();
const crowds = Array.from({ length: processes }, (_, i) => crowd(i, i * share, Math.min(share, connections - i * share)));
const results = await Promise.all(crowds.map(({ up }) => up));
const seconds = (Date.now() - started) / 1000;
const welcomed = results.reduce((sum, each) => sum + each.welcomed, 0);
tap.ok(welcomed === connections, `${welcomed} of ${connections} were welcomed in ${seconds.toFixed(1)} s: ${Math.round(welcomed / seconds)} a second`, JSON.stringify(results.map(({ refused }) => refused)));

const after = await settled();
const each = (name) => (after[name] - before[name]) / welcomed;
tap.note(`memory of the worker: Pss ${(before.pss / 1048576).toFixed(1)} -> ${(after.pss / 1048576).toFixed(1)} MiB, Rss ${(before.rss / 1048576).toFixed(1)} -> ${(after.rss / 1048576).toFixed(1)} MiB`);
tap.ok(each('pss') <= limit, `an idle connection costs the worker ${Math.round(each('pss'))} bytes of Pss, ${Math.round(each('rss'))} of Rss${limit === Infinity ? '' : ` (limit ${limit})`}`);

const counts = await Promise.all(crowds.map((one) => one.count()));
const open = counts.reduce((sum, one) => sum + one.open, 0);
tap.ok(open === welcomed, `all ${open} are still open`, JSON.stringify(counts));
const { belfry_sessions: sessions } = await hub.api.metrics();
tap.ok(sessions.worker1 === welcomed + Math.min(100, connections), `the worker counts ${sessions.worker1} sessions`);
tap.ok(isAlive(worker.pid), 'the worker is the one it was');

for (const one of [warm, ...crowds]) one.child.kill('SIGKILL');
await tap.run('when all go at once, the worker forgets them all', () =>
  eventually(async () => (await hub.api.metrics()).belfry_connections.worker1 === 0, 'belfry_connections falls to 0', { deadline_ms: 60000 }),
);
const ended = await hub.stop();
tap.ok(ended.code === 0 && !hub.complaint(), 'SIGTERM ends the hub with status 0, and no sanitizer had to complain', `${JSON.stringify(ended)} ${hub.complaint()}\n${hub.log(20)}`);
tap.finish();
