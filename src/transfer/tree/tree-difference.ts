import type { TreeEntry } from './tree-entries.ts';

export type FolderEntry = TreeEntry & { kind: 'directory' };

export type TreeDifference = {
  /** Files and links that have to travel. */
  changed: TreeEntry[];
  /** Folders that the other side lacks, each before what is in it. */
  newFolders: FolderEntry[];
  /** Folders that both sides have, with another mode or time. */
  oldFolders: FolderEntry[];
  /** Folders of the other side that stand where the source has something else. */
  inTheWay: Buffer[];
  /** Files and links that are the same on both sides. */
  same: TreeEntry[];
};

/**
 * What has to be done so that the target's tree is like the source's. Files count as the same when size and time
 * are; times to the second where one side knows no better. `byContent`: files of the same size are all compared
 * by `sameContent`'s word.
 */
export function treeDifference(
  source: readonly TreeEntry[],
  target: readonly TreeEntry[],
  sameContent?: (path: Buffer) => boolean,
): TreeDifference {
  const there = new Map(target.map((entry) => [keyOf(entry), entry]));
  const difference: TreeDifference = { changed: [], newFolders: [], oldFolders: [], inTheWay: [], same: [] };
  for (const entry of source) {
    const found = there.get(keyOf(entry));
    if (entry.kind === 'directory') {
      if (found?.kind !== 'directory') difference.newFolders.push(entry);
      else if (found.mode !== entry.mode || !sameTime(found.mtimeNs, entry.mtimeNs)) {
        difference.oldFolders.push(entry);
      }
    } else if (found && isSame(entry, found, sameContent)) {
      difference.same.push(entry);
    } else {
      difference.changed.push(entry);
      if (found?.kind === 'directory') difference.inTheWay.push(entry.path);
    }
  }
  return difference;
}

/**
 * What the target has and the source has not, as far as it may be removed: the topmost only, and no folder in which
 * something is that is kept. What is in a folder that is kept is so too.
 */
export function removable(
  source: readonly TreeEntry[],
  target: readonly TreeEntry[],
  isKept: (entry: TreeEntry) => boolean,
): Buffer[] {
  const wanted = new Set(source.map(keyOf));
  const kept = new Set<string>();
  const needed = new Set<string>();
  const surplus: TreeEntry[] = [];
  for (const entry of target) {
    const name = keyOf(entry);
    const keep = hasFolderIn(kept, name) || isKept(entry);
    if (keep) kept.add(name);
    if (!keep && !wanted.has(name)) {
      surplus.push(entry);
      continue;
    }
    for (const folder of foldersOf(name)) needed.add(folder);
  }
  // What is in a folder that gives way to a file goes with it.
  const others = new Set(source.filter(({ kind }) => kind !== 'directory').map(keyOf));
  const removed = new Set<string>();
  for (const entry of surplus) {
    const name = keyOf(entry);
    if (!needed.has(name) && !hasFolderIn(removed, name) && !hasFolderIn(others, name)) removed.add(name);
  }
  return [...removed].map((name) => Buffer.from(name, 'latin1'));
}

/** The folders that a path is in, the outermost first; as its bytes in latin1. */
export function foldersOf(name: string): string[] {
  const folders: string[] = [];
  for (let end = name.indexOf('/'); end >= 0; end = name.indexOf('/', end + 1))
    folders.push(name.slice(0, end));
  return folders;
}

/** Whether one of the folders that a path is in is in this set. */
export function hasFolderIn(set: { has(name: string): boolean; size: number }, name: string): boolean {
  return set.size > 0 && foldersOf(name).some((folder) => set.has(folder));
}

/** Those that are in no other one's folder, each as new as the newest that is in it. */
export function topmost<T extends { path: Buffer; mtimeNs: bigint }>(entries: readonly T[]): T[] {
  const names = new Set(entries.map(keyOf));
  const found = new Map<string, T>();
  for (const entry of entries) if (!hasFolderIn(names, keyOf(entry))) found.set(keyOf(entry), { ...entry });
  for (const entry of entries) {
    for (const folder of foldersOf(keyOf(entry))) {
      const top = found.get(folder);
      if (top && top.mtimeNs < entry.mtimeNs) top.mtimeNs = entry.mtimeNs;
    }
  }
  return [...found.values()];
}

/** A path's bytes as a string, one character for each: for sets and maps. */
export function keyOf({ path }: { path: Buffer }): string {
  return path.toString('latin1');
}

function isSame(one: TreeEntry, other: TreeEntry, sameContent?: (path: Buffer) => boolean): boolean {
  if (one.kind === 'symlink') return other.kind === 'symlink' && one.target.equals(other.target);
  if (one.kind !== 'file' || other.kind !== 'file') return false;
  if (one.size !== other.size || one.mode !== other.mode) return false;
  return sameContent ? sameContent(one.path) : sameTime(one.mtimeNs, other.mtimeNs);
}

const SECOND = 1_000_000_000n;
/** File systems and Node's utimes round to a microsecond or so. */
const ROUNDING = 2_000n;

/** Whether two times are the same as far as both sides can tell. */
export function sameTime(one: bigint, other: bigint): boolean {
  const apart = one > other ? one - other : other - one;
  if (apart <= ROUNDING) return true;
  const coarse = one % SECOND === 0n || other % SECOND === 0n;
  return coarse && floored(one) === floored(other);
}

function floored(ns: bigint): bigint {
  return ns - (((ns % SECOND) + SECOND) % SECOND);
}
