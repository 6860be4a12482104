// SPDX-License-Identifier: Apache-2.0
// raw.mjs: a WebSocket spoken byte by byte (RFC 6455), for what a decent library refuses to send.

import { randomBytes } from 'node:crypto';
import { createConnection } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { DEADLINE_MS, Watched } from './until.mjs';

export const OPCODES = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 };

export class RawSocket extends Watched {
  // Connects and keeps what comes; nothing is sent yet. tls: with any certificate.
  static open(port, { host = '127.0.0.1', localAddress, tls } = {}) {
    return new Promise((resolve, reject) => {
      const raw = new RawSocket();
      raw.socket = tls ? connectTls({ host, port, rejectUnauthorized: false }) : createConnection({ host, port, localAddress });
      raw.socket.once(tls ? 'secureConnect' : 'connect', () => resolve(raw));
      raw.socket.on('error', (error) => {
        raw.error = error;
        reject(error);
      });
      raw.socket.on('data', (bytes) => raw.#onData(bytes));
      raw.socket.on('close', () => {
        raw.ended = true;
        raw.changed();
      });
    });
  }

  constructor() {
    super();
    this.bytes = Buffer.alloc(0);
    this.upgraded = false;
    this.messages = []; // parsed JSON of the text frames
    this.frames = []; // { opcode, payload }
    this.closed = undefined; // { code, reason } of the close frame
  }

  // Sends a request and reads the head of the answer: { status, headers, text }.
  async request(lines, body = '') {
    this.socket.write(`${lines.join('\r\n')}\r\n\r\n${body}`);
    return this.answer();
  }

  async answer(deadline_ms = DEADLINE_MS) {
    await this.until(() => this.bytes.includes('\r\n\r\n') || this.ended, 'an HTTP answer', deadline_ms);
    const end = this.bytes.indexOf('\r\n\r\n');
    if (end < 0) return { status: undefined, headers: {}, text: this.bytes.toString() };
    const [first, ...rest] = this.bytes.subarray(0, end).toString().split('\r\n');
    const headers = Object.fromEntries(rest.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]));
    const status = Number(first.split(' ')[1]);
    this.bytes = this.bytes.subarray(end + 4);
    if (status !== 101) {
      const length = Number(headers['content-length'] ?? NaN);
      await this.until(() => this.ended || this.bytes.length >= length, 'the rest of the answer', deadline_ms);
      const text = this.bytes.subarray(0, Number.isNaN(length) ? undefined : length).toString();
      this.bytes = this.bytes.subarray(Number.isNaN(length) ? this.bytes.length : length);
      return { status, headers, text };
    }
    this.upgraded = true;
    this.#onData(Buffer.alloc(0));
    return { status, headers, text: '' };
  }

  // The opening handshake; `change` replaces headers, and drops those that are undefined.
  upgrade(change = {}, path = '/v1/ws', method = 'GET') {
    const headers = {
      Host: 'localhost',
      Upgrade: 'websocket',
      Connection: 'Upgrade',
      'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Protocol': 'belfry.v1',
      ...change,
    };
    const lines = Object.entries(headers).filter(([, value]) => value !== undefined).map(([name, value]) => `${name}: ${value}`);
    return this.request([`${method} ${path} HTTP/1.1`, ...lines]);
  }

  // length: what the header claims, if not the truth; masked: false breaks RFC 6455 section 5.1.
  frame(opcode, payload = '', { fin = true, rsv = 0, masked = true, length } = {}) {
    const bytes = Buffer.from(payload);
    const claimed = length ?? bytes.length;
    const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode];
    const mask = masked ? 0x80 : 0;
    if (claimed < 126) head.push(mask | claimed);
    else if (claimed < 65536) head.push(mask | 126, claimed >> 8, claimed & 255);
    else {
      head.push(mask | 127);
      const long = Buffer.alloc(8);
      long.writeBigUInt64BE(BigInt(claimed));
      head.push(...long);
    }
    const key = randomBytes(4);
    const out = Buffer.from(bytes);
    if (masked) for (let i = 0; i < out.length; i += 1) out[i] ^= key[i & 3];
    this.socket.write(Buffer.concat([Buffer.from(head), ...(masked ? [key] : []), out]));
  }

  text(value, options) {
    this.frame(OPCODES.text, typeof value === 'string' || Buffer.isBuffer(value) ? value : JSON.stringify(value), options);
  }

  write(bytes) {
    this.socket.write(bytes);
  }

  #onData(bytes) {
    this.bytes = Buffer.concat([this.bytes, bytes]);
    while (this.upgraded && this.#takeFrame());
    this.changed();
  }

  #takeFrame() {
    if (this.bytes.length < 2) return false;
    const opcode = this.bytes[0] & 15;
    let length = this.bytes[1] & 127;
    let at = 2;
    if (length === 126) {
      if (this.bytes.length < 4) return false;
      length = this.bytes.readUInt16BE(2);
      at = 4;
    } else if (length === 127) {
      if (this.bytes.length < 10) return false;
      length = Number(this.bytes.readBigUInt64BE(2));
      at = 10;
    }
    if (this.bytes.length < at + length) return false;
    const payload = Buffer.from(this.bytes.subarray(at, at + length));
    this.bytes = this.bytes.subarray(at + length);
    this.frames.push({ opcode, payload });
    if (opcode === OPCODES.text) this.messages.push(parsed(payload.toString()));
    if (opcode === OPCODES.close) this.closed = { code: payload.length >= 2 ? payload.readUInt16BE(0) : 1005, reason: payload.subarray(2).toString() };
    if (opcode === OPCODES.ping) this.frame(OPCODES.pong, payload);
    return true;
  }

  // Resolves when the connection is over, with { code, reason }; 1006 if it ended without a close frame.
  async over(deadline_ms = DEADLINE_MS) {
    await this.until(() => this.closed || this.ended, 'the end of the connection', deadline_ms);
    return this.closed ?? { code: 1006, reason: '' };
  }

  message(holds, sentence, deadline_ms) {
    return this.until(() => this.messages.find(holds) ?? (this.ended && Promise.reject(new Error(`the connection ended before ${sentence}`))), sentence, deadline_ms);
  }

  destroy() {
    this.socket.destroy();
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return { type: 'this is no JSON', text };
  }
}
