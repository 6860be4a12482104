// SPDX-License-Identifier: Apache-2.0
// install.mjs: what `meson install` leaves is enough to build an app outside the tree, and that app works.
//
//   install.mjs BUILD     the build folder whose libbelfry is installed, into a temporary prefix

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Hub, JWT_SECRET } from '../lib/hub.mjs';
import { makeFolder, start } from '../lib/started.mjs';
import { Tap } from '../lib/tap.mjs';
import { makeToken } from '../lib/token.mjs';
import { eventually } from '../lib/until.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const build = resolve(process.argv[2] ?? join(root, 'build'));
const folder = makeFolder('install');
const run = (program, args, env = {}) => {
  const done = spawnSync(program, args, { encoding: 'utf8', cwd: folder, env: { ...process.env, ...env } });
  if (done.status !== 0) throw new Error(`${program} ${args.join(' ')}: ${done.status} ${done.stdout} ${done.stderr}`);
  return done.stdout.trim();
};

const tap = new Tap('install');
let libdir;
let env;
await tap.run('meson installs library, header and pkg-config file', async () => {
  run('meson', ['install', '-C', build, '--no-rebuild', '--destdir', folder]);
  const pc = run('find', [folder, '-name', 'belfry.pc']);
  libdir = dirname(dirname(pc));
  // As installed under this prefix: pkg-config puts the folder before what the file names.
  env = { PKG_CONFIG_PATH: dirname(pc), PKG_CONFIG_SYSROOT_DIR: folder, LD_LIBRARY_PATH: libdir };
  if (!existsSync(run('find', [folder, '-name', 'belfry.h']))) throw new Error('there is no belfry.h');
});
await tap.run('the library has a soname, and exports nothing but belfry_…', async () => {
  const library = join(libdir, 'libbelfry.so');
  const soname = /SONAME\s+(\S+)/.exec(run('objdump', ['-p', library]))?.[1];
  if (soname !== 'libbelfry.so.0') throw new Error(`its soname is ${soname}`);
  if (realpathSync(library) === library) throw new Error('libbelfry.so is no link');
  const names = run('nm', ['-D', '--defined-only', library]).split('\n').map((line) => line.split(' ').at(-1));
  const others = names.filter((name) => !name.startsWith('belfry_'));
  if (others.length > 0 || names.length < 30) throw new Error(`it exports ${names.length} names, among them ${others.slice(0, 5)}`);
  const declared = [...readFileSync(join(root, 'client', 'belfry.h'), 'utf8').matchAll(/^BELFRY_API [^(]*?(belfry_\w+)\(/gm)].map((match) => match[1]);
  if (String(declared.sort()) !== String(names.sort())) throw new Error(`the header declares ${declared.filter((name) => !names.includes(name))} more, ${names.filter((name) => !declared.includes(name))} less`);
});
await tap.run('the example is built outside the tree, with no more than pkg-config says', async () => {
  cpSync(join(root, 'examples', 'hello.c'), join(folder, 'hello.c'));
  const flags = run('pkg-config', ['--cflags', '--libs', 'belfry'], env).split(/\s+/);
  run('cc', ['-std=c11', '-Wall', '-Wextra', '-Wno-unused-parameter', '-Werror', 'hello.c', '-o', 'hello', ...flags], env);
  const lines = readFileSync(join(folder, 'hello.c'), 'utf8').split('\n').length;
  if (lines > 150) throw new Error(`it has ${lines} lines`);
});
await tap.run('and it sends what is typed, and shows what comes', async () => {
  const hub = await new Hub({ workers: 1 }).start();
  await hub.untilReady();
  await hub.api.conversation('lunch', ['alice', 'bob']);
  const token = makeToken(JWT_SECRET, { sub: 'alice', dev: 'phone' });
  const hello = start(join(folder, 'hello'), [hub.url, token, join(folder, 'alice.db'), 'lunch'], { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...env } });
  let said = '';
  hello.stdout.on('data', (text) => {
    said += text;
  });
  hello.stdin.write('Pizza?\n');
  await eventually(async () => (await hub.api.log('lunch')).some(({ body }) => body.text === 'Pizza?'), 'the hub has what was typed');
  await hub.api.send('lunch', { op: 'o1', from: 'bob', body: { text: 'Yes!' } });
  await eventually(() => said.includes('bob: Yes!') && said.includes('(synced)'), () => `it shows the answer; it said ${said}`);
  hello.stdin.end();
  const ended = await hello.gone;
  if (ended.code !== 0) throw new Error(`it ended with ${JSON.stringify(ended)}`);
  await hub.stop();
});
tap.finish();
