// SPDX-License-Identifier: Apache-2.0
// pushservice.mjs: a fake of the push services of browsers (RFC 8030, 8291, 8292), strict as the strictest of them.
//
// It holds the browsers, too: subscribe() makes one, with keys of its own. http_ece decrypts, jose checks the VAPID token.

import { createECDH, createPublicKey, randomBytes } from 'node:crypto';
import ece from 'http_ece';
import { jwtVerify } from 'jose';
import { FakeServer, json } from './server.mjs';

const URGENCIES = ['very-low', 'low', 'normal', 'high'];

export class FakePushService extends FakeServer {
  // origin: what tokens must name; its own URL unless something stands between.
  constructor({ certificate, http1 = true }) {
    super({ certificate, http1 });
    this.browsers = new Map(); // path -> { ecdh, auth, key, gone }
    this.delivered = [];       // { path, message, headers }
    this.salts = new Set();
    this.points = new Set();
    this.verified = new Map(); // JWT -> claims
  }

  // A subscription as PushSubscription.toJSON() gives it; key: the 65 bytes of applicationServerKey.
  subscribe(key) {
    const ecdh = createECDH('prime256v1');
    ecdh.generateKeys();
    const auth = randomBytes(16), path = `/push/${randomBytes(16).toString('base64url')}`;
    this.browsers.set(path, { ecdh, auth, key, gone: 0 });
    return {
      path,
      subscription: {
        endpoint: `${this.url}${path}`,
        expirationTime: null,
        keys: { p256dh: ecdh.getPublicKey().toString('base64url'), auth: auth.toString('base64url') },
      },
    };
  }

  async answer(request) {
    const browser = this.browsers.get(request.path);
    if (request.method !== 'POST') return { status: 405 };
    if (!browser) return { status: 404 };
    if (browser.gone) return { status: browser.gone };
    return this.checkHeaders(request.headers) ?? (await this.checkVapid(request.headers, browser)) ?? this.open(request, browser);
  }

  checkHeaders(headers) {
    if (!/^\d+$/.test(headers.ttl ?? '')) return json(400, { reason: 'BadTtl' });
    if (Number(headers.ttl) > 2592000) return json(400, { reason: 'BadTtl' });
    if (!URGENCIES.includes(headers.urgency)) return json(400, { reason: 'BadUrgency' });
    if (headers.topic !== undefined && (!/^[A-Za-z0-9_-]{1,32}$/.test(headers.topic) || headers.topic.length % 4 === 1))
      return json(400, { reason: 'BadWebPushTopic' });
    if (headers['content-encoding'] !== 'aes128gcm') return json(400, { reason: 'ContentEncoding' });
    return undefined;
  }

  async checkVapid(headers, browser) {
    const match = /^vapid t=([\w-]+\.[\w-]+\.[\w-]+), ?k=([\w-]+)$/.exec(headers.authorization ?? '');
    if (!match) return { status: 401 };
    const point = Buffer.from(match[2], 'base64url');
    if (!point.equals(browser.key)) return json(403, { reason: 'VapidPkHashMismatch' });
    if (this.verified.has(match[1])) return undefined;
    try {
      const jwk = { kty: 'EC', crv: 'P-256', x: point.subarray(1, 33).toString('base64url'), y: point.subarray(33).toString('base64url') };
      const { payload } = await jwtVerify(match[1], createPublicKey({ key: jwk, format: 'jwk' }), { algorithms: ['ES256'], audience: this.url });
      if (payload.exp > Date.now() / 1000 + 86400) return json(403, { reason: 'BadJwtToken' });
      if (!/^(mailto:[^\s<>]+@[^\s<>]+|https:\/\/\S+)$/.test(payload.sub ?? '')) return json(403, { reason: 'BadJwtToken' });
      this.verified.set(match[1], payload);
      return undefined;
    } catch (error) {
      return json(403, { reason: 'BadJwtToken', why: error.message });
    }
  }

  open({ path, headers, body }, browser) {
    if (body.length > 4096) return { status: 413 };
    if (body.length < 86 + 17 || body[20] !== 65 || body[21] !== 4) return json(400, { reason: 'BadWebPushRequest' });
    const salt = body.subarray(0, 16).toString('hex'), point = body.subarray(21, 86).toString('hex');
    if (this.salts.has(salt) || this.points.has(point) || body.subarray(21, 86).equals(browser.key))
      return json(400, { reason: 'KeyUsedTwice' });
    this.salts.add(salt);
    this.points.add(point);
    let message;
    try {
      message = ece.decrypt(body, { version: 'aes128gcm', privateKey: browser.ecdh, authSecret: browser.auth }).toString();
    } catch (error) {
      return json(400, { reason: 'CannotDecrypt', why: error.message });
    }
    this.delivered.push({ path, message, headers, plain_bytes: Buffer.byteLength(message), body_bytes: body.length });
    return { status: 201, headers: { location: `${this.url}/message/${this.delivered.length}`, ttl: headers.ttl }, body: '{}' };
  }
}
