// SPDX-License-Identifier: Apache-2.0
// world.mjs: what a story acts on: nodes, a Redis, conversations, devices, and the messages it gave names to.
//
// 1. Nothing runs before the first sentence that needs it, so that `nodes`, `workers` and `with` come first.
// 2. When a story ends, and however it ends, everything it started is stopped.
// 3. When it ends well, it is still not done: verify() reads the logs and holds all that every device saw against them.

import { randomUUID } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { check, describe } from '../lib/checker.mjs';
import { Hub, JWT_SECRET } from '../lib/hub.mjs';
import { Redis } from '../lib/redis.mjs';
import { makeToken } from '../lib/token.mjs';
import { DEADLINE_MS, eventually } from '../lib/until.mjs';

const FENCE = 'fence-';

export class World {
  // Client: the class of its devices.
  constructor(Client) {
    this.Client = Client;
    this.nodeNames = ['n1'];
    this.workers = 1;
    this.privateRedis = false;
    this.env = { BELFRY_RETRY_BASE: '50ms', BELFRY_RETRY_MAX: '500ms' };
    this.nodes = new Map();
    this.devices = new Map(); // "alice.phone" -> Device
    this.conversations = new Map(); // name -> { members: Set }
    this.messages = new Map(); // "m1" -> { op, conv, body, answered, seq, from }
    this.named = new Map(); // Device -> Set of ops that an expectation has named
    this.indexes = new Map(); // Device -> { upTo, places: op -> [entry] }
    this.lossy = false; // the story destroyed data: what is missing then is no fault
    this.wounded = new Set(); // nodes one of whose processes the story killed
    this.agent = new http.Agent({ keepAlive: true });
  }

  // ---- nodes --------------------------------------------------------------------------------------------------------

  async started() {
    if (this.nodes.size > 0) return;
    if (!this.privateRedis) this.redis = await new Redis().start();
    for (const name of this.nodeNames) {
      this.nodes.set(name, new Hub({ name, workers: this.workers, redis: this.redis?.url, env: this.env }));
      await this.startNode(name);
    }
  }

  async startNode(name) {
    const node = this.node(name);
    await node.start();
    await node.untilReady();
    node.firstWorkers = node.workers().map(({ pid }) => pid);
  }

  node(name) {
    const node = this.nodes.get(name);
    if (!node) throw new Error(`there is no node ${name}; the story has ${[...this.nodes.keys()].join(', ')}`);
    return node;
  }

  // Any node that answers: what the backend talks to.
  get api() {
    const node = [...this.nodes.values()].find((each) => each.pid);
    if (!node) throw new Error('no node is up');
    return node.api;
  }

  // One of the processes of Redis: ours, or the private one of the only node.
  async redisPid() {
    if (this.redis) return this.redis.pid;
    return eventually(() => this.node('n1').redisPid(), 'the private Redis runs');
  }

  // What command says of the key with this letter and id; 0 if there is none.
  async redisSize(command, letter, id) {
    const script = "local key = redis.call('KEYS', '*:' .. ARGV[2] .. ':' .. ARGV[3])[1]; return key and redis.call(ARGV[1], key) or 0";
    return Number((await this.redisCommand('EVAL', script, '0', command, letter, id)).slice(1));
  }

  async nodesOf(user) {
    const script = "local function key(letter) return redis.call('KEYS', '*:' .. letter .. ':' .. ARGV[1])[1] end "
      + "local head = key('h') and string.match(redis.call('GET', key('h')), '^%d+ %S+(.*)$') or '' "
      + "return select(2, string.gsub(head .. ' ' .. (redis.call('HGET', key('u'), 'watch') or ''), '%S+', ''))";
    return Number((await this.redisCommand('EVAL', script, '0', user)).slice(1));
  }

