// SPDX-License-Identifier: Apache-2.0
// api.mjs: the hub's HTTP API as the app's backend calls it (PROTOCOL section 7).

import http from 'node:http';
import { DEADLINE_MS } from './until.mjs';

export class ApiError extends Error {
  constructor(method, path, status, body) {
    super(`${method} ${path}: HTTP ${status} ${JSON.stringify(body)}`);
    this.status = status;
    this.code = body?.error?.code;
    this.body = body;
  }
}

let listener = () => {};

// Who hears every answer: listener(method, path, answer).
export function listenToAnswers(heard) {
  listener = heard;
}

// One request; any status is an answer, only a broken connection is an error. `body` may be an object or raw bytes. Without an
// agent each has a connection of its own, so that none fails for what another did to a connection that was kept.
export function request(base, method, path, { key, headers = {}, body, timeout_ms = DEADLINE_MS, agent = false } = {}) {
  const bytes = body === undefined ? undefined : Buffer.isBuffer(body) || typeof body === 'string' ? Buffer.from(body) : Buffer.from(JSON.stringify(body));
  const all = { ...(key ? { authorization: `Bearer ${key}` } : {}), ...(bytes ? { 'content-type': 'application/json', 'content-length': bytes.length } : {}), ...headers };
  for (const name of Object.keys(all)) if (all[name] === undefined) delete all[name];
  return new Promise((resolve, reject) => {
    const url = new URL(base);
    const req = http.request({ host: url.hostname, port: url.port, method, path, headers: all, agent }, (res) => {
      const parts = [];
      res.on('data', (part) => parts.push(part));
      res.on('error', reject);
      res.on('end', () => {
        const text = Buffer.concat(parts).toString();
        let json;
        try {
          json = JSON.parse(text);
        } catch {
          json = undefined;
        }
        const answer = { status: res.statusCode, headers: res.headers, text, json };
        listener(method, path, answer);
        resolve(answer);
      });
    });
    req.setTimeout(timeout_ms, () => req.destroy(new Error(`${method} ${path}: no answer within ${timeout_ms} ms`)));
    req.on('error', reject);
    req.end(bytes);
  });
}

export class Api {
  // `base` is a string, or a function for a hub that comes back elsewhere.
  constructor(base, key) {
    this.base = typeof base === 'function' ? base : () => base;
    this.key = key;
  }

  raw(method, path, options = {}) {
    return request(this.base(), method, path, { key: this.key, ...options });
  }

  // The JSON of a 2xx answer; anything else is thrown.
  async call(method, path, body) {
    const answer = await this.raw(method, path, { body });
    if (answer.status < 200 || answer.status > 299) throw new ApiError(method, path, answer.status, answer.json ?? answer.text);
    return answer.json;
  }

  conversation(conv, members, kind = 'group', more = {}) {
    return this.call('PUT', `/v1/conversations/${encodeURIComponent(conv)}`, { kind, members, ...more });
  }

  addMember(conv, user, more = {}) {
    return this.call('PUT', `/v1/conversations/${encodeURIComponent(conv)}/members/${encodeURIComponent(user)}`, more);
  }

  removeMember(conv, user) {
    return this.call('DELETE', `/v1/conversations/${encodeURIComponent(conv)}/members/${encodeURIComponent(user)}`);
  }

  send(conv, message) {
    return this.call('POST', `/v1/conversations/${encodeURIComponent(conv)}/messages`, message);
  }

  presence(user) {
    return this.call('GET', `/v1/users/${encodeURIComponent(user)}/presence`);
  }

  async devices(user) {
    const answer = await this.call('GET', `/v1/users/${encodeURIComponent(user)}/devices`);
    return Array.isArray(answer) ? answer : (answer.devices ?? answer.items);
  }

  disconnect(user, device) {
    return this.call('POST', `/v1/users/${encodeURIComponent(user)}/disconnect`, device ? { device } : {});
  }

  page(conv, query) {
    return this.call('GET', `/v1/conversations/${encodeURIComponent(conv)}/messages?${new URLSearchParams(query)}`);
  }

  // The whole log of a conversation, oldest first.
  async log(conv) {
    const entries = [];
    for (let after = 0; ; ) {
      const page = await this.page(conv, { after, limit: 200 });
      entries.push(...page.entries);
      if (!page.more || page.entries.length === 0) return entries;
      after = page.entries[page.entries.length - 1].seq;
    }
  }

  async ready() {
    return (await this.raw('GET', '/readyz', { key: undefined, timeout_ms: 2000 })).status === 200;
  }

  // The metrics as { name: { process: value } }.
  async metrics() {
    const { text } = await this.raw('GET', '/metrics', { key: undefined });
    const out = {};
    for (const line of text.split('\n')) {
      const found = /^(\w+)(?:\{([^}]*)\})? ([\d.eE+-]+)$/.exec(line);
      if (!found) continue;
      const process = /process="([^"]*)"/.exec(found[2] ?? '')?.[1] ?? '';
      (out[found[1]] ??= {})[process] = Number(found[3]);
    }
    return out;
  }
}
