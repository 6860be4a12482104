// SPDX-License-Identifier: Apache-2.0
// types.mjs: the types of client/js say what its code is: TypeScript reads them (types.ts is an app), and each name in one is
// in the other.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as client from '../../client/js/index.js';
import { Tap } from '../lib/tap.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const tap = new Tap('the types of the JavaScript client');
const tsc = spawnSync(process.execPath, [here('../node_modules/typescript/bin/tsc'), '-p', here('tsconfig.json')], { encoding: 'utf8' });
tap.ok(tsc.status === 0, 'tsc --noEmit has nothing to say', tsc.stdout + tsc.stderr);

const types = readFileSync(here('../../client/js/index.d.ts'), 'utf8');
const declared = [...types.matchAll(/^export (?:class|function|const) (\w+)/gm)].map(([, name]) => name).sort();
tap.ok(String(declared) === String(Object.keys(client).sort()), 'what index.js exports is declared, and nothing else', `declared: ${declared}\nexported: ${Object.keys(client).sort()}`);

const body = /^export class Client \{(.*?)^\}/ms.exec(types)[1];
const methods = [...body.matchAll(/^ {2}(\w+)(?:<[^>]*>)?\(/gm)].map(([, name]) => name);
const INSIDE = ['constructor', 'batch', 'turn', 'chance', 'emit', 'begin', 'inboxFrame', 'putPage']; // what the other files of client/js call
const own = Object.entries(Object.getOwnPropertyDescriptors(client.Client.prototype)).filter(([, { value }]) => typeof value === 'function').map(([name]) => name);
const missing = own.filter((name) => !methods.includes(name) && !INSIDE.includes(name));
const invented = methods.filter((name) => !own.includes(name));
tap.ok(missing.length === 0 && invented.length === 0, 'each method of Client is declared, and each declared one is there', `not declared: ${missing}; not there: ${invented}`);

const events = /^export interface Events \{(.*?)^\}/ms.exec(types)[1];
const told = [...events.matchAll(/^ {2}(\w+):/gm)].map(([, name]) => name);
tap.ok(told.length > 10, `the news are declared: ${told.join(', ')}`);

const manifest = JSON.parse(readFileSync(here('../../client/js/package.json'), 'utf8'));
const index = await import('../../client/js/index.js');
tap.ok(manifest.type === 'module' && manifest.exports['.'].default === './index.js' && Object.keys(manifest.dependencies ?? {}).length === 0 && index.openClient !== undefined, 'the package is an ES module without dependencies');
tap.finish();
