import type { TreeEntry } from './tree-entries.ts';

/** The bytes of all files among the entries. */
export function totalBytes(entries: readonly TreeEntry[]): number {
  return entries.reduce((sum, entry) => sum + (entry.kind === 'file' ? entry.size : 0), 0);
}

/** The paths of the files that both sides have with the same size. */
export function sameSized(source: readonly TreeEntry[], target: readonly TreeEntry[]): Buffer[] {
  const sizes = new Map<string, number>();
  for (const entry of target) if (entry.kind === 'file') sizes.set(entry.path.toString('latin1'), entry.size);
  return source.flatMap((entry) =>
    entry.kind === 'file' && sizes.get(entry.path.toString('latin1')) === entry.size ? [entry.path] : [],
  );
}
