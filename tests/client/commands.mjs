// SPDX-License-Identifier: Apache-2.0
// commands.mjs: the client's commands of the program belfry, as a script would use them.

import { spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { Hub, JWT_SECRET, findProgram } from '../lib/hub.mjs';
import { makeFolder, start } from '../lib/started.mjs';
import { Tap } from '../lib/tap.mjs';
import { makeToken } from '../lib/token.mjs';
import { eventually } from '../lib/until.mjs';

const program = findProgram();
const folder = makeFolder('commands');
const hub = await new Hub({ workers: 1, env: { BELFRY_RETRY_BASE: '20ms', BELFRY_RETRY_MAX: '200ms' } }).start();
await hub.untilReady();
await hub.api.conversation('lunch', ['alice', 'bob']);
await hub.api.conversation('lobby', ['dora']);

const flags = (user) => ['--url', hub.url, '--token', makeToken(JWT_SECRET, { sub: user, dev: 'd' }), '--store', join(folder, `${user}.db`)];
const run = (command, user, ...more) => spawnSync(program, [command, ...flags(user), ...more], { encoding: 'utf8' });
const expect = (holds, what) => {
  if (!holds) throw new Error(typeof what === 'string' ? what : JSON.stringify(what));
};

function listen(user, ...more) {
  const child = start(program, ['listen', ...flags(user), '--json', ...more], { stdio: ['ignore', 'pipe', 'inherit'] });
  child.said = [];
  createInterface({ input: child.stdout }).on('line', (line) => child.said.push(JSON.parse(line)));
  child.sees = (holds, sentence) => eventually(() => child.said.find(holds), () => `${sentence}; it said ${JSON.stringify(child.said.slice(-5))}`);
  child.end = async () => {
    child.kill('SIGTERM');
    const ended = await child.gone;
    expect(ended.code === 0, ended);
  };
  return child;
}

const tap = new Tap('commands');
await tap.run('send without --wait ends with 0 as soon as the outbox has it, and sends nothing', async () => {
  const sent = run('send', 'alice', '--conv', 'lunch', 'first');
  expect(sent.status === 0 && /^[0-9a-f-]{36}\n$/.test(sent.stdout), sent);
  expect((await hub.api.log('lunch')).length === 0, 'the hub has something');
});
await tap.run('the next who connects sends it, in order, before what came later', async () => {
  const sent = run('send', 'alice', '--conv', 'lunch', '--wait', '15000', 'second');
  expect(sent.status === 0, sent);
  const log = await hub.api.log('lunch');
  expect(String(log.map(({ body }) => body.text)) === 'first,second', log);
});
await tap.run('send --wait ends with 1 if the hub refuses, or cannot be reached, and then it waits', async () => {
  const refused = run('send', 'alice', '--conv', 'nowhere', '--wait', '15000', 'x');
  expect(refused.status === 1 && refused.stderr.includes('not_found'), refused);
  const late = spawnSync(program, ['send', ...flags('carol'), '--url', 'http://127.0.0.1:1', '--conv', 'lunch', '--wait', '300', 'x'], { encoding: 'utf8' });
  expect(late.status === 1 && late.stderr.includes('waits in the outbox'), late);
});
await tap.run('who names no device, neither in the token nor by --device, is one device from then on', async () => {
  const dora = ['--url', hub.url, '--token', makeToken(JWT_SECRET, { sub: 'dora' }), '--store', join(folder, 'dora.db')];
  for (const [command, ...more] of [['send', '--conv', 'lobby', '--wait', '15000', 'one'], ['send', '--conv', 'lobby', '--wait', '15000', 'two'], ['sync']]) {
    const done = spawnSync(program, [command, ...dora, ...more], { encoding: 'utf8' });
    expect(done.status === 0, done);
  }
  const log = await hub.api.log('lobby');
  expect(/^c-[0-9a-f]{12}$/.test(log[0].device) && log[1].device === log[0].device, log);
});
let change;
await tap.run('listen prints an event a line, and sends what another process puts into the same store', async () => {
  const bob = listen('bob');
  await bob.sees(({ type, state }) => type === 'state' && state === 'online', 'bob is online');
  const sent = run('send', 'bob', '--conv', 'lunch', '--wait', '15000', 'from the side');
  expect(sent.status === 0, sent);
  const mine = await bob.sees(({ type, body }) => type === 'message' && body?.text === 'from the side', 'bob sees what he sent');
  expect(mine.from === 'bob' && mine.seq === 3, mine);
  run('send', 'alice', '--conv', 'lunch', '--wait', '15000', 'hello bob');
  const got = await bob.sees(({ type, body }) => type === 'message' && body?.text === 'hello bob', 'bob sees what alice sent');
  expect(got.seq === 4 && got.change > mine.change, got);
  ({ change } = got);
  await bob.end();
});
await tap.run('listen --after goes on behind the last change, with what came meanwhile, once', async () => {
  run('send', 'alice', '--conv', 'lunch', '--wait', '15000', 'while you were away');
  const bob = listen('bob', '--after', String(change));
  await bob.sees(({ type, body }) => type === 'message' && body?.text === 'while you were away', 'bob sees it');
  expect(bob.said.filter(({ type }) => type === 'message').length === 1, bob.said);
  await bob.end();
});
await tap.run('of two listeners on one store one has the connection, both print, and the other takes over', async () => {
  const first = listen('bob');
  await first.sees(({ state }) => state === 'online', 'the first is online');
  const second = listen('bob');
  await second.sees(({ state }) => state === 'standby', 'the second stands by');
  run('send', 'alice', '--conv', 'lunch', '--wait', '15000', 'for both');
  for (const each of [first, second]) await each.sees(({ type, body }) => type === 'message' && body?.text === 'for both', 'it is printed');
  first.kill('SIGKILL');
  await second.sees(({ state }) => state === 'online', 'the second is online');
  await second.end();
});
await tap.run('sync brings what waits, once, and says how much', async () => {
  run('send', 'bob', '--conv', 'lunch', 'by sync');
  run('send', 'alice', '--conv', 'lunch', '--wait', '15000', 'to be synced');
  const synced = run('sync', 'bob', '--json');
  const messages = synced.stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line)).filter(({ type }) => type === 'message');
  expect(synced.status === 0 && /sent 1, received \d+/.test(synced.stderr), synced);
  expect(messages.map(({ body }) => body.text).sort().join() === 'by sync,to be synced', synced.stdout);
  const again = run('sync', 'bob');
  expect(again.status === 0 && again.stdout.startsWith('sent 0'), again);
});
await tap.run('conversations prints what the store knows, without a hub', async () => {
  const listed = run('conversations', 'bob');
  const [lunch] = listed.stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line));
  expect(listed.status === 0 && lunch.conv === 'lunch' && lunch.seq === 8 && lunch.unread > 0, listed);
});
await tap.run('chat shows ticks, typing and presence', async () => {
  const chat = start(program, ['chat', ...flags('alice'), '--conv', 'lunch'], { stdio: ['pipe', 'pipe', 'inherit'] });
  let said = '';
  chat.stdout.on('data', (text) => {
    said += text;
  });
  const shows = (text) => eventually(() => said.includes(text), () => `chat shows ${text}; it said ${said}`);
  await shows('(online)');
  const bob = start(program, ['chat', ...flags('bob'), '--conv', 'lunch'], { stdio: ['pipe', 'ignore', 'inherit'] });
  await shows('(bob is online)');
  chat.stdin.write('in the terminal\n');
  await shows('in the terminal  #9');
  await shows('✓ #9');
  await shows('bob has read up to #9');
  await eventually(() => {
    bob.stdin.write('/typing\n');
    return said.includes('(bob is typing)');
  }, () => `chat shows typing; it said ${said}`, { every_ms: 300 });
  for (const each of [chat, bob]) {
    each.stdin.write('/quit\n');
    expect((await each.gone).code === 0, 'a chat ended badly');
  }
});
await tap.run('listen and send --wait end with 1 and say why as soon as the hub refuses the token, and what was to be sent waits', async () => {
  const expired = makeToken(JWT_SECRET, { sub: 'eve', dev: 'd' }, { ttl_s: -60 });
  for (const [token, word] of [['no-token', 'bad token'], [expired, 'token expired']]) {
    for (const [command, ...more] of [['listen'], ['listen', '--json'], ['send', '--conv', 'lunch', '--wait', '60000', 'x']]) {
      const done = spawnSync(program, [command, '--url', hub.url, '--token', token, '--store', join(folder, 'eve.db'), ...more], { encoding: 'utf8', timeout: 15000 });
      expect(done.status === 1 && done.stderr.includes(word), [command, word, done]);
      expect(command !== 'send' || done.stderr.includes('waits in the outbox'), done.stderr);
    }
  }
});
await tap.run('listen ends with 1 when another session of its device replaces it', async () => {
  const bob = start(program, ['listen', ...flags('bob'), '--json'], { stdio: ['ignore', 'pipe', 'ignore'] });
  await eventually(async () => (await hub.api.devices('bob')).some(({ device, connected }) => device === 'd' && connected), () => 'bob is connected');
  const sent = spawnSync(program, ['send', ...flags('bob'), '--store', join(folder, 'other.db'), '--conv', 'lunch', '--wait', '15000', 'from elsewhere'], { encoding: 'utf8' });
  expect(sent.status === 0, sent);
  expect((await bob.gone).code === 1, 'the replaced one ended otherwise');
});
await tap.run('a wrong command line ends with 2 and says why', async () => {
  for (const [args, word] of [[['send', '--store', 'x', '--conv', 'c', 't'], '--url'], [['send', '--url', 'http://a', '--conv', 'c', 't'], '--store'],
    [['listen', ...flags('bob'), '--nonsense'], '--nonsense'], [['send', ...flags('bob'), 'text'], '--conv'], [['listen', '--url', 'http://a', '--store', join(folder, 'x')], '--token'],
    [['send', '--url', 'http://a', '--store', join(folder, 'x'), '--conv', 'c', '--wait', '9', 't'], '--token'], [['send', ...flags('bob'), '--conv', 'c'], 'TEXT'],
    [['sync', ...flags('bob'), '--deadline', 'soon'], 'soon'], [['listen', '--url', 'gopher://a', '--token', 't', '--store', join(folder, 'x')], 'argument']]) {
    const done = spawnSync(program, args, { encoding: 'utf8' });
    expect(done.status === 2 && done.stderr.includes(word), [args, done.status, done.stderr]);
  }
});
await hub.stop();
tap.finish();
