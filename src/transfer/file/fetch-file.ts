import { closeSync, constants, fstatSync, ftruncateSync, openSync, readFileSync, rmSync } from 'node:fs';
import { chmod, lstat, mkdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { codeOf } from '../../local/error-code.ts';
import { word } from '../../session/request.ts';
import { localWriteFailure } from '../local-failures.ts';
import { ask, type PodPlace, surveyOnPod } from '../pod-files.ts';
import { fromSeconds, nodeTime } from '../times.ts';
import type { Transfer } from '../transfer.ts';
import { failedOnPod, isFinal, placeFailure, sourceChanged } from '../transfer-failures.ts';
import { type Block, channelsFor, missing } from './blocks.ts';
import { fetchSome, hashOfBlock, IncomingBlock } from './fetch-blocks.ts';
import { checkRoomHere, sweepParts } from './local-parts.ts';
import { folderOf, partPath, withEnding } from './part-name.ts';

/** Files up to this come with the answer itself. */
const INLINE_BYTES = 128 * 1024;
/** How often a file may be taken away under our hands by another transfer to the same place. */
const TRIES = 3;
const OPEN_TRIES = 20;

/**
 * Fetches one file from the pod into `target`: to a temporary name beside it, verified by SHA-256 computed on both
 * sides, and renamed. Blocks that an earlier try has left there and that are the same don't come again.
 * `over`: a folder in its place gives way. Returns how many bytes the earlier try saved. Throws Failure.
 */
export async function fetchFile(
  transfer: Transfer,
  source: PodPlace,
  target: Buffer,
  { mode, over = false }: { mode: number; over?: boolean },
): Promise<number> {
  const mtimeNs = fromSeconds(source.time);
  const part = partPath(target, { path: source.bytes, size: source.size, mtimeNs });
  try {
    await mkdir(folderOf(target), { recursive: true });
    await sweepParts(part);
    for (let tries = 1; ; tries++) {
      const { saved, inode } = await fetchOnce(transfer, source, { part, target });
      if (await isSame(withEnding(part, '.part'), inode)) {
        if (over) await clearFolder(target);
        await putInPlace(withEnding(part, '.part'), target, { mode, mtimeNs });
        await rm(withEnding(part, '.done'), { force: true });
        return saved;
      }
      // Another transfer of the same file was faster; what it has put in place is what we have written too.
      if (await isSame(target, inode)) {
        await rm(withEnding(part, '.done'), { force: true });
        return saved;
      }
      if (tries === TRIES) throw placeFailure('gone', target.toString());
      transfer.moved(-source.size);
    }
  } catch (error) {
    const failure = codeOf(error) === undefined ? error : localWriteFailure(error, target.toString());
    if (isFinal(failure)) {
      for (const ending of ['.part', '.done'])
        await rm(withEnding(part, ending), { force: true }).catch(() => {});
    }
    throw failure;
  }
}

/** Gives a finished temporary file its mode and time, and the target's name. */
export async function putInPlace(
  part: Buffer,
  target: Buffer,
  { mode, mtimeNs }: { mode: number; mtimeNs: bigint },
): Promise<void> {
  await chmod(part, mode);
  await utimes(part, nodeTime(mtimeNs), nodeTime(mtimeNs));
  await rename(part, target);
}

/** Removes a folder that stands where something else is to be put; never through a link. */
export async function clearFolder(path: Buffer): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found?.isDirectory()) await rm(path, { recursive: true, force: true });
}

async function isSame(path: Buffer, inode: bigint): Promise<boolean> {
  const found = await lstat(path, { bigint: true }).catch(() => undefined);
  return found?.ino === inode;
}

