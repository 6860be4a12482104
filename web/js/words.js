// SPDX-License-Identifier: Apache-2.0
//
// words.js: numbers, times and names as a reader wants them. Pure.

export function plural(count, noun, nouns = `${noun}s`) {
  return `${count} ${count === 1 ? noun : nouns}`;
}

export function agoOf(ms) {
  if (ms < 60000) return 'just now';
  if (ms < 3600000) return `${Math.floor(ms / 60000)} min ago`;
  if (ms < 86400000) return `${Math.floor(ms / 3600000)} h ago`;
  return `${Math.floor(ms / 86400000)} d ago`;
}

const clockFormat = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const dayFormat = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });

export function clockOf(at) {
  return clockFormat.format(at);
}

export function dayOf(at) {
  const day = new Date(at).toDateString();
  if (day === new Date().toDateString()) return 'Today';
  if (day === new Date(Date.now() - 86400000).toDateString()) return 'Yesterday';
  return dayFormat.format(at);
}

// "bob", "bob and carol", "bob, carol and dave"
export function listOf(names) {
  return names.join(', ').replace(/, ([^,]*)$/, ' and $1');
}

// Which of eight colours a user has, on every page the same.
export function hueOf(user) {
  let sum = 0;
  for (const c of user) sum = (sum * 31 + c.codePointAt(0)) >>> 0;
  return sum % 8;
}
