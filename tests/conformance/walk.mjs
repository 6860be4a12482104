// SPDX-License-Identifier: Apache-2.0
// walk.mjs: walks PROTOCOL.md row by row as a well-behaved client, on one worker, on four, on two nodes, and beside a store that suffers.
//
//   walk.mjs [--only WORD] [--seed N] [WORLD…]     WORLD: one four nodes suffering; all if none is named
//
// 1. Each case is named by the row of PROTOCOL.md that it is about, and by what holds of it. The cases of a world run side by side,
//    each with users and conversations of its own.
// 2. In `suffering`, two nodes share a Redis behind wires that are cut at random all the while, and that is stopped (SIGSTOP) for 3 s
//    again and again. There a request may get `unavailable` and is repeated with the same op; all else holds as ever.
// 3. Cases that need a hub of their own run in `one` only, and those that hear much of what may get lost not in `suffering`.
//    In `one` everything that docs/asyncapi.yaml and docs/openapi.yaml describe must have been seen, and in every world each frame and each answer must be as they say (tests/lib/contract.mjs).
// 4. A row of contract/frames.def, errors.def or closes.def without a case is a failure.

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Chance, seedFrom } from '../lib/chance.mjs';
import { Contract } from '../lib/contract.mjs';
import { Hub } from '../lib/hub.mjs';
import { Redis } from '../lib/redis.mjs';
import { Tap } from '../lib/tap.mjs';
import { pause } from '../lib/until.mjs';
import { Wire } from '../lib/wire.mjs';
import { RESERVED_CLOSES, errorRows } from './rows_errors.mjs';
import { eventRows } from './rows_events.mjs';
import { httpRows } from './rows_http.mjs';
import { pushRows } from './rows_push.mjs';
import { sessionRows } from './rows_session.mjs';
import { Scene } from './scene.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const SIDE_BY_SIDE = 10;
const ENV = { BELFRY_HELLO: '5s', BELFRY_REQUESTS_PER_S: '0' };
const STALL_MS = 3000;

const worlds = {
  one: { nodes: 1, workers: 1, alone: true },
  four: { nodes: 1, workers: 4 },
  nodes: { nodes: 2, workers: 1, redis: true },
  suffering: { nodes: 2, workers: 1, redis: true, disturbed: true, sideBySide: 5 }, // so that it suffers for longer
};

const cases = [...sessionRows, ...eventRows, ...errorRows, ...httpRows, ...pushRows];

// ---- the store's sufferings -------------------------------------------------------------------------------------------

class Sufferings {
  constructor(redis, wires, chance) {
    Object.assign(this, { redis, wires, chance, stalls: 0, ended: false });
    this.done = Promise.all([this.#cut(), this.#stall()]);
  }

  async #cut() {
    while (!this.ended) {
      await pause(this.chance.between(100, 900));
      // Now all links of a node, now one of both.
      const whole = this.chance.below(3) === 0;
      this.chance.pick(this.wires).cut(() => whole || this.chance.below(3) === 0);
    }
  }

  async #stall() {
    while (!this.ended) {
      await pause(this.chance.between(500, 1500));
      if (this.ended) return;
      process.kill(this.redis.pid, 'SIGSTOP');
      this.stalls += 1;
      await pause(STALL_MS);
      process.kill(this.redis.pid, 'SIGCONT');
      await pause(4000); // for what must come true between two stalls, such as presence
    }
  }

  async end() {
    this.ended = true;
    await this.done;
  }
}

// ---- a world ----------------------------------------------------------------------------------------------------------

async function build({ nodes, workers, redis: wantsRedis, disturbed }, seed) {
  const world = { hubs: [], wires: [], contract: new Contract(), disturbed };
  if (wantsRedis) world.redis = await new Redis().start();
  for (let i = 0; i < nodes; i += 1) {
    let url = world.redis?.url;
    if (disturbed) {
      world.wires.push(await new Wire(world.redis.socket).open());
      url = world.wires[i].url;
    }
    world.hubs.push(await new Hub({ name: `node${i}`, workers, redis: url, env: ENV }).start());
  }
  for (const hub of world.hubs) await hub.untilReady();
  if (disturbed) world.sufferings = new Sufferings(world.redis, world.wires, new Chance(seed));
  return world;
}