  // Puts another line in the place of a device's in its user's sessions: text with what of it matches pattern (of Lua).
  async rewriteSessions(name, pattern, text) {
    const [user, device] = name.split('.');
    const script = "local key = redis.call('KEYS', '*:u:' .. ARGV[1])[1] "
      + "local live = '\\n' .. redis.call('HGET', key, 'live') .. '\\n' "
      + "local rest, count = string.gsub(live, '\\n(' .. ARGV[2] .. ' [^\\n]*)\\n', function(line) return '\\n' .. string.gsub(line, '^' .. ARGV[3] .. '$', ARGV[4]) .. '\\n' end) "
      + "redis.call('HSET', key, 'live', string.sub(rest, 2, -2)) return count";
    const count = await this.redisCommand('EVAL', script, '0', user, device, pattern, text);
    if (Number(count.slice(1)) !== 1) throw new Error(`redis knows no session of ${name}`);
  }

  // Is text in the append-only files of the private Redis?
  // Redis may take a file away, or put another in its place, between the list of them and the reading: then all again.
  filesHold(text) {
    const folder = join(this.node('n1').data, 'appendonlydir');
    for (;;) {
      const names = readdirSync(folder);
      try {
        const holds = names.some((name) => readFileSync(join(folder, name)).includes(text));
        if (holds || readdirSync(folder).join() === names.join()) return holds;
      } catch (error) {
        if (error.code !== 'ENOENT') throw error;
      }
    }
  }

  redisCommand(...words) {
    return this.redis ? this.redis.command(...words) : this.node('n1').redisCommand(...words);
  }

  // ---- people -------------------------------------------------------------------------------------------------------

  deviceNamed(name) {
    const device = this.devices.get(name);
    if (!device) throw new Error(`${name} has not been seen yet: say on which node it is`);
    return device;
  }

  // label: what the story calls it; identity: who it says it is.
  addDevice(label, nodeName, identity = label) {
    const [user, device] = identity.split('.');
    this.node(nodeName);
    const made = new this.Client({ user, device, name: label, target: () => this.node(made.nodeName).wsUrl, token: (u, d) => makeToken(JWT_SECRET, { sub: u, dev: d, channels: made.granted }) });
    made.nodeName = nodeName;
    this.devices.set(label, made);
    this.named.set(made, new Set());
    return made;
  }

  users() {
    return [...new Set([...this.devices.values()].map((device) => device.user))];
  }

  conv(name) {
    const found = name ?? this.latestConv;
    if (!found) throw new Error('no conversation yet: say who is in #room');
    return found;
  }

  async makeConversation(name, users, kind = 'group', more = {}) {
    await eventually(() => this.api.conversation(name, users, kind, more), `the backend makes ${name}`); // 503 is asked again, as a backend does
    this.conversations.set(name, { kind, members: new Set(users), everMembers: new Set(users) });
    this.latestConv = name;
  }

  // ---- messages -----------------------------------------------------------------------------------------------------

  message(name) {
    const message = this.messages.get(name);
    if (!message) throw new Error(`no message is called ${name}`);
    return message;
  }

  newMessage(name, more) {
    if (this.messages.has(name)) throw new Error(`there is a message ${name} already`);
    const message = { name, op: `${name}-${randomUUID()}`, ...more };
    this.messages.set(name, message);
    return message;
  }

  // Starts a send; message.answered resolves with `sent`.
  begin(device, name, conv, body, more = {}) {
    const message = this.newMessage(name, { conv: this.conv(conv), body, from: device.user, ...more });
    message.answered = device.send(message.conv, body, { op: message.op, ...more });
    return message;
  }

  async stored(message, seq) {
    const sent = await within(message.answered, `${message.name} is acknowledged`);
    message.seq = sent.seq;
    if (seq !== undefined && sent.seq !== seq) throw new Error(`${message.name} was stored as seq ${sent.seq}, not ${seq}`);
    return sent;
  }

  async backendSend(name, user, conv, body, more = {}) {
    const message = this.newMessage(name, { conv: this.conv(conv), body, from: user, byBackend: true, ...more });
    return this.backendPost(message);
  }

