// SPDX-License-Identifier: Apache-2.0
// kill_one.mjs: kill -9 of one child of a process, for belfry-load kill: `node kill_one.mjs PID [NAME]`, NAME being how the child's name begins.

import { childrenOf } from '../lib/proc.mjs';

const [pid, name = ''] = process.argv.slice(2);
const children = childrenOf(Number(pid)).filter(({ comm }) => comm.startsWith(name));
if (children.length === 0) throw new Error(`process ${pid} has no child ${name}`);
const { pid: victim } = children[Math.floor(Math.random() * children.length)];
process.kill(victim, 'SIGKILL');
