import { Failure } from '../failure.ts';
import { isSafeTreeName } from './tree/tree-names.ts';

/** The last name of a path. */
export function nameOf(path: Buffer): Buffer {
  const text = path.toString('latin1').replace(/\/+$/, '');
  return Buffer.from(text.slice(text.lastIndexOf('/') + 1), 'latin1');
}

/** What is at this path below a tree's root, a folder other than the topmost. */
export function below(root: Buffer, path: Buffer): Buffer {
  return Buffer.concat([root, Buffer.from('/'), path]);
}

/** What has this name in a folder. A source without a name (the topmost folder) takes the folder's own place. */
export function withName(folder: Buffer, name: Buffer): Buffer {
  if (name.length === 0) return folder;
  if (!isSafeTreeName(name) || name.includes('/')) {
    throw new Failure({
      kind: 'bad-input',
      happened: `${JSON.stringify(name.toString())} is no name of a file.`,
      next: 'name the file or folder itself.',
    });
  }
  const isRoot = folder.length === 1 && folder[0] === 0x2f;
  return Buffer.concat([isRoot ? Buffer.alloc(0) : folder, Buffer.from('/'), name]);
}

/** Throws Failure `bad-input` if two of these would get the same name in one folder. */
export function checkNamesDiffer(paths: readonly Buffer[]): void {
  const seen = new Map<string, Buffer>();
  for (const path of paths) {
    const name = nameOf(path).toString('latin1');
    const other = seen.get(name);
    if (other) {
      throw new Failure({
        kind: 'bad-input',
        happened: `The pattern matches both ${other.toString()} and ${path.toString()}, which have the same name.`,
        meaning: 'Nothing was transferred: one would take the place of the other.',
        next: 'transfer them one by one under names of their own, or the folder that they are in.',
      });
    }
    seen.set(name, path);
  }
}
