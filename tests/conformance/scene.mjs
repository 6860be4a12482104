// SPDX-License-Identifier: Apache-2.0
// scene.mjs: where a case of the walk takes place: hubs, the wires to their Redis, and names that no other case uses.
//
// 1. The devices of one scene are on the nodes by turns: what one sends, the other gets through Redis.
// 2. Every frame, either way, and every HTTP answer is held to the contract; what does not fit is a fault of the scene.
// 3. While the store is disturbed, `unavailable` is a right answer: ask() and http() repeat the same request, with the same op. Nothing
//    else is forgiven.

import { request } from '../lib/api.mjs';
import { Device, Disconnected, Refused } from '../lib/device.mjs';
import { API_KEY, Hub, JWT_SECRET } from '../lib/hub.mjs';
import { RawSocket } from '../lib/raw.mjs';
import { makeToken } from '../lib/token.mjs';
import { DEADLINE_MS, eventually, pause } from '../lib/until.mjs';

export { API_KEY, JWT_SECRET };

export function expect(holds, sentence) {
  if (!holds) throw new Error(typeof sentence === 'function' ? sentence() : sentence);
}

export const told = (value) => JSON.stringify(value)?.slice(0, 600);
const AGAIN_MS = 150;

export class Scene {
  devices = [];
  raws = [];
  hubsOwn = [];
  faults = [];

  // world: { hubs, contract, disturbed }; mark: what sets the names of this scene apart.
  constructor(world, mark) {
    Object.assign(this, world, { mark });
  }

  name(word) {
    return `${word}.${this.mark}`;
  }

  hub(node = 0) {
    return this.hubs[node % this.hubs.length];
  }

  token(user, device, more = {}) {
    const { ttl_s, ...claims } = more;
    return makeToken(JWT_SECRET, { sub: this.name(user), ...(device ? { dev: device } : {}), ...claims }, { ttl_s: ttl_s ?? 3600 });
  }

  // ---- devices ------------------------------------------------------------------------------------------------------

  // A device that is connected and has caught up. options: node, background, claims, and those of Device.
  async device(user, device = 'phone', { node = this.devices.length, claims, hub = this.hub(node), ...more } = {}) {
    const made = new Device({ user: this.name(user), device, target: () => hub.wsUrl, token: () => this.token(user, device, claims), judge: this.contract, name: `${user}.${device}`, ...more });
    this.devices.push(made);
    await made.start();
    await made.until(() => made.caughtUp, `${made.name} has caught up`);
    return made;
  }

