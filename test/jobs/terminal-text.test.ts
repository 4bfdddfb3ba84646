import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { asSeen, lastLine } from '../../src/jobs/terminal-text.ts';

describe('text without control characters', () => {
  test.each([
    '',
    '\n',
    'one\ntwo\n',
    '  indented\t\ttabs  \n\n\n trailing blanks   ',
    'ünï 日本語 👩‍🚀 e\u0301 \ufffd \u2028',
  ])('%j is a fixed point', (text) => expect(asSeen(text)).toBe(text));

  test('random text comes back unchanged', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (raw) => {
        const text = raw.replace(/(?![\t\n])\p{Cc}/gu, '');
        expect(asSeen(text)).toBe(text);
      }),
    );
  });

  test('white space around an escape sequence is kept', () => {
    expect(asSeen('  \x1b[1ma\x1b[0m\t \n\n')).toBe('  a\t \n\n');
    expect(asSeen('a\tb  \r\nc \r\n')).toBe('a\tb  \nc \n');
  });
});

describe('escape sequences are stripped', () => {
  test.each([
    ['colours', '\x1b[1;31mred\x1b[0m \x1b[38;2;1;2;3mrgb\x1b[m \x1b[38:5:3mx\x1b[K', 'red rgb x'],
    ['private modes', '\x1b[?25lhidden\x1b[?2004h\x1b[>4;1m\x1b[!p', 'hidden'],
    ['OSC ended by BEL', '\x1b]0;title\x07text', 'text'],
    ['OSC ended by ST', '\x1b]8;;http://x/\x1b\\link\x1b]8;;\x1b\\', 'link'],
    ['OSC ended by C1 ST', '\x1b]2;t\u009ctext', 'text'],
    ['a title set by screen', '\x1bktitle\x1b\\text', 'text'],
    ['an OSC cut off by another sequence', '\x1b]0;ti\x1b[1mtext', 'text'],
    ['an OSC that never ends costs its own line only', 'a\x1b]0;ti\nnext', 'a\nnext'],
    ['a DCS over two lines', '\x1bPq#0\n#1\x1b\\text', 'text'],
    ['a DCS that never ends costs its own line only', 'a\x1bPxx\nnext\nlast', 'a\nnext\nlast'],
    ['APC, PM, SOS', '\x1b_Gf=100\x1b\\a\x1b^b\x1b\\c\x1bXd\x1b\\', 'ac'],
    ['character sets', '\x1b(B\x1b)0\x0etext\x0f\x1b%G', 'text'],
    ['single characters', '\x1b=\x1b>\x1b7\x1b8text\x1bH', 'text'],
    ['8-bit controls', '\u009b31mred\u009b0m \u009d0;t\u0007x', 'red x'],
    ['cut off at the end', 'text\x1b[38;5', 'text'],
    ['only ESC at the end', 'text\x1b', 'text'],
    ['an interrupted sequence keeps the newline', 'a\x1b[3\nb', 'a\nb'],
    ['ESC before ordinary text', '\x1bé', 'é'],
    ['the bell', 'a\x07b', 'ab'],
  ])('%s', (_, text, seen) => expect(asSeen(text)).toBe(seen));

  test('other control characters are made visible', () => {
    expect(asSeen('a\x00b\x01\x0b\x0c\x7f')).toBe('a\\x00b\\x01\\x0b\\x0c\\x7f');
  });
});

describe('rewritten lines show as they ended', () => {
  test.each([
    ['progress', '10%\r50%\r100%\ndone\n', '100%\ndone\n'],
    ['the rest of a longer earlier text stays', 'downloading\rdone\n', 'doneloading\n'],
    ['unless it is erased', 'downloading\r\x1b[Kdone\n', 'done\n'],
    ['erased whole', 'downloading\x1b[2K\rdone\n', 'done\n'],
    ['erased by blanks', 'downloading\rdone       \n', 'done\n'],
    ['erased to its start', 'abcdef\x1b[3D\x1b[1KX', '   Xef'],
    ['erased characters', 'abcdef\r\x1b[2Xz', 'z cdef'],
    ['a final carriage return', '50%\r', '50%'],
    ['several', 'a\r\r\rb\r\r\n', 'b\n'],
    ['carriage return and newline', 'a\r\nb\r\n', 'a\nb\n'],
    ['a spinner', 'wait |\b/\b-\b\\\bdone', 'wait done'],
    ['overstrike', 'N\bNA\bAM\bME\bE _\bx', 'NAME x'],
    ['backspace at the start', '\b\bab', 'ab'],
    ['to a column', 'abc\x1b[10Gx\x1b[2Gy', 'ayc      x'],
    ['left and right', 'abcdef\x1b[4DX\x1b[1CY', 'abXdYf'],
    ['over half of a wide character', '日本\r\x1b[Cx', ' x本'],
    ['over a wide character', '日本\rab', 'ab本'],
    ['over a tab', 'a\tb\rxyz', 'xyz     b'],
    ['a combining mark', 'abc\rxe\u0301', 'xe\u0301c'],
  ])('%s', (_, text, seen) => expect(asSeen(text)).toBe(seen));
});

