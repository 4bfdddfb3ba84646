import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { StreamPieces } from '../../src/jobs/byte-window.ts';
import { composeOutput, FRAMING_ROOM } from '../../src/jobs/output-budget.ts';

const WHERE = { stdout: '/root/.runpod-ssh/jobs/run-x/out', stderr: '/root/.runpod-ssh/jobs/run-x/err' };

const whole = (content: string | Uint8Array): StreamPieces => {
  const head = Buffer.from(content);
  return { head, total: head.length };
};

/** The stream as it arrives when only its ends crossed the network. */
const ends = (content: Uint8Array, head: number, tail: number): StreamPieces => ({
  head: content.subarray(0, head),
  tail: content.subarray(content.length - tail),
  tailStart: content.length - tail,
  total: content.length,
});

const compose = (stdout: StreamPieces, stderr: StreamPieces, maxChars = 10_000, exitLine?: string) =>
  composeOutput({ stdout, stderr, maxChars, where: WHERE, ...(exitLine === undefined ? {} : { exitLine }) });

const none = whole('');

/** The bytes that a marker counts as left out, and the total that it names. */
const counted = (text: string): number[][] =>
  [...text.matchAll(/^\[… ([\d,]+) of ([\d,]+) bytes left out;/gm)].map((match) =>
    match.slice(1).map((digits) => Number(digits.replaceAll(',', ''))),
  );

describe('what fits', () => {
  test.each([
    ['stdout alone', 'hello\n', '', undefined, 'hello'],
    ['one final newline is cut, white space kept', '  a \n\n', '', undefined, '  a \n'],
    ['no final newline', 'a', '', undefined, 'a'],
    ['both', 'out\n', 'err\n', '[exit_code: 3]', 'out\n[stderr]\nerr\n[exit_code: 3]'],
    ['stderr alone', '', 'err\n', undefined, '[stderr]\nerr'],
    ['nothing', '', '', undefined, '(no output)'],
    ['nothing but an exit code', '', '', '[exit_code: 1]', '(no output)\n[exit_code: 1]'],
    ['only an empty line', '\n', '', undefined, '(no output)'],
    ['an empty line and stderr', '\n', 'e', undefined, '\n[stderr]\ne'],
    ['colours and progress', '\x1b[32m10%\r100%\x1b[0m\n', '', undefined, '100%'],
    ['only escapes', '\x1b[0m', '\x1b[0m', undefined, '(no output)'],
    [
      'framing in the output',
      'a\n[stderr]\n',
      '[exit_code: 0]',
      '[exit_code: 2]',
      'a\n\\[stderr]\n[stderr]\n\\[exit_code: 0]\n[exit_code: 2]',
    ],
  ])('%s', (_, stdout, stderr, exitLine, text) => {
    expect(compose(whole(stdout), whole(stderr), 10_000, exitLine)).toEqual({ text, truncated: false });
  });

  test('invalid bytes show as replacement characters', () => {
    const result = compose(whole(Buffer.from([0x61, 0xff, 0x62, 0xe6, 0x97])), none);
    expect(result).toEqual({ text: 'a\ufffdb\ufffd', truncated: false });
  });

  test('head and tail that meet or overlap are one', () => {
    const content = Buffer.from('0123456789');
    expect(compose(ends(content, 5, 5), none).text).toBe('0123456789');
    expect(compose(ends(content, 7, 6), none).text).toBe('0123456789');
    expect(compose(ends(content, 10, 3), none).text).toBe('0123456789');
  });

  test('progress that is long in bytes and short to see is shown whole', () => {
    const progress = Array.from({ length: 5000 }, (_, i) => `\rstep ${i}`).join('');
    expect(compose(whole(`${progress}\n`), none, 1000)).toEqual({ text: 'step 4999', truncated: false });
  });
});

describe('what does not fit', () => {
  const lines = (count: number) =>
    Buffer.from(Array.from({ length: count }, (_, i) => `line ${i}\n`).join(''));

  test('is cut at lines, and says exactly what is left out and where the whole is', () => {
    const content = lines(100_000);
    const { text, truncated } = compose(ends(content, 40_000, 40_000), none, 2000);
    expect(truncated).toBe(true);
    const [before = '', after = ''] = text.split(/^\[….*…\]\n/m);
    const left = content.length - before.length - after.length - 1;
    expect(text).toContain(
      `[… ${left.toLocaleString('en-US')} of ${content.length.toLocaleString('en-US')} bytes left out; ` +
        `the whole is on the pod: ${WHERE.stdout} …]\n`,
    );
    expect(content.toString().startsWith(before)).toBe(true);
    expect(content.toString().endsWith(`${after}\n`)).toBe(true);
    expect(before).toMatch(/\n$/);
    expect(after).toMatch(/^line \d+\n/);
    expect(text.length).toBeGreaterThan(1800);
  });

  test('says that the whole was not kept when it was not', () => {
    const { text } = composeOutput({
      stdout: whole(lines(1000)),
      stderr: none,
      maxChars: 500,
      where: undefined,
    });
    expect(text).toMatch(/bytes left out; the whole was not kept …\]\n/);
  });

  test('a missing middle is named even when everything else fits', () => {
    const content = Buffer.from('a'.repeat(50) + 'b'.repeat(50) + 'c'.repeat(50));
    const { text, truncated } = compose(ends(content, 50, 50), none);
    expect(truncated).toBe(true);
    expect(counted(text)).toEqual([[50, 150]]);
    expect(text).toMatch(/^a{50}\n\[….*\]\nc{50}$/);
  });

  test('a missing end is named', () => {
    const { text } = compose({ head: Buffer.from('abc\n'), total: 1000 }, none);
    expect(text).toMatch(/^abc\n\[… 996 of 1,000 bytes left out;.*…\]\n?$/);
  });

  test('stderr takes what stdout leaves, and the other way round', () => {
    const small = compose(whole('out\n'), whole(lines(1000)), 3000);
    expect(small.text).toMatch(/^out\n\[stderr\]\n/);
    expect(small.text.length).toBeGreaterThan(2700);
    const large = compose(whole(lines(1000)), whole('err\n'), 3000);
    expect(large.text).toMatch(/\n\[stderr\]\nerr$/);
    expect(large.text.length).toBeGreaterThan(2700);
  });

  test('of two long streams stdout gets about two thirds', () => {
    const { text } = compose(whole(lines(10_000)), whole(lines(10_000)), 9000);
    const [stdout = '', stderr = ''] = text.split('\n[stderr]\n');
    expect(stdout.length).toBeGreaterThan(5500);
    expect(stdout.length).toBeLessThan(6500);
    expect(stderr.length).toBeGreaterThan(2500);
    expect(stderr.length).toBeLessThan(3500);
    expect(counted(text)).toHaveLength(2);
  });

  test('no character is cut in two by us', () => {
    const content = Buffer.from('日本語'.repeat(20_000));
    for (const shift of [0, 1, 2]) {
      const { text } = compose(ends(content, 5000 + shift, 5000 + shift), none, 1000);
      expect(text).not.toContain('\ufffd');
      expect(compose(ends(content, 50 + shift, 50 + shift), none).text).not.toContain('\ufffd');
    }
  });

  test('no escape sequence is cut in two by us', () => {
    const content = Buffer.from('\x1b[38;5;196mx'.repeat(5000));
    for (let maxChars = 200; maxChars < 220; maxChars++) {
      const { text } = compose(whole(content), none, maxChars);
      expect(text.replace(/^\[….*$/m, '')).toMatch(/^x+\n\nx+$/);
    }
  });

  test('a framing line on which both ends would meet is still marked', () => {
    const { text } = compose(none, whole('\n[stderr]\n'), 10);
    expect(text.match(/^\[stderr\]$/gm)).toHaveLength(1);
  });

  test('one line without an end is cut where it must be', () => {
    const { text } = compose(whole('x'.repeat(100_000)), none, 1000);
    expect(text).toMatch(/^x{400}\n\[….*…\]\nx{600}$/);
    expect(counted(text)).toEqual([[99_000, 100_000]]);
  });
});

describe('whatever the output', () => {
  const content = fc
    .array(
      fc.oneof(
        fc.string({ unit: 'binary' }).map((text) => Buffer.from(text)),
        fc.uint8Array({ maxLength: 30 }),
        fc
          .constantFrom(
            '[stderr]\n',
            '[exit_code: 0]\n',
            '(no output)\n',
            '\n',
            '\r',
            '\x1b[31m',
            '\x1b[2A',
            '日本',
          )
          .map((text) => Buffer.from(text)),
        fc.nat(300).map((n) => Buffer.from('word '.repeat(n))),
      ),
      { maxLength: 20 },
    )
    .map((parts) => Buffer.concat(parts));
  const stream = fc
    .tuple(content, fc.nat(2000), fc.nat(2000), fc.boolean())
    .map(([bytes, head, tail, isWhole]) =>
      isWhole ? whole(bytes) : ends(bytes, Math.min(head, bytes.length), Math.min(tail, bytes.length)),
    );

  test('the length is bounded, the marks are ours alone, and the counts are possible', () => {
    fc.assert(
      fc.property(stream, stream, fc.nat(3000), (stdout, stderr, maxChars) => {
        const { text, truncated } = compose(stdout, stderr, maxChars, '[exit_code: 7]');
        expect(text.length).toBeLessThanOrEqual(maxChars + FRAMING_ROOM);
        expect(text.match(/^\[stderr\]$/gm) ?? []).toHaveLength(/^\[stderr\]$/m.test(text) ? 1 : 0);
        expect(text.match(/^\[exit_code: .*$/gm)).toEqual(['[exit_code: 7]']);
        expect(text.endsWith('\n[exit_code: 7]')).toBe(true);
        expect(truncated).toBe(counted(text).length > 0);
        for (const [left = 0, total = 0] of counted(text)) {
          expect(left).toBeGreaterThan(0);
          expect(left).toBeLessThanOrEqual(total);
          expect([stdout.total, stderr.total]).toContain(total);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('2 MB of progress with a missing middle take little time', () => {
    const progress = Buffer.from(Array.from({ length: 100_000 }, (_, i) => `\r\x1b[2Kstep ${i} of`).join(''));
    const started = performance.now();
    compose(ends(progress, 800_000, 800_000), whole(progress), 10_000);
    expect(performance.now() - started).toBeLessThan(20_000);
  });
});
