import type { Failure } from '../../failure.ts';
import { word } from '../../session/request.ts';
import { channelsFor } from '../file/blocks.ts';
import { temporaryPath, withEnding } from '../file/part-name.ts';
import { sendFile } from '../file/send-file.ts';
import { below } from '../names.ts';
import type { Channel } from '../open-channel.ts';
import { ask, type PodPlace } from '../pod-files.ts';
import { secondsText } from '../times.ts';
import type { Transfer } from '../transfer.ts';
import { failedOnPod, garbled, isFinal } from '../transfer-failures.ts';
import { archiveSize, type Batch, sendArchive, smallArchive } from './send-archive.ts';
import { type FolderEntry, foldersOf, keyOf, type TreeDifference } from './tree-difference.ts';
import type { TreeEntry } from './tree-entries.ts';
import { totalBytes } from './tree-totals.ts';

/** Files of more than this go one by one, in blocks; smaller ones together as archives of about this size. */
const LARGE_BYTES = 16 * 1024 * 1024;
/** An archive up to this goes with the request itself, in one round trip. */
const INLINE_BYTES = 96 * 1024;
const TRIES = 3;
const SLASH = Buffer.from('/');

export type SendTreeJob = {
  localRoot: Buffer;
  /** Absolute, on the pod. */
  root: Buffer;
  place: PodPlace;
  difference: TreeDifference;
  /** The tree's own folder, if the pod has none yet. */
  rootFolder?: { mode: number; mtimeNs: bigint };
  /** All folders of the tree. */
  folders: readonly FolderEntry[];
  /** What to remove on the pod at the end. */
  remove: readonly Buffer[];
};

/**
 * Makes the tree below `root` on the pod like the local one at `localRoot`, as `difference` says. Every file is
 * unpacked under another name, verified by SHA-256 computed on both sides, and moved to its place. Throws Failure.
 */
export async function sendTree(transfer: Transfer, job: SendTreeJob): Promise<void> {
  const { changed, newFolders } = job.difference;
  const isLarge = (entry: TreeEntry): boolean => entry.kind === 'file' && entry.size > LARGE_BYTES;
  const batches = batchesOf([...newFolders, ...changed.filter((entry) => !isLarge(entry))], newFolders);
  const large = changed.filter(isLarge);
  const last = lastRecords(job, batches);
  // A tree that goes in one archive is finished with it.
  const [batch] = batches;
  const alone = batches.length === 1 && large.length === 0;
  if (alone && batch && isSmall(job, batch, last)) {
    await sendSmall(transfer, job, batch, last);
    return;
  }
  await sendBatches(transfer, job, batches, alone ? last : []);
  await sendLarge(transfer, job, large);
  if (!alone && last.length > 0) await settle(transfer, job.root, last);
}

/** What is done when all files have arrived: removing what is surplus, modes and times of folders. */
function lastRecords(
  { place, difference, rootFolder, folders, remove }: SendTreeJob,
  batches: readonly Batch[],
): Buffer[] {
  const { changed, newFolders, oldFolders } = difference;
  const fresh = new Set(newFolders.map(keyOf));
  const touched = new Set(oldFolders.map(keyOf));
  const touch = (name: string): void => void touched.add(foldersOf(name).at(-1) ?? '');
  const inBatches = new Map<string, Batch>();
  for (const batch of batches) {
    for (const entry of batch) {
      const folder = foldersOf(keyOf(entry)).at(-1) ?? '';
      // A new folder comes as it is to be, unless more is put into it later.
      if (!fresh.has(folder) || (inBatches.get(folder) ?? batch) !== batch) touched.add(folder);
      inBatches.set(folder, batch);
    }
  }
  for (const entry of changed) if (entry.kind === 'file' && entry.size > LARGE_BYTES) touch(keyOf(entry));
  for (const path of remove) touch(path.toString('latin1'));
  const isLate = (entry: FolderEntry): boolean =>
    fresh.has(keyOf(entry)) && (place.tar === 'gnu' || !isOpen(entry));
  const isOther = new Set([...fresh, ...oldFolders.map(keyOf)]);
  return [
    ...remove.map((path) => record('x', path)),
    // The innermost first: a change inside would give the outer one another time.
    ...folders
      .filter((entry) => touched.has(keyOf(entry)) || isLate(entry))
      .map((entry) => folderRecord(entry, isOther.has(keyOf(entry))))
      .reverse(),
    ...(rootFolder ? [folderRecord({ ...rootFolder, path: Buffer.alloc(0) }, true)] : []),
  ];
}

