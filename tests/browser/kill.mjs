// SPDX-License-Identifier: Apache-2.0
//
// kill.mjs: the JavaScript client on IndexedDB, in a real browser whose page is reloaded, closed and killed at any instant: nothing
// that it accepted is lost, nothing is shown twice. And the example app, with the network cut.
//
//     node tests/browser/kill.mjs [--runs N] [--seed S]        the hub is the one that BELFRY names
//
// A run is one life of the page: it opens the client, sends, and is ended some 0 to 300 ms later by a reload, by closing the tab, or by
// kill -9 of the whole browser, whose profile the next one takes over.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';
import { Chance, seedFrom } from '../lib/chance.mjs';
import { Hub } from '../lib/hub.mjs';
import { makeFolder } from '../lib/started.mjs';
import { Tap } from '../lib/tap.mjs';
import { eventually, pause } from '../lib/until.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const option = (name, otherwise) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : process.argv[at + 1];
};
const runs = Number(option('runs', 20));
const chance = new Chance(seedFrom(option('seed')));
const tap = new Tap(`IndexedDB, ${runs} runs, seed ${chance.seed}`);
const LIMIT_MS = 60000;

const hub = await new Hub({ name: 'hub', workers: 1, env: { BELFRY_RETRY_BASE: '20ms', BELFRY_RETRY_MAX: '200ms', BELFRY_REQUESTS_PER_S: '0' } }).start();
await hub.untilReady();
await hub.api.conversation('room', ['alice', 'bob']);

const profile = makeFolder('profile');
const kept = new Set();
const told = [];
let browser;
let page;

async function openBrowser() {
  browser = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run',
      '--disable-features=LocalNetworkAccessChecks'], // else pages that a test hands in may not reach 127.0.0.1
  });
  browser.setDefaultTimeout(LIMIT_MS);
  await browser.exposeFunction('say', (what, ...rest) => {
    if (what === 'kept') kept.add(rest[0]);
    if (what === 'told') told.push(rest.join('/'));
  });
  // Files of the tree at the hub's own address, as the demo's are.
  for (const folder of ['examples']) {
    await browser.route(`${hub.url}/${folder}/**`, (route) => {
      const path = new URL(route.request().url()).pathname;
      const type = path.endsWith('.js') ? 'text/javascript' : 'text/html';
      return route.fulfill({ body: readFileSync(join(root, path)), contentType: type });
    });
  }
  await browser.route(`${hub.url}/blank`, (route) => route.fulfill({ body: '<!doctype html><title>blank</title>', contentType: 'text/html' }));
}

// A tab whose predecessor has let go of its slot: else it would get another, and be another device.
async function openTab() {
  page = await browser.newPage();
  await page.goto(`${hub.url}/blank`);
  await eventually(() => page.evaluate(async () => (await navigator.locks.query()).held.length === 0), 'no tab holds a slot', { deadline_ms: LIMIT_MS });
}

// One life: the client at work. Resolves when it is open.
async function live() {
  await openTab();
  await page.evaluate(async ({ url, token, }) => {
    const { openClient } = await import('/client/js/index.js');
    const client = await openClient({ url, user: 'alice', token: () => token });
    window.client = client;
    client.on('message', ({ what, conv, seq }) => { if (what === 'received') window.say('told', conv, seq); });
    await client.start();
    (async () => {
      for (let i = 0; ; i += 1) {
        const { op } = await client.send('room', { text: `message ${i}` });
        window.say('kept', op);
        await new Promise((resolve) => { setTimeout(resolve, 50); }); // pause: as fast as nobody types
      }
    })();
  }, { url: hub.wsUrl, token: hub.token('alice') });
}

const isBrowser = (pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(profile);

// Every process of the browser that has this profile, and no other.
function browserPids() {
  return execFileSync('pgrep', ['-f', profile], { encoding: 'utf8' }).trim().split('\n').map(Number).filter((pid) => {
    try {
      return pid !== process.pid && isBrowser(pid);
    } catch {
      return false; // it has just ended
    }
  });
}

async function end(how) {
  if (how === 'reload') await page.reload().catch(() => {});
  if (how === 'kill') {
    for (const pid of browserPids()) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // a child that went with its parent
      }
    }
    await browser.close().catch(() => {});
    await openBrowser();
    return;
  }
  await page.close();
}

