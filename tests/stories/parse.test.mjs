// SPDX-License-Identifier: Apache-2.0
// parse.test.mjs: the story language says what it means, and complains with file:line about what it does not know.

import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { Tap } from '../lib/tap.mjs';
import { parseStory } from './parse.mjs';
import { words } from './words.mjs';

const tap = new Tap('the story language');
const title = '# a.story: a sentence\n';
const steps = (text) => parseStory(title + text, 'a.story', words).steps.map(({ subjects, row, args, line }) => ({ line, subjects, say: row.say, args }));

function complaint(text) {
  try {
    parseStory(text, 'a.story', words);
  } catch (error) {
    return error.message;
  }
  return '';
}

for (const row of words.world) {
  const [step] = steps(row.eg);
  tap.ok(step?.say === row.say && step.subjects === undefined, `the world's row "${row.say}" understands its example`, JSON.stringify(step));
}
for (const row of words.device) {
  const [step] = steps(row.eg);
  tap.ok(step?.say === row.say && step.subjects.length > 0, `a device's row "${row.say}" understands its example`, JSON.stringify(step));
}

const on = (subjects, args, say, line = 2) => ({ line, subjects, say, args });
const rows = [
  ['several clauses stand on one line', 'alice.phone on n1; bob.phone on n2', [on(['alice.phone'], { node: 'n1' }, 'on NODE'), on(['bob.phone'], { node: 'n2' }, 'on NODE')]],
  ['several subjects share a verb', 'bob.phone, bob.laptop on n2', [on(['bob.phone', 'bob.laptop'], { node: 'n2' }, 'on NODE')]],
  ['subjects may be joined by and', 'bob.phone and bob.laptop on n2', [on(['bob.phone', 'bob.laptop'], { node: 'n2' }, 'on NODE')]],
  ['after a comma the same subject goes on', 'bob.phone returns on n1, receives m1 once', [on(['bob.phone'], { node: 'n1' }, 'returns[ on NODE]'), on(['bob.phone'], { names: ['m1'] }, 'receives NAMES once')]],
  ['after a comma another subject may begin', 'bob.phone leaves, alice.phone pings', [on(['bob.phone'], {}, 'leaves'), on(['alice.phone'], {}, 'pings')]],
  ['a text may hold commas, semicolons and runs of spaces', 'alice.phone   sends "a,  b; c, leaves" as m1     -> seq 1', [on(['alice.phone'], { text: 'a,  b; c, leaves', name: 'm1', number: 1 }, 'sends TEXT as NAME[ to CONV][ -> seq NUMBER]')]],
  ['a text may be empty', 'alice.phone sends "" as m1', [on(['alice.phone'], { text: '', name: 'm1' }, 'sends TEXT as NAME[ to CONV][ -> seq NUMBER]')]],
  ['a range stands for its names', 'bob.phone receives b1..b3 m1 in order', [on(['bob.phone'], { names: ['b1', 'b2', 'b3', 'm1'] }, 'receives NAMES in order')]],
  ['a large number may be grouped', 'alice.phone sends 1,000 messages as b', [on(['alice.phone'], { number: 1000, stem: 'b' }, 'sends NUMBER messages as STEM[ to CONV]')]],
  ['a plural subject takes a plural verb', 'all receive m1; all are connected', [on(['all'], { names: ['m1'] }, 'receives NAMES'), on(['all'], {}, 'is connected')]],
  ['users are listed', 'alice, bob and carol in #room', [{ line: 2, subjects: undefined, say: 'USERS in CONV', args: { users: ['alice', 'bob', 'carol'], conv: 'room' } }]],
  ['spans have units', 'stall redis 3s; stall redis 250ms', [{ line: 2, subjects: undefined, say: 'stall redis SPAN', args: { span: 3000 } }, { line: 2, subjects: undefined, say: 'stall redis SPAN', args: { span: 250 } }]],
  ['comments and empty lines are passed over', '\n# then\n\nalice.phone pings', [on(['alice.phone'], {}, 'pings', 5)]],
];
for (const [sentence, text, wanted] of rows) {
  let found;
  try {
    found = steps(text);
  } catch (error) {
    found = error.message;
  }
  tap.ok(isDeepStrictEqual(found, wanted), sentence, `found  ${JSON.stringify(found)}\nwanted ${JSON.stringify(wanted)}`);
}

const bad = [
  ['an unknown verb', `${title}alice.phone on n1\nalice.phone dances`, 'a.story:3: not understood: "dances", said of alice.phone'],
  ['an unknown sentence about the world', `${title}\n\nmake tea`, 'a.story:4: not understood: "make tea"'],
  ['an unknown verb after a comma', `${title}bob.phone returns, dances`, 'a.story:2: not understood: "dances", said of bob.phone'],
  ['a subject without a verb', `${title}bob.phone, alice.phone`, 'a.story:2: bob.phone, alice.phone do nothing'],
  ['subjects that are cut off by something else', `${title}bob.phone, cut redis`, 'a.story:2: bob.phone do nothing'],
  ['a quote that is not closed', `${title}alice.phone sends "hello as m1`, 'a.story:2: a quote is not closed'],
  ['a sentence that goes on after it was understood', `${title}alice.phone pings loudly`, 'a.story:2: not understood: "pings loudly"'],
  ['a receipt of nothing', `${title}bob.phone receives`, 'a.story:2: not understood: "receives"'],
  ['a story without a name', 'alice.phone on n1', 'a.story:1: a story begins with'],
  ['a story in which nothing happens', title, 'a.story:1: nothing happens'],
];
for (const [sentence, text, wanted] of bad) {
  const found = complaint(text);
  tap.ok(found.startsWith(wanted), `${sentence} is an error with file and line`, `found  ${found}\nwanted ${wanted}`);
}

const here = dirname(fileURLToPath(import.meta.url));
for (const name of readdirSync(here).filter((each) => each.endsWith('.story')).sort()) {
  let found = '';
  let story;
  try {
    story = parseStory(readFileSync(join(here, name), 'utf8'), name, words);
  } catch (error) {
    found = error.message;
  }
  tap.ok(story?.name === name, `${name} can be read, and its title is its file name`, found || `its title is ${story?.name}`);
}
tap.finish();
