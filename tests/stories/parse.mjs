// SPDX-License-Identifier: Apache-2.0
// parse.mjs: from the text of a story to steps that can be run, or to an error with file:line.
//
// A story is lines; a line is clauses between `;`; a clause is either a sentence about the world (`cut redis`), or a subject
// and what it does: `bob.phone returns on n1, receives m1 once`. After a comma the same subject goes on, or another one
// begins. Several subjects stand before one verb: `alice.phone, bob.laptop receive m1`. A line that begins with `# ` is a
// comment; the first one is the story's name and sentence.
//
// The words are a table (words.mjs). In a row's pattern, CAPITALS stand for what varies, [ ] for what may be left out,
// and the s of a verb may be missing, for plural subjects.

export class StoryError extends Error {
  constructor(file, line, text) {
    super(`${file}:${line}: ${text}`);
  }
}

const PLURALS = { is: 'are', has: 'have', was: 'were', does: 'do' };
const DEVICE = /^[a-z]+\d*\.[a-z]+\d*$/;

// placeholder -> [regular expression, how its text becomes a value]
const HOLES = {
  TEXT: ['"([^"]*)"', (text) => text],
  TEXTS: ['("[^"]*"(?: "[^"]*")*)', (text) => text.slice(1, -1).split('" "')],
  NAMES: ['([a-z]+\\d+(?:\\.\\.[a-z]+\\d+)?(?: [a-z]+\\d+(?:\\.\\.[a-z]+\\d+)?)*)', expandNames],
  NAME: ['([a-z]+\\d+)', (text) => text],
  STEM: ['([a-z]+)', (text) => text],
  CONV: ['#([a-z]\\w*)', (text) => text],
  NUMBER: ['([\\d,]*\\d)', (text) => Number(text.replaceAll(',', ''))],
  NODES: ['(n\\d+(?: n\\d+)*)', (text) => text.split(' ')],
  NODE: ['(n\\d+)', (text) => text],
  SPAN: ['(\\d+(?:ms|s))', (text) => (text.endsWith('ms') ? parseInt(text, 10) : parseInt(text, 10) * 1000)],
  USERS: ['([a-z]+(?:, [a-z]+| and [a-z]+)*)', (text) => text.split(/, | and /)],
  USER: ['([a-z]+)', (text) => text],
  DEVICE: ['([a-z]+\\d*\\.[a-z]+\\d*)', (text) => text],
  CODE: ['([a-z_]+)', (text) => text],
  CLOSE: ['(\\d{4})', Number],
  WORD: ['([a-z_]+)', (text) => text],
  VALUE: ['(\\S+)', (text) => text],
  KIND: ['(direct|group|channel)', (text) => text],
  STATUS: ['(online|offline|away)', (text) => text],
};

// "m1 b1..b3" -> [m1, b1, b2, b3]
function expandNames(text) {
  return text.split(' ').flatMap((part) => {
    const range = /^([a-z]+)(\d+)\.\.([a-z]+)(\d+)$/.exec(part);
    if (!range) return [part];
    const [, stem, low, , high] = range;
    return Array.from({ length: Number(high) - Number(low) + 1 }, (_, i) => `${stem}${Number(low) + i}`);
  });
}

// "sends TEXT as NAME [-> seq NUMBER]" -> { re, holes }
export function compile(pattern) {
  const holes = [];
  let first = true;
  const source = pattern
    .split(/(\[|\]| |[A-Z]+\d?)/)
    .filter((token) => token !== '')
    .map((token) => {
      if (token === '[') return '(?:';
      if (token === ']') return ')?';
      const hole = /^([A-Z]+)(\d?)$/.exec(token);
      if (hole) {
        if (!HOLES[hole[1]]) throw new Error(`words.mjs: no such placeholder: ${token} in "${pattern}"`);
        holes.push([token.toLowerCase(), HOLES[hole[1]][1]]);
        return HOLES[hole[1]][0];
      }
      const word = token.replace(/[.*+?^${}()|\\>]/g, '\\$&');
      if (!first || token === ' ') return word;
      first = false;
      if (PLURALS[word]) return `(?:${word}|${PLURALS[word]})`;
      if (/(ch|sh)es$/.test(word)) return `${word.slice(0, -2)}(?:es)?`;
      return word.endsWith('s') ? `${word}?` : word;
    })
    .join('');
  return { re: new RegExp(`^${source}$`), holes };
}

