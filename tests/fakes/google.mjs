// SPDX-License-Identifier: Apache-2.0
// google.mjs: a fake of Google's token server and of FCM HTTP v1, on one port: /token and /v1/projects/…/messages:send.

import { createPublicKey, randomBytes } from 'node:crypto';
import { jwtVerify } from 'jose';
import { FakeServer, json } from './server.mjs';

const GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const SCOPE = 'https://www.googleapis.com/auth/firebase.messaging';
const RESERVED = /^(from|gcm.*|google.*|message_type|collapse_key)$/;

export const fcmError = (code, status, errorCode, more = [], headers = {}) =>
  json(code, {
    error: {
      code,
      message: 'Said by a fake.',
      status,
      ...(errorCode || more.length > 0 ?
        { details: [...more, ...(errorCode ? [{ '@type': 'type.googleapis.com/google.firebase.fcm.v1.FcmError', errorCode }] : [])] } : {}),
    },
  }, headers);

const badField = (field, description) =>
  fcmError(400, 'INVALID_ARGUMENT', 'INVALID_ARGUMENT', [{ '@type': 'type.googleapis.com/google.rpc.BadRequest', fieldViolations: [{ field, description }] }]);

export class FakeGoogle extends FakeServer {
  constructor({ certificate, publicKey, email, project, lives_s = 3599 }) {
    super({ certificate, http1: true });
    Object.assign(this, { publicKey, email, project, lives_s });
    this.given = new Map(); // access token -> when it ends, ms
    this.tokens = new Map(); // registration token -> 'unregistered', 'mismatch', 'invalid'
    this.tokenCalls = 0;
    this.messages = []; // what was accepted
  }

  // The file that an operator gets from Google.
  serviceAccount(pem) {
    return JSON.stringify({
      type: 'service_account', project_id: this.project, private_key_id: 'f'.repeat(40), private_key: pem, client_email: this.email,
      client_id: '1', token_uri: `${this.url}/token`,
    });
  }

  async answer(request) {
    if (request.method !== 'POST') return { status: 405 };
    return request.path === '/token' ? this.answerToken(request) : this.answerSend(request);
  }

  async answerToken({ headers, body }) {
    this.tokenCalls += 1;
    const form = new URLSearchParams(body.toString());
    const refuse = (text) => json(400, { error: 'invalid_grant', error_description: text });
    if (!/^application\/x-www-form-urlencoded/.test(headers['content-type'] ?? '')) return refuse('no form');
    if (form.get('grant_type') !== GRANT) return refuse('grant_type');
    try {
      const key = createPublicKey(this.publicKey.export({ type: 'spki', format: 'pem' }));
      const { payload } = await jwtVerify(form.get('assertion'), key, { algorithms: ['RS256'], audience: `${this.url}/token`, issuer: this.email });
      if (payload.exp - payload.iat > 3600 || payload.iat > Date.now() / 1000 + 5) return refuse('iat, exp');
      if (!payload.scope.split(' ').includes(SCOPE)) return refuse('scope');
    } catch (error) {
      return refuse(error.message);
    }
    const token = `ya29.${randomBytes(24).toString('base64url')}`;
    this.given.set(token, Date.now() + this.lives_s * 1000);
    return json(200, { access_token: token, expires_in: this.lives_s, token_type: 'Bearer' });
  }

  revokeAll() {
    this.given.clear();
  }

  answerSend({ path, headers, body }) {
    if (path !== `/v1/projects/${this.project}/messages:send`) return fcmError(404, 'NOT_FOUND');
    const match = /^Bearer (\S+)$/.exec(headers.authorization ?? '');
    const ends_ms = this.given.get(match?.[1]);
    if (!ends_ms || ends_ms < Date.now()) return fcmError(401, 'UNAUTHENTICATED');
    let message;
    try {
      ({ message } = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)));
    } catch {
      return fcmError(400, 'INVALID_ARGUMENT');
    }
    return this.checkMessage(message) ?? this.checkTarget(message) ?? this.accept(message);
  }

  checkMessage(message) {
    const targets = ['token', 'fid', 'topic', 'condition'].filter((name) => name in message);
    if (targets.length !== 1) return badField('message', 'exactly one target');
    for (const [index, [name, value]] of Object.entries(message.data ?? {}).entries()) {
      if (typeof value !== 'string') return badField(`message.data[${index}].value`, 'Invalid value (TYPE_STRING)');
      if (RESERVED.test(name)) return badField(`message.data[${index}].key`, 'Invalid data payload key');
    }
    const { ttl, priority, collapse_key: collapse } = message.android ?? {};
    if (ttl !== undefined && (!/^\d+(\.\d{1,9})?s$/.test(ttl) || Number.parseFloat(ttl) > 2419200)) return badField('message.android.ttl', 'ttl');
    if (priority !== undefined && !['normal', 'high', 'NORMAL', 'HIGH'].includes(priority)) return badField('message.android.priority', 'priority');
    if (collapse !== undefined && typeof collapse !== 'string') return badField('message.android.collapse_key', 'collapse_key');
    for (const value of Object.values(message.apns?.headers ?? {}))
      if (typeof value !== 'string') return badField('message.apns.headers', 'strings');
    const payload = JSON.stringify({ data: message.data, notification: message.notification });
    if (Buffer.byteLength(payload) > 4096) return fcmError(400, 'INVALID_ARGUMENT');
    return undefined;
  }

  checkTarget(message) {
    switch (this.tokens.get(message.token)) {
      case 'unregistered': return fcmError(404, 'NOT_FOUND', 'UNREGISTERED');
      case 'mismatch': return fcmError(403, 'PERMISSION_DENIED', 'SENDER_ID_MISMATCH');
      case 'invalid': return badField('message.token', 'Invalid registration token');
      default: return undefined;
    }
  }

  accept(message) {
    this.messages.push(message);
    return json(200, { name: `projects/${this.project}/messages/${this.messages.length}` });
  }
}
