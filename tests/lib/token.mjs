// SPDX-License-Identifier: Apache-2.0
// token.mjs: JWTs as an app's backend would make them, good ones and bad ones, by node:crypto alone.

import { createHmac } from 'node:crypto';

const part = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

// A token signed with HS256. `claims` overrides sub, exp, …; a claim of undefined is left out.
export function makeToken(secret, claims, { header = {}, ttl_s = 3600 } = {}) {
  const now = Math.floor(Date.now() / 1000);
  const head = part({ alg: 'HS256', typ: 'JWT', ...header });
  const body = part({ iat: now, exp: now + ttl_s, ...claims });
  return `${head}.${body}.${sign(secret, `${head}.${body}`)}`;
}

// Any header and payload, with any signature: for the tokens that must be refused.
export function forgeToken(header, payload, signature = '') {
  return `${part(header)}.${part(payload)}.${signature}`;
}

export function sign(secret, text, hash = 'sha256') {
  return createHmac(hash, secret).update(text).digest('base64url');
}
