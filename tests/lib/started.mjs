// SPDX-License-Identifier: Apache-2.0
// started.mjs: every process a test starts, and every folder it makes, so that none outlives the test, whatever ends it.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const running = new Set();
const folders = new Set();

process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL'); // also ends a stopped one
  if (process.env.BELFRY_TEST_KEEP) return;
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));

// child.gone resolves with { code, signal } once the process has ended.
export function start(program, args, options) {
  const child = spawn(program, args, options);
  running.add(child);
  child.gone = new Promise((resolve) => {
    child.once('exit', (code, signal) => {
      running.delete(child);
      child.ended = { code, signal };
      resolve(child.ended);
    });
    child.once('error', (error) => {
      running.delete(child);
      child.ended = { error };
      resolve(child.ended);
    });
  });
  return child;
}

// A folder of its own; short, as a Unix socket's path has room for 107 bytes.
export function makeFolder(name) {
  const folder = mkdtempSync(join(tmpdir(), `bf-${name}-`));
  folders.add(folder);
  return folder;
}

const given = new Set();

// A port that nobody holds, below the range from which the kernel takes the ports of outgoing connections: a client that
// keeps dialling a hub that is down would otherwise now and then be given that very port and connect to itself.
export async function freePort() {
  for (let tries = 0; tries < 200; tries += 1) {
    const port = 20000 + Math.floor(Math.random() * 12000);
    if (given.has(port)) continue;
    const free = await new Promise((resolve) => {
      const server = createServer();
      server.once('error', () => resolve(false));
      server.listen({ host: '127.0.0.1', port, exclusive: true }, () => server.close(() => resolve(true)));
    });
    if (free) {
      given.add(port);
      return port;
    }
  }
  throw new Error('no free port between 20000 and 32000');
}