/** Whether its owner can put something into a folder, or move it. */
function isOpen({ mode }: { mode: number }): boolean {
  return (mode & 0o700) === 0o700;
}

function folderRecord(
  { mode, mtimeNs, path }: { mode: number; mtimeNs: bigint; path: Buffer },
  withMode: boolean,
): Buffer {
  // Five digits: with fewer, GNU's chmod leaves a folder its setuid and setgid.
  const digits = withMode ? (mode & 0o7777).toString(8).padStart(5, '0') : '-';
  return record(`t ${digits} ${secondsText(mtimeNs)}`, path);
}

function record(verb: string, path: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${verb} `), path, Buffer.from([0])]);
}

/** Has it done on the pod; false if the stage is gone. */
async function settle(transfer: Transfer, root: Buffer, records: Buffer[], stage?: Buffer): Promise<boolean> {
  const { words, frames } = await ask(
    transfer.connection,
    {
      program: 'rp_settle_tree',
      words: [word(root), word(stage ?? '')],
      text: Buffer.concat(records),
    },
    transfer.signal,
  );
  if (words[0] === 'gone') return false;
  if (words[0] !== 'ok') throw settlingFailed(transfer, root, frames[0]?.payload);
  return true;
}

/** `paths`: what could not be done, a line each; `why`, if it was nothing at all. */
function settlingFailed(transfer: Transfer, root: Buffer, paths?: Buffer, why?: string): Failure {
  const [path = ''] = (paths?.toString() ?? '').split('\n');
  return failedOnPod(path === '' ? root.toString() : `${root.toString()}/${path}`, transfer, why);
}

/** Cuts what goes in archives into such; each has the new folders in it that its files are in. */
function batchesOf(entries: readonly TreeEntry[], newFolders: readonly FolderEntry[]): Batch[] {
  const fresh = new Map(newFolders.map((entry) => [keyOf(entry), entry]));
  const batches: Batch[] = [];
  let batch: Batch = [];
  let names = new Set<string>();
  let room = 0;
  for (const entry of [...entries].sort((one, other) => Buffer.compare(one.path, other.path))) {
    const size = 1024 + (entry.kind === 'file' ? entry.size : 0);
    if (room < size) {
      batch = [];
      names = new Set();
      batches.push(batch);
      room = Math.max(LARGE_BYTES, size);
    }
    for (const name of [...foldersOf(keyOf(entry)), keyOf(entry)]) {
      const folder = fresh.get(name);
      if (!folder || names.has(name)) continue;
      names.add(name);
      batch.push({ ...folder, mode: folder.mode | 0o700 });
    }
    if (entry.kind !== 'directory') batch.push(entry);
    room -= size;
  }
  return batches;
}

function isSmall({ place }: SendTreeJob, batch: Batch, last: readonly Buffer[]): boolean {
  return archiveSize({ place, batch }) + last.reduce((sum, { length }) => sum + length, 0) <= INLINE_BYTES;
}

/** Sends a few small files over the pod's own session, and has them put in place at once. */
async function sendSmall(
  transfer: Transfer,
  job: SendTreeJob,
  batch: Batch,
  last: readonly Buffer[],
): Promise<void> {
  const { connection, signal } = transfer;
  for (let tries = 1; ; tries++) {
    let moved = 0;
    const archive = await smallArchive(
      { ...job, batch },
      Buffer.concat(settlingOf(job, batch, last)),
      (bytes) => {
        moved += bytes;
      },
    );
    const { words, frames } = await ask(
      connection,
      {
        program: 'rp_put_tree',
        words: [word(job.root), word(stagesIn(job.root))],
        text: archive.toString('base64'),
      },
      signal,
    );
    if (words[0] === 'ok') {
      transfer.moved(moved);
      return;
    }
    if (words[0] !== 'garbled') throw settlingFailed(transfer, job.root, frames[0]?.payload, words[1]);
    if (tries === TRIES) throw garbled(`A part of ${job.root.toString()}`);
  }
}

/** What is done with a batch that has arrived, and then with the rest. */
function settlingOf({ difference }: SendTreeJob, batch: Batch, last: readonly Buffer[]): Buffer[] {
  const names = new Set(batch.map(keyOf));
  return [
    ...difference.inTheWay
      .filter((path) => names.has(path.toString('latin1')))
      .map((path) => record('f', path)),
    record('m', Buffer.alloc(0)),
    record('s', Buffer.alloc(0)),
    ...last,
  ];
}

async function sendBatches(
  transfer: Transfer,
  job: SendTreeJob,
  batches: Batch[],
  last: Buffer[],
): Promise<void> {
  if (batches.length === 0) return;
  const { connection, channels, signal } = transfer;
  const { mode } = connection.pod;
  const bytes = totalBytes(batches.flat());
  const { roundTripMs } = job.place;
  const count = Math.min(batches.length, channelsFor(bytes, { roundTripMs, mode }));
  const queue = batches.map((batch, number) => ({ batch, number, tries: 0 }));
  const lost: Buffer[] = [];
  await channels.over({ connection, count, signal }, async (channel, delivered) => {
    const next = queue.shift();
    if (!next) return false;
    try {
      if (!(await sendBatch(transfer, channel, job, next, { last, lost }))) {
        next.tries += 1;
        if (next.tries === TRIES) throw garbled(`A part of ${job.root.toString()}`);
        queue.push(next);
      }
    } catch (error) {
      queue.push(next);
      throw error;
    }
    delivered();
    return queue.length > 0;
  });
  for (const stage of lost) await discard(transfer, stage);
}

async function discard({ connection, signal }: Transfer, stage: Buffer): Promise<void> {
  await ask(connection, { program: 'rp_discard', words: [word(stage)] }, signal).catch(() => {});
}

/** Sends an archive and puts what was in it in place; false if it didn't arrive as it was sent. */
async function sendBatch(
  transfer: Transfer,
  channel: Channel,
  job: SendTreeJob,
  { batch, number }: { batch: Batch; number: number },
  { last, lost }: { last: Buffer[]; lost: Buffer[] },
): Promise<boolean> {
  // The session is in the name, so that stages whose sessions are gone can be told (rp_sweep).
  const { pid, started } = channel.session.description;
  const stage = withEnding(stagesIn(job.root), `-${pid}-${started}-${number}`);
  try {
    const arrived = await sendArchive(transfer, channel, { ...job, batch, stage });
    if (arrived && (await settle(transfer, job.root, settlingOf(job, batch, last), stage))) return true;
    transfer.moved(-totalBytes(batch));
    return false;
  } catch (error) {
    if (isFinal(error)) await discard(transfer, stage);
    else lost.push(stage);
    throw error;
  }
}

/** The beginning of the names of all stages in a tree's own folder. */
export function stagesIn(root: Buffer): Buffer {
  return temporaryPath(Buffer.concat([root.equals(SLASH) ? Buffer.alloc(0) : root, Buffer.from('/stage')]));
}

async function sendLarge(transfer: Transfer, job: SendTreeJob, entries: readonly TreeEntry[]): Promise<void> {
  const { localRoot, root, place } = job;
  for (const entry of entries) {
    if (entry.kind !== 'file') continue;
    const file = { ...entry, path: below(localRoot, entry.path) };
    await sendFile(transfer, file, below(root, entry.path), {
      roundTripMs: place.roundTripMs,
      over: true,
    });
  }
}