await openBrowser();
await openTab();
await page.evaluate(async ({ url, token }) => { // the hub knows the device before the first message, so that it must have them all
  const { openClient } = await import('/client/js/index.js');
  const client = await openClient({ url, user: 'alice', token: () => token });
  const caughtUp = new Promise((resolve) => { client.on('caught_up', resolve); });
  await client.start();
  await caughtUp;
  await client.close();
}, { url: hub.wsUrl, token: hub.token('alice') });
await page.close();
const counts = { reload: 0, close: 0, kill: 0 };
let bobs = 0;
for (let run = 0; run < runs; run += 1) {
  await live();
  await hub.api.send('room', { op: `bob-${(bobs += 1)}`, from: 'bob', body: { text: 'from bob' } });
  await pause(chance.below(300));
  const how = run % 10 === 9 ? 'kill' : chance.pick(['reload', 'close']);
  counts[how] += 1;
  await end(how);
}

// The last life is only to be quiet.
await openTab();
await page.evaluate(async ({ url, token }) => {
  const { openClient } = await import('/client/js/index.js');
  window.client = await openClient({ url, user: 'alice', token: () => token });
  window.client.on('message', ({ what, conv, seq }) => { if (what === 'received') window.say('told', conv, seq); });
  await window.client.start();
}, { url: hub.wsUrl, token: hub.token('alice') });
let standing;
await eventually(async () => {
  standing = await page.evaluate(() => ({ state: window.client.state, pending: window.client.pending(), metrics: window.client.measure() }));
  return standing.pending.length === 0 && standing.state === 'online';
}, () => `the outbox is empty; it is ${JSON.stringify(standing)}`, { deadline_ms: LIMIT_MS });
const log = await hub.api.log('room');
let shownCount;
await eventually(async () => {
  shownCount = await page.evaluate(async () => (await window.client.messages('room', { limit: 100000 })).length);
  return shownCount >= log.length;
}, () => `all ${log.length} are shown; it shows ${shownCount}`, { deadline_ms: LIMIT_MS });
const views = await page.evaluate(() => window.client.messages('room', { limit: 100000 }));

tap.note(`${counts.reload} reloads, ${counts.close} closed tabs, ${counts.kill} browsers killed; ${kept.size} messages kept, ${log.length} in the log`);
const inLog = (op) => log.filter((entry) => entry.op === op).length;
const lost = [...kept].filter((op) => inLog(op) !== 1);
tap.ok(kept.size > 0 && lost.length === 0, 'each message that was kept is in the log, once', lost.join(' '));
const wanted = log.map(({ seq, op }) => `${seq} ${op}`);
const shown = views.map(({ seq, op }) => `${seq} ${op}`);
tap.ok(JSON.stringify(shown) === JSON.stringify(wanted), 'what is shown is the log, in order, each once', `${shown.filter((each) => !wanted.includes(each))} beside, ${wanted.filter((each) => !shown.includes(each))} missing`);
const twice = told.filter((each, index) => told.indexOf(each) !== index);
tap.ok(told.length > 0 && twice.length === 0, `over all lives it was told of ${told.length} messages of others, each once`, twice.join(' '));
await page.close();

await tap.run('the example: two people talk, one of them offline for a while', async () => {
  await hub.api.conversation('lobby', ['ann', 'ben']);
  const open = async (user) => {
    const made = await browser.newPage();
    await made.goto(`${hub.url}/examples/browser/index.html?room=lobby&user=${user}`);
    await made.waitForFunction(() => document.getElementById('state').textContent.startsWith('online'));
    return made;
  };
  const say = async (who, text) => {
    await who.fill('#text', text);
    await who.click('#composer button');
  };
  const line = (text, state) => `li[data-state="${state}"]:has-text("${text}")`;
  const [ann, ben] = [await open('ann'), await open('ben')];
  await say(ann, 'Are you there?');
  await ben.waitForSelector(line('Are you there?', 'received'));
  await ben.click('#connect');
  await ben.waitForFunction(() => document.getElementById('state').textContent.startsWith('off'));
  await say(ben, 'In a tunnel');
  await ben.waitForSelector(line('In a tunnel', 'pending'));
  await ben.reload();
  await ann.waitForSelector(line('In a tunnel', 'received'));
  await ben.waitForSelector(line('In a tunnel', 'synced'));
  assert.equal(await ann.locator('li:has-text("In a tunnel")').count(), 1);
});

await browser.close();
await hub.stop();
tap.ok(!hub.complaint(), 'the hub has nothing to complain of', hub.complaint());
tap.finish();
