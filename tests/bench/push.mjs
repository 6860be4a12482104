// SPDX-License-Identifier: Apache-2.0
// push.mjs: what a push costs: how many a second go out, and the CPU that each takes.
//
//   push.mjs [hub] [providers] [--users 20000] [--kind alert|wake] [--count 20000]
//
// hub: one push worker of a whole hub. Every user has one phone, registered with FCM, and is owed one push, which is the dearest case: each
// takes three calls to the store. All are posted while the push worker is stopped; then it goes on, and is watched until the last is accepted.
// providers: the way out alone, without a store, for each provider that speaks HTTP/2.
//
// What stands in for the providers is nghttpd (package nghttp2-server), for which 200 is a file: it takes 40 us for each, where a fake in
// Node takes 200. CPU is what the kernel counted, so it holds on a busy machine, too; pushes a second need one core for each of the three.

import { createECDH, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { Authority, keyPair } from '../fakes/certificate.mjs';
import { request } from '../lib/api.mjs';
import { API_KEY, Hub } from '../lib/hub.mjs';
import { freePort, makeFolder, start } from '../lib/started.mjs';
import { eventually } from '../lib/until.mjs';
import { Driver, sections } from '../push/driver.mjs';

const text = (value) => ({ type: 'string', default: value });
const { values, positionals } = parseArgs({ allowPositionals: true, options: { users: text('20000'), kind: text('alert'), count: text('20000') } });
const USERS = Number(values.users), COUNT = Number(values.count);
const BATCH = 50, AGENTS = 8, PATIENCE_MS = 600000;
const TICK_US = 10000; // of /proc/<pid>/stat

const data = makeFolder('push'), authority = new Authority(), certificate = authority.issue('server');
const DEVICE = 'ab'.repeat(32), PROJECT = 'p';
const put = (name, content) => {
  const path = join(data, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
};

function cpu_us(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(stat[11]) + Number(stat[12])) * TICK_US;
}

// What each of count pushes cost the processes, named by pid, while work ran.
async function costs(pids, count, work) {
  const before = Object.entries(pids).map(([name, pid]) => [name, pid, cpu_us(pid)]), started = Date.now();
  const ended = (await work()) ?? Date.now();
  const seconds = (ended - started) / 1000;
  const cpu = before.map(([name, pid, us]) => `${name} ${((cpu_us(pid) - us) / count).toFixed(0)} us`);
  return `${count} in ${seconds.toFixed(1)} s, ${Math.round(count / seconds)} a second; CPU of each: ${cpu.join(', ')}`;
}

put(`www/v1/projects/${PROJECT}/messages:send`, `{"name":"projects/${PROJECT}/messages/1"}`);
put(`www/3/device/${DEVICE}`, '{}');
put('www/push/x', '{}');
const port = await freePort(), url = `https://127.0.0.1:${port}`;
const provider = start('nghttpd', ['-a', '127.0.0.1', '-d', join(data, 'www'), '-m', '1000', String(port), put('key.pem', certificate.key), put('cert.pem', certificate.cert)],
  { stdio: 'ignore' });
const tokens = http.createServer((req, res) => {
  req.resume().on('end', () => res.writeHead(200, { 'content-type': 'application/json' }).end('{"access_token":"any","expires_in":3600,"token_type":"Bearer"}'));
});
await new Promise((resolve) => tokens.listen(0, '127.0.0.1', resolve));

const account = { type: 'service_account', project_id: PROJECT, private_key_id: 'k', client_email: 'belfry@p.example', private_key: keyPair('rsa').pem };
account.token_uri = `http://127.0.0.1:${tokens.address().port}/token`;
const common = { ca_file: authority.ca, allow_private: true };
const settings = put('belfry.ini', sections({
  'apns.app': { key_file: put('apns.p8', keyPair('ec').pem), key_id: 'KEY1234567', team_id: 'TEAM123456', topic: 'org.example.app', url, ...common },
  'fcm.app': { service_account: put('account.json', JSON.stringify(account)), url, ...common },
  'webpush.app': { vapid_key: put('vapid.pem', keyPair('ec').pem), subject: 'mailto:ops@example.org', ...common },
}));

// ---- the whole hub ----

async function measureHub() {
  const env = { BELFRY_REQUESTS_PER_S: '0', BELFRY_MESSAGES_PER_S: '0', BELFRY_LOG_LEVEL: 'warning' };
  const hub = await new Hub({ name: 'push', workers: 1, data, env, args: ['--config', settings] }).start();
  await hub.untilReady();
  const worker = hub.children().find(({ comm }) => comm === 'belfry-push').pid;
  const metric = async (name) => Object.values((await hub.api.metrics())[name] ?? {}).reduce((sum, n) => sum + n, 0);

  const agent = new http.Agent({ keepAlive: true, maxSockets: AGENTS });
  const token = (user) => `${user}:${'x'.repeat(140)}`; // as long as Google's are
  const told = { op: 'n', title: 'Alice', text: 'Shall we have lunch together?', priority: values.kind === 'wake' ? 'silent' : 'normal' };
  let next = 0;
  const posting = async () => {
    while (next < USERS) {
      const names = Array.from({ length: Math.min(BATCH, USERS - next) }, (_, i) => `user-${next + i}`);
      next += BATCH;
      const operations = names.flatMap((user) => [
        { method: 'PUT', path: `/v1/users/${user}/devices/phone/push`, body: { provider: 'fcm', app: 'app', token: token(user) } },
        { method: 'POST', path: `/v1/users/${user}/notifications`, body: told },
      ]);
      const { status, json } = await request(hub.url, 'POST', '/v1/batch', { key: API_KEY, body: { operations }, agent });
      const refused = json?.results?.find((result) => result.status > 299);
      if (status !== 200 || refused) throw new Error(`${status} ${JSON.stringify(refused)}`);
    }
  };
  process.kill(worker, 'SIGSTOP');
  await Promise.all(Array.from({ length: AGENTS }, posting));
  const cost = await costs({ 'push worker': worker, Redis: hub.redisPid(), provider: provider.pid }, USERS, async () => {
    process.kill(worker, 'SIGCONT');
    await eventually(async () => (await metric('belfry_push_requests_total')) >= USERS, `${USERS} are sent`, { deadline_ms: PATIENCE_MS });
    const ended = Date.now();
    await eventually(async () => (await metric('belfry_push_users')) === 0, 'all is written down');
    return ended;
  });
  console.log(`hub, ${values.kind}: ${cost}`);
  agent.destroy();
  await hub.stop();
}

// ---- the providers alone ----

async function measureProviders() {
  const ecdh = createECDH('prime256v1');
  ecdh.generateKeys();
  const subscription = { endpoint: `${url}/push/x`, keys: { p256dh: ecdh.getPublicKey().toString('base64url'), auth: randomBytes(16).toString('base64url') } };
  const devices = { apns: DEVICE, fcm: 'x'.repeat(150), webpush: JSON.stringify(subscription) };
  for (const [name, token] of Object.entries(devices)) {
    const driver = new Driver(settings), job = { provider: name, app: 'app', token, title: 'Alice', text: 'Shall we have lunch together?' };
    await driver.many(100, job); // the connection, its window and the tokens are there then
    const cost = await costs({ 'push worker': driver.child.pid, provider: provider.pid }, COUNT, async () => {
      const { classes } = await driver.many(COUNT, job, PATIENCE_MS);
      if (classes.accepted !== COUNT) throw new Error(JSON.stringify(classes));
    });
    console.log(`${name}: ${cost}`);
    await driver.close();
  }
}

try {
  if (positionals.length === 0 || positionals.includes('hub')) await measureHub();
  if (positionals.length === 0 || positionals.includes('providers')) await measureProviders();
} finally {
  provider.kill('SIGTERM');
  tokens.close();
  authority.remove();
}
