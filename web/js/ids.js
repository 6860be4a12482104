// SPDX-License-Identifier: Apache-2.0
//
// ids.js: ids we make, and ids that readers type.

// UUIDv7 (RFC 9562 section 5.7): sorts by time. crypto.randomUUID is absent outside of secure contexts, and is version 4.
export function uuidv7(now) {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  for (let i = 0; i < 6; i++) bytes[i] = Math.floor(now / 2 ** (40 - 8 * i)) % 256;
  bytes[6] = 0x70 | (bytes[6] & 0x0f);
  bytes[8] = 0x80 | (bytes[8] & 0x3f);
  const hex = Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

// Ids have 1 to 128 bytes without controls, spaces or "/". Empty if this text gives none.
export function idOf(text) {
  const id = text.trim().replace(/[\s/\p{Cc}]+/gu, '-');
  return new TextEncoder().encode(id).length <= 128 ? id : '';
}