async function walk(tap, name, shape, only, seed) {
  const started = Date.now();
  const world = await build(shape, seed);
  const waiting = cases.map((each, i) => [each, i]).filter(([each]) => (shape.alone || !each.alone) && !(shape.disturbed && each.calm) && (!only || `${each.row}: ${each.holds}`.includes(only)));
  const next = async () => {
    for (;;) {
      const row = waiting.shift();
      if (!row) return;
      const [each, i] = row;
      const scene = new Scene(world, `${name}${i}`);
      await tap.run(`${name}: ${each.row}: ${each.holds}`, async () => {
        let wrong;
        await each.run(scene).catch((error) => {
          wrong = `${error.stack}\n${scene.trace()}`;
        });
        const faults = await scene.close();
        if (wrong || faults.length > 0) throw new Error([wrong, ...faults.slice(0, 5)].filter(Boolean).join('\n'));
      });
    }
  };
  await Promise.all(Array.from({ length: shape.sideBySide ?? SIDE_BY_SIDE }, next));
  await world.sufferings?.end();

  const { contract } = world;
  if (shape.alone && !only) tap.ok(contract.unseen().length === 0, `${name}: everything that asyncapi.yaml and openapi.yaml describe was seen`, contract.unseen().join('\n'));
  tap.ok(!RESERVED_CLOSES.some((code) => contract.closes.has(code)), `${name}: nobody was closed with ${RESERVED_CLOSES.join(' or ')}, which are reserved`);
  if (shape.disturbed && !only) {
    const cuts = world.wires.reduce((sum, wire) => sum + wire.cuts, 0);
    tap.ok(cuts > 5 && world.sufferings.stalls > 1, `${name}: the store really suffered: ${cuts} links were cut, and it stood still ${world.sufferings.stalls} times`);
  }
  for (const hub of world.hubs) {
    const ended = await hub.stop();
    tap.ok(ended.code === 0 && !hub.complaint(), `${name}: SIGTERM drains; exit status 0`, `${JSON.stringify(ended)} ${hub.complaint()}\n${hub.log(20)}`);
  }
  for (const wire of world.wires) wire.close();
  await world.redis?.kill();
  tap.note(`${name}: ${((Date.now() - started) / 1000).toFixed(1)} s`);
}

// ---- is every row of the contract walked? -----------------------------------------------------------------------------

function checkRows(tap) {
  const covered = new Set(cases.flatMap((each) => each.covers ?? []));
  for (const code of RESERVED_CLOSES) covered.add(`close ${code}`);
  const rows = (file, pattern, noun) => [...readFileSync(join(root, 'contract', file), 'utf8').matchAll(pattern)].map((found) => `${noun ?? found[1].toLowerCase()} ${found.at(-1)}`);
  const wanted = [
    ...rows('frames.def', /^(REQUEST|EVENT|EPHEMERAL)_ROW\(\w+, "(\w+)"/gm),
    ...rows('errors.def', /^ERROR_ROW\(\w+, "(\w+)"/gm, 'error'),
    ...rows('closes.def', /^CLOSE_ROW\(\w+, (\d+)/gm, 'close'),
  ];
  const missing = wanted.filter((row) => !covered.has(row));
  tap.ok(wanted.length > 50 && missing.length === 0, `each of the ${wanted.length} rows of frames.def, errors.def and closes.def has a case`, missing.join('\n'));
  const unknown = [...covered].filter((row) => !wanted.includes(row));
  tap.ok(unknown.length === 0, 'no case is about a row that is not there', unknown.join('\n'));
}

const words = process.argv.slice(2);
const option = (name) => {
  const at = words.indexOf(name);
  return at < 0 ? undefined : words.splice(at, 2)[1];
};
const only = option('--only');
const seed = seedFrom(option('--seed'));
const tap = new Tap(`PROTOCOL.md, walked row by row; seed ${seed}`);
checkRows(tap);
for (const name of words.length > 0 ? words : Object.keys(worlds)) await walk(tap, name, worlds[name], only, seed);
tap.finish();
