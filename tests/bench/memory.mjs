// SPDX-License-Identifier: Apache-2.0
// memory.mjs: what the store needs in memory for each message, conversation, user and device, with the private Redis as it ships.
//
//   memory.mjs [--rooms 200] [--messages 100] [--body 200]
//
// Rooms of four, whose members each have one device. Everything goes in through the hub; the figures are differences of Redis' used_memory
// (allocator included, buffers of connections not) between steps in which one thing was added or taken away. The table of all keys grows in
// powers of two, which would drown the rest, so each key is counted with 12 bytes of it. A message is counted with all that
// belongs to it: entry, op, four pointers. What time does, is done here at once: ops are deleted.

import { writeFileSync } from 'node:fs';
import { randomBytes, randomUUID } from 'node:crypto';
import http from 'node:http';
import { join } from 'node:path';
import { request } from '../lib/api.mjs';
import { API_KEY, Hub } from '../lib/hub.mjs';
import { makeFolder } from '../lib/started.mjs';
import { eventually } from '../lib/until.mjs';

function option(name, value) {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? value : Number(process.argv[at + 1]);
}

const rooms = option('rooms', 200);
const messages = option('messages', 100);
const bodyBytes = option('body', 200);
const SIZE = 4;
const DEVICE_AGENTS = 16;

const settings = join(makeFolder('bench'), 'belfry.conf');
writeFileSync(settings, '[retention]\nwalk = 500ms\n');
const env = { BELFRY_REQUESTS_PER_S: '0', BELFRY_MESSAGES_PER_S: '0', BELFRY_LOG_LEVEL: 'warning' };
const hub = await new Hub({ name: 'memory', workers: 1, env, args: ['--config', settings] }).start();
await hub.untilReady();

const agent = new http.Agent({ keepAlive: true, maxSockets: DEVICE_AGENTS });
const roomNames = Array.from({ length: rooms }, (_, i) => `conv-${String(i).padStart(6, '0')}`);
const membersOf = (i) => Array.from({ length: SIZE }, (_, k) => `user-${String(i * SIZE + k).padStart(6, '0')}`);
const users = roomNames.flatMap((_, i) => membersOf(i));

// Text of so many bytes that nothing compresses: real ones take less where the store compresses (long logs).
function noise(bytes) {
  return randomBytes(bytes).toString('base64url').slice(0, bytes);
}

// Runs work for each item, so many at a time.
async function each(items, work) {
  let next = 0;
  await Promise.all(Array.from({ length: DEVICE_AGENTS }, async () => {
    while (next < items.length) {
      const at = next;
      next += 1;
      await work(items[at], at);
    }
  }));
}

async function call(method, path, body, key = API_KEY) {
  const answer = await request(hub.url, method, path, { key, body, agent });
  if (answer.status > 299) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
  return answer.json;
}

const cursors = new Map();
async function sync(user) {
  for (let more = true; more;) {
    const known = cursors.get(user);
    const page = await call('POST', '/v1/sync', { device: 'phone', ...(known ? { cursor: known, ack: known.n } : {}) }, hub.token(user, 'phone'));
    more = page.more || page.events.length > 0;
    cursors.set(user, { epoch: page.epoch, n: page.cursor });
  }
}

// Everyone takes everything, and then the receipts for it.
async function taken() {
  await each(users, sync);
  await each(users, sync);
  await walked();
}

// Two walks from now on, as the first may have been under way.
async function walked() {
  const walks = async () => Object.values((await hub.api.metrics()).belfry_walks_total).reduce((sum, n) => sum + n, 0);
  const before = await walks();
  await eventually(async () => (await walks()) >= before + 2, 'two walks over all keys', { deadline_ms: 120000 });
}

// One line of a script's answer.
const script = async (text, ...args) => (await hub.redisCommand('EVAL', text, '0', ...args)).replace(/^\+/, '').trim();

const USED = `
  redis.call('MEMORY', 'PURGE')
  local out = {}
  for name, value in string.gmatch(redis.call('INFO', 'memory'), '([%w_]+):(%d+)') do out[name] = tonumber(value) end
  local stats, keys = redis.call('MEMORY', 'STATS'), redis.call('DBSIZE')
  local table_bytes = 0
  for i = 1, #stats, 2 do
    if stats[i] == 'db.0' then
      for k = 1, #stats[i + 1], 2 do
        if stats[i + 1][k] == 'overhead.hashtable.main' then table_bytes = stats[i + 1][k + 1] - keys * 40 end
      end
    end
  end
  return { ok = string.format('%.0f', out.used_memory - out.mem_clients_normal - out.mem_aof_buffer - table_bytes + keys * 12) }`;

