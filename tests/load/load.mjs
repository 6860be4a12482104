// SPDX-License-Identifier: Apache-2.0
// load.mjs: does belfry-load find what a server does wrong, and is it content with a hub?
//
//   load.mjs
//
// First the floor with planted faults: each must be counted as what it is, and nothing else. Then each scenario, small, against a
// hub. Then servers that are not there, refuse, or die: a clear verdict and no hang. The programs are those of the build that
// BELFRY names.

import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { API_KEY, Hub, JWT_SECRET, findProgram } from '../lib/hub.mjs';
import { freePort, makeFolder, start } from '../lib/started.mjs';
import { Tap } from '../lib/tap.mjs';
import { DEADLINE_MS, eventually } from '../lib/until.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const programs = join(dirname(findProgram()), '..', 'loadtest');
const folder = makeFolder('load');
const tap = new Tap('belfry-load');
const FAULTS = ['lost', 'repeated', 'reordered', 'leaked', 'invented', 'altered', 'told'];
let runs = 0;

// Runs belfry-load to its end, or until `meanwhile` has ended it: { code, report, said, page }.
async function load(words, { env = {}, more = [], meanwhile } = {}) {
  runs += 1;
  const number = runs;
  const json = join(folder, `${number}.json`);
  const html = join(folder, `${number}.html`);
  const args = [...words.split(' ').filter(Boolean), ...more, '--json', json, '--html', html, '--quiet'];
  const child = start(join(programs, 'belfry-load'), args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, BELFRY_JWT_SECRET: JWT_SECRET, BELFRY_API_KEY: API_KEY, ...env },
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (said += text));
  const late = setTimeout(() => child.kill('SIGKILL'), DEADLINE_MS * 4);
  await meanwhile?.(child);
  const { code } = await child.gone;
  clearTimeout(late);
  const read = (path) => (existsSync(path) ? readFileSync(path, 'utf8') : undefined);
  return { code, said, report: existsSync(json) ? JSON.parse(read(json)) : undefined, page: read(html) };
}

function isOk({ code, report, said }, sentence, more = () => true) {
  tap.ok(code === 0 && report?.verdict === 'ok' && more(report), `${sentence}: ${report?.verdict}`, `status ${code}\n${said}\n${JSON.stringify(report, undefined, 1)?.slice(0, 3000)}`);
}

function isNotOk({ code, report, said }, sentence, verdict) {
  tap.ok(code === 1 && verdict.test(report?.verdict), `${sentence}: ${report?.verdict}`, `status ${code}, wanted ${verdict}\n${said}`);
}

async function floor(...args) {
  const child = start(join(programs, 'belfry-floor'), args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (said += text));
  child.url = await eventually(() => /ws:\S+/.exec(said)?.[0], 'the floor is ready');
  return child;
}

async function wrongWords() {
  for (const words of ['', 'chatter --url ws://127.0.0.1:1/', 'idle', 'idle --url http://127.0.0.1:1/', 'idle --url ws://127.0.0.1:1/ --connections many', 'idle --url ws://127.0.0.1:1/ --what 1']) {
    const { code, said } = await load(words);
    tap.ok(code === 2 && said.length > 0, `the command line "${words}" is refused`, `status ${code}\n${said}`);
  }
  const words = ['fanout', '--floor', '--url', 'ws://127.0.0.1:1/', '--connect-limit', '1', '--json', join(folder, 'never.json'), '--html', join(folder, 'none/page.html')];
  const { status, stderr } = spawnSync(join(programs, 'belfry-load'), words, { encoding: 'utf8', timeout: DEADLINE_MS });
  tap.ok(status === 2 && /--html: .*none\/page\.html cannot be written: No such file/.test(stderr), 'a report that could not be written is refused before the run', `status ${status}\n${stderr}`);
  tap.ok(!readdirSync(folder).some((name) => name.includes('never')), '… and leaves nothing behind', String(readdirSync(folder)));
}

