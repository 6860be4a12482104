// SPDX-License-Identifier: Apache-2.0
// apns.mjs: a fake of Apple's push service that refuses what the real one refuses, in the order in which it looks.
//
// Told apart by connection: one stream until a push was accepted; one team; a token that follows another within 20 minutes; and,
// once a token has expired on it, nothing more. jose checks the tokens.

import { createPublicKey } from 'node:crypto';
import { jwtVerify } from 'jose';
import { FakeServer, json } from './server.mjs';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const TYPES = new Map([
  ['alert', ''], ['background', ''], ['voip', '.voip'], ['complication', '.complication'], ['fileprovider', '.pushkit.fileprovider'],
  ['location', '.location-query'], ['liveactivity', '.push-type.liveactivity'],
]);
const TWENTY_MINUTES_S = 1200, HOUR_S = 3600;

const refuse = (status, reason, more = {}) => json(status, { reason, ...more });

export class FakeApns extends FakeServer {
  // keys: Map of kid to public key. streams: what a connection takes once it has accepted a push; first: before.
  // says: the body of a 200. Apple's is empty; see 3 in server.mjs for why '' costs connections here.
  constructor({ certificate, keys = new Map(), team, topics, streams = 1000, first = 1, clients, says = '{}' }) {
    super({ certificate, streams: first, clients });
    Object.assign(this, { keys, team, topics: new Set(topics), streamsLater: streams, says, byCertificate: Boolean(clients) });
    this.tokens = new Map();  // device token -> { dead_ms, topic, environment }
    this.verified = new Map(); // JWT -> claims, or the reason why not
    this.ids = new Map();      // apns-id -> how often
    this.now_s = () => Math.floor(Date.now() / 1000);
  }

  async answer(request) {
    const { headers, session } = request;
    this.ids.set(headers['apns-id'], (this.ids.get(headers['apns-id']) ?? 0) + 1);
    const does = this.checkHeaders(request) ?? (this.byCertificate ? undefined : await this.checkToken(request)) ?? this.checkDevice(request) ??
      this.checkPayload(request);
    if (does) return does;
    if (!session.hasAccepted) {
      session.hasAccepted = true;
      if (!session.destroyed) session.settings({ maxConcurrentStreams: this.streamsLater });
    }
    return { status: 200, headers: { 'apns-id': headers['apns-id'] ?? '00000000-0000-0000-0000-000000000000' }, body: this.says };
  }

  checkHeaders({ method, headers, raw, path }) {
    const names = raw.filter((_, index) => index % 2 === 0);
    if (new Set(names).size !== names.length) return refuse(400, 'DuplicateHeaders');
    if (headers['content-encoding']) return refuse(400, 'NotCompressedPlease');
    if (headers['apns-id'] !== undefined && !UUID.test(headers['apns-id'])) return refuse(400, 'BadMessageId');
    if (method !== 'POST') return refuse(405, 'MethodNotAllowed');
    const topic = headers['apns-topic'];
    if (!topic) return refuse(400, 'MissingTopic');
    if (headers['apns-collapse-id'] !== undefined && Buffer.byteLength(headers['apns-collapse-id']) > 64) return refuse(400, 'BadCollapseId');
    const priority = headers['apns-priority'] ?? '10';
    if (!['1', '5', '10'].includes(priority)) return refuse(400, 'BadPriority');
    const type = headers['apns-push-type'];
    if (!TYPES.has(type)) return refuse(400, 'InvalidPushType');
    if (!this.topics.has(topic.slice(0, topic.length - TYPES.get(type).length)) || !topic.endsWith(TYPES.get(type)))
      return refuse(400, 'TopicDisallowed');
    if (type === 'background' && priority !== '5') return refuse(400, 'BadPriority');
    if (headers['apns-expiration'] !== undefined && !/^\d+$/.test(headers['apns-expiration'])) return refuse(400, 'BadExpirationDate');
    if (path === '/3/device/') return refuse(400, 'MissingDeviceToken');
    if (!path.startsWith('/3/device/')) return refuse(404, 'BadPath');
    if (!/^([0-9a-fA-F]{2})+$/.test(path.slice(10))) return refuse(400, 'BadDeviceToken');
    return undefined;
  }