const KEYS = `
  local cursor, sums = '0', {}
  repeat
    local step = redis.call('SCAN', cursor, 'COUNT', 1000)
    cursor = step[1]
    for _, key in ipairs(step[2]) do
      local letter = string.match(key, '^b:{%d+}:(%w):')
      if letter then sums[letter] = (sums[letter] or 0) + redis.call('MEMORY', 'USAGE', key, 'SAMPLES', 0) end
    end
  until cursor == '0'
  local out = {}
  for letter, sum in pairs(sums) do out[#out + 1] = letter .. '=' .. string.format('%.0f', sum) end
  return { ok = table.concat(out, ' ') }`;

async function look() {
  const keys = Object.fromEntries((await script(KEYS)).split(' ').filter(Boolean).map((word) => [word[0], Number(word.slice(2))]));
  return { used: Number(await script(USED)), keys };
}

const rows = [];
function say(what, before, after, count, goal) {
  const bytes = (after.used - before.used) / count;
  const letters = new Set([...Object.keys(before.keys), ...Object.keys(after.keys)]);
  const parts = [...letters].sort().map((letter) => [letter, ((after.keys[letter] ?? 0) - (before.keys[letter] ?? 0)) / count]).filter(([, each]) => Math.abs(each) >= 1);
  rows.push({ what, bytes: Math.round(bytes), goal });
  const held = goal === undefined ? '' : bytes <= goal ? `   goal ${goal}: met` : `   goal ${goal}: MISSED`;
  console.log(`${what.padEnd(62)} ${bytes.toFixed(0).padStart(6)} B${held}   (${parts.map(([letter, each]) => `${letter} ${each.toFixed(0)}`).join(', ')})`);
}

console.log(`${rooms} rooms of ${SIZE}, ${messages} messages of ${bodyBytes} bytes in each; letters are those of contract/keys.def`);
await hub.redisCommand('CONFIG', 'SET', 'slowlog-log-slower-than', '-1'); // it would hold what was slow
await hub.redisCommand('SLOWLOG', 'RESET');
await look();
const empty = await look();

await each(users, sync);
await walked();
const devices = await look();
say('a user with one idle device', empty, devices, users.length);

const idle = users;
await each(idle, (user) => call('POST', '/v1/sync', { device: 'tablet' }, hub.token(user, 'tablet')));
say('one more idle device', devices, await look(), idle.length);
await script("for _, key in ipairs(redis.call('KEYS', '*:d:*')) do redis.call('HDEL', key, 'tablet') end return { ok = '' }");

const withoutRooms = await look();
await each(roomNames, (conv, i) => call('PUT', `/v1/conversations/${conv}`, { kind: 'group', members: membersOf(i) }));
await taken();
const withRooms = await look();
say('a conversation that was never written to, with its four members', withoutRooms, withRooms, rooms);

for (let k = 0; k < messages; k += 1) {
  await each(roomNames, (conv, i) => call('POST', `/v1/conversations/${conv}/messages`,
    { op: randomUUID(), from: membersOf(i)[k % SIZE], body: { text: noise(bodyBytes - '{"text":""}'.length) } }));
}
const pending = await look();
say('a message that no device has acknowledged', withRooms, pending, rooms * messages, 300);

await taken();
const acknowledged = await look();
say('a message that all have acknowledged', withRooms, acknowledged, rooms * messages, 300);

await script("for _, key in ipairs(redis.call('KEYS', '*:o:*')) do redis.call('DEL', key) end return { ok = '' }");
const aged = await look();
say('a message whose op is forgotten, after 7 to 15 days', withRooms, aged, rooms * messages, 300);

writeFileSync(settings, '[retention]\nwalk = 500ms\nlog_delivered_age = 1ms\n');
for (const { pid } of hub.workers()) process.kill(pid, 'SIGHUP');
await walked();
await walked();
const drained = await look();
say('a drained conversation, with its four members', withoutRooms, drained, rooms);
const own = ['C', 'c', 'l', 'o', 'O', 's'].reduce((sum, letter) => sum + (drained.keys[letter] ?? 0), 0) / rooms;
rows.push({ bytes: own });
console.log(`${'of that, but for the members: its own key'.padEnd(62)} ${own.toFixed(0).padStart(6)} B   goal 200: ${own <= 200 ? 'met' : 'MISSED'}`);

const ended = await hub.stop();
if (ended.code !== 0) throw new Error(`the hub ended with ${JSON.stringify(ended)}\n${hub.log(20)}`);
process.exit(rows.some(({ bytes }) => !Number.isFinite(bytes)) ? 1 : 0);
