import { createHash, randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { word } from '../../session/request.ts';
import { localReadFailure } from '../local-failures.ts';
import { mayPack } from '../packing.ts';
import { ask } from '../pod-files.ts';
import { secondsText } from '../times.ts';
import type { Transfer } from '../transfer.ts';
import {
  failedOnPod,
  garbled,
  isFinal,
  noRoomOnPod,
  placeFailure,
  sourceChanged,
} from '../transfer-failures.ts';
import { type Block, bytesIn, channelsFor, gapsIn, missing } from './blocks.ts';
import { partPath, withEnding } from './part-name.ts';
import { hashOf, PartGone, sendSome } from './send-blocks.ts';

/** Files up to this go with the request itself, in one round trip. */
const INLINE_BYTES = 96 * 1024;
/** How often what has arrived may be taken away under our hands. */
const TRIES = 3;

/** A local file to be sent; `path` in the bytes that name it. */
export type LocalFile = { path: Buffer; size: number; mode: number; mtimeNs: bigint };

/** `base`: the name of what is on its way, but for what tells one upload from another. */
type Target = { path: Buffer; base: Buffer; shown: string };

/**
 * Sends one file to `path` on the pod: to a temporary name beside it, verified by SHA-256 computed on both sides,
 * and renamed. Blocks that an earlier try has left there and that are the same are not sent again. `over`: a folder
 * in its place gives way. Returns how many bytes the earlier try saved. Throws Failure.
 */
export async function sendFile(
  transfer: Transfer,
  file: LocalFile,
  path: Buffer,
  { roundTripMs, over = false }: { roundTripMs: number; over?: boolean },
): Promise<number> {
  const handle = await open(file.path, constants.O_RDONLY | constants.O_NOFOLLOW).catch((error: unknown) => {
    throw localReadFailure(error, file.path.toString());
  });
  const target = { path, base: partPath(path, file), shown: path.toString() };
  let part: Buffer | undefined;
  try {
    if (file.size <= INLINE_BYTES) return await sendInline(transfer, handle, file, target);
    for (let tries = 1; ; tries++) {
      part = withEnding(target.base, `-${randomBytes(8).toString('hex')}`);
      const { saved, inode, missingBytes } = await sendBlocks(transfer, handle, file, {
        part,
        // What another upload of the same file has taken over is left to it.
        fresh: tries > 1,
        target,
        roundTripMs,
      });
      await checkUnchanged(handle, file);
      const { words } = await ask(
        transfer.connection,
        {
          program: 'rp_place',
          words: [word(part), word(path), ...factsOf(file), inode, over ? 'over' : ''],
        },
        transfer.signal,
      );
      if (words[0] === 'ok') return saved;
      if (words[0] === 'failed') throw failedOnPod(target.shown, transfer, words[1]);
      if (words[0] !== 'gone' || tries === TRIES) throw placeFailure(words[0], target.shown);
      transfer.moved(missingBytes - file.size);
    }
  } catch (error) {
    if (part && isFinal(error)) await discard(transfer, part);
    throw error;
  } finally {
    await handle.close();
  }
}

/** Size, mode and time, as words of a call. */
function factsOf({ size, mode, mtimeNs }: LocalFile): (string | number)[] {
  return [size, (mode & 0o7777).toString(8), secondsText(mtimeNs)];
}

async function discard({ connection, signal }: Transfer, part: Buffer): Promise<void> {
  await ask(connection, { program: 'rp_discard', words: [word(part)] }, signal).catch(() => {});
}

async function checkUnchanged(handle: FileHandle, file: LocalFile): Promise<void> {
  const now = await handle.stat({ bigint: true });
  if (now.size !== BigInt(file.size) || now.mtimeNs !== file.mtimeNs)
    throw sourceChanged(file.path.toString());
}

async function sendInline(
  transfer: Transfer,
  handle: FileHandle,
  file: LocalFile,
  { path, base, shown }: Target,
): Promise<number> {
  const bytes = await handle.readFile();
  if (bytes.length !== file.size) throw sourceChanged(file.path.toString());
  await checkUnchanged(handle, file);
  const sum = createHash('sha256').update(bytes).digest('hex');
  for (let tries = 1; ; tries++) {
    const { words } = await ask(
      transfer.connection,
      {
        program: 'rp_write',
        words: [word(base), word(path), ...factsOf(file), sum],
        text: bytes.toString('base64'),
      },
      transfer.signal,
    );
    if (words[0] === 'ok') break;
    if (words[0] === 'failed') throw failedOnPod(shown, transfer, words[1]);
    if (words[0] !== 'garbled') throw placeFailure(words[0], shown);
    if (tries === TRIES) throw garbled(shown);
  }
  transfer.moved(bytes.length);
  return 0;
}

/**
 * Brings all blocks into the temporary file. Returns how many bytes were there already, the file's inode, and how
 * many bytes are missing still: some, if the file was taken away meanwhile.
 */
async function sendBlocks(
  transfer: Transfer,
  handle: FileHandle,
  file: LocalFile,
  { part, fresh, target, roundTripMs }: { part: Buffer; fresh: boolean; target: Target; roundTripMs: number },
): Promise<{ saved: number; inode: string; missingBytes: number }> {
  const { connection, channels, signal } = transfer;
  const { shown } = target;
  const { mode } = connection.pod;
  const opened = await openPart(transfer, handle, file, { part, fresh, target });
  if (!opened) return { saved: 0, inode: '-', missingBytes: file.size };
  const { done, inode, freeBytes } = opened;
  const saved = file.size - bytesIn(gapsIn(file.size, done));
  const storedBytes = (await handle.stat()).blocks * 512;
  const needed = Math.min(file.size, storedBytes) - saved;
  if (freeBytes > 0 && freeBytes < needed) throw noRoomOnPod(shown, needed, freeBytes, transfer);
  transfer.moved(saved);
  const count = channelsFor(file.size - saved, { roundTripMs, mode });
  const session = await connection.session({ signal });
  const cut = { channels: count, mode, clean: session.clean, packs: mayPack(connection, session) };
  const queue = { blocks: missing(file.size, done, cut), cut };
  const sparse = storedBytes < file.size;
  const job = { handle, part, shown, queue, sparse, repeats: { left: 5 } };
  let gone = false;
  try {
    await channels.over(
      { connection, count: Math.min(count, queue.blocks.length), signal },
      (channel, delivered) => sendSome(transfer, channel, job, delivered),
    );
  } catch (error) {
    if (!(error instanceof PartGone)) throw error;
    gone = true;
  }
  const missingBytes = bytesIn(queue.blocks);
  if (missingBytes > 0 && !gone) throw failedOnPod(shown, transfer);
  return { saved, inode, missingBytes };
}

/** Opens the temporary file and finds what of it is there already and right; undefined if it was taken over at once. */
async function openPart(
  transfer: Transfer,
  handle: FileHandle,
  file: LocalFile,
  { part, fresh, target: { base, shown } }: { part: Buffer; fresh: boolean; target: Target },
): Promise<{ done: Block[]; inode: string; freeBytes: number } | undefined> {
  const { words, frames } = await ask(
    transfer.connection,
    { program: 'rp_open', words: [word(base), word(part), file.size, fresh ? 'fresh' : ''] },
    transfer.signal,
  );
  const [how, second = '', freeKb] = words;
  if (second === 'gone') return undefined;
  if (how !== 'ok') throw failedOnPod(shown, transfer, second);
  const lines = (frames[0]?.payload.toString() ?? '').split('\n').filter((line) => line !== '');
  const done: Block[] = [];
  for (const line of lines) {
    const [from, count, sum] = line.split(' ');
    const block = { from: Number(from), count: Number(count) };
    transfer.signal.throwIfAborted();
    if (block.from + block.count <= file.size && (await hashOf(handle, block)) === sum) done.push(block);
  }
  return { done, inode: second, freeBytes: Number(freeKb) * 1024 || 0 };
}
