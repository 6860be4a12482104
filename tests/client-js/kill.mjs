// SPDX-License-Identifier: Apache-2.0
// kill.mjs: an app on the JavaScript client is killed with -9 again and again, at any instant, while the network and the hub
// fail beside it; in the end nothing that it accepted is lost, and nothing was shown twice.
//
//   kill.mjs [--runs N] [--seed S] [--apps N]
//
// By default 60 runs, a new seed, 3 apps at a time. A run is one life of one app (victim.mjs), which sends, edits, reacts, deletes, reads,
// receives and acknowledges, from its start to a kill -9 some 0 to 300 ms after it has opened its store; the next run of that app
// goes on with its file. A proxy between them and the hub cuts connections, in the middle of frames too, refuses them, and lets them
// stand still; now and then a worker of the hub or its Redis is killed. In the end each app lives once more until it is quiet. Then:
//
//   kept      what send() resolved for is in the hub's log, once
//   complete  what the app would show is the log, whole, in order, each message once, as the log has it
//   once      of all its lives, the app was told of a message once

import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Chance, seedFrom } from '../lib/chance.mjs';
import { Hub } from '../lib/hub.mjs';
import { Proxy } from '../lib/proxy.mjs';
import { makeFolder, start } from '../lib/started.mjs';
import { Tap } from '../lib/tap.mjs';
import { pause } from '../lib/until.mjs';

const option = (name, otherwise) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : process.argv[at + 1];
};
const runs = Number(option('runs', 60));
const apps = Number(option('apps', 3));
const chance = new Chance(seedFrom(option('seed')));
const victim = fileURLToPath(new URL('victim.mjs', import.meta.url));
const convs = ['one', 'two', 'three'];
const users = ['ann', 'ben', 'cleo', 'dan', 'eva', 'finn'].slice(0, apps);
const tap = new Tap(`kill -9 of the JavaScript client, ${runs} runs, seed ${chance.seed}`);

const hub = await new Hub({ name: 'hub', workers: 1, env: { BELFRY_RETRY_BASE: '20ms', BELFRY_RETRY_MAX: '200ms', BELFRY_REQUESTS_PER_S: '0', BELFRY_LOG_ENTRIES: '100000', BELFRY_INBOX_EVENTS: '100000' } }).start();
await hub.untilReady();
for (const conv of convs) await hub.api.conversation(conv, users);
const proxy = await new Proxy(() => hub.port).start();
const folder = makeFolder('kill');

class App {
  lives = 0;
  kept = new Map();   // op -> conv
  told = [];          // "conv/seq" for each time
  synced = [];        // op for each time
  problems = [];

  constructor(user) {
    this.user = user;
    this.file = join(folder, `${user}.belfry`);
    this.token = hub.token(user, 'phone');
  }

