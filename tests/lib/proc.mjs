// SPDX-License-Identifier: Apache-2.0
// proc.mjs: what the kernel says of processes: names, children, memory.

import { readFileSync, readdirSync } from 'node:fs';

function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ESRCH') return undefined;
    throw error;
  }
}

// { pid, comm, state, parent, started } or undefined if it is gone. `started` tells a reused pid from the first bearer.
export function processOf(pid) {
  const stat = read(`/proc/${pid}/stat`);
  if (!stat) return undefined;
  const close = stat.lastIndexOf(')'); // comm may itself hold spaces and parentheses
  const fields = stat.slice(close + 2).split(' ');
  return { pid: Number(pid), comm: stat.slice(stat.indexOf('(') + 1, close), state: fields[0], parent: Number(fields[1]), started: fields[19] };
}

export function isAlive(pid) {
  const found = processOf(pid);
  return found !== undefined && found.state !== 'Z' && found.state !== 'X';
}

export function childrenOf(parent) {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(processOf)
    .filter((found) => found && found.parent === parent && found.state !== 'Z');
}

// Memory in bytes: { rss, pss } from smaps_rollup, which the kernel counts page by page.
export function memoryOf(pid) {
  const text = read(`/proc/${pid}/smaps_rollup`);
  if (!text) return undefined;
  const field = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)[1]) * 1024;
  return { rss: field('Rss'), pss: field('Pss') };
}

export function openFilesLimit(pid = 'self') {
  return Number(/^Max open files\s+(\d+)/m.exec(read(`/proc/${pid}/limits`))[1]);
}
