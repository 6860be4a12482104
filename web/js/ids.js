// SPDX-License-Identifier: Apache-2.0
//
// ids.js: ids that readers type.

// Ids have 1 to 128 bytes without controls, spaces or "/". Empty if this text gives none.
export function idOf(text) {
  const id = text.trim().replace(/[\s/\p{Cc}]+/gu, '-');
  return new TextEncoder().encode(id).length <= 128 ? id : '';
}
