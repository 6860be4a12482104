// SPDX-License-Identifier: Apache-2.0
// run.mjs: does what the pages of docs/guides/ tell, word by word, and compares what comes with what they show.
//
//   run.mjs [PAGE…]     only the pages whose names hold one of these words
//
// 1. Each page has a folder and a hub of its own, made as scripts/run makes it, whose data is belfry-data in that folder.
// 2. A block ```sh is run by one bash for the whole page; a block ```text behind it is what it prints. A block ```frames USER DEVICE is a
//    session: lines with → are sent, and those with ← must come, in this order; what comes between them and is not shown is passed over.
// 3. Where a page shows `…`, anything may stand. A word like $EPOCH in what is heard keeps what stands there, for what is sent later.
// 4. Addresses on the page (127.0.0.1:8080 is the hub's) are replaced by such with free ports, and a block that ends badly is a failure.

import { mkdirSync, readFileSync, readdirSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execFileSync } from 'node:child_process';
import WebSocket from 'ws';
import { Hub, findProgram } from '../lib/hub.mjs';
import { freePort, makeFolder, start } from '../lib/started.mjs';
import { Tap } from '../lib/tap.mjs';
import { Watched } from '../lib/until.mjs';
import { blocksOf, captured, differs } from './page.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const guides = join(root, 'docs', 'guides');
const MARK = 'the block has ended with';

// ---- bash -------------------------------------------------------------------------------------------------------------

class Shell extends Watched {
  text = '';

  constructor(folder) {
    super();
    const path = `${join(folder, 'bin')}:${process.env.PATH}`;
    this.child = start('bash', ['--noprofile', '--norc'], { cwd: folder, env: { ...process.env, PATH: path }, detached: true, stdio: ['pipe', 'pipe', 'ignore'] });
    this.child.stdout.setEncoding('utf8').on('data', (text) => {
      this.text += text;
      this.changed();
    });
    this.child.stdin.write('exec 2>&1\nset -uo pipefail\n');
  }

  // What the block prints; throws if its last command fails.
  async run(block) {
    this.text = '';
    this.child.stdin.write(`${block}\necho "${MARK} $?"\n`);
    const ended = new RegExp(`${MARK} (\\d+)\\n`);
    const [whole, status] = await this.until(() => ended.exec(this.text), () => `the block ends:\n${block}\n---\n${this.text}`, 60000);
    const printed = this.text.slice(0, this.text.indexOf(whole));
    if (status !== '0') throw new Error(`the block ended with ${status}:\n${block}\n---\n${printed}`);
    return printed;
  }

  // And all that it started.
  end() {
    try {
      process.kill(-this.child.pid, 'SIGKILL');
    } catch (error) {
      if (error.code !== 'ESRCH') throw error;
    }
  }
}

// ---- a session ----------------------------------------------------------------------------------------------------------

class Frames extends Watched {
  heard = [];

  // kept: name -> what stood there; of the page.
  constructor(url, kept) {
    super();
    this.kept = kept;
    this.socket = new WebSocket(url, 'belfry.v1');
    this.socket.on('message', (bytes) => {
      this.heard.push(String(bytes));
      this.changed();
    });
    this.socket.on('close', (code, reason) => {
      this.heard.push(`close ${code} ${reason}`);
      this.changed();
    });
    this.socket.on('error', () => {}); // close follows
  }

  async run(block, token) {
    await new Promise((resolve, reject) => this.socket.on('open', resolve).on('close', reject));
    let at = 0;
    for (const line of block.split('\n').filter((each) => each.trim())) {
      const text = line.slice(2);
      if (line.startsWith('→ ')) {
        this.socket.send(text.replace('"token":"…"', `"token":"${token}"`).replace(/\$([A-Z]+)/g, (_, name) => this.kept.get(name)));
      } else if (line.startsWith('← ')) {
        await this.until(() => {
          while (at < this.heard.length) {
            const found = captured(this.heard[at++], text);
            for (const [name, value] of found ?? []) this.kept.set(name, value);
            if (found) return true;
          }
          return false;
        }, () => `a frame like\n${text}\nof\n${this.heard.join('\n')}`);
      } else {
        throw new Error(`a line is neither sent nor heard: ${line}`);
      }
    }
  }
}

// ---- a page -----------------------------------------------------------------------------------------------------------

async function runPage(name) {
  const folder = makeFolder('guide');
  const text = readFileSync(join(guides, name), 'utf8');
  const program = findProgram();
  symlinkSync(dirname(program), join(folder, 'bin'));
  mkdirSync(join(folder, 'belfry-data'));
  const hub = await new Hub({ name: 'guide', program, data: join(folder, 'belfry-data'), workers: 1, env: { BELFRY_JWT_SECRET: '', BELFRY_API_KEY: '' } }).start();
  const shell = new Shell(folder);
  const sessions = [];
  const kept = new Map();
  const ports = new Map([['127.0.0.1:8080', `127.0.0.1:${hub.port}`]]);
  for (const [address] of text.matchAll(/127\.0\.0\.1:\d+/g)) if (!ports.has(address)) ports.set(address, `127.0.0.1:${await freePort()}`);
  const placed = (block) => block.replace(/127\.0\.0\.1:\d+/g, (address) => ports.get(address));
  try {
    await hub.untilReady();
    let printed = '';
    for (const { kind, words, line, block } of blocksOf(text)) {
      const where = `docs/guides/${name}:${line}`;
      if (kind === 'sh') {
        printed = await shell.run(placed(block)).catch((error) => Promise.reject(new Error(`${where}: ${error.message}`)));
      } else if (kind === 'text') {
        const wrong = differs(printed, placed(block));
        if (wrong) throw new Error(`${where}: ${wrong}`);
      } else if (kind === 'frames') {
        const token = execFileSync(program, ['token', '--data', hub.data, '--user', words[0], '--device', words[1]], { encoding: 'utf8' }).trim();
        const session = new Frames(hub.wsUrl, kept);
        sessions.push(session);
        await session.run(block, token).catch((error) => Promise.reject(new Error(`${where}: ${error.message}`)));
        if (!words.includes('stays')) session.socket.terminate();
      }
    }
  } finally {
    for (const { socket } of sessions) socket.terminate();
    shell.end();
    await hub.stop();
  }
}

const tap = new Tap('docs/guides, done as they say');
const wanted = process.argv.slice(2);
const pages = readdirSync(guides).filter((name) => name.endsWith('.md') && name !== 'README.md' && (wanted.length === 0 || wanted.some((word) => name.includes(word))));
for (const name of pages) await tap.run(`docs/guides/${name} does what it says`, () => runPage(name));
const index = readFileSync(join(guides, 'README.md'), 'utf8');
tap.ok(pages.every((name) => index.includes(`(${name})`)), 'docs/guides/README.md names each page');
tap.finish();
