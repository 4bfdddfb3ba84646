import { badInput, shown } from './bad-input.ts';

/** One word of a shell line; `end` is the index after it. */
export type Word = { text: string; quoted: boolean; end: number };

/** The index of the first character at or after `from` that is no blank. */
export function skipBlanks(line: string, from: number): number {
  let at = from;
  while (line[at] === ' ' || line[at] === '\t') at += 1;
  return at;
}

/**
 * The word of a shell line that begins at `from`, with its quotes removed; nothing is expanded. A backslash
 * stays where a shell would drop it before an ordinary letter, for the sake of `C:\Users\me`.
 * Throws a `bad-input` Failure for a quote that is never closed.
 */
export function wordAt(line: string, from: number): Word {
  let text = '';
  let quoted = false;
  let at = from;
  while (at < line.length) {
    const character = line.charAt(at);
    if (character === ' ' || character === '\t') break;
    if (character === "'" || character === '"') {
      const inside = character === "'" ? singleQuoted(line, at) : doubleQuoted(line, at);
      text += inside.text;
      at = inside.end;
      quoted = true;
    } else if (character === '\\' && /[^A-Za-z0-9._/~-]/.test(line.charAt(at + 1))) {
      text += line.charAt(at + 1);
      at += 2;
      quoted = true;
    } else {
      text += character;
      at += 1;
    }
  }
  return { text, quoted, end: at };
}

function singleQuoted(line: string, from: number): { text: string; end: number } {
  const close = line.indexOf("'", from + 1);
  if (close < 0) throw unclosed(line, from);
  return { text: line.slice(from + 1, close), end: close + 1 };
}

function doubleQuoted(line: string, from: number): { text: string; end: number } {
  let text = '';
  let at = from + 1;
  while (at < line.length && line[at] !== '"') {
    if (line[at] === '\\' && /[$`"\\]/.test(line.charAt(at + 1))) at += 1;
    text += line.charAt(at);
    at += 1;
  }
  if (at >= line.length) throw unclosed(line, from);
  return { text, end: at + 1 };
}

function unclosed(line: string, from: number) {
  return badInput(`The quote before ${shown(line.slice(from + 1))} is never closed.`);
}
