import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type TarFormat, tarHeader } from '../../../src/transfer/tree/tar-writer.ts';
import {
  archiveOf,
  hardTree,
  type Item,
  inFolder,
  type ReadItem,
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
    // Without the delay it sets a folder's time when it comes to anything else, and `a-b` sorts before `a/b`.
    const options = ['--no-same-owner', '--delay-directory-restore', '-pxf', '-'];
    run(['tar', '-C', folder, ...options], archiveOf(tree, format));
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
      // Only for root it sets modes after it has made a file, the others' umask counts and setuid is lost.
      const modeBits = process.getuid?.() === 0 ? 0o7777 : 0o1777;
      const extract = ['sh', '-c', 'umask 0; busybox tar -C "$0" -oxf -', folder] as const;
      run([...extract], archiveOf(tree, 'gnu'));
      // It sets a folder's time before it puts things into it, and makes links out of the tree at its very end:
      // the folders' times need a second archive.
      const folders = tree.filter(({ kind }) => kind === 'directory').toReversed();
      run([...extract], archiveOf(folders, 'gnu'));
      const asFarAsItGoes = (items: Item[]) =>
        readable(
          items.map((item) => ({
            ...item,
            mode: item.mode & modeBits,
            mtimeNs: item.kind === 'symlink' ? 0n : item.mtimeNs,
          })),
        );
      expect(asFarAsItGoes(await treeBelow(folder))).toEqual(asFarAsItGoes(inWholeSeconds(tree)));
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
