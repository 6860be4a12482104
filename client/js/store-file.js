// SPDX-License-Identifier: Apache-2.0
//
// store-file.js: a store in one file, for Node: a log of transactions, a line each, read into memory at the start.
//
// What must stay true:
//   1. A transaction is on disk (fsync) before commit() resolves, and what is behind the last whole line was never promised.
//   2. A line carries its CRC: one that was cut short by a crash is dropped, but a bad one with good ones behind it is an
//      error and not a loss in silence.
//   3. The log is written anew when most of it is past: into a file beside it, which then takes its name.
//   4. One process has the file at a time, told by a lock file with its pid; the lock of one that died is taken over.
import { webcrypto } from 'node:crypto';
import { constants } from 'node:fs';
import { open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import zlib from 'node:zlib';
import { BelfryError } from './errors.js';
import { MemoryStore } from './store-memory.js';

globalThis.crypto ??= webcrypto; // Node 18 has it, but not there; the client makes its ops with it

const COMPACT_MIN_BYTES = 1 << 20;
const COMPACT_RATIO = 4; // the log may be so many times as long as what is in it

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let bit = 0; bit < 8; bit++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c >>> 0;
});

// zlib has it since Node 20.15.
const crc32 = zlib.crc32 ?? ((text) => {
  let c = 0xffffffff;
  for (const byte of Buffer.from(text)) c = CRC_TABLE[(c ^ byte) & 0xff] ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
});

const lineOf = (changes) => {
  const text = JSON.stringify(changes);
  return `${crc32(text).toString(16).padStart(8, '0')} ${text}\n`;
};

function changesOf(line) {
  const text = line.slice(9);
  if (line.slice(0, 8) !== crc32(text).toString(16).padStart(8, '0')) return undefined;
  return JSON.parse(text).map(({ table, key, value, clear }) => ({ table, key, value, clear }));
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

export class FileStore extends MemoryStore {
  #path;
  #sync;
  #file;
  #bytes = 0;
  #live = 0; // bytes of the log when it was written anew last

  // sync: false leaves it to the system when the file reaches the disk: what survives then is the end of the process only.
  constructor(path, { sync = true } = {}) {
    super();
    this.#path = path;
    this.#sync = sync;
  }

  async open() {
    await this.#lock();
    const bytes = await readFile(this.#path).catch((error) => (error.code === 'ENOENT' ? Buffer.alloc(0) : Promise.reject(error)));
    const good = this.#load(bytes);
    this.#file = await open(this.#path, constants.O_RDWR | constants.O_CREAT, 0o600);
    await this.#file.truncate(good); // (1)
    this.#bytes = good;
    this.#live = this.#size();
    if (bytes.length === 0) await this.#syncFolder();
  }

  // Answers with the length of what holds.
  #load(bytes) {
    let at = 0;
    for (;;) {
      const end = bytes.indexOf(10, at);
      if (end < 0) return at;
      const changes = changesOf(bytes.toString('utf8', at, end));
      if (!changes) {
        if (bytes.indexOf(10, end + 1) < 0) return at;
        throw new BelfryError('store', `${this.#path} is corrupt at byte ${at}`); // (2)
      }
      this.apply(changes);
      at = end + 1;
    }
  }

  async #lock() {
    const lock = `${this.#path}.lock`;
    for (let tries = 0; tries < 3; tries++) {
      try {
        await writeFile(lock, String(process.pid), { flag: 'wx' });
        return;
      } catch (error) {
        if (error.code !== 'EEXIST') throw error;
        const pid = Number(await readFile(lock, 'utf8').catch(() => 0));
        if (pid > 0 && pid !== process.pid && isAlive(pid)) throw new BelfryError('busy', `${this.#path} is in use by process ${pid}`);
        await rm(lock, { force: true }); // (4)
      }
    }
    throw new BelfryError('busy', `${this.#path} is in use`);
  }

  async commit(changes) {
    if (!this.#file) throw new BelfryError('closed', 'the store is closed');
    const line = lineOf(changes);
    const before = this.#bytes;
    try {
      await this.#append(line);
    } catch (cause) {
      await this.#file.truncate(before).catch(() => {}); // half a transaction must not stand before the next one
      this.#bytes = before;
      throw new BelfryError('store', `${this.#path}: ${cause.message}`, { cause });
    }
    this.apply(JSON.parse(line.slice(9)));
    if (this.#bytes > Math.max(COMPACT_MIN_BYTES, COMPACT_RATIO * this.#live)) await this.#compact();
  }

  async #append(line) {
    const bytes = Buffer.from(line);
    for (let at = 0; at < bytes.length;) at += (await this.#file.write(bytes, at, bytes.length - at, this.#bytes + at)).bytesWritten;
    if (this.#sync) await this.#file.datasync();
    this.#bytes += bytes.length;
  }

  #lines() {
    const lines = [];
    for (const [table, rows] of this.tables) for (const [key, value] of rows) lines.push(lineOf([{ table, key, value }]));
    return lines.join('');
  }

  #size() {
    return Buffer.byteLength(this.#lines());
  }

  async #compact() {
    const beside = `${this.#path}.new`;
    const text = this.#lines();
    const file = await open(beside, 'w', 0o600);
    try {
      await file.writeFile(text);
      await file.datasync();
      await rename(beside, this.#path); // (3)
    } catch {
      await file.close();
      this.#live = this.#bytes; // no room now: the log goes on as it is, and is asked again much later
      return;
    }
    await this.#file.close();
    this.#file = file;
    this.#bytes = this.#live = Buffer.byteLength(text);
    await this.#syncFolder();
  }

  async #syncFolder() {
    if (!this.#sync) return;
    const folder = await open(dirname(this.#path), 'r');
    await folder.sync().finally(() => folder.close());
  }

  async close() {
    await this.#file?.close();
    this.#file = undefined;
    await rm(`${this.#path}.lock`, { force: true });
  }
}
