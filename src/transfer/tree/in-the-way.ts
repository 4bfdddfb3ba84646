import { Failure } from '../../failure.ts';
import { keyOf } from './tree-difference.ts';
import type { TreeEntry } from './tree-entries.ts';

/** Whether something in this folder is kept whatever happens. */
export function keepsSomething(
  folder: Buffer,
  tree: readonly TreeEntry[],
  isKept: (entry: TreeEntry) => boolean,
): boolean {
  const start = `${folder.toString('latin1')}/`;
  return tree.some((entry) => keyOf(entry).startsWith(start) && isKept(entry));
}

/** A folder gives way to nothing, unless what the source lacks may be removed. */
export function folderInTheWay(path: Buffer, side: 'on the pod' | 'on this machine'): Failure {
  return new Failure({
    kind: 'transfer-failed',
    happened: `${path.toString()} is a folder ${side}, where the source has a file or a link.`,
    meaning: 'Nothing was changed.',
    next: 'with delete: true it gives way if nothing excluded is in it; or remove it first, or leave it out with exclude.',
  });
}
