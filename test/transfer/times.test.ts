import { utimesSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { fromFind, fromSeconds, nodeTime, secondsText } from '../../src/transfer/times.ts';
import { inFolder, run } from './tree/tar-tree.ts';

const times = fc.bigInt({ min: -(2n ** 61n), max: 2n ** 61n });

it('a time is the same when it has been written and read', () => {
  fc.assert(
    fc.property(times, (ns) => {
      expect(fromSeconds(secondsText(ns))).toBe(ns);
    }),
  );
});

it('times are read as stat and find write them, before 1970 too', () =>
  inFolder((folder) => {
    const path = join(folder, 'file');
    for (const ns of [0n, 1_700_000_000_123_456_789n, -1_500_000_001n, -250_000_000n, -1n, -2_000_000_000n]) {
      run(['touch', '-d', `@${secondsText(ns)}`, path]);
      expect(fromSeconds(run(['stat', '-c', '%.9Y', path]).toString().trim())).toBe(ns);
      expect(fromFind(run(['find', path, '-printf', '%T@']).toString())).toBe(ns);
    }
  }));

it('Node sets times before 1970 as they are', () =>
  inFolder((folder) => {
    const path = join(folder, 'file');
    run(['touch', path]);
    utimesSync(path, nodeTime(-1_500_000_000n), nodeTime(-1_500_000_000n));
    expect(run(['stat', '-c', '%.9Y', path]).toString().trim()).toBe('-1.500000000');
  }));

it('what is no time is the beginning of 1970', () => {
  for (const text of ['', 'x', '1e9', '1.2.3', '--1', '1'.repeat(40)]) expect(fromSeconds(text)).toBe(0n);
});