describe('movements over several lines', () => {
  test('tqdm with two bars', () => {
    const step = (a: string, b: string) => `\r${a}\n\r${b}\x1b[A`;
    expect(
      asSeen(`${step('a: 0%', 'b: 0%')}${step('a: 50%', 'b: 25%')}${step('a: 100%', 'b: 100%')}\n\n`),
    ).toBe('a: 100%\nb: 100%\n');
  });

  test('docker pull', () => {
    const text =
      '1: Waiting\n2: Waiting\n\x1b[2A\x1b[2K\r1: Done\r\x1b[2B\x1b[1A\x1b[2K\r2: Pulling\r\x1b[1B';
    expect(asSeen(text)).toBe('1: Done\n2: Pulling\n');
  });

  test('rich erases its lines one by one', () => {
    expect(asSeen('Working 10%\nETA 5 s\r\x1b[2K\x1b[1A\x1b[2KWorking 100%\nETA 0 s\n')).toBe(
      'Working 100%\nETA 0 s\n',
    );
  });

  test('erasing below after going up', () => {
    expect(asSeen('a\nb\nc\n\x1b[3A\x1b[Jx\n')).toBe('x\n');
    expect(asSeen('a\nb\nc\x1b[2F\x1b[0Kx\x1b[2Ey')).toBe('x\nb\ny');
  });

  test('erasing above', () => expect(asSeen('a\nb\ncd\x1b[1Jx')).toBe('\n\n  x'));

  test('saved and restored', () => {
    expect(asSeen('ab\x1b7cd\nef\x1b8X')).toBe('abXd\nef');
    expect(asSeen('ab\x1b[scd\nef\x1b[uX')).toBe('abXd\nef');
  });

  test('a cursor sent far away is clamped', () => {
    expect(asSeen('a\nb\n\x1b[1000000000Ax')).toBe('x\nb\n');
    expect(asSeen('a\nb\x1b[9999999999999999999999Bx')).toBe('a\nbx');
    expect(asSeen('a\x1b[1000000000Cx').length).toBeLessThan(300);
    expect(asSeen('abc\x1b[1000000000Dx')).toBe('xbc');
    expect(asSeen('a\x1b[1000000000;1000000000Hx').length).toBeLessThan(500);
  });

  test('lines that have scrolled far up stay as they are', () => {
    const lines = Array.from({ length: 1000 }, (_, i) => `line ${i}`);
    const seen = asSeen(`${lines.join('\n')}\x1b[999A\r\x1b[Kx`).split('\n');
    expect(seen).toHaveLength(1000);
    expect(seen.filter((line) => line === 'x')).toHaveLength(1);
    expect(seen.slice(0, 900)).toEqual(lines.slice(0, 900));
  });

  test('a cleared screen keeps what stood above, a redrawn one is redrawn in place', () => {
    const frame = (n: number) => `\x1b[H\x1b[2J\x1b[3JGPU ${n}%\nfan ${n}\n`;
    expect(asSeen(`start\n${frame(1)}${frame(20)}${frame(3)}`)).toBe('start\nGPU 3%\nfan 3\n');
    expect(asSeen('start\n\x1b[2;3Hx\x1b[1;1Hy')).toBe('start\ny\n  x');
  });

  test('clearing a screen whose rows were erased from above', () => {
    expect(asSeen('\n\x1b[2J\x1b8\x1b[J\x1b[2Jx')).toBe('x');
  });

  test("apt's status line below the scrolling region is not part of the text", () => {
    const text =
      'Reading\r\n\r\n\x1b7\x1b[0;23r\x1b8\x1b[1AUnpacking a\r\n\x1b7\x1b[24;0f\x1b[42mProgress: [ 50%]\x1b[49m\x1b8' +
      'Unpacking b\r\n\x1b7\x1b[24;0fProgress: [100%]\x1b8\r\n\x1b7\x1b[0;25r\x1b8\x1b[1A\x1b[J';
    expect(asSeen(text)).toBe('Reading\nUnpacking a\nUnpacking b\n');
  });
});

