// SPDX-License-Identifier: Apache-2.0
// redis.mjs: a Redis that the test owns: durable as the hub's private one, on a Unix socket, to be killed, stopped and wiped.

import { createConnection } from 'node:net';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder, start } from './started.mjs';
import { DEADLINE_MS, eventually } from './until.mjs';

export class Redis {
  constructor(folder = makeFolder('redis')) {
    this.folder = folder;
    this.socket = join(folder, 'redis.sock');
    this.url = `unix://${this.socket}`;
  }

  async start() {
    const log = openSync(join(this.folder, 'redis.log'), 'a');
    const args = ['--port', '0', '--unixsocket', this.socket, '--dir', this.folder, '--appendonly', 'yes', '--appendfsync', 'always', '--save', '', '--daemonize', 'no'];
    this.child = start(process.env.BELFRY_TEST_REDIS ?? 'redis-server', args, { stdio: ['ignore', log, log] });
    closeSync(log);
    await eventually(
      async () => {
        if (this.child.ended) throw new Error(`redis-server ended: ${JSON.stringify(this.child.ended)}\n${readFileSync(join(this.folder, 'redis.log'), 'utf8')}`);
        return (await redisCommand(this.socket, 'PING')).startsWith('+PONG');
      },
      'redis-server answers PING',
    );
    return this;
  }

  get pid() {
    return this.child && !this.child.ended ? this.child.pid : undefined;
  }

  async kill() {
    this.child.kill('SIGKILL');
    await this.child.gone;
  }

  command(...words) {
    return redisCommand(this.socket, ...words);
  }
}

// One command on a connection of its own; the raw reply up to its first complete line.
export function redisCommand(path, ...words) {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    let text = '';
    socket.setTimeout(DEADLINE_MS, () => socket.destroy(new Error(`${words[0]}: Redis does not answer`)));
    socket.on('error', reject);
    socket.on('data', (bytes) => {
      text += bytes;
      if (!text.includes('\r\n')) return;
      socket.destroy();
      if (text.startsWith('-')) reject(new Error(`${words.join(' ')}: ${text.trim()}`));
      else resolve(text);
    });
    socket.on('close', () => reject(new Error(`${words[0]}: Redis closed the connection`))); // no effect once it is resolved
    socket.write(`*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(String(word))}\r\n${word}\r\n`).join('')}`);
  });
}