async function endFloor(child) {
  child.kill('SIGTERM');
  const { code } = await child.gone;
  if (code !== 0) tap.ok(false, `the floor ended with ${code}`);
}

// What each fault must be counted as. A number that is told for two messages is invented for the second. A forgotten message is two messages for one seq; that is invented for the sender, and for who sees the second.
const planted = [
  { fault: 'drop', counted: { lost: 1 } },
  { fault: 'repeat', counted: { repeated: 1 } },
  { fault: 'swap', counted: { reordered: 1 } },
  { fault: 'leak', counted: { leaked: 1 } },
  { fault: 'garble', counted: { altered: 1 } },
  { fault: 'mix', counted: { altered: 1 } },
  { fault: 'double', counted: { repeated: 1 } },
  { fault: 'waver', counted: { invented: 1 } },
];

async function plantFaults() {
  const chat = (url) => `chat --floor --url ${url} --connections 16 --room 4 --rate 400 --duration 1 --settle-limit 5`;
  const plant = async ({ fault, counted }) => {
    const child = await floor('--fault', fault, '--fault-at', '50', ...(fault === 'repeat' ? ['--coalesce'] : []));
    const result = await load(chat(child.url));
    const found = FAULTS.map((name) => result.report?.[name]);
    const wanted = FAULTS.map((name) => counted[name] ?? 0);
    tap.ok(result.code === 1 && String(found) === String(wanted), `a floor that is told to ${fault}: ${result.report?.verdict}`, `${found}, wanted ${wanted}\n${result.said}`);
    await endFloor(child);
  };
  await Promise.all(planted.map(plant));
  const forgetful = await floor('--fault', 'forget', '--fault-at', '50');
  isNotOk(await load(chat(forgetful.url)), 'a floor that forgets what it acknowledged', /invented|lost/);
  await endFloor(forgetful);
  const garbling = await floor('--fault', 'garble', '--fault-at', '50');
  const garbled = await load(chat(garbling.url));
  isNotOk(garbled, 'a body that is altered is told by its name', /^altered 1, .*with another body than was sent/);
  tap.ok(/<td>altered<\/td><td class="n">1<\/td>/.test(garbled.page), '… and in the page, too', garbled.page);
  await endFloor(garbling);
  const dropping = await floor('--fault', 'drop', '--fault-at', '500');
  isNotOk(await load(`fanout --floor --url ${dropping.url} --connections 40 --processes 2 --channels 2 --rate 50 --duration 1`), 'a channel that drops', /^lost 1/);
  await endFloor(dropping);
  const doubling = await floor('--fault', 'double', '--fault-at', '500');
  isNotOk(await load(`fanout --floor --url ${doubling.url} --connections 40 --processes 2 --channels 2 --rate 50 --duration 1`), 'a channel that has a message twice: both processes see it',
    /^repeated 2,.*is seq \d+ and seq \d+/);
  await endFloor(doubling);
}

async function honestFloors() {
  for (const mode of [[], ['--coalesce']]) {
    const child = await floor(...mode);
    isOk(await load(`chat --floor --url ${child.url} --connections 40 --rate 500 --duration 1`), `chat on an honest floor ${mode}`, (report) => report.deliveries === 4 * report.acknowledged);
    isOk(await load(`fanout --floor --url ${child.url} --connections 60 --processes 2 --duration 1 --pid ${child.pid}`), `a channel flat out on an honest floor ${mode}`,
      (report) => report.servers.processes[0].name === 'belfry-floor' && report.latency_ms.count === report.deliveries);
    await endFloor(child);
  }
}

