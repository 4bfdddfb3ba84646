import { constants } from 'node:fs';
import { access, lstat } from 'node:fs/promises';
import { isPrivateKey, type LocalGuard } from '../../local/local-guard.ts';
import { word } from '../../session/request.ts';
import { checkPlace } from '../check-place.ts';
import { isTemporary, STALE_NS } from '../file/part-name.ts';
import type { Meter } from '../meter.ts';
import { below, nameOf } from '../names.ts';
import { surveyOnPod } from '../pod-files.ts';
import { loadTransfer } from '../programs.ts';
import type { Summary } from '../summary.ts';
import type { Transfer } from '../transfer.ts';
import { placeFailure } from '../transfer-failures.ts';
import type { UploadRequest } from '../transfer-request.ts';
import { GitIgnore, newIgnoreList } from './ignore-rules.ts';
import { folderInTheWay, keepsSomething } from './in-the-way.ts';
import { listPodTree, type PodTree } from './pod-tree.ts';
import { sameContentOnPod } from './same-content.ts';
import { sendTree, stagesIn } from './send-tree.ts';
import { type FolderEntry, hasFolderIn, keyOf, removable, treeDifference } from './tree-difference.ts';
import { listTree, type TreeEntry } from './tree-entries.ts';
import { sameSized, totalBytes } from './tree-totals.ts';

/** No private key is larger; larger files need no look. */
const LARGEST_KEY_BYTES = 64 * 1024;
const LOOKS_AT_ONCE = 32;
/** Uploads a folder as a tree. Throws Failure. */
export async function uploadFolder(
  transfer: Transfer & { meter: Meter },
  request: UploadRequest,
  { guard, summary }: { guard: LocalGuard; summary: Summary },
  { path, realPath, target }: { path: Buffer; realPath: string; target: Buffer },
): Promise<void> {
  const { connection, signal, meter } = transfer;
  const exclude = newIgnoreList().add([...request.exclude]);
  const gitIgnore = request.respectGitignore ? await GitIgnore.forTree(realPath, newIgnoreList) : undefined;
  const listing = await listTree(realPath, {
    exclude,
    ...(gitIgnore ? { gitIgnore } : {}),
    refuse: (file) => guard.refuse(file, 'read'),
    signal,
  });
  const entries = listing.entries.filter((entry) => !isTemporary(entry.path));
  const folders = entries.filter((entry): entry is FolderEntry => entry.kind === 'directory');
  const [place, tree] = await Promise.all([
    surveyOnPod(connection, target, signal),
    listPodTree(transfer, target, request.remove ? 'all' : folders.map(({ path: name }) => name)),
  ]);
  if (place.kind === 'file' || place.kind === 'other') throw placeFailure('file', place.path);
  const { entries: there, temporaries } = tree ?? { entries: [], temporaries: [] };
  if (temporaries.length > 0) await sweepStages(transfer, place.bytes);
  const same = request.checksum
    ? await sameContentOnPod(
        transfer,
        place.bytes,
        sameSized(entries, there).map((file) => ({ remote: file, local: below(path, file) })),
      )
    : undefined;
  const difference = treeDifference(entries, there, same && ((file) => same.has(file.toString('latin1'))));
  const skippedHere = new Set(listing.skipped.map(keyOf));
  const isKept = (entry: TreeEntry): boolean => {
    const name = entry.path.toString();
    const isFolder = entry.kind === 'directory';
    if (skippedHere.has(keyOf(entry)) || hasFolderIn(skippedHere, keyOf(entry))) return true;
    return exclude.ignores(isFolder ? `${name}/` : name) || (gitIgnore?.leavesOut(name, isFolder) ?? false);
  };
  for (const file of difference.inTheWay) {
    if (!request.remove || keepsSomething(file, there, isKept)) throw folderInTheWay(file, 'on the pod');
    summary.removed.push(file.toString());
  }
  const remove = request.remove ? removable(entries, there, isKept) : [];
  difference.changed = await withoutSecrets(difference.changed, path, summary.skipped);
  const bytes = totalBytes(difference.changed);
  meter.expect(nameOf(place.bytes).toString(), bytes);
  checkPlace(place.kind === 'directory' ? { ...place, folder: 'open' } : place, transfer, bytes);
  summary.places.push(place.path);
  await sendTree(transfer, {
    localRoot: path,
    root: place.bytes,
    place,
    difference,
    ...(place.kind === 'none' ? { rootFolder: await folderFacts(path) } : {}),
    folders,
    remove: [...remove, ...stale(temporaries)],
  });
  summary.files += difference.changed.filter(({ kind }) => kind === 'file').length;
  summary.links += difference.changed.filter((entry) => entry.kind === 'symlink').length;
  summary.bytes += bytes;
  summary.sameFiles += difference.same.filter(({ kind }) => kind === 'file').length;
  summary.removed.push(...remove.map((file) => file.toString()));
  summary.skipped.push(...listing.skipped.map(({ path: file, why }) => `${file.toString()} (${why})`));
}

async function folderFacts(path: Buffer): Promise<{ mode: number; mtimeNs: bigint }> {
  const { mode, mtimeNs } = await lstat(path, { bigint: true });
  return { mode: Number(mode & 0o7777n), mtimeNs };
}

/** Has the stages of earlier tries removed whose sessions are gone; nobody waits for it. */
async function sweepStages({ connection, signal }: Transfer, root: Buffer): Promise<void> {
  const session = await connection.session({ signal });
  loadTransfer(session);
  session.housekeep('rp_sweep', [word(root), nameOf(stagesIn(root)).toString()]);
}

/** Temporary files that have been left for long. */
function stale(temporaries: PodTree['temporaries']): Buffer[] {
  const before = BigInt(Date.now()) * 1_000_000n - STALE_NS;
  return temporaries.filter(({ mtimeNs }) => mtimeNs < before).map(({ path }) => path);
}

/** Leaves out what begins like a private key, whatever it is called, and what can't be read. */
async function withoutSecrets(
  entries: readonly TreeEntry[],
  root: Buffer,
  skipped: string[],
): Promise<TreeEntry[]> {
  const kept: TreeEntry[] = [];
  for (let at = 0; at < entries.length; at += LOOKS_AT_ONCE) {
    const some = entries.slice(at, at + LOOKS_AT_ONCE);
    const reasons = await Promise.all(some.map((entry) => reasonToSkip(entry, below(root, entry.path))));
    for (const [index, entry] of some.entries()) {
      const reason = reasons[index];
      if (reason === undefined) kept.push(entry);
      else skipped.push(`${entry.path.toString()} (${reason})`);
    }
  }
  return kept;
}

async function reasonToSkip(entry: TreeEntry, path: Buffer): Promise<string | undefined> {
  if (entry.kind !== 'file') return undefined;
  try {
    if (entry.size > LARGEST_KEY_BYTES) await access(path, constants.R_OK);
    else if (entry.size > 0 && (await isPrivateKey(path))) return 'a private key';
    return undefined;
  } catch {
    return 'it can’t be read';
  }
}
