// SPDX-License-Identifier: Apache-2.0
//
// ids.js: ids we make, and whether an id is one.
import { LIMIT } from './limits.js';

function randomBytes(count) {
  const bytes = new Uint8Array(count);
  if (!globalThis.crypto?.getRandomValues) throw new Error('crypto.getRandomValues is missing: give the client options.random');
  return globalThis.crypto.getRandomValues(bytes);
}

// UUIDv7 (RFC 9562 section 5.7): sorts by time. crypto.randomUUID is absent outside of secure contexts, and is version 4.
export function uuidv7(now, random = randomBytes) {
  const bytes = random(16);
  for (let i = 0; i < 6; i++) bytes[i] = Math.floor(now / 2 ** (40 - 8 * i)) % 256;
  bytes[6] = 0x70 | (bytes[6] & 0x0f);
  bytes[8] = 0x80 | (bytes[8] & 0x3f);
  const hex = Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

// A uniform 32-bit integer, for jitter.
export function chance32(random = randomBytes) {
  const [a, b, c, d] = random(4);
  return a * 2 ** 24 + b * 2 ** 16 + c * 2 ** 8 + d;
}

// In UTF-8, without TextEncoder, which not every React Native has. Half a surrogate pair counts as U+FFFD.
export function byteLength(text) {
  let length = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) length += unit > 0x7ff ? 2 : 1;
    if (unit >= 0xd800 && unit <= 0xdbff && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) i++; // a pair is 4 bytes for 2 units
  }
  return length;
}

// Users, devices and conversations: 1 to 128 bytes without controls, spaces or "/".
export function isId(id) {
  return typeof id === 'string' && id !== '' && !/[\s/\p{Cc}\p{Cs}]/u.test(id) && byteLength(id) <= LIMIT.idBytes;
}

// In the order of their UTF-8, as the hub has them: that of code points, and not JavaScript's.
export function isBehind(id, other) {
  const [points, others] = [id, other].map((text) => Array.from(text, (c) => c.codePointAt(0)));
  const at = points.findIndex((point, index) => point !== others[index]);
  return at >= 0 && (at >= others.length || points[at] > others[at]);
}

export function isOp(op) {
  return typeof op === 'string' && op.length <= LIMIT.opBytes && /^[\x20-\x7e]+$/.test(op);
}
