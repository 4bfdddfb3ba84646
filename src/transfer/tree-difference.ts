import type { TreeEntry } from './tree-entries.ts';

export type TreeDifference = {
  /** Files and links that have to travel. */
  changed: TreeEntry[];
  /** Folders that the other side lacks, each before what is in it. */
  newFolders: TreeEntry[];
  /** What stands in the way because it is of another kind. */
  inTheWay: Buffer[];
  /** What the other side has and the source has not; only the topmost. */
  surplus: Buffer[];
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
  const there = new Map(target.map((entry) => [entry.path.toString('latin1'), entry]));
  const wanted = new Set(source.map((entry) => entry.path.toString('latin1')));
  const difference: TreeDifference = { changed: [], newFolders: [], inTheWay: [], surplus: [], same: [] };
  for (const entry of source) {
    const found = there.get(entry.path.toString('latin1'));
    const sameKind = found?.kind === entry.kind;
    if (found && !sameKind && (found.kind === 'directory' || entry.kind === 'directory')) {
      difference.inTheWay.push(entry.path);
    }
    if (entry.kind === 'directory') {
      if (!sameKind) difference.newFolders.push(entry);
    } else if (found && isSame(entry, found, sameContent)) {
      difference.same.push(entry);
    } else {
      difference.changed.push(entry);
    }
  }
  let above: string | undefined;
  for (const { path } of target) {
    const name = path.toString('latin1');
    if (wanted.has(name) || (above !== undefined && name.startsWith(above))) continue;
    difference.surplus.push(path);
    above = `${name}/`;
  }
  return difference;
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
  return coarse && one / SECOND === other / SECOND;
}