/** Brings all of the file into its temporary one. */
async function fetchOnce(
  transfer: Transfer,
  source: PodPlace,
  { part, target }: { part: Buffer; target: Buffer },
): Promise<{ saved: number; inode: bigint }> {
  const { file, fresh } = openPart(part);
  try {
    const inode = fstatSync(file, { bigint: true }).ino;
    ftruncateSync(file, source.size);
    const done = fresh ? [] : await blocksThere(file, part, source.size);
    const saved = done.reduce((sum, { count }) => sum + count, 0);
    await checkRoomHere(target, Math.min(source.size, source.storedBytes) - saved);
    if (source.size > INLINE_BYTES) await fetchBlocks(transfer, source, { file, fresh, part, done });
    else if (source.size > 0) await fetchInline(transfer, source, file);
    const now = await surveyOnPod(transfer.connection, source.bytes, transfer.signal);
    if (now.size !== source.size || now.time !== source.time || now.inode !== source.inode) {
      throw sourceChanged(source.path);
    }
    return { saved, inode };
  } finally {
    closeSync(file);
  }
}

/** The temporary file, kept from an earlier try if its list of blocks is there as well. Never through a link. */
function openPart(part: Buffer): { file: number; fresh: boolean } {
  const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const path = withEnding(part, '.part');
  if (readDone(part) !== undefined) {
    try {
      return { file: openSync(path, O_RDWR | O_NOFOLLOW), fresh: false };
    } catch {
      // Something else has that name, or nothing.
    }
  }
  for (let tries = 1; ; tries++) {
    rmSync(path, { force: true, recursive: true });
    rmSync(withEnding(part, '.done'), { force: true, recursive: true });
    try {
      return { file: openSync(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600), fresh: true };
    } catch (error) {
      // Another transfer of the same file has made its own in between.
      if (codeOf(error) !== 'EEXIST' || tries === OPEN_TRIES) throw error;
    }
  }
}

function readDone(part: Buffer): string | undefined {
  try {
    return readFileSync(withEnding(part, '.done'), 'utf8');
  } catch {
    return undefined;
  }
}

async function fetchInline(transfer: Transfer, source: PodPlace, file: number): Promise<void> {
  const whole = { from: 0, count: source.size };
  for (let tries = 0; ; tries++) {
    const incoming = new IncomingBlock(file, whole, transfer);
    const { words, frames } = await ask(
      transfer.connection,
      { program: 'rp_get', words: [word(source.bytes), 0, source.size] },
      transfer.signal,
    );
    for (const frame of frames) incoming.take(frame);
    if (words[0] === 'ok' && incoming.matches(words[1])) return;
    incoming.undo();
    if (tries > 0 || words[0] !== 'ok') throw sourceChanged(source.path);
  }
}

async function fetchBlocks(
  transfer: Transfer,
  source: PodPlace,
  { file, fresh, part, done }: { file: number; fresh: boolean; part: Buffer; done: Block[] },
): Promise<void> {
  const { connection, channels, signal } = transfer;
  const { mode } = connection.pod;
  const saved = done.reduce((sum, { count }) => sum + count, 0);
  transfer.moved(saved);
  const count = channelsFor(source.size - saved, { roundTripMs: source.roundTripMs, mode });
  const { clean } = await connection.session({ signal });
  const queue = missing(source.size, done, { channels: count, mode, clean });
  const sparse = source.storedBytes < source.size;
  const job = { source, file, fresh, done: withEnding(part, '.done'), queue, sparse, repeats: { left: 3 } };
  await channels.over({ connection, count: Math.min(count, queue.length), signal }, (channel, delivered) =>
    fetchSome(transfer, channel, job, delivered),
  );
  if (queue.length > 0) throw failedOnPod(source.path, transfer);
}

/** Which blocks an earlier try has brought; each is hashed again, and others get their turn in between. */
async function blocksThere(file: number, part: Buffer, size: number): Promise<Block[]> {
  const done: Block[] = [];
  for (const line of new Set((readDone(part) ?? '').split('\n'))) {
    const found = /^(\d+) (\d+) ([0-9a-f]{64})$/.exec(line);
    if (!found) continue;
    const block = { from: Number(found[1]), count: Number(found[2]) };
    if (block.from + block.count <= size && hashOfBlock(file, block) === found[3]) done.push(block);
    await setImmediate();
  }
  return done;
}

/** What `stat` of the local target says; undefined if nothing is there. */
export async function localKind(path: string): Promise<'file' | 'directory' | 'other' | undefined> {
  try {
    const found = await stat(path);
    return found.isFile() ? 'file' : found.isDirectory() ? 'directory' : 'other';
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
