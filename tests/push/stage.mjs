// SPDX-License-Identifier: Apache-2.0
// stage.mjs: what a case of providers.mjs stands on: fakes, a driver that is configured for them, and jobs.

import { randomBytes, randomUUID } from 'node:crypto';
import { FakeApns } from '../fakes/apns.mjs';
import { Authority, keyPair, point } from '../fakes/certificate.mjs';
import { FakeGoogle } from '../fakes/google.mjs';
import { FakePushService } from '../fakes/pushservice.mjs';
import { FakeReceiver } from '../fakes/receiver.mjs';
import { Driver, sections } from './driver.mjs';

// Keys and certificates take time to make, so all cases share them.
export const authority = new Authority();
export const certificate = authority.issue('server');
export const keys = { apns: keyPair('ec'), other: keyPair('ec'), google: keyPair('rsa'), vapid: keyPair('ec'), vapid2: keyPair('ec') };
export const vapidPoint = point(keys.vapid.pem);
export const KEY_ID = 'KEY1234567', TEAM = 'TEAM123456', TOPIC = 'org.example.app';
export const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
export const OTHER_SECRET = `whsec_${Buffer.alloc(32, 9).toString('base64')}`;

export const deviceToken = () => randomBytes(32).toString('hex');

// Runs work(stage) and ends all that it started; the driver must end with nothing left in its loop.
export async function onStage(work) {
  const stage = new Stage();
  try {
    await work(stage);
    await stage.closeDriver();
  } finally {
    await stage.end();
  }
}

class Stage {
  constructor() {
    this.fakes = [];
    this.sections = {};
  }

  async start(fake) {
    await fake.start();
    this.fakes.push(fake);
    return fake;
  }

  async apns(name = 'main', options = {}, section = {}) {
    const fake = await this.start(new FakeApns({ certificate, keys: new Map([[KEY_ID, keys.apns.publicKey]]), team: TEAM, topics: [TOPIC], ...options }));
    this.sections[`apns.${name}`] = {
      key_file: authority.write('apns.p8', keys.apns.pem), key_id: KEY_ID, team_id: TEAM, topic: TOPIC, url: fake.url, ca_file: authority.ca,
      ...section,
    };
    return fake;
  }

  async google(options = {}) {
    const fake = await this.start(new FakeGoogle({ certificate, publicKey: keys.google.publicKey, email: 'push@demo.example', project: 'demo', ...options }));
    this.sections['fcm.main'] = {
      service_account: authority.write(`account-${fake.port}.json`, fake.serviceAccount(keys.google.pem)), url: fake.url, ca_file: authority.ca,
      allow_private: true,
    };
    return fake;
  }

  async browsers(section = {}, options = {}) {
    const fake = await this.start(new FakePushService({ certificate, ...options }));
    this.sections['webpush.main'] = {
      vapid_key: authority.write('vapid.pem', keys.vapid.pem), subject: 'mailto:ops@example.org', ca_file: authority.ca, allow_private: true,
      ...section,
    };
    return fake;
  }

  async receiver(section = {}) {
    const fake = await this.start(new FakeReceiver({ certificate, secret: SECRET }));
    this.sections['webhook.main'] = { url: `${fake.url}/hook`, secret: SECRET, ca_file: authority.ca, allow_private: true, ...section };
    return fake;
  }

  configure() {
    this.file = authority.write(`belfry-${this.fakes[0]?.port ?? 0}.conf`, sections(this.sections));
    return this.file;
  }

  drive() {
    this.driver = new Driver(this.configure());
    return this.driver;
  }

  async closeDriver() {
    if (!this.driver) return;
    const status = await this.driver.close();
    if (status !== 0) throw new Error(`the driver ended with ${status}: ${this.driver.log.slice(-2000)}`);
  }

  async end() {
    if (this.driver && !this.driver.exit) this.driver.child.kill('SIGKILL');
    for (const fake of this.fakes) await fake.stop();
  }
}

export const job = {
  apns: (more = {}) => ({ provider: 'apns', app: 'main', token: deviceToken(), title: 'Alice', text: 'Lunch?', id: randomUUID(), ...more }),
  fcm: (more = {}) => ({ provider: 'fcm', app: 'main', token: `fcm-${deviceToken()}`, title: 'Alice', text: 'Lunch?', id: randomUUID(), ...more }),
  webpush: (browser, more = {}) => ({
    provider: 'webpush', app: 'main', token: JSON.stringify(browser.subscription), title: 'Alice', text: 'Lunch?', id: randomUUID(), ...more,
  }),
  webhook: (more = {}) => ({ provider: 'webhook', app: 'main', token: '', user: 'bob', title: 'Alice', text: 'Lunch?', id: randomUUID(), ...more }),
};

export function expect(holds, sentence, ...shown) {
  if (!holds) throw new Error(`${sentence}: ${shown.map((item) => JSON.stringify(item)).join(' ').slice(0, 2000)}`);
}

export function expectClass(outcome, wanted, reason) {
  expect(outcome.class === wanted && (reason === undefined || outcome.reason === reason), `expected ${wanted} ${reason ?? ''}`, outcome);
}

export const countClasses = (outcomes) => {
  const counts = {};
  for (const { class: name } of outcomes) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
};