/** Text with as many sequences that matter as possible. */
const terminalText = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '\r',
        '\n',
        '\r\n',
        '\b',
        '\x1b',
        '\x1b[',
        '\x1b]0;',
        '\x1bP',
        '\u009b',
        '\u0090',
        '\x07',
        '\x00',
      ),
      fc.constantFrom(
        '\x1b\\',
        '\x1b7',
        '\x1b8',
        '\x1bM',
        '\x1b[K',
        '\x1b[1K',
        '\x1b[2K',
        '\x1b[J',
        '\x1b[1J',
        '\x1b[2J',
      ),
      fc.tuple(fc.nat(400), fc.constantFrom(...'ABCDEFGHJKXfrsu')).map(([n, final]) => `\x1b[${n}${final}`),
      fc.tuple(fc.nat(40), fc.nat(99)).map(([row, column]) => `\x1b[${row};${column}H`),
      fc.string({ unit: 'binary', maxLength: 12 }),
      fc.constantFrom('日本', 'e\u0301', '\t', '  ', 'abc', '👍'),
    ),
    { maxLength: 200 },
  )
  .map((parts) => parts.join(''));

describe('whatever the output', () => {
  test('no control character is left, and seeing it again changes nothing', () => {
    fc.assert(
      fc.property(terminalText, (text) => {
        const seen = asSeen(text);
        expect(seen).not.toMatch(/(?![\t\n])\p{Cc}/u);
        expect(asSeen(seen)).toBe(seen);
      }),
      { numRuns: 500 },
    );
  });

  test('lines that were finished and only followed by plain text are kept', () => {
    fc.assert(
      fc.property(fc.string(), fc.string({ unit: 'grapheme-ascii' }), (first, second) => {
        const plain = first.replace(/\n/g, '');
        expect(asSeen(`${plain}\n\x1b[0m${second}`)).toBe(`${plain}\n${second}`);
      }),
    );
  });

  test.each([
    ['progress', '\r 50% [#####     ]'],
    ['one very long line, rewritten at its start', `${'x'.repeat(1000)}\x1b[1K\x1b[2Kyy\r`],
    ['erasing a long line to its start', 'x\x1b[1K'],
    ['the cursor sent right', '\x1b[200Gx\n'],
    ['the cursor sent down', '\x1b[90Bx'],
    ['erasing above', '\n\x1b[1J'],
    ['positions', '\x1b[80;80Hx\x1b[2J'],
    ['strings that never end', '\x1bP\x1b]'],
    ['8-bit strings that never end', '\u0090\u009d\n'],
    ['sequences that never end', '\x1b[1;1;1;1'],
    ['up and down', 'x\n\x1b[A\x1b[B\r'],
    ['tabs', '\t\x1b[D'],
  ])('2 MB of %s take linear time and memory', (_, unit) => {
    const text = unit.repeat(Math.ceil(2_000_000 / unit.length));
    const started = performance.now();
    const seen = asSeen(text);
    // Quadratic would be minutes; the rest is room for a slow machine.
    expect(performance.now() - started).toBeLessThan(20_000);
    expect(seen.length).toBeLessThan(6 * text.length);
  });
});

describe('the last line', () => {
  test.each([
    ['of plain text', 'one\ntwo\n\n', 'two'],
    ['of progress', 'epoch 1\n\x1b[32m 10%\r 20%\x1b[0m\r', '20%'],
    ['of nothing', '', ''],
    ['of blank lines', ' \n\t\n', ''],
  ])('%s', (_, text, line) => expect(lastLine(text)).toBe(line));

  test('is at most 200 characters, and cuts no character in two', () => {
    const line = lastLine(`a${'😀'.repeat(500)}`);
    expect(line.length).toBeLessThanOrEqual(200);
    expect(line).not.toMatch(/\p{Surrogate}/u);
    expect(line.endsWith('😀…')).toBe(true);
    expect(lastLine('x'.repeat(200))).toBe('x'.repeat(200));
  });

  test('of much output is found at its end', () => {
    expect(lastLine(`${'loss 1\n'.repeat(1_000_000)}loss 2\n`)).toBe('loss 2');
  });
});
