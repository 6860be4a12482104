// SPDX-License-Identifier: Apache-2.0
// page.test.mjs: what a page shows is told apart from what it does not.

import { Tap } from '../lib/tap.mjs';
import { blocksOf, captured, differs, fits } from './page.mjs';

const tap = new Tap('pages of guides');
const blocks = blocksOf('words\n```sh\na\n\nb\n```\nmore\n```frames bob phone stays\n→ {}\n```\n```text\n…\n```\n');
tap.ok(JSON.stringify(blocks.map(({ kind, words, line, block }) => [kind, words, line, block])) === '[["sh",[],2,"a\\n\\nb"],["frames",["bob","phone","stays"],8,"→ {}"],["text",[],11,"…"]]', 'a page is its blocks', JSON.stringify(blocks));
let thrown;
try {
  blocksOf('```sh\na\n');
} catch (error) {
  thrown = error;
}
tap.ok(/line 1/.test(thrown?.message), 'a block that does not end is found');
for (const [text, shown, right] of [
  ['{"at":17,"seq":1}', '{"at":…,"seq":1}', true],
  ['{"at":17,"seq":2}', '{"at":…,"seq":1}', false],
  ['abc', 'abc', true],
  ['abcd', 'abc', false],
  ['xabc', 'abc', false],
  ['abc', '…', true],
  ['abc', 'a…', true],
  ['abc', '…c', true],
  ['abc', 'a…b', false],
  ['a b a b', 'a…b', true],
  ['ab', 'ab…b', false],
])
  tap.ok(fits(text, shown) === right, `${text} is ${right ? '' : 'not '}as ${shown}`);
tap.ok(captured('{"a":"x","n":17}', '{"a":"$EPOCH","n":$N}').get('EPOCH') === 'x', 'what a word stands for is kept');
tap.ok(captured('{"a":"x","n":17}', '{"a":"$EPOCH",…}').get('EPOCH') === 'x' && captured('{"a":[1]}', '{"a":[2]}') === undefined && captured('{"a":"(.*)"}', '{"a":"(.*)"}').size === 0, 'and the rest is compared as ever');
for (const [text, shown, right] of [
  ['a\nb\nc', 'a\n…\nc', true],
  ['a\nc', 'a\n…\nc', true],
  ['a\nb', 'a\n…\nc', false],
  ['a\nb\nc', 'a\nc', false],
  ['a\nb', 'a', false],
  ['', 'a', false],
])
  tap.ok((differs(text, shown) === undefined) === right, `${JSON.stringify(text)} is ${right ? '' : 'not '}as ${JSON.stringify(shown)}`);
tap.finish();
