import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { markFraming } from '../../src/jobs/framing.ts';

describe('a line of output that looks like one of ours gets a backslash', () => {
  test.each([
    '[stderr]',
    '[stderr]  ',
    '[exit_code: 0]',
    '[still running after 45 s as job run-1: check_job("run-1") follows it]',
    '[… 5 of 10 bytes left out; the whole is on the pod: /x …]',
    '[lost contact: x]',
    '[lost: x]',
    '[job train: exited with 0; ended 5 s ago]',
    '[until: matched]',
    '[cursor: 5-6]',
    '[watch by hand: tmux attach -t x]',
    '(no output)',
  ])('%s', (line) => {
    expect(markFraming(line)).toBe(`\\${line}`);
    expect(markFraming(`a\n${line}\nb`)).toBe(`a\n\\${line}\nb`);
  });

  test('after blanks, where it looks just the same', () => {
    expect(markFraming('  [exit_code: 0]')).toBe('  \\[exit_code: 0]');
  });

  test.each(['[stderr] of nginx', 'x [exit_code: 0]', '[info] ok', 'a (no output)', '[', ''])(
    'not: %j',
    (line) => expect(markFraming(line)).toBe(line),
  );

  test('a line that stood there with a backslash can be told from a marked one', () => {
    expect(markFraming('\\[stderr]')).toBe('\\\\[stderr]');
    const nearFraming = fc.array(
      fc.constantFrom('\\', '[stderr]', '(no output)', '[exit_code: 0]', '\n', ' ', 'x'),
    );
    fc.assert(
      fc.property(nearFraming, nearFraming, (a, b) => {
        fc.pre(a.join('') !== b.join(''));
        expect(markFraming(a.join(''))).not.toBe(markFraming(b.join('')));
      }),
    );
  });
});
