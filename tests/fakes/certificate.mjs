// SPDX-License-Identifier: Apache-2.0
// certificate.mjs: an authority, certificates and keys, made by openssl at run time, so that no key lies in the tree and none expires.

import { execFileSync } from 'node:child_process';
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

function openssl(...args) {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

// An authority in a folder of its own: `ca` is its file, issue() makes a certificate by it.
export class Authority {
  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'belfry-ca-'));
    this.ca = join(this.folder, 'ca.pem');
    this.key = join(this.folder, 'ca-key.pem');
    openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', this.key, '-out', this.ca,
      '-days', '2', '-subj', '/CN=belfry test authority');
  }

  // { key, cert, file }: file holds both, certificate first.
  issue(name, names = 'IP:127.0.0.1,DNS:localhost') {
    const path = (end) => join(this.folder, `${name}${end}`);
    openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', path('-key.pem'), '-out', path('.csr'),
      '-subj', `/CN=${name}`);
    writeFileSync(path('.ext'), `subjectAltName=${names}\n`);
    openssl('x509', '-req', '-in', path('.csr'), '-CA', this.ca, '-CAkey', this.key, '-CAcreateserial', '-days', '2', '-extfile',
      path('.ext'), '-out', path('.pem'));
    const key = readFileSync(path('-key.pem'), 'utf8'), cert = readFileSync(path('.pem'), 'utf8');
    writeFileSync(path('-both.pem'), cert + key, { mode: 0o600 });
    return { key, cert, file: path('-both.pem') };
  }

  write(name, content) {
    const path = join(this.folder, name);
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  }

  remove() {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

// { pem, publicKey }: a private key as operators have it, and what checks its signatures.
export function keyPair(kind) {
  const pair = kind === 'rsa' ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { pem: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }), publicKey: pair.publicKey };
}

// The 65 bytes of a P-256 public key: 4, X, Y.
export function point(pem) {
  const { x, y } = createPublicKey(createPrivateKey(pem)).export({ format: 'jwk' });
  return Buffer.concat([Buffer.from([4]), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]);
}
