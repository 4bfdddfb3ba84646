import { chmod, lstat, mkdir, rename, rm, symlink, utimes } from 'node:fs/promises';
import { Failure } from '../../failure.ts';
import { codeOf } from '../../local/error-code.ts';
import { SessionLost } from '../../session/session.ts';
import { channelsFor } from '../file/blocks.ts';
import { clearFolder, fetchFile } from '../file/fetch-file.ts';
import { beginDownload, checkRoomHere, endDownload, ownPart } from '../file/local-parts.ts';
import { localWriteFailure } from '../local-failures.ts';
import { below } from '../names.ts';
import { mayPack } from '../packing.ts';
import { type PodPlace, surveyOnPod } from '../pod-files.ts';
import { loadTransfer } from '../programs.ts';
import { nodeTime } from '../times.ts';
import type { Transfer } from '../transfer.ts';
import { sourceChanged } from '../transfer-failures.ts';
import { type FileEntry, type FilesChannel, fetchMany, PACKED_BYTES } from './fetch-many.ts';
import { type FolderEntry, foldersOf, keyOf, type TreeDifference } from './tree-difference.ts';
import type { TreeEntry } from './tree-entries.ts';
import { totalBytes } from './tree-totals.ts';

/** Files of more than this come one by one, in blocks; smaller ones together. */
const LARGE_BYTES = 4 * 1024 * 1024;
const BATCH_BYTES = 16 * 1024 * 1024;
const BATCH_FILES = 500;
/** So much comes over the session that serves everything else. */
const INLINE_BYTES = 96 * 1024;
const TRIES = 3;

export type FetchTreeJob = {
  /** A real path. */
  localRoot: Buffer;
  place: PodPlace;
  difference: TreeDifference;
  /** The tree's own folder, if it is new here. */
  rootFolder?: { mode: number; mtimeNs: bigint };
  /** All folders of the tree. */
  folders: readonly FolderEntry[];
  /** What to remove here at the end. */
  remove: readonly Buffer[];
};

/**
 * Makes the local tree like the one on the pod, as `difference` says: every file under another name first, verified by
 * SHA-256 computed on both sides, and renamed. Nothing is followed or written out of the tree. Throws Failure.
 */
export async function fetchTree(transfer: Transfer, job: FetchTreeJob): Promise<void> {
  const { localRoot, place, difference, remove } = job;
  const local = (path: Buffer): Buffer => below(localRoot, path);
  const files = difference.changed.filter((entry): entry is FileEntry => entry.kind === 'file');
  try {
    await mkdir(localRoot, { recursive: true });
    await checkRoomHere(local(Buffer.from('.')), totalBytes(files));
    for (const { path } of difference.newFolders) await makeFolder(local(path));
    await checkFolders(difference.changed, local);
    const small = files.filter(({ size }) => size <= LARGE_BYTES);
    const inTheWay = new Set(difference.inTheWay.map((path) => path.toString('latin1')));
    await fetchBatches(transfer, place, { local, inTheWay }, small);
    for (const { path, size, mode } of files) {
      if (size <= LARGE_BYTES) continue;
      const source = await surveyOnPod(transfer.connection, below(place.bytes, path), transfer.signal);
      if (source.size !== size) throw sourceChanged(source.path);
      await fetchFile(transfer, source, local(path), { mode: mode & 0o7777, over: true });
    }
    for (const entry of difference.changed) {
      if (entry.kind === 'symlink') await putLink(local(entry.path), entry.target);
    }
    for (const path of remove) await rm(local(path), { recursive: true, force: true });
    await dressFolders(job, local);
  } catch (error) {
    throw codeOf(error) === undefined || transfer.signal.aborted
      ? error
      : localWriteFailure(error, pathOf(error) ?? localRoot.toString());
  }
}

/** Gives folders their modes and times: those that are new or other, and those in which something was changed. */
async function dressFolders(
  { localRoot, difference, rootFolder, folders, remove }: FetchTreeJob,
  local: (path: Buffer) => Buffer,
): Promise<void> {
  const { changed, newFolders, oldFolders } = difference;
  const touched = new Set([...newFolders, ...oldFolders].map(keyOf));
  for (const name of [...changed, ...newFolders].map(keyOf)) touched.add(foldersOf(name).at(-1) ?? '');
  for (const path of remove) touched.add(foldersOf(path.toString('latin1')).at(-1) ?? '');
  const dressed = folders
    .filter((entry) => touched.has(keyOf(entry)))
    // The innermost first: a change inside would give the outer one another time.
    .reverse()
    .map(({ path, mode, mtimeNs }) => ({ path: local(path), mode, mtimeNs }));
  for (const { path, mode, mtimeNs } of [
    ...dressed,
    ...(rootFolder ? [{ ...rootFolder, path: localRoot }] : []),
  ]) {
    await chmod(path, mode & 0o7777);
    await utimes(path, nodeTime(mtimeNs), nodeTime(mtimeNs));
  }
}

function pathOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('path' in error)) return undefined;
  return typeof error.path === 'string' ? error.path : undefined;
}

async function makeFolder(path: Buffer): Promise<void> {
  // What is a link in this place leads elsewhere; the tree has a folder there.
  if ((await kindOf(path)) !== 'folder') await rm(path, { force: true });
  await mkdir(path, { recursive: true });
}

async function kindOf(path: Buffer): Promise<'folder' | 'other' | 'none'> {
  try {
    return (await lstat(path)).isDirectory() ? 'folder' : 'other';
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return 'none';
    throw error;
  }
}

/** Every folder that something is put into must be one, and no link to one: that could lead out of the tree. */
async function checkFolders(entries: readonly TreeEntry[], local: (path: Buffer) => Buffer): Promise<void> {
  for (const name of new Set(entries.flatMap((entry) => foldersOf(keyOf(entry))))) {
    const folder = local(Buffer.from(name, 'latin1'));
    if ((await kindOf(folder)) === 'folder') continue;
    throw new Failure({
      kind: 'not-allowed',
      happened: `${folder.toString()} is no folder but a link or a file, and what comes from the pod would go through it.`,
      meaning: 'Nothing is written through links.',
      next: 'remove it, or choose another local folder.',
    });
  }
}

async function putLink(path: Buffer, target: Buffer): Promise<void> {
  const download = beginDownload();
  const temporary = ownPart(path, download, '.link');
  try {
    await symlink(target, temporary);
    await clearFolder(path);
    await rename(temporary, path);
  } finally {
    endDownload(download);
  }
}

async function fetchBatches(
  transfer: Transfer,
  place: PodPlace,
  target: { local: (path: Buffer) => Buffer; inTheWay: ReadonlySet<string> },
  files: FileEntry[],
): Promise<void> {
  if (files.length === 0) return;
  const { connection, channels, signal } = transfer;
  const { mode } = connection.pod;
  const packs = mayPack(connection, await connection.session({ signal }));
  const queue = batchesOf(files, packs ? PACKED_BYTES : BATCH_BYTES).map((batch) => ({ batch, tries: 0 }));
  const { roundTripMs } = place;
  const count = Math.min(queue.length, channelsFor(totalBytes(files), { roundTripMs, mode }));
  const some = async (channel: FilesChannel, delivered: () => void): Promise<boolean> => {
    const next = queue.shift();
    if (!next) return false;
    let wrong: FileEntry[];
    try {
      wrong = await fetchMany(transfer, channel, { root: place.bytes, ...target, files: next.batch });
    } catch (error) {
      queue.push(next);
      throw error;
    }
    delivered();
    if (wrong.length === 1 && next.tries >= TRIES)
      throw sourceChanged(wrong[0]?.path.toString() ?? place.path);
    // A file that changes its length while it is read garbles all behind it: halved, until it is alone.
    const half = Math.ceil(wrong.length / 2);
    for (const batch of [wrong.slice(0, half), wrong.slice(half)]) {
      if (batch.length > 0) queue.push({ batch, tries: next.tries + (batch.length === 1 ? 1 : 0) });
    }
    return queue.length > 0;
  };
  if (totalBytes(files) <= INLINE_BYTES) await overMain(transfer, some);
  signal.throwIfAborted();
  if (queue.length > 0) await channels.over({ connection, count, signal }, some);
}

/** A little comes over the pod's own session; what is lost with that is left. */
async function overMain(
  { connection, signal }: Transfer,
  some: (channel: FilesChannel, delivered: () => void) => Promise<boolean>,
): Promise<void> {
  const session = await connection.session({ signal });
  loadTransfer(session);
  try {
    await some({ session, shared: true }, () => {});
  } catch (error) {
    if (!(error instanceof SessionLost)) throw error;
  }
}

function batchesOf(files: readonly FileEntry[], bytes: number): FileEntry[][] {
  const batches: FileEntry[][] = [];
  let room = 0;
  for (const file of files) {
    const last = batches.at(-1);
    if (!last || room < file.size || last.length >= BATCH_FILES) {
      batches.push([file]);
      room = bytes - file.size;
    } else {
      last.push(file);
      room -= file.size;
    }
  }
  return batches;
}
