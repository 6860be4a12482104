// SPDX-License-Identifier: Apache-2.0
// run.mjs: runs the stories against a real hub and a real Redis.
//
//   run.mjs [--words] [--times N] [--client NAME] [STORY …]     no STORY: all in this folder
//
// The devices are those of device.mjs, an independent client. With `--client js` they are the JavaScript client, with
// `--client c` libbelfry, in all stories whose sentences an app can say (UNFIT in js-device.mjs); the others are named.
//
// The program under test is build/hub/belfry, or what BELFRY names. BELFRY_TEST_DEADLINE_MS (15000) is how long an expectation
// may take; with BELFRY_TEST_KEEP=1 the data folders stay.

import { readFileSync, readdirSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CDevice } from '../lib/c-device.mjs';
import { Device } from '../lib/device.mjs';
import { JsDevice, UNFIT } from '../lib/js-device.mjs';
import { Tap } from '../lib/tap.mjs';
import { parseStory } from './parse.mjs';
import { words } from './words.mjs';
import { World } from './world.mjs';

const clients = { test: Device, js: JsDevice, c: CDevice };
const here = dirname(fileURLToPath(import.meta.url));

async function runStep(world, step) {
  const { row, args, subjects, text } = step;
  if (row.setup) {
    if (world.nodes.size > 0) throw new Error('settings come before all else');
    return row.do(world, args);
  }
  await world.started();
  if (!subjects) return row.do(world, args, text);
  if (row.label) {
    for (const label of subjects) await row.do(world, label, args, text);
    return undefined;
  }
  const devices = subjects.flatMap((name) => (name === 'all' ? [...world.devices.values()] : [world.deviceNamed(name)]));
  if (row.group) return row.do(world, devices, args, text);
  for (const device of devices) await row.do(world, device, args, text);
  return undefined;
}

async function runStory(story, client) {
  const world = new World(clients[client]);
  let at;
  try {
    for (const step of story.steps) {
      at = step;
      await runStep(world, step);
    }
    at = { line: 'end', text: 'everything that was sent, stored and shown agrees' };
    await world.verify();
    at = { line: 'end', text: 'every process ends as it should' };
    await world.close(true);
  } catch (error) {
    const failure = new Error(error.message);
    failure.diagnostics = `${story.file}:${at.line}: ${at.text}\n${error.message}\n${world.diagnostics()}`;
    if (process.env.BELFRY_TEST_STACK) failure.diagnostics += `\n${error.stack}`;
    throw failure;
  } finally {
    await world.close(false).catch(() => {});
  }
}

const args = process.argv.slice(2);
if (args.includes('--words')) {
  for (const row of [...words.world, ...words.device]) console.log(`${row.say.padEnd(72)} ${row.eg}`);
  process.exit(0);
}
const timesAt = args.indexOf('--times');
const times = timesAt < 0 ? 1 : Number(args.splice(timesAt, 2)[1]);
const clientAt = args.indexOf('--client');
const client = clientAt < 0 ? 'test' : args.splice(clientAt, 2)[1];
if (!clients[client]) throw new Error(`there is no client ${client}; there are: ${Object.keys(clients).join(', ')}`);
const files = args.length > 0 ? args : readdirSync(here).filter((name) => name.endsWith('.story')).sort().map((name) => join(here, name));

const tap = new Tap('stories');
// All are read before the first one runs: a typing error in the last shows at once.
const stories = files.map((file) => parseStory(readFileSync(file, 'utf8'), relative(process.cwd(), file), words));
const unfit = (story) => (client === 'test' ? undefined : story.steps.find(({ row }) => UNFIT.has(row.say))?.row.say);
for (const story of stories.filter(unfit)) tap.note(`not for this client: ${basename(story.file)} (${unfit(story)}: ${UNFIT.get(unfit(story))})`);
for (let i = 0; i < times; i += 1) {
  for (const story of stories.filter((each) => !unfit(each))) await tap.run(`${basename(story.file)}: ${story.sentence}`, () => runStory(story, client));
}
tap.finish();
