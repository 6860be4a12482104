// SPDX-License-Identifier: Apache-2.0
// receiver.mjs: where the hub's webhooks go: a plain HTTP server that remembers every push, and misbehaves when told to.
//
// What webhooks look like on the wire, and their signature, is the business of tests/fakes; here it is which pushes come, and when.

import http from 'node:http';
import { Watched } from '../lib/until.mjs';

export class Receiver extends Watched {
  constructor() {
    super();
    this.pushes = []; // { id, at_ms, path, event }, as they came, answered with whatever status
    this.status = 200;
    this.headers = {}; // such as retry-after
    this.held = []; // answers held back
  }

  async start(port = 0) {
    this.server = http.createServer((req, res) => {
      const parts = [];
      req.on('data', (part) => parts.push(part));
      req.on('end', () => {
        if (req.url === '/token') { // of a service account, whose pushes never get here
          res.writeHead(200, { 'content-type': 'application/json' }).end('{"access_token":"any","expires_in":3600,"token_type":"Bearer"}');
          return;
        }
        const push = { id: req.headers['webhook-id'], at_ms: Date.now(), path: req.url, event: JSON.parse(Buffer.concat(parts).toString()) };
        this.pushes.push(push);
        const status = this.script?.(push) ?? this.status;
        const answer = () => res.writeHead(status, { 'content-length': 0, ...this.headers }).end();
        if (status === 'hold') this.held.push(() => res.writeHead(this.status, { 'content-length': 0 }).end());
        else answer();
        this.changed();
      });
    });
    this.server.keepAliveTimeout = 60000;
    await new Promise((resolve) => this.server.listen(port, '127.0.0.1', resolve));
    this.port = this.server.address().port;
    return this;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  // The pushes for a device (or '' for those of an escalation).
  of(user, device) {
    return this.pushes.filter((push) => push.event.data.user === user && (device === undefined || (push.event.data.device ?? '') === device));
  }

  async stop() {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
