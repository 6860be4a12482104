// SPDX-License-Identifier: Apache-2.0
// driver.mjs: push_driver as an object: send() gives what became of a push.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { DEADLINE_MS, Late, Watched } from '../lib/until.mjs';

const PROGRAM = process.env.BELFRY_PUSH_DRIVER ?? fileURLToPath(new URL('../../build/tests/push/push_driver', import.meta.url));

// { 'apns.main': { key_file: …, allow_private: true }, … } as the configuration's text.
export function sections(of) {
  const value = (given) => (given === true ? 'yes' : given);
  return Object.entries(of)
    .map(([name, options]) => `[push.${name}]\n${Object.entries(options).map(([key, given]) => `${key} = ${value(given)}\n`).join('')}`)
    .join('\n');
}

export class Driver extends Watched {
  constructor(file) {
    super();
    this.log = '';
    this.waiting = new Map(); // tag -> resolve
    this.others = [];         // answers without a tag
    this.tag = 0;
    this.child = spawn(PROGRAM, ['--config', file], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.child.stderr.on('data', (text) => {
      this.log += text;
      if (process.env.BELFRY_TEST_VERBOSE) process.stderr.write(text);
      this.changed();
    });
    createInterface({ input: this.child.stdout }).on('line', (line) => this.onLine(JSON.parse(line)));
    this.ended = new Promise((resolve) => {
      this.child.on('exit', (code, signal) => {
        this.exit = { code, signal };
        this.changed();
        resolve(this.exit);
      });
    });
  }

  onLine(answer) {
    const resolve = this.waiting.get(answer.tag);
    if (resolve) {
      this.waiting.delete(answer.tag);
      resolve(answer);
    } else {
      this.others.push(answer);
    }
    this.changed();
  }

  write(object) {
    this.child.stdin.write(`${JSON.stringify(object)}\n`);
  }

  // What became of a push: { class, status, reason, retry_after_ms, dead_since_ms }.
  send(job) {
    const tag = ++this.tag;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Late(`waited ${DEADLINE_MS / 1000} s for the outcome of a push. ${this.log.slice(-1000)}`)), DEADLINE_MS);
      this.waiting.set(tag, (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
      this.write({ tag, ...job });
    });
  }

  sendAll(jobs) {
    return Promise.all(jobs.map((job) => this.send(job)));
  }

  // An answer that has this field.
  async ask(object, field, deadline_ms) {
    this.others = this.others.filter((answer) => !(field in answer));
    this.write(object);
    return this.until(() => {
      if (this.exit) throw new Error(`the driver ended: ${JSON.stringify(this.exit)} ${this.log.slice(-2000)}`);
      return this.others.find((answer) => field in answer);
    }, `an answer with ${field}`, deadline_ms);
  }

  many(count, job, deadline_ms = 4 * DEADLINE_MS) {
    return this.ask({ do: 'many', count, job }, 'many', deadline_ms);
  }

  reload() {
    return this.ask({ do: 'reload' }, 'reloaded');
  }

  async wait_ms(provider, app) {
    return (await this.ask({ do: 'wait', provider, app }, 'wait_ms')).wait_ms;
  }

  // The exit status: 0 only if nothing was left in the loop.
  async close() {
    this.child.stdin.end();
    const late = setTimeout(() => this.child.kill('SIGKILL'), 2 * DEADLINE_MS);
    const { code, signal } = await this.ended;
    clearTimeout(late);
    return signal ?? code;
  }
}
