// SPDX-License-Identifier: Apache-2.0
// stores.mjs: each storage adapter keeps what every adapter must, and the file adapter comes through what happens to files.
// (IndexedDB is tried where there is one: tests/browser/kill.mjs.)

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MemoryStore, TABLES } from '../../client/js/index.js';
import { FileStore } from '../../client/js/store-file.js';
import { makeFolder } from '../lib/started.mjs';
import { Tap } from '../lib/tap.mjs';

const tap = new Tap('storage adapters');
const folder = makeFolder('store');
let count = 0;
const newPath = () => join(folder, `store-${(count += 1)}`);
const put = (table, key, value) => ({ table, key, value });

async function opened(path) {
  const store = new FileStore(path);
  await store.open();
  return store;
}

const ADAPTERS = { memory: () => new MemoryStore(), file: () => new FileStore(newPath()) };
for (const [name, make] of Object.entries(ADAPTERS)) {
  await tap.run(`${name}: gives what was put, and undefined for what was not or is deleted`, async () => {
    const store = make();
    await store.open();
    await store.commit([put('meta', 'a', { x: [1, null, 'ü'] }), put('entries', 'a', 2), put('meta', 'b', 3), put('meta', 'b', undefined)]);
    assert.deepEqual(await store.get('meta', 'a'), { x: [1, null, 'ü'] });
    assert.equal(await store.get('entries', 'a'), 2);
    assert.equal(await store.get('meta', 'b'), undefined);
    await store.close();
  });
  await tap.run(`${name}: ranges go from and up to, in order or backwards, so many`, async () => {
    const store = make();
    await store.open();
    await store.commit(['c/2', 'a/1', 'c/1', 'c0', 'c/3'].map((key) => put('entries', key, key)));
    assert.deepEqual(await store.range('entries'), ['a/1', 'c/1', 'c/2', 'c/3', 'c0']);
    assert.deepEqual(await store.range('entries', { from: 'c/', to: 'c0' }), ['c/1', 'c/2', 'c/3']);
    assert.deepEqual(await store.range('entries', { from: 'c/', to: 'c0', limit: 2, reverse: true }), ['c/3', 'c/2']);
    await store.close();
  });
  await tap.run(`${name}: a table is cleared, and what comes behind it in the same transaction stays`, async () => {
    const store = make();
    await store.open();
    await store.commit([put('entries', 'a', 1), put('meta', 'a', 1)]);
    await store.commit([{ table: 'entries', clear: true }, put('entries', 'b', 2)]);
    assert.deepEqual(await store.range('entries'), [2]);
    assert.deepEqual(await store.range('meta'), [1]);
    await store.close();
  });
  await tap.run(`${name}: a value given or taken is the caller's own`, async () => {
    const store = make();
    await store.open();
    const value = { list: [1] };
    await store.commit([put('meta', 'a', value)]);
    value.list.push(2);
    (await store.get('meta', 'a')).list.push(3);
    assert.deepEqual(await store.get('meta', 'a'), { list: [1] });
    await store.close();
  });
}

await tap.run('file: what was committed is there for the next process', async () => {
  const path = newPath();
  const store = await opened(path);
  for (const table of TABLES) await store.commit([put(table, 'k', table)]);
  await store.close();
  const again = await opened(path);
  for (const table of TABLES) assert.equal(await again.get(table, 'k'), table);
  await again.close();
});

await tap.run('file: cut anywhere in its last transaction, it has all before and nothing of it', async () => {
  const path = newPath();
  const store = await opened(path);
  await store.commit([put('meta', 'a', 1)]);
  const before = statSync(path).size;
  await store.commit([put('meta', 'a', 2), put('meta', 'b', 'a longer value')]);
  const whole = readFileSync(path);
  await store.close();
  for (let size = before; size < whole.length; size += 1) {
    writeFileSync(path, whole);
    truncateSync(path, size);
    const again = await opened(path);
    assert.equal(await again.get('meta', 'a'), 1, `cut to ${size}`);
    await again.commit([put('meta', 'c', 3)]); // and goes on from there
    await again.close();
    const third = await opened(path);
    assert.deepEqual(await third.range('meta'), [1, 3]);
    await third.close();
  }
});

await tap.run('file: rubbish behind the last transaction is dropped, a bad one in the middle is an error', async () => {
  const path = newPath();
  const store = await opened(path);
  await store.commit([put('meta', 'a', 1)]);
  await store.commit([put('meta', 'b', 2)]);
  await store.close();
  appendFileSync(path, Buffer.alloc(100));
  const again = await opened(path);
  assert.deepEqual(await again.range('meta'), [1, 2]);
  await again.close();
  const bytes = readFileSync(path);
  bytes[12] ^= 1;
  writeFileSync(path, bytes);
  await assert.rejects(opened(path), { code: 'store' });
});

await tap.run('file: one process at a time; the lock of one that died is taken over', async () => {
  const path = newPath();
  writeFileSync(`${path}.lock`, String(process.ppid)); // alive, and not us
  await assert.rejects(opened(path), { code: 'busy' });
  writeFileSync(`${path}.lock`, '4194305'); // above every pid
  const store = await opened(path);
  await store.close();
  assert.equal(existsSync(`${path}.lock`), false);
});

await tap.run('file: the log is written anew when most of it is past, and nothing is missing', async () => {
  const path = newPath();
  const store = new FileStore(path, { sync: false });
  await store.open();
  const text = 'x'.repeat(1000);
  for (let i = 0; i < 3000; i += 1) await store.commit([put('meta', `k${i % 10}`, { i, text })]);
  assert.ok(statSync(path).size < 1500000, `${statSync(path).size} bytes`);
  await store.close();
  const again = await opened(path);
  assert.deepEqual((await again.range('meta')).map(({ i }) => i), [2990, 2991, 2992, 2993, 2994, 2995, 2996, 2997, 2998, 2999]);
  await again.close();
});

await tap.run('file: a file that cannot be opened is told', async () => {
  await assert.rejects(opened(join(folder, 'no', 'such', 'folder')), { code: 'ENOENT' });
});

await tap.run('file: a disk that is full is told, and leaves the store as it was', async () => {
  const path = newPath();
  const child = spawnSync('sh', ['-c', 'ulimit -f 8; exec "$0" "$@"', process.execPath, fileURLToPath(new URL('fill.mjs', import.meta.url)), path], { encoding: 'utf8' });
  assert.match(child.stdout, /^\d+ store true$/m, child.stderr);
  const store = await opened(path);
  assert.equal((await store.range('meta')).length, Number(child.stdout.split(' ')[0]));
  await store.close();
});
tap.finish();
