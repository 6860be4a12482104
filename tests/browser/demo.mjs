// SPDX-License-Identifier: Apache-2.0
//
// demo.mjs: the demo page does what it promises, in a real browser.
//
//     node tests/browser/demo.mjs build/hub/belfry        starts a hub of its own
//     BELFRY_URL=http://… node tests/browser/demo.mjs     uses one that runs (the crashes are skipped then)
//
// CHROMIUM names the browser, /usr/bin/chromium if unset. Output is TAP; the exit status is 1 if anything failed.
// Nothing here sleeps: every wait is for something to be seen, and fails with the page's state after LIMIT_MS.

import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { once } from 'node:events';
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const LIMIT_MS = 30000;

// ---- The hub

async function startHub(binary) {
  const data = mkdtempSync(join(tmpdir(), 'belfry-demo-'));
  const child = spawn(binary, ['serve', '--dev', '--listen', '127.0.0.1:0', '--data', data], { stdio: ['ignore', 'pipe', 'pipe'] });
  const log = [];
  const ready = new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        log.push(line);
        const found = line.match(/Belfry is ready: (http:\/\/\S+)/);
        if (found) resolve(found[1]);
      });
    }
    child.on('error', reject);
    child.on('exit', (status) => reject(new Error(`the hub ended with ${status}:\n${log.slice(-20).join('\n')}`)));
    AbortSignal.timeout(LIMIT_MS).addEventListener('abort', () => reject(new Error(`no ready line:\n${log.join('\n')}`)));
  });
  return { child, data, log, url: await ready };
}

// The hub's children are its workers and, without --redis, one redis-server.
function childrenOf(pid) {
  const children = execFileSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' }).trim().split('\n').map(Number);
  const isRedis = (child) => readFileSync(`/proc/${child}/cmdline`, 'utf8').includes('redis-server');
  return { workers: children.filter((child) => !isRedis(child)), redis: children.filter(isRedis) };
}

// ---- The page

const byId = (id) => `[data-testid="${id}"]`;

async function enter(browser, url, name, problems) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } }); // its own storage: another person
  return openTab(context, url, name, problems);
}

async function openTab(context, url, name, problems) {
  const page = await context.newPage();
  page.setDefaultTimeout(LIMIT_MS);
  page.on('pageerror', (error) => problems.push(`${name}: ${error.message}`));
  page.on('console', (message) => {
    if (/Content Security Policy|Refused to/.test(message.text())) problems.push(`${name}: ${message.text()}`);
  });
  await page.goto(`${url}?room=${room}`);
  await page.fill(byId('name-input'), name);
  await page.click(byId('join-button'));
  await page.waitForSelector(`${byId('connection-state')}[data-state="online"]`);
  return page;
}

async function say(page, text) {
  await page.fill(byId('message-input'), text);
  await page.click(byId('send-button'));
}

const message = (text, state = '') =>
  `${byId('message')}${state && `[data-state="${state}"]`}:has(.text:text-is(${JSON.stringify(text)}))`;

const sees = (page, text, state) => page.waitForSelector(message(text, state));

const texts = (page) => page.$$eval(`${byId('message')} .text`, (found) => found.map((e) => e.textContent));

// Waits until the messages are just these: in this order, each once, with rising seq.
async function seesExactly(page, expected) {
  await page.waitForFunction(
    ([selector, count]) => [...document.querySelectorAll(selector)].filter((e) => e.dataset.seq).length >= count,
    [byId('message'), expected.length]);
  assert.deepEqual(await texts(page), expected);
  const seqs = await page.$$eval(byId('message'), (found) => found.map((e) => Number(e.dataset.seq)));
  assert.deepEqual(seqs, [...new Set(seqs)].sort((a, b) => a - b), 'seq rises');
}

// What is on disk, and not only on the page.
const outboxOf = (page, user, slot = 1) => page.evaluate((name) => new Promise((resolve, reject) => {
  const opened = indexedDB.open(name);
  opened.onerror = () => reject(opened.error);
  opened.onsuccess = () => {
    const rows = opened.result.transaction('outbox').objectStore('outbox').getAll();
    rows.onsuccess = () => {
      opened.result.close();
      resolve(rows.result.map(({ body }) => body.text));
    };
  };
}), `belfry/${user}/${slot}`);

// ---- The run

let count = 0;
let failed = 0;