  async backendPost(message) {
    const answer = await this.api.raw('POST', `/v1/conversations/${message.conv}/messages`, {
      body: { op: message.op, from: message.from, body: message.body, kind: message.kind, ref: message.ref },
      agent: this.agent,
    });
    if (answer.status !== 200 && answer.status !== 201) throw new Error(`the backend's send was answered ${answer.status} ${answer.text}`);
    message.answered = Promise.resolve(answer.json);
    message.seq = answer.json.seq;
    return answer;
  }

  // op -> what the device was shown under it.
  places(device) {
    let index = this.indexes.get(device);
    if (!index || index.era !== device.era) this.indexes.set(device, (index = { era: device.era, upTo: device.shown.findIndex((each) => each.era === device.era), places: new Map() }));
    if (index.upTo < 0) index.upTo = device.shown.length;
    for (; index.upTo < device.shown.length; index.upTo += 1) {
      const each = device.shown[index.upTo];
      if (each.era !== device.era) continue;
      if (!index.places.has(each.op)) index.places.set(each.op, []);
      index.places.get(each.op).push(each);
    }
    return index.places;
  }

  // A client shows what its store has: of a message whose edit or deletion came in the same packet, what they made of it.
  isShownAs(message, shown) {
    const reads = (body) => JSON.stringify(shown.body) === JSON.stringify(body);
    if (reads(message.body)) return true;
    const changes = [...this.messages.values()].filter(({ conv, ref }) => conv === message.conv && ref !== undefined && ref === shown.seq);
    if (shown.deleted) return shown.body === undefined && changes.some(({ kind }) => kind === 'delete');
    return (shown.edited || shown.version > 0) && changes.some(({ kind, body }) => kind === 'edit' && reads(body));
  }

  async receives(device, names, { inOrder, once }) {
    const wanted = names.map((name) => this.message(name));
    let first = 0; // all before it have come
    await device.until(
      () => {
        const places = this.places(device);
        while (first < wanted.length && places.has(wanted[first].op)) first += 1;
        return first === wanted.length;
      },
      () => `${device.name} receives ${wanted[first]?.name}`,
    );
    const places = this.places(device);
    let before;
    for (const message of wanted) {
      const [shown] = places.get(message.op);
      if (message.seq !== undefined && shown.seq !== message.seq) throw new Error(`${device.name} was shown ${message.name} as seq ${shown.seq}, not ${message.seq}`);
      if (!this.isShownAs(message, shown)) throw new Error(`${device.name} was shown ${message.name} as ${JSON.stringify(shown.body)}`);
      if (shown.from !== message.from) throw new Error(`${device.name} was shown ${message.name} as from ${shown.from}`);
      if (inOrder && before && !(shown.n === undefined ? shown.seq > before.seq : device.shown.indexOf(shown) > before.index))
        throw new Error(`${device.name} was shown ${message.name} before the message that precedes it`);
      before = { seq: shown.seq, index: inOrder ? device.shown.indexOf(shown, before?.index ?? 0) : 0 };
      this.named.get(device).add(message.op);
    }
    if (!once) return;
    await this.fence(device);
    for (const message of wanted) {
      const times = this.places(device).get(message.op).length;
      if (times !== 1) throw new Error(`${device.name} was shown ${message.name} ${times} times`);
    }
  }

  // Everything that was in the user's inbox before this call has been shown when it returns: it is proven by a message of
  // its own, in a conversation of its own, which comes after them in the order of n.
  async fence(device) {
    const conv = `${FENCE}${device.user}`;
    if (!this.conversations.has(conv)) {
      const latest = this.latestConv;
      await this.makeConversation(conv, [device.user]);
      this.latestConv = latest;
    }
    const op = `fence-${randomUUID()}`;
    await eventually(() => this.api.send(conv, { op, from: device.user, body: 'fence' }), `the fence of ${device.name} is stored`);
    await device.until(() => this.places(device).has(op), `${device.name} is shown all before a fence`);
  }