  async checkToken({ headers, session }) {
    const match = /^bearer (\S+)$/.exec(headers.authorization ?? '');
    if (!match) return refuse(403, 'MissingProviderToken');
    if (session.isWedged) return refuse(403, 'ExpiredProviderToken');
    const found = await this.verify(match[1]);
    if (found.reason) {
      session.isWedged = found.reason === 'ExpiredProviderToken';
      return refuse(403, found.reason);
    }
    const age_s = this.now_s() - found.iat;
    if (age_s > HOUR_S || age_s < -HOUR_S) {
      session.isWedged = true;
      return refuse(403, 'ExpiredProviderToken');
    }
    if ((session.team ??= found.iss) !== found.iss) return refuse(403, 'InvalidProviderToken');
    if (session.token && session.token !== match[1] && this.now_s() - session.tokenSince_s < TWENTY_MINUTES_S)
      return refuse(429, 'TooManyProviderTokenUpdates');
    if (session.token !== match[1]) {
      session.token = match[1];
      session.tokenSince_s = this.now_s();
    }
    return undefined;
  }

  async verify(token) {
    const known = this.verified.get(token);
    if (known) return known;
    const found = await this.look(token);
    this.verified.set(token, found);
    return found;
  }

  async look(token) {
    const parts = token.split('.');
    if (parts.length !== 3 || !parts.every((part) => /^[A-Za-z0-9_-]+$/.test(part))) return { reason: 'InvalidProviderToken' };
    const header = JSON.parse(Buffer.from(parts[0], 'base64url'));
    const key = this.keys.get(header.kid);
    if (!key || header.alg !== 'ES256' || Buffer.from(parts[2], 'base64url').length !== 64) return { reason: 'InvalidProviderToken' };
    try {
      const { payload } = await jwtVerify(token, createPublicKey(key.export({ type: 'spki', format: 'pem' })), { algorithms: ['ES256'] });
      if (payload.iss !== this.team || typeof payload.iat !== 'number') return { reason: 'InvalidProviderToken' };
      return { iss: payload.iss, iat: payload.iat };
    } catch {
      return { reason: 'InvalidProviderToken' };
    }
  }

  checkDevice({ path, headers }) {
    const token = this.tokens.get(path.slice(10).toLowerCase());
    if (token?.dead_ms) return refuse(410, token.expired ? 'ExpiredToken' : 'Unregistered', { timestamp: token.dead_ms });
    if (token?.environment || this.everyTokenIsBad) return refuse(400, 'BadDeviceToken');
    if (token?.topic && token.topic !== headers['apns-topic']) return refuse(400, 'DeviceTokenNotForTopic');
    return undefined;
  }

  checkPayload({ headers, body }) {
    if (body.length === 0) return refuse(400, 'PayloadEmpty');
    if (body.length > (headers['apns-push-type'] === 'voip' ? 5120 : 4096)) return refuse(413, 'PayloadTooLarge');
    let payload;
    try {
      payload = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
    } catch {
      return refuse(400, 'PayloadIsNoJson');
    }
    if (typeof payload.aps !== 'object') return refuse(400, 'PayloadHasNoAps');
    const { alert, badge, sound, 'content-available': available } = payload.aps;
    if (headers['apns-push-type'] === 'background' && (available !== 1 || alert !== undefined || badge !== undefined || sound !== undefined))
      return refuse(400, 'BackgroundThatShows');
    if (headers['apns-push-type'] === 'alert' && alert === undefined && badge === undefined) return refuse(400, 'AlertThatShowsNothing');
    return undefined;
  }

  count(id) {
    return this.ids.get(id) ?? 0;
  }
}