  // Resolves when it has opened its store.
  async begin(mode) {
    this.lives += 1;
    const child = start(process.execPath, [victim, `ws://127.0.0.1:${proxy.port}/v1/ws`, this.user, this.token, this.file, mode], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.child = child;
    const opened = new Promise((resolve) => { this.opened = resolve; });
    createInterface({ input: child.stdout }).on('line', (line) => this.#heard(line));
    let complaint = '';
    child.stderr.on('data', (bytes) => { complaint += bytes; });
    child.gone.then(() => {
      if (complaint) this.problems.push(`life ${this.lives}: ${complaint}`);
      this.opened();
    });
    await opened;
  }

  #heard(line) {
    const [what, conv, ...rest] = line.split(' ');
    if (what === 'open') this.opened();
    else if (what === 'kept') this.kept.set(rest[0], conv);
    else if (what === 'told') this.told.push(`${conv}/${rest[0]}`);
    else if (what === 'synced') this.synced.push(rest[0]);
    else if (what === 'view') this.view = JSON.parse(line.slice(5));
    else if (what === 'problem' && !['no_token', 'lost', 'offline', 'unavailable'].includes(conv)) this.problems.push(`life ${this.lives}: ${line}`);
  }

  async kill() {
    this.child.kill('SIGKILL');
    await this.child.gone;
  }
}

// ---- faults beside it -------------------------------------------------------------------------------------------------

let faulty = true;
const faults = (async () => {
  while (faulty) {
    await pause(chance.between(50, 400));
    switch (chance.below(6)) {
      case 0: case 1: proxy.cut(); break;
      case 2: proxy.cut(chance.between(1, 80)); break;
      case 3:
        proxy.refuse(true);
        await pause(chance.between(20, 200));
        proxy.refuse(false);
        break;
      case 4:
        proxy.stall(true);
        await pause(chance.between(20, 200));
        proxy.stall(false);
        break;
      default: break;
    }
  }
})();

async function killOfHub() {
  if (chance.below(2) === 0) {
    const [worker] = hub.workers();
    if (worker) await hub.killPid(worker.pid);
  } else {
    const redis = await hub.redisPid();
    if (redis) await hub.killPid(redis);
  }
}

// ---- the runs ---------------------------------------------------------------------------------------------------------

const all = users.map((user) => new App(user));
for (const app of all) { // its store is there before the first message is, so that it must have them all
  await app.begin('last');
  await app.child.gone;
}
let left = runs;
let sinceHub = 0;
await Promise.all(all.map(async (app) => {
  while (left > 0) {
    left -= 1;
    sinceHub += 1;
    await app.begin(chance.below(5) === 0 ? 'sync' : 'live');
    await pause(chance.below(300));
    if (sinceHub > 40) {
      sinceHub = 0;
      await killOfHub();
    }
    await app.kill();
  }
}));
faulty = false;
await faults;
await hub.untilReady();

// ---- the end ----------------------------------------------------------------------------------------------------------

for (const app of all) { // first everybody's outbox, then everybody's view
  await app.begin('last');
  await app.child.gone;
}
const logs = new Map();
for (const conv of convs) logs.set(conv, await hub.api.log(conv));
for (const app of all) {
  await app.begin('last');
  await app.child.gone;
}

const describe = (faultsFound) => `${faultsFound.length}: ${faultsFound.slice(0, 10).join(', ')}`;
const messages = [...logs.values()].flat().filter(({ type }) => type === 'message').length;
tap.note(`${all.reduce((sum, app) => sum + app.lives, 0)} lives, ${all.reduce((sum, app) => sum + app.kept.size, 0)} messages kept, ${messages} messages and ${[...logs.values()].flat().length} entries in the logs`);
for (const app of all) {
  const failed = new Set((app.view?.pending ?? []).map(({ op }) => op));
  const lost = [...app.kept].filter(([op, conv]) => !failed.has(op) && logs.get(conv).filter((entry) => entry.op === op).length !== 1);
  // A message that was taken back before it left is not there, and was not lost: the victim removes only what has a seq.
  tap.ok(app.kept.size > 0 && lost.length === 0, `${app.user}: each of ${app.kept.size} messages that were kept is in the log, once`, describe(lost));
  tap.ok(app.view !== undefined && app.view.pending.every(({ state }) => state === 'conflicted' || state === 'failed'), `${app.user}: nothing waits in the end`, JSON.stringify(app.view?.pending));
  const wrong = [];
  for (const conv of convs) {
    const shown = app.view?.views[conv] ?? [];
    const wanted = logs.get(conv).filter(({ type }) => type === 'message');
    wanted.forEach((entry, index) => {
      const view = shown[index];
      const same = view && view.seq === entry.seq && view.op === entry.op && Boolean(view.deleted) === Boolean(entry.deleted) && JSON.stringify(view.body) === JSON.stringify(entry.body);
      if (!same) wrong.push(`${conv}/${entry.seq}: ${JSON.stringify(view)} instead of ${JSON.stringify(entry)}`);
    });
    if (shown.length > wanted.length) wrong.push(`${conv}: ${shown.length - wanted.length} too many: ${JSON.stringify(shown[wanted.length])}`);
  }
  tap.ok(wrong.length === 0, `${app.user}: what it shows is the log, whole, in order, each message once`, describe(wrong));
  const twice = [...new Set(app.told.filter((each, index) => app.told.indexOf(each) !== index)), ...new Set(app.synced.filter((each, index) => app.synced.indexOf(each) !== index))];
  tap.ok(app.told.length > 0 && twice.length === 0, `${app.user}: over ${app.lives} lives it was told of ${app.told.length} messages and ${app.synced.length} sends, each once`, describe(twice));
  tap.ok(app.problems.length === 0, `${app.user}: no life had a problem but with the network and the hub`, app.problems.slice(0, 5).join('\n'));
}
tap.ok(!hub.complaint(), 'the hub has nothing to complain of', hub.complaint());
proxy.close();
await hub.stop();
tap.note(`the last life of ${all[0].user}: ${JSON.stringify(all[0].view?.metrics)}`);
tap.finish();
