// SPDX-License-Identifier: Apache-2.0
// checker.mjs: given all that was sent, all that is stored and all that was shown, says what is wrong with it.
//
// Pure: it sees a history and returns faults, so that checker.test.mjs can plant each fault and require it to be found. A
// checker nobody tested proves nothing. What must be true, each with the kind of fault that says it is not:
//
//  1. lost        every acknowledged send is in the final log of its conversation,
//  2. twice       … once, whether acknowledged or not: an op has one place,
//  3. moved       … at the seq that `sent` told,
//  4. hole        a log counts 1, 2, 3 … without a hole,
//  5. invented    and holds nothing that nobody sent, nor what was refused.
//  6. missing     Every entry is shown by every device of every member that was there from the beginning to the end,
//  7. repeated    … once,
//  8. disordered  … in the order of seq within a conversation, and of n within the device,
//  9. phantom     … as it is in the log, and nothing else is shown,
// 10. stranger    and nothing to a device whose user is no member.
//
// A history is
//   sends    [{ op, conv, user, state: sent | pending | refused, seq }]
//   logs     Map conv -> [{ seq, op, from }], as read at the end
//   members  Map conv -> Set of users
//   channels Set of convs for whoever subscribes: there 6 and 10 are the device's own to watch (device.mjs)
//   devices  [{ name, user, complete, shown: [{ era, n, conv, seq, op }] }]; complete: there from the beginning to the end

export function check({ sends, logs, members, devices, channels = new Set() }) {
  const faults = [];
  const fault = (kind, text) => faults.push({ kind, text });
  checkLogs({ sends, logs }, fault);
  for (const device of devices) checkDevice(device, { logs, members, channels }, fault);
  return faults;
}

function checkLogs({ sends, logs }, fault) {
  const places = new Map(); // op -> [{ conv, seq, from }]
  for (const [conv, log] of logs) {
    log.forEach((entry, index) => {
      if (entry.seq !== index + 1) fault('hole', `${conv}: entry ${index + 1} of the log has seq ${entry.seq}`);
      if (!places.has(entry.op)) places.set(entry.op, []);
      places.get(entry.op).push({ conv, seq: entry.seq, from: entry.from });
    });
  }
  const asked = new Map(sends.map((send) => [send.op, send]));
  for (const [op, found] of places) {
    const send = asked.get(op);
    if (found.length > 1) fault('twice', `${op} is stored ${found.length} times: ${found.map((at) => `${at.conv}/${at.seq}`).join(', ')}`);
    if (!send) fault('invented', `${op} at ${found[0].conv}/${found[0].seq} was sent by nobody`);
    else if (send.state === 'refused') fault('invented', `${op} at ${found[0].conv}/${found[0].seq} was refused, and is stored`);
    else if (found.some((at) => at.conv !== send.conv || at.from !== send.user))
      fault('invented', `${op} of ${send.user} in ${send.conv} is stored as of ${found[0].from} in ${found[0].conv}`);
  }
  for (const send of sends) {
    if (send.state !== 'sent') continue;
    const found = places.get(send.op);
    if (!found) fault('lost', `${send.op} of ${send.user} was acknowledged as ${send.conv}/${send.seq} and is not stored`);
    else if (!found.some((at) => at.seq === send.seq)) fault('moved', `${send.op} was acknowledged as ${send.conv}/${send.seq} and is stored at ${found[0].seq}`);
  }
}

function checkDevice(device, { logs, members, channels }, fault) {
  const times = new Map(); // "era/conv/seq" -> how often shown
  const ops = new Map(); // op -> where it was shown first
  const lastSeq = new Map();
  let last;
  for (const each of device.shown) {
    const at = `${each.conv}/${each.seq}`;
    const key = `${each.era ?? 0}/${at}`;
    times.set(key, (times.get(key) ?? 0) + 1);
    if (times.get(key) === 2) fault('repeated', `${device.name} was shown ${at} more than once`);
    const opKey = `${each.era ?? 0}/${each.op}`;
    if (ops.has(opKey) && ops.get(opKey) !== at) fault('repeated', `${device.name} was shown ${each.op} as ${ops.get(opKey)} and as ${at}`);
    else ops.set(opKey, at);

    if (!channels.has(each.conv) && !members.get(each.conv)?.has(device.user)) fault('stranger', `${device.name} was shown ${at}, which is not for ${device.user}`);
    const stored = logs.get(each.conv)?.[each.seq - 1];
    if (!stored) fault('phantom', `${device.name} was shown ${at} (${each.op}), which is not in the log`);
    else if (stored.op !== each.op) fault('phantom', `${device.name} was shown ${each.op} as ${at}, which is ${stored.op} in the log`);

    if (each.n === undefined) continue; // from a page of history, which a screen sorts in by seq
    if (last && last.era === each.era && each.n <= last.n) fault('disordered', `${device.name} was shown n ${each.n} after ${last.n}`);
    last = each;
    const seqKey = `${each.era ?? 0}/${each.conv}`;
    if (lastSeq.has(seqKey) && each.seq < lastSeq.get(seqKey)) fault('disordered', `${device.name} was shown ${at} after seq ${lastSeq.get(seqKey)}`);
    lastSeq.set(seqKey, each.seq);
  }
  if (!device.complete) return;
  const era = device.shown.at(-1)?.era ?? 0;
  for (const [conv, log] of logs) {
    if (channels.has(conv) || !members.get(conv)?.has(device.user)) continue;
    for (const { seq, op } of log) if (!times.has(`${era}/${conv}/${seq}`)) fault('missing', `${device.name} was never shown ${conv}/${seq} (${op})`);
  }
}

// A few lines for a person: how many of each kind, and the first of them.
export function describe(faults, limit = 20) {
  const kinds = new Map();
  for (const { kind } of faults) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  const head = [...kinds].map(([kind, count]) => `${kind}: ${count}`).join(', ');
  return [head, ...faults.slice(0, limit).map(({ kind, text }) => `  ${kind}: ${text}`), ...(faults.length > limit ? [`  and ${faults.length - limit} more`] : [])].join('\n');
}

// The history of what live Devices (device.mjs) have gone through.
export function historyOf({ devices, logs, members, sends = devices.flatMap((device) => [...device.sends.values()]), complete = () => true }) {
  return {
    sends,
    logs,
    members,
    devices: devices.map((device) => ({ name: device.name, user: device.user, complete: complete(device), shown: device.shown })),
  };
}
