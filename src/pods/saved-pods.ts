import { statSync } from 'node:fs';
import { type Environment, readPods, type SavedPods } from './saved.ts';
import { savedFile } from './saved-file.ts';

/** A file that was changed so shortly before it was read may be changed again at what counts as the same time. */
const RACY_MS = 100;

/** What is saved, read anew only when the file is not the one that was read before: every call asks for it. */
export function savedPodsReader(world: { homeDir: string; env: Environment }): () => Promise<SavedPods> {
  const path = savedFile(world.homeDir);
  let known: { identity: string; saved: SavedPods } | undefined;
  return async () => {
    const before = look(path);
    if (before && before.identity === known?.identity) return known.saved;
    const saved = await readPods(world);
    const after = look(path);
    const lasting = after && after.identity === before?.identity && Date.now() - after.changedMs > RACY_MS;
    known = lasting ? { identity: after.identity, saved } : undefined;
    return saved;
  };
}

/** Tells a file from another one and from an earlier state of itself; undefined if there is none. */
function look(path: string): { identity: string; changedMs: number } | undefined {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs, ctimeMs } = statSync(path, { bigint: true });
    return { identity: [dev, ino, size, mtimeNs, ctimeNs].join(' '), changedMs: Number(ctimeMs) };
  } catch {
    return undefined;
  }
}
