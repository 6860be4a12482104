// SPDX-License-Identifier: Apache-2.0
// page.mjs: a page of Markdown as its fenced blocks, and what is shown compared with what came. Pure.

// [{ kind, words, line, block }], in order.
export function blocksOf(text) {
  const blocks = [];
  let open;
  text.split('\n').forEach((line, i) => {
    const fence = /^```(\w*) ?(.*)$/.exec(line);
    if (open && line === '```') {
      blocks.push({ ...open, block: open.lines.join('\n') });
      open = undefined;
    } else if (open) {
      open.lines.push(line);
    } else if (fence) {
      open = { kind: fence[1], words: fence[2].split(' ').filter(Boolean), line: i + 1, lines: [] };
    }
  });
  if (open) throw new Error(`the block of line ${open.line} does not end`);
  return blocks;
}

// Is text as shown, where `…` stands for anything?
export function fits(text, shown) {
  const parts = shown.trim().split('…');
  let at = 0;
  text = text.trim();
  if (!text.startsWith(parts[0])) return false;
  for (const [i, part] of parts.entries()) {
    const found = i === parts.length - 1 ? (part === '' ? text.length : text.lastIndexOf(part)) : text.indexOf(part, at);
    if (found < at) return false;
    at = found + part.length;
  }
  return at === text.length;
}

// The same with words like $EPOCH, which stand for anything but quotes: Map of what they stand for, or undefined if it does not fit.
export function captured(text, shown) {
  const names = [];
  const pattern = shown.trim().replace(/[.*+?^{}()|[\]\\]/g, '\\$&').replaceAll('…', '[^]*?').replace(/\$([A-Z]+)/g, (_, name) => `(?<${names.push(name) && name}>[^"]*?)`);
  const found = new RegExp(`^${pattern}$`).exec(text.trim());
  return found ? new Map(names.map((name) => [name, found.groups[name]])) : undefined;
}

// Line by line; a line of `…` alone stands for any number of lines. Gives what differs, or undefined.
export function differs(text, shown) {
  const lines = text.trim().split('\n');
  const wanted = shown.trim().split('\n');
  const rest = (i, k) => {
    if (k === wanted.length) return i === lines.length;
    if (wanted[k].trim() === '…') return Array.from({ length: lines.length - i + 1 }, (_, skip) => i + skip).some((from) => rest(from, k + 1));
    return i < lines.length && fits(lines[i], wanted[k]) && rest(i + 1, k + 1);
  };
  return rest(0, 0) ? undefined : `it printed\n${text.trim()}\ninstead of\n${shown.trim()}`;
}
