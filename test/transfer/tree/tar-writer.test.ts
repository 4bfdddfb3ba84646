import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TAR_BLOCK } from '../../../src/transfer/tree/tar-header.ts';
import {
  type TarEntry,
  type TarFormat,
  tarEnd,
  tarHeader,
  tarPadding,
  tarSize,
} from '../../../src/transfer/tree/tar-writer.ts';
import { type TarReadEntry, TarReader } from './tar-reader.ts';
import {
  archiveOf,
  hardTree,
  hostileName,
  readArchive,
  readable,
  SECOND_NS,
  trees,
  wholeSeconds,
} from './tar-tree.ts';

const FORMATS: TarFormat[] = ['pax', 'gnu'];

/** What our reader makes of one header: the content needn't be there. */
function readHeader(header: Buffer): TarReadEntry {
  const entries: TarReadEntry[] = [];
  new TarReader({ entry: (entry) => entries.push(entry), data: () => {}, endEntry: () => {} }).push(header);
  const [entry] = entries;
  if (!entry || entries.length > 1) throw new Error(`${entries.length} entries instead of one`);
  return entry;
}

const file = (more: Partial<TarEntry> = {}): TarEntry => ({
  path: Buffer.from('file'),
  kind: 'file',
  size: 0,
  mode: 0o644,
  mtimeNs: 0n,
  ...more,
});

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

const names = fc
  .array(hostileName(300), { minLength: 1, maxLength: 20 })
  .map((parts) => Buffer.from(parts.map((part) => part.toString('latin1')).join('/'), 'latin1'));

const entries: fc.Arbitrary<TarEntry> = fc
  .record({
    path: names,
    kind: fc.constantFrom<TarEntry['kind']>('file', 'directory', 'symlink'),
    size: fc.oneof(fc.nat(), fc.maxSafeNat(), fc.constantFrom(8 * 1024 ** 3 - 1, 8 * 1024 ** 3)),
    mode: fc.integer({ min: 0, max: 0o7777 }),
    mtimeNs: fc.oneof(
      fc.bigInt({ min: -(2n ** 63n) * SECOND_NS, max: 2n ** 63n * SECOND_NS - 1n }),
      fc.bigInt({ min: -(10n ** 19n), max: 10n ** 19n }),
      fc.bigInt({ min: -(2n ** 34n), max: 2n ** 34n }).map((seconds) => seconds * SECOND_NS),
    ),
    target: names,
  })
  .map(({ size, target, ...rest }) => ({
    ...rest,
    size: rest.kind === 'file' ? size : 0,
    ...(rest.kind === 'symlink' ? { target } : {}),
  }));

describe('a header', () => {
  test('says all of an entry, whatever its name, size and time', () => {
    fc.assert(
      fc.property(entries, (entry) => {
        expect(readHeader(tarHeader(entry, 'pax'))).toEqual(entry);
      }),
    );
  });

  test('for busybox says the same, in whole seconds', () => {
    fc.assert(
      fc.property(entries, (entry) => {
        const { mtimeNs } = entry;
        expect(readHeader(tarHeader(entry, 'gnu'))).toEqual({ ...entry, mtimeNs: wholeSeconds(mtimeNs) });
      }),
    );
  });

  test('says names of every length around those where its form changes', () => {
    // Around 100 a field is full, around 990 the length of a record gets a digit more.
    for (const length of [
      ...range(1, 300),
      ...range(500, 520),
      ...range(980, 1030),
      ...range(9_980, 10_000),
    ]) {
      const path = Buffer.alloc(length, 0xff);
      for (const format of FORMATS) {
        expect(readHeader(tarHeader(file({ path }), format)).path.equals(path), `${length}`).toBe(true);
      }
    }
  });

  test('is one block for what fits into it, be it UTF-8 or not', () => {
    const entry = file({ path: Buffer.alloc(100, 0xff), mtimeNs: 1_700_000_000n * SECOND_NS });
    for (const format of FORMATS) expect(tarHeader(entry, format).length).toBe(TAR_BLOCK);
  });

  test('has the path of a directory with a slash, which counts', () => {
    const folder = (length: number) => file({ kind: 'directory', path: Buffer.alloc(length, 'd') });
    for (const format of FORMATS) {
      expect(tarHeader(folder(99), format).toString('latin1', 98, 101)).toBe('d/0');
      expect(tarHeader(folder(100), format).length).toBeGreaterThan(TAR_BLOCK);
    }
  });

  test.each<[string, Partial<TarEntry>]>([
    ['an empty path', { path: Buffer.alloc(0) }],
    ['a NUL', { path: Buffer.from('a\0b') }],
    ['a NUL', { kind: 'symlink', target: Buffer.from('a\0b') }],
    ['an empty link target', { kind: 'symlink' }],
    ['-1 bytes', { size: -1 }],
    ['0.5 bytes', { size: 0.5 }],
  ])('can’t be made with %s', (what, more) => {
    for (const format of FORMATS) expect(() => tarHeader(file(more), format)).toThrow(`can't have ${what}`);
  });
});

describe('an archive', () => {
  test('has the length that is told before', () => {
    fc.assert(
      fc.property(trees, fc.constantFrom(...FORMATS), (tree, format) => {
        expect(tarSize(tree, format)).toBe(archiveOf(tree, format).length);
      }),
      { examples: FORMATS.map((format) => [hardTree, format]) },
    );
  });

  test('of nothing is only its end', () => {
    expect(tarSize([], 'pax')).toBe(tarEnd.length);
    expect(readArchive(tarEnd)).toEqual([]);
  });

  test('comes back with every content', () => {
    fc.assert(
      fc.property(trees, (tree) => {
        expect(readable(readArchive(archiveOf(tree, 'pax')))).toEqual(readable(tree));
      }),
      { examples: [[hardTree]] },
    );
  });

  test('is padded to whole blocks', () => {
    expect([0, 1, 511, 512, 513, 8 * 1024 ** 3 + 1].map(tarPadding)).toEqual([0, 511, 1, 0, 511, 511]);
  });
});
