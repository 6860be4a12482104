// SPDX-License-Identifier: Apache-2.0
// receiver.mjs: a receiver of webhooks, which believes only what standardwebhooks verifies.

import { Webhook } from 'standardwebhooks';
import { FakeServer } from './server.mjs';

export class FakeReceiver extends FakeServer {
  constructor({ certificate, secret }) {
    super({ certificate, only1: true });
    this.secret = secret;
    this.received = []; // { id, timestamp, event }
  }

  answer({ headers, body }) {
    let event;
    try {
      event = new Webhook(this.secret).verify(body.toString(), headers);
    } catch (error) {
      return { status: 401, body: error.message };
    }
    this.received.push({ id: headers['webhook-id'], timestamp: Number(headers['webhook-timestamp']), event });
    return { status: 202 };
  }
}