  // The reply to a request; repeated while the store is disturbed. A refusal is thrown (Refused).
  async ask(device, type, fields = {}) {
    return this.#again(`${device.name}: ${type}`, async () => {
      await device.until(() => device.live, `${device.name} is connected`);
      return device.request(type, fields);
    });
  }

  // The code with which a request is refused.
  async refusal(device, type, fields) {
    const reply = await this.ask(device, type, fields).catch((error) => (error instanceof Refused ? error : Promise.reject(error)));
    expect(reply instanceof Refused, () => `${type} was answered ${told(reply)}`);
    return reply.code;
  }

  async #again(what, ask) {
    const end = Date.now() + DEADLINE_MS;
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        const passes = this.disturbed && (error instanceof Disconnected || (error instanceof Refused && error.code === 'unavailable'));
        if (!passes || Date.now() > end) throw error;
        await pause(AGAIN_MS);
      }
    }
  }

  // Says something that may be lost, such as typing, until it is heard.
  async sayUntil(say, holds, sentence) {
    await say();
    let said = Date.now();
    await eventually(async () => {
      if (await holds()) return true;
      if (this.disturbed && Date.now() - said > 2500) {
        said = Date.now();
        await say();
      }
      return false;
    }, sentence);
  }

  // A socket past the upgrade, spoken byte by byte; what it gets is held to the contract too.
  async socket({ node = 0, hub = this.hub(node), headers } = {}) {
    const raw = await RawSocket.open(hub.port);
    this.raws.push(raw);
    const answer = await raw.upgrade(headers);
    expect(answer.status === 101, () => `the upgrade was answered ${answer.status} ${answer.text}`);
    this.contract.seen.add('upgrade 101');
    return raw;
  }

  // The same past hello.
  async session(user, device = 'phone', { token = this.token(user, device), hello = {}, ...where } = {}) {
    return this.#again(`${user}.${device}: hello`, async () => {
      const raw = await this.socket(where);
      raw.text({ type: 'hello', id: 1, token, ...hello });
      raw.welcome = await raw.message((each) => each.id === 1, 'an answer to hello');
      if (raw.welcome.type === 'error') throw new Refused(raw.welcome, 'hello');
      return raw;
    });
  }

  // A request on such a socket, and its reply. good: it fits the contract, as it does unless a refusal is wanted.
  async say(raw, frame, { good = true } = {}) {
    raw.nextId = (raw.nextId ?? 100) + 1;
    const { nextId: id } = raw;
    const wrong = good && this.contract.request({ ...frame, id });
    if (wrong) this.faults.push(wrong);
    raw.text({ ...frame, id });
    return raw.message((each) => each.id === id, `an answer to ${frame.type}`);
  }

  // ---- HTTP ---------------------------------------------------------------------------------------------------------

  // One call, with the API key unless told otherwise. good: what is sent fits the contract, as it does unless a refusal is wanted.
  async http(method, path, { node = 0, hub = this.hub(node), key = API_KEY, good = true, body, ...more } = {}) {
    const wrong = good && this.contract.httpRequest(method, path, body);
    if (wrong) this.faults.push(wrong);
    const end = Date.now() + DEADLINE_MS;
    for (let tries = 1; ; tries += 1) {
      const answer = await request(hub.url, method, path, { key, body, ...more });
      this.judgeAnswer(method, path, answer);
      if (answer.status !== 503 || !this.disturbed || Date.now() > end) return { ...answer, repeated: tries > 1 };
      await pause(AGAIN_MS);
    }
  }

  // A page for people, of which the contract says nothing.
  page(path, hub = this.hub()) {
    return request(hub.url, 'GET', path);
  }

  async rawHttp(node = 0) {
    const raw = await RawSocket.open(this.hub(node).port);
    this.raws.push(raw);
    return raw;
  }

  judgeAnswer(method, path, answer) {
    const wrong = this.contract.httpAnswer(method, path, answer);
    if (wrong) this.faults.push(wrong);
  }

  // A call that must be answered so. What was repeated may find itself done: 200 instead of 201 or 202, 404 for what is deleted.
  async call(status, method, path, options) {
    const answer = await this.http(method, path, options);
    const done = answer.repeated && (answer.status === 200 ? status === 201 || status === 202 : answer.status === 404 && method === 'DELETE');
    expect(answer.status === status || done, () => `${method} ${path} was answered ${answer.status} ${answer.text.slice(0, 400)}`);
    return answer.json;
  }

  conv(word) {
    return `/v1/conversations/${encodeURIComponent(this.name(word))}`;
  }

  user(word) {
    return `/v1/users/${encodeURIComponent(this.name(word))}`;
  }

  // Makes a conversation of users by their words, and gives its id.
  async group(word, users, { kind = 'group', ...more } = {}) {
    await this.call(201, 'PUT', this.conv(word), { body: { kind, members: users.map((each) => (typeof each === 'string' ? this.name(each) : { ...each, user: this.name(each.user) })), ...more } });
    return this.name(word);
  }

  // ---- its end ------------------------------------------------------------------------------------------------------

  // A hub of its own, for what would disturb the others.
  async ownHub(options) {
    const hub = new Hub({ name: 'own', workers: 1, ...options });
    this.hubsOwn.push(hub);
    await hub.start();
    return hub.untilReady();
  }

  async close() {
    for (const device of this.devices) {
      device.drop();
      this.faults.push(...device.faults);
    }
    for (const raw of this.raws) {
      for (const frame of raw.messages) this.faults.push(this.contract.frame(frame));
      if (raw.closed) this.faults.push(this.contract.close(raw.closed.code));
      raw.destroy();
    }
    for (const hub of this.hubsOwn) {
      const ended = await hub.stop();
      if (ended && (ended.code !== 0 || hub.complaint())) this.faults.push(`a hub ended with ${told(ended)} ${hub.complaint() ?? ''}\n${hub.log(20)}`);
    }
    return this.faults.filter(Boolean);
  }

  // What the devices said and heard at last, for a person.
  trace() {
    return this.devices.map((device) => [`${device.name} (${device.state}):`, ...device.trace.slice(-12)].join('\n')).join('\n');
  }
}
