import { lstat, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { LocalGuard } from '../../local/local-guard.ts';
import { isUnderWay, removeIfPossible } from '../file/local-parts.ts';
import { isTemporary, STALE_NS } from '../file/part-name.ts';
import { localWriteFailure } from '../local-failures.ts';
import type { Meter } from '../meter.ts';
import { below, nameOf } from '../names.ts';
import type { PodPlace } from '../pod-files.ts';
import type { Summary } from '../summary.ts';
import { fromSeconds } from '../times.ts';
import type { Transfer } from '../transfer.ts';
import { notReadable, placeFailure } from '../transfer-failures.ts';
import type { DownloadRequest } from '../transfer-request.ts';
import { fetchTree } from './fetch-tree.ts';
import { newIgnoreList } from './ignore-rules.ts';
import { folderInTheWay, keepsSomething } from './in-the-way.ts';
import type { PodTree } from './pod-tree.ts';
import { sameContentOnPod } from './same-content.ts';
import {
  type FolderEntry,
  hasFolderIn,
  keyOf,
  removable,
  topmost,
  treeDifference,
} from './tree-difference.ts';
import { listTree, type TreeEntry } from './tree-entries.ts';
import { linkStaysInTree } from './tree-names.ts';
import { sameSized, totalBytes } from './tree-totals.ts';

type Patterns = ReturnType<typeof newIgnoreList>;

/** Downloads a folder as a tree. Throws Failure. */
export async function downloadFolder(
  transfer: Transfer & { meter: Meter },
  request: DownloadRequest,
  { guard, summary }: { guard: LocalGuard; summary: Summary },
  { place, tree }: { place: PodPlace; tree: PodTree | undefined },
  local: Buffer,
): Promise<void> {
  if (!tree) throw notReadable(place.path);
  const isNew = await prepareFolder(local);
  const exclude = newIgnoreList().add([...request.exclude]);
  const { kept: entries, leftOut } = wanted(tree.entries, { exclude, guard, local: local.toString() });
  summary.skipped.push(...[...leftOut].flatMap(([name, why]) => (why ? [`${shown(name)} (${why})`] : [])));
  const folders = entries.filter((entry): entry is FolderEntry => entry.kind === 'directory');
  const mine = await localEntries(local, request.remove ? undefined : folders, transfer.signal);
  const same = request.checksum
    ? await sameContentOnPod(
        transfer,
        place.bytes,
        sameSized(entries, mine).map((path) => ({ remote: path, local: below(local, path) })),
      )
    : undefined;
  const difference = treeDifference(entries, mine, same && ((path) => same.has(path.toString('latin1'))));
  const isKept = (entry: TreeEntry): boolean => {
    const name = entry.path.toString();
    if (leftOut.has(keyOf(entry)) || hasFolderIn(leftOut, keyOf(entry))) return true;
    if (exclude.ignores(entry.kind === 'directory' ? `${name}/` : name)) return true;
    return guard.refuse(join(local.toString(), name), 'write') !== undefined;
  };
  for (const path of difference.inTheWay) {
    if (!request.remove || keepsSomething(path, mine, isKept)) throw folderInTheWay(path, 'on this machine');
    summary.removed.push(path.toString());
  }
  const remove = request.remove ? removable(entries, mine, isKept) : [];
  const bytes = totalBytes(difference.changed);
  transfer.meter.expect(nameOf(place.bytes).toString(), bytes);
  summary.places.push(local.toString());
  const rootFolder = { mode: Number.parseInt(place.mode, 8) & 0o7777, mtimeNs: fromSeconds(place.time) };
  await fetchTree(transfer, {
    localRoot: local,
    place,
    difference,
    ...(isNew ? { rootFolder } : {}),
    folders,
    remove,
  });
  summary.files += difference.changed.filter((entry) => entry.kind === 'file').length;
  summary.links += difference.changed.filter((entry) => entry.kind === 'symlink').length;
  summary.bytes += bytes;
  summary.sameFiles += difference.same.filter((entry) => entry.kind === 'file').length;
  summary.removed.push(...remove.map((path) => path.toString()));
}

/** Makes the folder if there is none; whether it was so. */
async function prepareFolder(local: Buffer): Promise<boolean> {
  try {
    const found = await lstat(local).catch(() => undefined);
    if (found && !found.isDirectory()) throw placeFailure('file', local.toString());
    if (!found) await mkdir(local, { recursive: true });
    return !found;
  } catch (error) {
    throw localWriteFailure(error, local.toString());
  }
}

/** What is here, in these folders only if they are given; what interrupted downloads have left goes. */
async function localEntries(
  local: Buffer,
  folders: readonly FolderEntry[] | undefined,
  signal: AbortSignal,
): Promise<TreeEntry[]> {
  const names = folders && new Set(folders.map(keyOf));
  const { entries } = await listTree(local.toString(), {
    signal,
    ...(names ? { enters: (path: Buffer) => names.has(path.toString('latin1')) } : {}),
  });
  const before = BigInt(Date.now()) * 1_000_000n - STALE_NS;
  for (const { path, kind, mtimeNs } of topmost(entries.filter((entry) => isTemporary(entry.path)))) {
    if (isUnderWay(nameOf(path).toString('latin1'))) continue;
    const part = below(local, path);
    if (kind === 'directory') {
      // It holds what a large file's download may go on with.
      const bytes = await lstat(below(part, Buffer.from('bytes')), { bigint: true }).catch(() => undefined);
      if ((bytes?.mtimeNs ?? mtimeNs) >= before) continue;
    }
    await removeIfPossible(part);
  }
  return entries.filter(({ path }) => !isTemporary(path));
}

/**
 * What of the pod's tree is taken: nothing excluded, nothing protected here, no link that leads out of the tree. What
 * is left out, with the reason where it has to be told.
 */
export function wanted(
  entries: readonly TreeEntry[],
  { exclude, guard, local }: { exclude: Patterns; guard: Pick<LocalGuard, 'refuse'>; local: string },
): { kept: TreeEntry[]; leftOut: Map<string, string | undefined> } {
  const kept: TreeEntry[] = [];
  const leftOut = new Map<string, string | undefined>();
  for (const entry of entries) {
    if (hasFolderIn(leftOut, keyOf(entry))) continue;
    const name = entry.path.toString();
    const refused = guard.refuse(join(local, name), 'write');
    if (exclude.ignores(entry.kind === 'directory' ? `${name}/` : name)) {
      leftOut.set(keyOf(entry), undefined);
    } else if (refused !== undefined) {
      leftOut.set(keyOf(entry), refused);
    } else if (entry.kind === 'symlink' && !linkStaysInTree(entry.path, entry.target)) {
      leftOut.set(keyOf(entry), `a link that leads out of the tree: ${entry.target.toString()}`);
    } else {
      // Setuid and setgid would let others do here what a pod says.
      kept.push(entry.kind === 'file' ? { ...entry, mode: entry.mode & 0o1777 } : entry);
    }
  }
  return { kept, leftOut };
}

function shown(name: string): string {
  return Buffer.from(name, 'latin1').toString();
}
