// SPDX-License-Identifier: Apache-2.0
// spread.mjs: 10,000 clients lose the same hub at the same moment; it is back after 5 s. When do they come?
//
//   spread.mjs [--write FILE]     FILE: the picture of docs/client-js.md
//
// Simulated on the schedule that the client uses (retry.js), with the numbers it has before a hub tells it others. Beside it, the
// same schedule without jitter, which is what the picture is to be compared with: waves, each as high as all who wait.

import { writeFileSync } from 'node:fs';
import { newRetry, stepRetry } from '../../client/js/index.js';
import { Chance } from '../lib/chance.mjs';
import { Tap } from '../lib/tap.mjs';

const CLIENTS = 10000;
const DOWN_MS = 5000;
const BUCKET_MS = 250;
const SHOWN_MS = 24000;

// The moment at which a client is back, and how often it tried in vain. chanceOf(ceiling): what the draw gives.
function comeBack(draw) {
  let retry = newRetry();
  let at = 0;
  for (let tries = 0; ; tries += 1) {
    const step = stepRetry(retry, { code: 1006 }, draw(retry));
    retry = step.retry;
    at += step.plan.delay_ms;
    if (at >= DOWN_MS) return { at, tries };
  }
}

function histogram(draw) {
  const buckets = Array.from({ length: SHOWN_MS / BUCKET_MS }, () => 0);
  let tries = 0;
  let late = 0;
  for (let i = 0; i < CLIENTS; i += 1) {
    const back = comeBack(draw);
    tries += back.tries;
    if (back.at < SHOWN_MS) buckets[Math.floor(back.at / BUCKET_MS)] += 1;
    else late += 1;
  }
  return { buckets, late, tries: tries / CLIENTS };
}

const chance = new Chance(4711);
const jittered = histogram(() => Math.floor(chance.next() * 2 ** 32));
const bare = histogram(({ attempt, base_ms, max_ms }) => Math.min(max_ms, base_ms * 2 ** attempt)); // a draw of the ceiling itself

function svg() {
  const [width, height, left, right, top] = [720, 130, 60, 30, 24];
  const panel = ({ buckets }, offset, title) => {
    const most = Math.max(...buckets);
    const step = (width - left - right) / buckets.length;
    const bars = buckets.map((count, index) => (count ? `<rect x="${(left + index * step).toFixed(1)}" y="${(offset + top + height - (height * count) / most).toFixed(1)}" width="${(step - 1).toFixed(1)}" height="${((height * count) / most).toFixed(1)}"/>` : '')).join('');
    const ticks = Array.from({ length: SHOWN_MS / 4000 + 1 }, (_, index) => `<text x="${left + (index * (width - left - right) * 4000) / SHOWN_MS}" y="${offset + top + height + 14}">${index * 4} s</text>`).join('');
    return `<text x="${left}" y="${offset + 14}">${title}</text><text x="4" y="${offset + top + 10}">${most}</text><path d="M${left} ${offset + top + height}H${width - right}" stroke="currentColor"/>${bars}${ticks}`;
  };
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} 370" font-family="sans-serif" font-size="12" fill="#555">
<!-- SPDX-License-Identifier: Apache-2.0; made by tests/client-js/spread.mjs -->
${panel(jittered, 0, `Full jitter: 10,000 clients of a hub that is away for 5 s, back per ${BUCKET_MS} ms`)}
${panel(bare, 185, 'The same without jitter')}
</svg>
`;
}

const writeAt = process.argv.indexOf('--write');
if (writeAt > 0) writeFileSync(process.argv[writeAt + 1], svg());

const tap = new Tap('10,000 clients come back');
const most = Math.max(...jittered.buckets);
const wave = Math.max(...bare.buckets);
tap.note(`with jitter: at most ${most} in ${BUCKET_MS} ms, ${jittered.tries.toFixed(1)} tries in vain each, ${jittered.late} after ${SHOWN_MS / 1000} s; without: ${wave} in one`);
tap.ok(most < CLIENTS / 10, 'no wave: in no quarter of a second do more than a tenth of them come', String(most));
tap.ok(wave === CLIENTS, 'without jitter all would come in one', String(wave));
tap.ok(jittered.buckets.slice(0, DOWN_MS / BUCKET_MS).every((count) => count === 0), 'nobody is back before the hub is');
const half = jittered.buckets.slice(0, (DOWN_MS + 5000) / BUCKET_MS).reduce((sum, count) => sum + count, 0);
tap.ok(half > CLIENTS / 2 && jittered.late < CLIENTS / 100, 'half of them are back 5 s after the hub, and all but a hundredth within 24 s', `${half}, ${jittered.late}`);
tap.ok(jittered.tries < 8, 'a client tries a few times in vain', String(jittered.tries));
tap.finish();