async function scenarios() {
  const hub = await new Hub({ name: 'load', workers: 2, env: { BELFRY_LOG_LEVEL: 'warning' } }).start();
  await hub.untilReady();
  const on = (words) => load(`${words} --url ${hub.wsUrl} --pid ${hub.pid}`);
  isOk(await on('idle --connections 200 --processes 2 --duration 1'), 'idle', (report) => report.live === 200 && report.open === 200 && report.connect.pss_bytes_each > 0 &&
    report.connect.seconds * 1000 + 1 > report.handshake_ms.max && report.connect.seconds < 60); // from the first packet to the last device
  await Promise.all([
    on('chat --connections 60 --devices 2 --room 3 --rate 60 --churn 10 --duration 2').then((result) => isOk(result, 'chat, with devices that come and go',
      (report) => report.acknowledged > 0 && report.deliveries > report.acknowledged && report.receipts > 0 && report.welcomed > 60)),
    on('chat --connections 10 --room 5 --rooms 20 --rate 50 --duration 2').then((result) => isOk(result, 'many conversations of few users', (report) => report.latency_ms.p99 > 0)),
    on('fanout --connections 100 --processes 2 --channels 2 --rate 20 --duration 2').then((result) => isOk(result, 'fanout', (report) => report.deliveries === 100 * report.acknowledged)),
    on('storm --connections 100 --rate 20 --storms 2 --duration 4').then((result) => isOk(result, 'storm', (report) => report.storms.length === 2 && report.welcomed === 300)),
    // Of 200 devices 40 are awake from the first second on, with a standard deviation of 6; and they say what is due, as above.
    on('mobile --connections 200 --rate 300 --asleep 0.8 --duration 2 --seed 5').then((result) => isOk(result, 'who is away is so from the beginning, and costs nothing of the rate',
      (report) => report.samples.every(({ live }) => live > 15 && live < 65) && Math.abs(report.scheduled - 600) < 100 && report.unsaid === 0)),
    on('mobile --connections 8 --rate 50 --asleep 0.99 --duration 1 --seed 5').then(({ report, said }) => tap.ok(report?.unsaid > 0 && report.unsaid + report.acknowledged === report.scheduled,
      `what is due while everybody is away is told: ${report?.unsaid} of ${report?.scheduled}`, said)),
    on('mobile --connections 60 --rate 60 --sleep 1 --duration 4').then((result) => isOk(result, 'mobile', (report) => report.catch_up_ms.count > 0)),
    on('slow --connections 60 --rate 60 --stalled 10 --duration 3').then((result) => isOk(result, 'slow', (report) => report.deliveries === 4 * report.acknowledged)),
    // 600 are due, with a standard deviation of 24, and whoever is drawn says them or has another say them.
    on('slow --connections 60 --rate 300 --stalled 40 --duration 2 --seed 5').then((result) => isOk(result, 'who stalls costs nothing of the rate', (report) => Math.abs(report.scheduled - 600) < 100)),
  ]);
  for (const name of ['belfry-worker', 'redis-server']) {
    const command = [process.execPath, join(here, 'kill_one.mjs'), hub.pid, name].join(' ');
    isOk(await load(`kill --url ${hub.wsUrl} --connections 60 --rate 60 --duration 4 --kill-every 2`, { more: ['--kill-command', command] }), `kill, of ${name}`,
      (report) => report.kills > 0 && (name === 'redis-server' || report.dropped > 0));
  }
  const missed = await load(`kill --url ${hub.wsUrl} --connections 8 --rate 8 --duration 2 --kill-every 1`, { more: ['--kill-command', 'false'] });
  isNotOk(missed, 'a command that fails', /the command to kill failed/);
  const early = await load(`kill --url ${hub.wsUrl} --connections 8 --rate 8 --duration 1 --kill-every 5`, { more: ['--kill-command', 'true'] });
  isNotOk(early, 'a run that ends before something is killed', /^nothing was killed$/);
  const stubborn = join(folder, 'stubborn.sh');
  writeFileSync(stubborn, "trap '' TERM\nsleep 600\nexit 0\n");
  const held = await load(`kill --url ${hub.wsUrl} --connections 8 --rate 8 --duration 2 --kill-every 1 --settle-limit 2`, { more: ['--kill-command', `sh ${stubborn}`] });
  isNotOk(held, 'a command that does not want to end', /^the command to kill did not end$/);
  isNotOk(await on('storm --connections 8 --storms 100 --duration 1'), 'a run with fewer storms than were wanted', /^\d+ of 100 storms$/);
  // The limit of an hour is not waited out, as nobody is left to wait for.
  const wrong = await load(`idle --url ${hub.wsUrl} --connections 5 --processes 2 --duration 1 --connect-limit 3600`, { env: { BELFRY_JWT_SECRET: 'not the secret that the hub has, but as long' } });
  isNotOk(wrong, 'a wrong secret', /^turned_away 5.*0 of 5 devices.*unauthorized/);
  const unpaid = await load(`chat --rate 1 --url ${hub.wsUrl} --connections 5 --duration 1`, { env: { BELFRY_API_KEY: 'not the key' } });
  isNotOk(unpaid, 'a wrong API key', /could not be made.*401/);
  await deaths(hub);
  tap.ok(!hub.complaint(), 'no sanitizer had to complain of the hub', hub.complaint());
}