function match(row, text) {
  row.compiled ??= compile(row.say);
  const found = row.compiled.re.exec(text);
  if (!found) return undefined;
  const args = {};
  row.compiled.holes.forEach(([name, convert], i) => {
    if (found[i + 1] !== undefined) args[name] = convert(found[i + 1]);
  });
  return args;
}

// Splits at a separator that stands outside quotes.
function split(text, separator) {
  const parts = [''];
  let quoted = false;
  for (let i = 0; i < text.length; i += 1) {
    if (text[i] === '"') quoted = !quoted;
    if (!quoted && text.startsWith(separator, i)) {
      parts.push('');
      i += separator.length - 1;
    } else {
      parts[parts.length - 1] += text[i];
    }
  }
  return parts.map((part) => part.trim()).filter((part) => part !== '');
}

// Runs of spaces outside quotes are one space, so that a story may line up its columns.
function squeeze(text) {
  return text.replace(/"[^"]*"|\s+/g, (part) => (part.startsWith('"') ? part : ' ')).trim();
}

// words: { world: [row], device: [row] }. Returns { name, sentence, steps: [{ line, text, row, args, subjects }] }.
export function parseStory(text, file, words) {
  const story = { file, name: undefined, sentence: undefined, steps: [] };
  text.split('\n').forEach((raw, index) => {
    const line = index + 1;
    const content = squeeze(raw);
    if (content === '') return;
    if (/^#( |$)/.test(content)) {
      const title = /^# (\S+\.story): (.+)$/.exec(content);
      if (!story.name && title) Object.assign(story, { name: title[1], sentence: title[2] });
      return;
    }
    if (((content.match(/"/g) ?? []).length & 1) === 1) throw new StoryError(file, line, `a quote is not closed: ${content}`);
    for (const clause of split(content, ';')) story.steps.push(...parseClause(clause, { file, line, words }));
  });
  if (!story.name) throw new StoryError(file, 1, 'a story begins with "# <its file name>: <what it promises, in a sentence>"');
  if (story.steps.length === 0) throw new StoryError(file, 1, 'nothing happens in this story');
  return story;
}

function parseClause(clause, at) {
  const asWorld = findRow(at.words.world, clause);
  if (asWorld) return [{ line: at.line, text: clause, ...asWorld }];

  const steps = [];
  let subjects = [];
  let pending = []; // "alice.phone" before ", bob.laptop receives m1"
  for (const part of split(clause, ', ')) {
    const head = part.split(/ and | /, 1)[0];
    let rest = part;
    if (DEVICE.test(part)) {
      pending.push(part);
      continue;
    }
    if (DEVICE.test(head) || head === 'all') {
      const names = /^(\S+(?: and \S+\.\S+)*) (.*)$/.exec(part);
      subjects = [...pending, ...names[1].split(' and ')];
      pending = [];
      rest = names[2];
    } else if (pending.length > 0) {
      break;
    }
    if (subjects.length === 0) throw new StoryError(at.file, at.line, `not understood: "${clause}" (known words: run.mjs --words)`);
    const found = findRow(at.words.device, rest);
    if (!found) throw new StoryError(at.file, at.line, `not understood: "${rest}", said of ${subjects.join(', ')} (known words: run.mjs --words)`);
    steps.push({ line: at.line, text: `${subjects.join(', ')} ${rest}`, subjects, ...found });
  }
  if (pending.length > 0) throw new StoryError(at.file, at.line, `${pending.join(', ')} do nothing in "${clause}"`);
  return steps;
}

function findRow(rows, text) {
  for (const row of rows) {
    const args = match(row, text);
    if (args) return { row, args };
  }
  return undefined;
}
