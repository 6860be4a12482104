// SPDX-License-Identifier: Apache-2.0
// hub.mjs: one `belfry serve`, started as its manual says and treated as badly as a machine can.
//
// 1. It keeps its port and its data folder over any number of restarts.
// 2. What it wrote to stderr, over all its lives, is in `log()`: the first thing to read when a test fails.

import { closeSync, existsSync, openSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Api } from './api.mjs';
import { childrenOf, isAlive } from './proc.mjs';
import { redisCommand } from './redis.mjs';
import { freePort, makeFolder, start } from './started.mjs';
import { makeToken } from './token.mjs';
import { DEADLINE_MS, eventually } from './until.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

export const JWT_SECRET = 'a secret for tests, known to everyone who reads this';
export const API_KEY = 'a-key-for-tests-known-to-everyone';

export function findProgram() {
  const candidates = [process.env.BELFRY, join(root, 'build/hub/belfry'), join(root, 'build/belfry')].filter(Boolean);
  const found = candidates.find((path) => existsSync(path));
  if (!found) throw new Error(`no belfry program: build it (ninja -C build), or name it in BELFRY; looked at ${candidates.join(', ')}`);
  return found;
}

export class Hub {
  // options: name, workers, redis (URL; none: a private one), env (BELFRY_… settings), data, port, host, args, dev (unless false).
  constructor(options = {}) {
    this.name = options.name ?? 'n1';
    this.workersWanted = options.workers ?? 2;
    this.redisUrl = options.redis;
    this.env = options.env ?? {};
    this.data = options.data ?? makeFolder(this.name);
    this.port = options.port;
    this.args = options.args ?? [];
    this.dev = options.dev ?? true;
    this.program = options.program ?? findProgram();
    this.logFile = join(this.data, 'hub.log');
    this.api = new Api(() => this.url, API_KEY);
  }

  async start() {
    this.port ??= await freePort();
    const args = ['serve', '--listen', `127.0.0.1:${this.port}`, '--data', this.data, '--workers', String(this.workersWanted)];
    if (this.dev) args.push('--dev');
    if (this.redisUrl) args.push('--redis', this.redisUrl);
    const log = openSync(this.logFile, 'a');
    this.child = start(this.program, [...args, ...this.args], {
      stdio: ['ignore', 'pipe', log],
      env: { ...process.env, BELFRY_JWT_SECRET: JWT_SECRET, BELFRY_API_KEY: API_KEY, ...this.env },
    });
    closeSync(log);
    this.output = '';
    this.child.stdout.setEncoding('utf8');
    this.url = await new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${this.name} did not say that it is ready within ${DEADLINE_MS} ms\n${this.log()}`)), DEADLINE_MS);
      this.child.stdout.on('data', (text) => {
        this.output += text;
        const ready = /Belfry is ready: (https?:\/\/\S+?)\/?\s/.exec(this.output);
        if (!ready) return;
        clearTimeout(timer);
        resolve(ready[1]);
      });
      this.child.gone.then((ended) => {
        clearTimeout(timer);
        reject(new Error(`${this.name} ended before it was ready: ${JSON.stringify(ended)}\n${this.log()}`));
      });
    });
    this.port = Number(new URL(this.url).port);
    return this;
  }

  get wsUrl() {
    return `ws://127.0.0.1:${this.port}/v1/ws`;
  }

  get pid() {
    return this.child && !this.child.ended ? this.child.pid : undefined;
  }

  children() {
    return this.pid ? childrenOf(this.pid) : [];
  }

  // [{ pid, comm }] in the order of their numbers.
  workers() {
    const number = (found) => Number(/\d+$/.exec(found.comm)?.[0] ?? 0);
    return this.children()
      .filter((found) => found.comm.startsWith('belfry-worker'))
      .sort((a, b) => number(a) - number(b));
  }

  redisPid() {
    return this.children().find((found) => found.comm.startsWith('redis-server') || found.comm.startsWith('valkey-server'))?.pid;
  }

  // The Unix socket of the private Redis, wherever in the data folder it is.
  redisSocket() {
    if (this.redisUrl) return this.redisUrl.replace(/^unix:\/\//, '');
    for (const folder of [this.data, ...readdirSync(this.data).map((name) => join(this.data, name))]) {
      if (!existsSync(folder) || !statSync(folder).isDirectory()) continue;
      const name = readdirSync(folder).find((each) => statSync(join(folder, each), { throwIfNoEntry: false })?.isSocket());
      if (name) return join(folder, name);
    }
    throw new Error(`${this.name} has no Unix socket in ${this.data}`);
  }

  redisCommand(...words) {
    return redisCommand(this.redisSocket(), ...words);
  }

  // kill -9 of one process of the hub. Resolves when it is gone.
  async killPid(pid) {
    process.kill(pid, 'SIGKILL');
    await eventually(() => !isAlive(pid), `process ${pid} of ${this.name} is gone`, { every_ms: 2 });
  }

  // kill -9 of the supervisor; its children must end with it (supervisor.h, 2).
  async kill() {
    const children = this.children();
    this.child.kill('SIGKILL');
    await this.child.gone;
    for (const child of children) await eventually(() => !isAlive(child.pid), `${child.comm} (${child.pid}) ends with its supervisor`);
  }

  // SIGTERM: the hub drains. Resolves with its exit status.
  async stop() {
    if (!this.pid) return this.child?.ended;
    this.child.kill('SIGTERM');
    return this.child.gone;
  }

  async untilReady() {
    await eventually(() => this.api.ready(), `${this.name} answers /readyz with 200`);
    return this;
  }

  token(user, device, more = {}) {
    const { ttl_s, ...claims } = more;
    return makeToken(JWT_SECRET, { sub: user, ...(device ? { dev: device } : {}), ...claims }, { ttl_s: ttl_s ?? 3600 });
  }

  // What a sanitizer or a failed assert had to say, in any of its lives: nothing, if all is well.
  complaint() {
    return /^.*(AddressSanitizer|LeakSanitizer|runtime error:|[Aa]ssertion .*failed).*$/m.exec(this.log(Infinity))?.[0];
  }

  log(lines = 40) {
    const text = existsSync(this.logFile) ? readFileSync(this.logFile, 'utf8') : '';
    return text.trimEnd().split('\n').slice(-lines).join('\n');
  }
}
