import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { removable, sameTime, treeDifference } from '../../../src/transfer/tree/tree-difference.ts';
import type { TreeEntry } from '../../../src/transfer/tree/tree-entries.ts';

const SECOND = 1_000_000_000n;
const common = (path: string) => ({ path: Buffer.from(path), mode: 0o644, mtimeNs: 5n * SECOND });
const file = (path: string, more: Partial<TreeEntry> & { size?: number } = {}): TreeEntry =>
  ({ ...common(path), kind: 'file', size: 1, ...more }) as TreeEntry;
const folder = (path: string, more: Partial<TreeEntry> = {}): TreeEntry =>
  ({ ...common(path), mode: 0o755, kind: 'directory', ...more }) as TreeEntry;
const link = (path: string, target: string): TreeEntry => ({
  ...common(path),
  kind: 'symlink',
  target: Buffer.from(target),
});
const names = (paths: readonly ({ path: Buffer } | Buffer)[]) =>
  paths.map((one) => (Buffer.isBuffer(one) ? one : one.path).toString());

/** A tree of folders and files with short names, so that two of them have much in common. */
const trees: fc.Arbitrary<TreeEntry[]> = fc
  .array(
    fc.tuple(
      fc.array(fc.constantFrom('a', 'b', 'a-', 'c'), { minLength: 1, maxLength: 4 }),
      fc.constantFrom('file', 'folder', 'link'),
    ),
    { maxLength: 12 },
  )
  .map((paths) => {
    const entries = new Map<string, TreeEntry>();
    for (const [parts, kind] of paths) {
      let blocked = false;
      for (let i = 1; i < parts.length; i++) {
        const above = parts.slice(0, i).join('/');
        const found = entries.get(above);
        if (found && found.kind !== 'directory') blocked = true;
        if (!found && !blocked) entries.set(above, folder(above));
      }
      const name = parts.join('/');
      if (blocked || entries.has(name)) continue;
      entries.set(name, kind === 'file' ? file(name) : kind === 'folder' ? folder(name) : link(name, 'x'));
    }
    return [...entries.values()].sort((one, other) => Buffer.compare(one.path, other.path));
  });

describe('the difference of two trees', () => {
  it('is nothing when they are the same', () => {
    fc.assert(
      fc.property(trees, (tree) => {
        const { changed, newFolders, oldFolders, inTheWay } = treeDifference(tree, tree);
        expect([...changed, ...newFolders, ...oldFolders, ...inTheWay]).toEqual([]);
        expect(removable(tree, tree, () => false)).toEqual([]);
      }),
    );
  });

  it('makes, with what is removable, the target like the source', () => {
    fc.assert(
      fc.property(trees, trees, (source, target) => {
        const result = new Map(target.map((entry) => [entry.path.toString(), entry]));
        const { changed, newFolders, inTheWay } = treeDifference(source, target);
        const drop = (path: Buffer) => {
          for (const name of result.keys()) {
            if (name === path.toString() || name.startsWith(`${path.toString()}/`)) result.delete(name);
          }
        };
        for (const path of inTheWay) drop(path);
        for (const entry of [...newFolders, ...changed]) result.set(entry.path.toString(), entry);
        for (const path of removable(source, target, () => false)) drop(path);
        expect([...result.keys()].sort()).toEqual(names(source).sort());
        for (const entry of source) expect(result.get(entry.path.toString())?.kind).toBe(entry.kind);
      }),
    );
  });

  it('never removes what is kept, nor a folder that it is in, nor what the source has', () => {
    fc.assert(
      fc.property(trees, trees, fc.constantFrom('a', 'b', 'a-', 'c'), (source, target, keptName) => {
        const isKept = (entry: TreeEntry) => entry.path.toString().split('/').at(-1) === keptName;
        const removed = names(removable(source, target, isKept));
        const gone = (name: string) => removed.some((path) => name === path || name.startsWith(`${path}/`));
        const wanted = new Set(names(source));
        const others = source.filter(({ kind }) => kind !== 'directory').map(({ path }) => path.toString());
        for (const entry of target) {
          const name = entry.path.toString();
          if (others.some((other) => name.startsWith(`${other}/`))) continue;
          const kept = name.split('/').includes(keptName) || wanted.has(name);
          if (kept) expect(gone(name)).toBe(false);
        }
      }),
    );
  });

  it('names only the topmost of what goes together, whatever sorts between', () => {
    const target = [folder('a'), file('a-b'), file('a/x'), folder('a/y'), file('a/y/z')];
    expect(names(removable([], target, () => false))).toEqual(['a', 'a-b']);
    expect(names(removable([], target, ({ path }) => path.toString() === 'a/y/z'))).toEqual(['a-b', 'a/x']);
    expect(names(removable([], target, ({ path }) => path.toString() === 'a'))).toEqual(['a-b']);
  });

  it('is told by size, time, mode and kind, and a link’s by where it leads', () => {
    const here = file('f');
    const changed = (there: TreeEntry) => treeDifference([here], [there]).changed.length === 1;
    expect(changed(file('f'))).toBe(false);
    expect(changed(file('f', { size: 2 }))).toBe(true);
    expect(changed(file('f', { mtimeNs: 6n * SECOND }))).toBe(true);
    expect(changed(file('f', { mode: 0o755 }))).toBe(true);
    expect(changed(link('f', 'x'))).toBe(true);
    expect(treeDifference([link('l', 'x')], [link('l', 'y')]).changed).toHaveLength(1);
    expect(treeDifference([link('l', 'x')], [link('l', 'x')]).changed).toHaveLength(0);
    expect(names(treeDifference([here], [folder('f')]).inTheWay)).toEqual(['f']);
    expect(names(treeDifference([folder('d')], [folder('d', { mode: 0o700 })]).oldFolders)).toEqual(['d']);
  });

  it('is by content if it is asked for: times are nothing then, and the same size is not the same', () => {
    const [one, other] = [file('f'), file('f', { mtimeNs: 9n })];
    expect(treeDifference([one], [other], () => true).changed).toEqual([]);
    expect(treeDifference([one], [one], () => false).changed).toHaveLength(1);
  });
});

describe('two times', () => {
  it('are the same to the second where one side knows no better, before 1970 too', () => {
    expect(sameTime(5n * SECOND, 5n * SECOND + 999_999_999n)).toBe(true);
    expect(sameTime(5n * SECOND + 1_000_000n, 5n * SECOND + 900_000_000n)).toBe(false);
    expect(sameTime(5n * SECOND, 6n * SECOND)).toBe(false);
    expect(sameTime(-2n * SECOND, -2n * SECOND + 500_000_000n)).toBe(true);
    expect(sameTime(-2n * SECOND, -SECOND - 1n)).toBe(true);
  });

  it('are the same though a double has rounded one of them', () => {
    expect(sameTime(1_700_000_000_123_456_789n, 1_700_000_000_123_456_716n)).toBe(true);
  });
});