async function ok(name, body) {
  count++;
  try {
    await body();
    console.log(`ok ${count} - ${name}`);
  } catch (error) {
    failed++;
    console.log(`not ok ${count} - ${name}`);
    console.log(String(error.stack || error).replace(/^/gm, '# '));
  }
}

function skip(name, why) {
  count++;
  console.log(`ok ${count} - ${name} # SKIP ${why}`);
}

const room = `room-${Date.now()}`; // a hub that was used before has no say in what we find
const problems = [];
const said = []; // all that was said in the room, in the order of the log
if (!process.env.BELFRY_URL && !process.argv[2]) {
  console.error('usage: node demo.mjs HUB-PROGRAM, or with BELFRY_URL set');
  process.exit(2);
}
const hub = process.env.BELFRY_URL ? { url: process.env.BELFRY_URL } : await startHub(process.argv[2]);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update',
    '--disable-sync', '--no-first-run'],
});

try {
  const url = hub.url;
  const alice = await enter(browser, url, 'alice', problems);
  const bob = await enter(browser, url, 'bob', problems);

  await ok('two people in a room see each other online', async () => {
    await alice.waitForSelector(`${byId('presence-bob')}[data-status="online"]`);
    await bob.waitForSelector(`${byId('presence-alice')}[data-status="online"]`);
  });

  await ok('a message goes each way and stands in the same order at both', async () => {
    await say(alice, 'Are you there?');
    await sees(bob, 'Are you there?', 'received');
    await say(bob, 'Yes, <b>here</b>.');
    await sees(alice, 'Yes, <b>here</b>.', 'received');
    said.push('Are you there?', 'Yes, <b>here</b>.');
    await seesExactly(alice, said);
    await seesExactly(bob, said);
  });

  await ok('the ticks of a message that was seen go to read', async () => {
    await sees(alice, 'Are you there?', 'read');
    await sees(bob, 'Yes, <b>here</b>.', 'read');
  });

  await ok('typing is seen while it lasts, and ends with the message', async () => {
    await bob.focus(byId('message-input'));
    await bob.keyboard.type('One moment');
    await alice.waitForSelector(`${byId('typing')}[data-active="true"]:has-text("bob")`);
    await bob.keyboard.press('Enter');
    said.push('One moment');
    await sees(alice, 'One moment');
    await alice.waitForSelector(`${byId('typing')}[data-active="false"]`);
  });

  await ok('typing that is given up ends, too', async () => {
    await bob.keyboard.type('Hm');
    await alice.waitForSelector(`${byId('typing')}[data-active="true"]`);
    await bob.fill(byId('message-input'), '');
    await alice.waitForSelector(`${byId('typing')}[data-active="false"]`);
  });

  await ok('a cut tab says so and keeps what is typed', async () => {
    await alice.click(byId('cut-button'));
    await alice.waitForSelector(`${byId('connection-state')}[data-state="offline"]`);
    await say(alice, 'Typed in the tunnel');
    await sees(alice, 'Typed in the tunnel', 'pending');
    assert.deepEqual(await outboxOf(alice, 'alice'), ['Typed in the tunnel']);
  });

  await ok('who is away for longer than the grace is shown as offline', async () => {
    await bob.waitForSelector(`${byId('presence-alice')}[data-status="offline"]`);
  });

  await ok('what was missed arrives in order and once, under a divider', async () => {
    for (const text of ['First', 'Second', 'Third']) {
      await say(bob, text);
      await sees(bob, text, 'sent');
    }
    assert.equal(await alice.$(message('First')), null);
    await alice.click(byId('reconnect-button'));
    await alice.waitForSelector(`${byId('missed-divider')}[data-count="3"]`);
    await sees(alice, 'Third');
    const after = await alice.$eval(byId('missed-divider'), (e) => e.nextElementSibling.querySelector('.text').textContent);
    assert.equal(after, 'First');
  });

  await ok('what was typed offline is sent once after the reconnect', async () => {
    await sees(bob, 'Typed in the tunnel', 'received');
    said.push('First', 'Second', 'Third', 'Typed in the tunnel');
    await seesExactly(alice, said);
    await seesExactly(bob, said);
    await sees(alice, 'Typed in the tunnel', 'read');
    assert.deepEqual(await outboxOf(alice, 'alice'), []);
  });

  await ok('a tab that was offline is back as online', async () => {
    await bob.waitForSelector(`${byId('presence-alice')}[data-status="online"]`);
  });

  for (const victim of ['workers', 'redis']) {
    const name = `${victim} killed with kill -9: nothing is lost, nothing comes twice`;
    if (!hub.child) {
      skip(name, 'the hub was started by someone else');
      continue;
    }
    await ok(name, async () => {
      const pids = childrenOf(hub.child.pid)[victim];
      assert.ok(pids.length > 0, `the hub has ${victim}`);
      const [before, during, other] = ['Before', 'During', 'I noticed nothing of'].map((text) => `${text} the end of ${victim}`);
      await say(alice, before);
      for (const pid of pids) process.kill(pid, 'SIGKILL');
      await say(alice, during);
      await say(bob, other);
      for (const page of [alice, bob]) {
        for (const text of [before, during, other]) await sees(page, text);
        await page.waitForSelector(`${byId('connection-state')}[data-state="online"]`);
      }
      await sees(alice, during, 'read');
      await sees(bob, other, 'read');
      // Only the order between the two writers is open: take it from one page, and expect it on the other.
      said.push(...(await texts(alice)).slice(said.length));
      assert.deepEqual(said.slice(-3).sort(), [before, during, other].sort());
      assert.ok(said.indexOf(before) < said.indexOf(during), 'order of one writer');
      await seesExactly(alice, said);
      await seesExactly(bob, said);
    });
  }

  await ok('a reload shows the room as it was and goes on from its cursor', async () => {
    await alice.reload();
    await alice.waitForSelector(`${byId('connection-state')}[data-state="online"]`);
    await seesExactly(alice, said);
    await say(bob, 'After the reload');
    said.push('After the reload');
    await sees(alice, 'After the reload');
    await seesExactly(alice, said);
  });

  await ok('what was typed offline in a tab that was closed is sent once by the next one', async () => {
    const dave = await enter(browser, url, 'dave', problems);
    await seesExactly(dave, said);
    await dave.click(byId('cut-button'));
    await dave.waitForSelector(`${byId('connection-state')}[data-state="offline"]`);
    for (const text of ['Typed before the tab was closed', 'And this']) {
      await say(dave, text);
      await sees(dave, text, 'pending');
    }
    const context = dave.context();
    await dave.close();
    const again = await context.newPage();
    again.setDefaultTimeout(LIMIT_MS);
    await again.goto(`${url}?room=${room}&user=dave`);
    said.push('Typed before the tab was closed', 'And this');
    await sees(again, 'And this', 'read');
    for (const page of [again, alice, bob]) await seesExactly(page, said);
    assert.deepEqual(await outboxOf(again, 'dave'), []);
    await context.close();
  });

  await ok('two tabs of one user are two devices, and the one that stays takes over the outbox of the one that is closed', async () => {
    const first = await enter(browser, url, 'erin', problems);
    const context = first.context();
    const second = await context.newPage();
    second.setDefaultTimeout(LIMIT_MS);
    await second.goto(`${url}?room=${room}&user=erin`);
    await second.waitForSelector(`${byId('connection-state')}[data-state="online"]`);
    await seesExactly(second, said);
    await second.click(byId('cut-button'));
    await say(second, 'From the second tab');
    await sees(second, 'From the second tab', 'pending');
    assert.deepEqual(await outboxOf(second, 'erin', 2), ['From the second tab']);
    await second.close();
    await first.reload();
    said.push('From the second tab');
    for (const page of [first, alice, bob]) {
      await sees(page, 'From the second tab');
      await seesExactly(page, said);
    }
    await context.close();
  });

  await ok('a second device of the same user has the whole room', async () => {
    const phone = await enter(browser, url, 'alice', problems);
    await seesExactly(phone, said);
    await phone.context().close();
  });

  await ok('the page threw nothing and kept to the content security policy', async () => {
    assert.deepEqual(problems, []);
  });
} finally {
  await browser.close();
  if (hub.child) {
    if (failed) console.log(hub.log.slice(-60).join('\n').replace(/^/gm, '# hub: '));
    await ok('SIGTERM ends the hub with status 0', async () => {
      const exited = hub.child.exitCode === null ? once(hub.child, 'exit') : Promise.resolve([hub.child.exitCode]);
      hub.child.kill('SIGTERM');
      const [status] = await exited;
      assert.equal(status, 0);
    });
    rmSync(hub.data, { recursive: true, force: true });
  }
}
console.log(`1..${count}`);
process.exitCode = failed ? 1 : 0;
