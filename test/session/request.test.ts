import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  base64Line,
  callLines,
  escapeForPrintf,
  housekeepingLine,
  leaveLine,
  pingLine,
  signalLine,
  word,
} from '../../src/session/request.ts';
import { PodPlace, shells } from './pod-place.ts';

/** Everything that a line of a request may consist of. */
const ONLY_PRINTABLE_ASCII = /^[\x20-\x7e\n]*$/;
/** A terminal in canonical mode drops what goes beyond 4,095 bytes of a line. */
const MAX_LINE_BYTES = 1_050;

const TRICKY = [
  '',
  ' ',
  '\n',
  '\n\n\nend without a newline',
  'end with newlines\n\n',
  '  leading and trailing blanks \t ',
  'it\'s "quoted" `here` and $HERE and $(there) ${too}',
  '100%, %s %d %b %%',
  'back\\slash \\n \\t \\0101 \\c \\\\ end\\',
  '\\'.repeat(3_000),
  'é€😀ß'.repeat(700),
  'a\u0000b',
  '\u0001\u007f\u0080\u00ff\ufeff',
  'c 1 rp_run\nx 0\nt 0 abc\n',
  '*? [a] ~ # ! & ; | < > ( ) { } =',
  'x'.repeat(5_000),
  String.fromCodePoint(...Array.from({ length: 0x250 }, (_, code) => code)),
];

describe('a request is lines that any terminal lets through', () => {
  test('of printable ASCII, none of them long', () => {
    const text = fc.oneof(anyText(), fc.constantFrom(...TRICKY));
    fc.assert(
      fc.property(fc.nat(99), fc.array(text, { maxLength: 3 }), text, (call, words, body) => {
        const lines = callLines(call, 'rp_run', [...words.map((each) => word(each.slice(0, 200))), 5], body);
        expect(lines).toMatch(ONLY_PRINTABLE_ASCII);
        expect(lines.endsWith('\n')).toBe(true);
        for (const line of lines.split('\n').slice(0, -2)) {
          expect(line.startsWith('t 0 ')).toBe(true);
          expect(line.length).toBeLessThanOrEqual(MAX_LINE_BYTES);
        }
        expect(lines.split('\n').at(-2)).toMatch(new RegExp(`^c ${call} rp_run `));
      }),
      { numRuns: 60 },
    );
  });

  test('no escape is cut in two', () => {
    fc.assert(
      fc.property(fc.nat(1_200), fc.stringMatching(/^[\\\né ]{1,1500}$/), (length, rest) => {
        const lines = callLines(1, 'f', [], 'x'.repeat(length) + rest).split('\n');
        for (const line of lines.filter((each) => each.startsWith('t 0 '))) {
          expect(line.slice(4)).toMatch(/^(?:[!-[\]-~]|\\0[0-7]{3})+$/);
        }
      }),
    );
  });

  test('a word of a call is never empty, and holds no blank', () => {
    fc.assert(
      fc.property(anyText(), (text) => {
        expect(word(text)).toMatch(/^=[!-~]*$/);
      }),
    );
  });

  test('what a call has no text for is a single line', () => {
    expect(callLines(12, 'rp_list', [])).toBe('c 12 rp_list\n');
    expect(callLines(1, 'rp_run', ['run-1', 0, word('')])).toBe('c 1 rp_run run-1 0 =\n');
  });

  test('the others', () => {
    expect(signalLine(3, 'USR1')).toBe('s 3 USR1\n');
    expect(housekeepingLine('rp_bury', ['1', 2])).toBe('h 0 rp_bury 1 2\n');
    expect([pingLine, base64Line, leaveLine]).toEqual(['p 0\n', 'e 0 base64\n', 'x 0\n']);
  });
});

describe.each(shells)('%s reads back', (shell) => {
  let place: PodPlace;
  beforeAll(async () => {
    place = await PodPlace.make({ shell });
  });
  afterAll(() => place.remove());

  /** What the shell makes of the lines, the way a session reads and a command is written down. */
  function readBack(texts: string[], locale: string): Buffer {
    const program = `set -f; text=
      while read -r verb call rest; do
        case $verb in
        t) text=$text$rest ;;
        c) printf '%b\\n' "$text"; text= ;;
        esac
      done`;
    return execFileSync(place.shellPath, ['-c', program], {
      input: texts.map((text) => callLines(1, 'f', [], text)).join(''),
      env: { ...place.env, LC_ALL: locale },
      maxBuffer: 1e8,
    });
  }

  test.each(['C', 'C.UTF-8'])('whatever text, in the locale %s', (locale) => {
    expect(readBack(TRICKY, locale)).toEqual(Buffer.from(TRICKY.map((text) => `${text}\n`).join('')));
    fc.assert(
      fc.property(fc.array(anyText(), { maxLength: 40 }), (texts) => {
        expect(readBack(texts, locale)).toEqual(Buffer.from(texts.map((text) => `${text}\n`).join('')));
      }),
      { numRuns: 12 },
    );
  });

  test('a hundred kilobytes', () => {
    const text = 'for i in *; do echo "$i \\ é"; done\n'.repeat(2_900);
    expect(readBack([text], 'C').equals(Buffer.from(`${text}\n`))).toBe(true);
  });

  test('whatever word of a call, newlines at its end too', async () => {
    const words = [...TRICKY, 'ends in newlines\n\n', '~/a b', '-n', '-e', '\\c']
      .map((each) => each.replaceAll('\0', ''))
      .filter((each) => each.length < 1000);
    const calls = words.map((each) => `take ${shellQuoted(word(each))}`).join('\n');
    const printed = await place.evaluate(`take() { rp_decode "$1"; printf '%s|' "$_rp_decoded"; }\n${calls}`);
    expect(printed.toString()).toBe(words.map((each) => `${each}|`).join(''));
  });
});

test('every byte has one way of being written', () => {
  expect(escapeForPrintf('a b\\%\n')).toBe('a\\0040b\\0134%\\0012');
});

/** Text with what shells and printf find special. */
function anyText(): fc.Arbitrary<string> {
  const part = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 30 }),
    fc.string({ unit: 'grapheme', maxLength: 10 }),
    fc.constantFrom(...TRICKY.filter((text) => text.length < 100)),
    fc.nat(1_100).map((length) => 'y'.repeat(length)),
  );
  // What can't be written in UTF-8 is no text: lone surrogates.
  return fc.array(part, { maxLength: 8 }).map((parts) => Buffer.from(parts.join('')).toString());
}

function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