async function deaths(hub) {
  const interrupted = await load(`chat --url ${hub.wsUrl} --connections 20 --rate 20 --duration 600`, { meanwhile: (child) => untilItRuns(hub).then(() => child.kill('SIGINT')) });
  isNotOk(interrupted, 'Ctrl-C ends it with a report', /^interrupted/);
  const died = await load(`chat --url ${hub.wsUrl} --connections 20 --rate 20 --duration 2 --settle-limit 2`, { meanwhile: () => untilItRuns(hub).then(() => hub.kill()) });
  isNotOk(died, 'a hub that dies for good', /not everything was answered/);
  const absent = await load(`idle --url ws://127.0.0.1:${await freePort()}/v1/ws --connections 5 --duration 1 --connect-limit 2`);
  isNotOk(absent, 'a hub that is not there', /0 of 5 devices were connected.*refused/);
}

// Until the hub has stored a message more than now.
async function untilItRuns(hub) {
  const stored = async () => Object.values((await hub.api.metrics()).belfry_messages_total).reduce((sum, each) => sum + each, 0);
  const before = await stored();
  await eventually(async () => (await stored()) > before, 'a message is stored');
}

async function encrypted() {
  const cert = join(folder, 'cert.pem');
  const key = join(folder, 'key.pem');
  const made = spawnSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', cert,
    '-days', '2', '-subj', '/CN=test', '-addext', 'subjectAltName=IP:127.0.0.1']);
  if (made.status !== 0) return tap.ok(false, 'openssl makes a certificate', String(made.stderr ?? made.error));
  const hub = new Hub({ name: 'tls', workers: 4, env: { BELFRY_TLS_CERT: cert, BELFRY_TLS_KEY: key, BELFRY_LOG_LEVEL: 'warning' } });
  await hub.start();
  const url = `wss://127.0.0.1:${hub.port}/v1/ws`;
  isOk(await load(`chat --url ${url} --ca ${cert} --connections 40 --rate 40 --duration 1`), 'chat over TLS', (report) => report.deliveries > 0);
  isOk(await load(`idle --url ${url} --unverified --connections 40 --duration 1`), 'TLS with any certificate');
  // One after the other, so that each but the first few has a ticket, and any worker opens it: if only its own did, it would be one in four.
  isOk(await load(`idle --url ${url} --unverified --connections 40 --connect-rate 40 --duration 1`), 'TLS with tickets', (report) => report.tls_resumed >= 20);
  isOk(await load(`idle --url ${url} --unverified --fresh --connections 40 --duration 1`), 'TLS without tickets', (report) => report.tls_resumed === 0);
  isNotOk(await load(`idle --url ${url} --connections 5 --duration 1 --connect-limit 2`), 'a certificate that nobody vouches for', /0 of 5 .*not believed/);
  await hub.stop();
  return tap.ok(!hub.complaint(), 'no sanitizer had to complain of the hub with TLS', hub.complaint());
}

await wrongWords();
await plantFaults();
await honestFloors();
await scenarios();
await encrypted();
tap.finish();
