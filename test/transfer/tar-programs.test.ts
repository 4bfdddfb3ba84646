import { linkSync, mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type TarFormat, tarEnd, tarHeader } from '../../src/transfer/tar-writer.ts';
import {
  archiveOf,
  hardTree,
  type Item,
  inFolder,
  makeTree,
  type ReadItem,
  readArchive,
  readable,
  run,
  treeBelow,
  trees,
  wholeSeconds,
} from './tar-tree.ts';

const GIB = 1024 ** 3;

const inWholeSeconds = <T extends Item | ReadItem>(items: T[]): T[] =>
  items.map((item) => ({ ...item, mtimeNs: wholeSeconds(item.mtimeNs) }));

/** The hard tree and a few random ones. */
const forTrees = (check: (tree: Item[], folder: string) => Promise<void>) =>
  fc.assert(
    fc.asyncProperty(trees, (tree) => inFolder((folder) => check(tree, folder))),
    { numRuns: 10, examples: [[hardTree]] },
  );

describe('what we write', () => {
  const gnuExtracts = async (tree: Item[], folder: string, format: TarFormat) => {
    run(['tar', '-C', folder, '--no-same-owner', '-pxf', '-'], archiveOf(tree, format));
    return treeBelow(folder);
  };

  test('GNU tar extracts as it was, to the nanosecond', () =>
    forTrees(async (tree, folder) => {
      expect(readable(await gnuExtracts(tree, folder, 'pax'))).toEqual(readable(tree));
    }));

  test('GNU tar extracts from the other format too, to the second', () =>
    forTrees(async (tree, folder) => {
      expect(readable(await gnuExtracts(tree, folder, 'gnu'))).toEqual(readable(inWholeSeconds(tree)));
    }));

  test('busybox extracts as it was, to the second, but for the times of symlinks, which it leaves', () =>
    forTrees(async (tree, folder) => {
      const extract = ['busybox', 'tar', '-C', folder, '-poxf', '-'] as const;
      run([...extract], archiveOf(tree, 'gnu'));
      // It sets a folder's time before it puts things into it, and makes links out of the tree at its very end:
      // the folders' times need a second archive.
      const folders = tree.filter(({ kind }) => kind === 'directory').toReversed();
      run([...extract], archiveOf(folders, 'gnu'));
      const withoutLinkTimes = (items: Item[]) =>
        readable(items.map((item) => (item.kind === 'symlink' ? { ...item, mtimeNs: 0n } : item)));
      expect(withoutLinkTimes(await treeBelow(folder))).toEqual(withoutLinkTimes(inWholeSeconds(tree)));
    }));

  test.each<[TarFormat, string]>([
    ['pax', 'tar'],
    ['gnu', 'tar'],
    ['gnu', 'busybox tar'],
  ])('as %s tells %s the size of a file of any size', (format, program) => {
    for (const size of [8 * GIB - 1, 8 * GIB, 9 * GIB]) {
      const entry = { path: Buffer.from('big'), kind: 'file', size, mode: 0o644, mtimeNs: 0n } as const;
      // It lists the entry, then complains that the content is missing.
      const list = run(['sh', '-c', `${program} -tvf - 2>/dev/null; true`], tarHeader(entry, format));
      expect(list.toString()).toContain(` ${size} `);
    }
  });
});