  async nothingMore(device) {
    await this.fence(device);
    const extra = device.shown.filter((each) => each.era === device.era && !each.conv.startsWith(FENCE) && !this.named.get(device).has(each.op));
    if (extra.length > 0) throw new Error(`${device.name} was also shown ${extra.map((each) => `${each.conv}/${each.seq} ${each.op}`).join(', ')}`);
  }

  // ---- the end ------------------------------------------------------------------------------------------------------

  async verify() {
    const problems = [];
    const devices = [...this.devices.values()];
    if (!this.lossy && [...this.nodes.values()].some((node) => node.pid)) {
      const names = [...this.conversations.keys()].filter((name) => !name.startsWith(FENCE));
      const logs = new Map();
      for (const name of names) logs.set(name, await eventually(() => this.api.log(name), `the log of ${name} can be read`));
      const members = new Map(names.map((name) => [name, this.conversations.get(name).everMembers]));
      const channels = new Set(names.filter((name) => this.conversations.get(name).kind === 'channel'));
      const complete = (device) => device.live && device.complete === true;
      for (const device of devices.filter(complete)) {
        const wanted = [...logs].filter(([name]) => !channels.has(name) && members.get(name).has(device.user)).flatMap(([, log]) => log);
        await device.until(() => wanted.every(({ op }) => this.places(device).has(op)), `${device.name} has been shown every message of its conversations`);
      }
      const sends = [...this.messages.values()].map(({ op, conv, from, seq, refused }) => ({ op, conv, user: from, seq, state: refused ? 'refused' : seq ? 'sent' : 'pending' }));
      const faults = check({
        sends,
        logs,
        members,
        channels,
        devices: devices.map((device) => ({ name: device.name, user: device.user, complete: complete(device), shown: device.shown.filter((each) => logs.has(each.conv)) })),
      });
      if (faults.length > 0) problems.push(describe(faults));
    }
    problems.push(...devices.flatMap((device) => device.faults));
    for (const [name, node] of this.nodes) {
      if (!node.pid) continue;
      const workers = node.workers().map(({ pid }) => pid);
      if (!this.wounded.has(name) && String(workers) !== String(node.firstWorkers)) problems.push(`${name}: workers ${node.firstWorkers} have become ${workers}`);
    }
    if (problems.length > 0) throw new Error(problems.join('\n'));
  }

  // Stops everything. With `gently`, each node is asked to end and must do so with status 0.
  async close(gently) {
    const problems = [];
    for (const device of this.devices.values()) device.drop();
    this.agent.destroy();
    for (const [name, node] of this.nodes) {
      if (!node.pid) continue;
      if (!gently) {
        node.child.kill('SIGKILL');
        await node.child.gone;
        continue;
      }
      const ended = await within(node.stop(), `${name} ends after SIGTERM`).catch((error) => ({ error: error.message }));
      if (ended.code !== 0) problems.push(`${name} ended with ${JSON.stringify(ended)}`);
      if (node.pid) node.child.kill('SIGKILL');
    }
    if (this.redis?.pid) await this.redis.kill();
    for (const [name, node] of this.nodes) {
      if (node.complaint()) problems.push(`${name} said: ${node.complaint()}`);
    }
    if (problems.length > 0) throw new Error(problems.join('\n'));
  }

  // What a person needs who reads of a failure.
  diagnostics() {
    const parts = [];
    for (const device of this.devices.values()) parts.push(`--- ${device.name} (${device.state})`, ...device.faults, ...device.trace.slice(-25));
    for (const [name, node] of this.nodes) parts.push(`--- log of ${name}`, node.log(25));
    return parts.join('\n');
  }
}

// A promise that must be settled in time.
export function within(promise, sentence, deadline_ms = DEADLINE_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${deadline_ms / 1000} s for: ${sentence}`)), deadline_ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
