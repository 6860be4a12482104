// SPDX-License-Identifier: Apache-2.0
// server.mjs: the base of all fakes: a TLS server for HTTP/2 (and 1.1 where that is allowed) that remembers what came and misbehaves
// when told to.
//
// 1. Every request is remembered in `requests` with its connection's number, before it is answered.
// 2. answer(request) of the subclass says what a faithful provider would. A script goes first: plan(fn) sets it; what it returns is
//    done instead, undefined means "as a faithful one".
//
// 3. Answers say their content-length. Behind one that does not, or has no body, libcurl before 8.0 sends a RST_STREAM that means nothing,
//    and node's nghttp2 takes a thousand of those for an attack (CVE-2023-44487) and ends the connection.
//
// What answer() and a script return: { status, headers, body, after_ms } or { reset: code }, { drop: true } (the connection ends without a
// word), { hang: true } (no answer ever); each with goaway: reason, which says GOAWAY first.

import http2 from 'node:http2';
import https from 'node:https';
import { Watched } from '../lib/until.mjs';

export class FakeServer extends Watched {
  // certificate: of Authority.issue(). http1: speak it, too. only1: nothing else. clients: ask for a client certificate by this CA.
  constructor({ certificate, http1 = false, only1 = false, clients, streams }) {
    super();
    this.options = {
      key: certificate.key,
      cert: certificate.cert,
      allowHTTP1: http1,
      minVersion: 'TLSv1.2',
      ...(clients ? { requestCert: true, ca: clients, rejectUnauthorized: true } : {}),
      ...(streams ? { settings: { maxConcurrentStreams: streams } } : {}),
    };
    this.only1 = only1;
    this.requests = [];
    this.sessions = new Set();
    this.connections = 0; // ever opened, with TLS done
    this.accepted = 0;
    this.inFlight = 0;
    this.mostInFlight = 0;
  }

  async start(port = 0) {
    this.server = this.only1 ? https.createServer(this.options) : http2.createSecureServer(this.options);
    this.server.on('session', (session) => this.onSession(session));
    this.server.on('stream', (stream, headers, flags, raw) => this.onStream(stream, headers, raw));
    if (this.options.allowHTTP1 || this.only1) {
      this.server.on('request', (request, response) => {
        if (request.httpVersionMajor === 1) this.onRequest1(request, response);
      });
      this.server.on('secureConnection', (socket) => {
        if (socket.alpnProtocol !== 'h2') this.connections += 1;
      });
    }
    this.server.on('sessionError', () => {});
    this.server.on('tlsClientError', () => {});
    this.server.on('error', (error) => {
      throw error;
    });
    await new Promise((resolve) => this.server.listen(port, '127.0.0.1', resolve));
    this.port = this.server.address().port;
    this.url = `https://127.0.0.1:${this.port}`;
    return this;
  }

  async stop() {
    for (const session of this.sessions) session.destroy();
    this.server.closeAllConnections?.();
    await new Promise((resolve) => this.server.close(resolve));
  }

  plan(script) {
    this.script = script;
  }

  onSession(session) {
    this.connections += 1;
    session.number = this.connections;
    session.opened_ms = Date.now();
    this.sessions.add(session);
    session.on('close', () => {
      this.sessions.delete(session);
      this.changed();
    });
    session.on('error', () => {});
    this.changed();
  }

  onStream(stream, headers, raw) {
    const chunks = [];
    this.inFlight += 1;
    this.mostInFlight = Math.max(this.mostInFlight, this.inFlight);
    stream.on('error', () => {});
    stream.on('close', () => {
      this.inFlight -= 1;
    });
    stream.on('data', (chunk) => chunks.push(chunk));
    stream.on('end', () => {
      const request = {
        at_ms: Date.now(),
        connection: stream.session?.number,
        session: stream.session,
        stream,
        method: headers[':method'],
        path: headers[':path'],
        version: 2,
        headers,
        raw,
        body: Buffer.concat(chunks),
      };
      this.take(request, (does) => respond2(stream, does));
    });
  }

  onRequest1(incoming, response) {
    const chunks = [];
    incoming.on('data', (chunk) => chunks.push(chunk));
    incoming.on('error', () => {});
    response.on('error', () => {});
    incoming.on('end', () => {
      const request = {
        at_ms: Date.now(),
        connection: incoming.socket.remotePort,
        session: incoming.socket,
        method: incoming.method,
        path: incoming.url,
        version: 1,
        headers: incoming.headers,
        raw: incoming.rawHeaders,
        body: Buffer.concat(chunks),
      };
      this.take(request, (does) => respond1(incoming.socket, response, does));
    });
  }

  async take(request, respond) {
    this.requests.push(request);
    let does;
    try {
      const planned = this.script?.(request);
      this.changed();
      does = (await planned) ?? (await this.answer(request));
    } catch (error) {
      does = { status: 599, body: String(error.stack) };
    }
    request.answered = does;
    if (does.status >= 200 && does.status < 300) this.accepted += 1;
    if (does.after_ms) setTimeout(() => respond(does), does.after_ms);
    else respond(does);
    this.changed();
  }
}

function respond2(stream, does) {
  const session = stream.session;
  if (does.goaway !== undefined && session && !session.destroyed)
    session.goaway(0, does.lastStream ?? stream.id, Buffer.from(JSON.stringify({ reason: does.goaway })));
  if (does.hang) return;
  if (does.drop) session?.destroy();
  else if (does.reset !== undefined) stream.close(does.reset);
  else if (!stream.destroyed) {
    const body = Buffer.from(does.body ?? '');
    const length = does.endless ? {} : { 'content-length': body.length };
    stream.respond({ ':status': does.status, ...length, ...does.headers }, { endStream: body.length === 0 && !does.endless });
    if (does.endless) endless(stream);
    else if (body.length > 0) stream.end(body);
  }
}

function respond1(socket, response, does) {
  if (does.hang) return;
  if (does.drop || does.reset !== undefined) {
    socket.destroy();
    return;
  }
  response.writeHead(does.status, does.headers ?? {});
  if (does.endless) endless(response);
  else response.end(does.body ?? '');
}

// A body that goes on for as long as somebody reads it.
function endless(out) {
  const chunk = Buffer.alloc(16384, 'x');
  out.on('error', () => {});
  const more = () => {
    while (!out.destroyed && out.write(chunk));
  };
  out.on('drain', more);
  more();
}

export const json = (status, body, headers = {}) => ({ status, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) });