describe('what others write', () => {
  /** As they were below the `.` that was packed, in the order of their bytes. */
  const belowDot = (items: ReadItem[]) =>
    items
      .filter(({ path }) => !path.equals(Buffer.from('.')))
      .map((item) => ({ ...item, path: item.path.subarray('./'.length) }))
      .sort((a, b) => Buffer.compare(a.path, b.path));

  test('by GNU tar as pax comes back as it was, to the nanosecond', () =>
    forTrees(async (tree, folder) => {
      makeTree(folder, tree);
      const items = belowDot(readArchive(run(['tar', '-C', folder, '--format=pax', '-cf', '-', '.'])));
      expect(readable(items)).toEqual(readable(tree));
    }));

  const since1970 = (item: Item) => ({ ...item, mtimeNs: item.mtimeNs < 0n ? 0n : item.mtimeNs });

  test.each<[string, [string, ...string[]], (item: Item) => Item]>([
    ['GNU tar', ['tar', '--format=gnu'], (item) => item],
    ['busybox, which knows no time before 1970,', ['busybox', 'tar'], since1970],
  ])('by %s comes back as it was, to the second', (_, program, asWritten) =>
    forTrees(async (tree, folder) => {
      makeTree(folder, tree);
      const items = belowDot(readArchive(run([...program, '-C', folder, '-cf', '-', '.'])));
      expect(readable(items)).toEqual(readable(inWholeSeconds(tree).map(asWritten)));
    }),
  );

  test('by GNU tar as ustar comes back with the names that are split between two fields', () =>
    inFolder((folder) => {
      const long = ['a'.repeat(90), 'b'.repeat(60), 'c'.repeat(80)].join('/');
      mkdirSync(join(folder, long), { recursive: true });
      writeFileSync(join(folder, long, 'd'), 'x');
      const items = belowDot(readArchive(run(['tar', '-C', folder, '--format=ustar', '-cf', '-', '.'])));
      expect(items.map(({ kind, path }) => [kind, path.toString()]).at(-1)).toEqual(['file', `${long}/d`]);
    }));

  test.each<[string, ...string[]]>([
    ['tar', '--format=pax'],
    ['tar', '--format=gnu'],
    ['busybox', 'tar'],
  ])('by %s %s has a second name of a file as a hard link', (...program) =>
    inFolder((folder) => {
      const [first, second] = ['a'.repeat(120), 'b'.repeat(120)];
      writeFileSync(join(folder, first), 'content');
      linkSync(join(folder, first), join(folder, second));
      const items = readArchive(run([...program, '-C', folder, '-cf', '-', first, second]));
      expect(items.map(({ kind, path, target, size }) => [kind, String(path), String(target), size])).toEqual(
        [
          ['file', first, 'undefined', 7],
          ['hardlink', second, first, 0],
        ],
      );
    }),
  );

  test.each(['tar --format=pax', 'tar --format=gnu', 'busybox tar'])('by %s has a file of 9 GiB', (program) =>
    inFolder((folder) => {
      writeFileSync(join(folder, 'big'), '');
      truncateSync(join(folder, 'big'), 9 * GIB);
      const start = run(['sh', '-c', `${program} -C "$0" -cf - big 2>/dev/null | head -c 4096`, folder]);
      const sizes: number[] = [];
      expect(() => readArchive(start, [4096], ({ size }) => sizes.push(size))).toThrow('cut off');
      expect(sizes).toEqual([9 * GIB]);
    }),
  );

  test('by GNU tar with its sparse files is refused, not misread', () =>
    inFolder((folder) => {
      writeFileSync(join(folder, 'holes'), '');
      truncateSync(join(folder, 'holes'), 1024 ** 2);
      for (const format of ['pax', 'gnu']) {
        const archive = run(['tar', '-C', folder, `--format=${format}`, '--sparse', '-cf', '-', 'holes']);
        expect(() => readArchive(archive)).toThrow('create it without --sparse');
      }
    }));

  test('by GNU tar from a list of names takes each name as it is', () =>
    inFolder((folder) => {
      makeTree(folder, hardTree);
      const names = Buffer.concat(hardTree.flatMap(({ path }) => [path, Buffer.alloc(1)]));
      const list = ['--null', '--verbatim-files-from', '--no-unquote', '--no-recursion', '-T', '-'];
      const items = readArchive(run(['tar', '-C', folder, '--format=pax', '-cf', '-', ...list], names));
      expect(readable(items)).toEqual(readable(hardTree));
    }));

  test('by GNU tar may be empty, and has zeros behind its end', () => {
    const archive = run(['tar', '--format=gnu', '-cf', '-', '-T', '/dev/null']);
    expect(readArchive(archive)).toEqual([]);
    expect(archive.length).toBeGreaterThan(tarEnd.length);
  });
});
