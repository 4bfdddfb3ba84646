import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { word } from '../../session/request.ts';
import { localReadFailure } from '../local-failures.ts';
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
import { type Block, channelsFor, missing } from './blocks.ts';
import { partPath } from './part-name.ts';
import { hashOf, sendSome } from './send-blocks.ts';

/** Files up to this go with the request itself, in one round trip. */
const INLINE_BYTES = 96 * 1024;
/** How often a file may be taken away under our hands by another transfer to the same place. */
const TRIES = 3;

/** A local file to be sent; `path` in the bytes that name it. */
export type LocalFile = { path: Buffer; size: number; mode: number; mtimeNs: bigint };

type Target = { path: Buffer; part: Buffer; shown: string };

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
  const target = { path, part: partPath(path, file), shown: path.toString() };
  try {
    if (file.size <= INLINE_BYTES) return await sendInline(transfer, handle, file, target);
    for (let tries = 1; ; tries++) {
      const { saved, inode } = await sendBlocks(transfer, handle, file, target, roundTripMs);
      await checkUnchanged(handle, file);
      const { words } = await ask(
        transfer.connection,
        {
          program: 'rp_place',
          words: [word(target.part), word(path), ...factsOf(file), inode, over ? 'over' : ''],
        },
        transfer.signal,
      );
      if (words[0] === 'ok') return saved;
      if (words[0] === 'failed') throw failedOnPod(target.shown, transfer, words[1]);
      if (words[0] !== 'gone' || tries === TRIES) throw placeFailure(words[0], target.shown);
      transfer.moved(-file.size);
    }
  } catch (error) {
    if (isFinal(error)) await discard(transfer, target.part);
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
  { path, part, shown }: Target,
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
        words: [word(part), word(path), ...factsOf(file), sum],
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

/** Brings all blocks into the temporary file. Returns how many bytes were there already, and the file's inode. */
async function sendBlocks(
  transfer: Transfer,
  handle: FileHandle,
  file: LocalFile,
  { part, shown }: Target,
  roundTripMs: number,
): Promise<{ saved: number; inode: string }> {
  const { connection, channels, signal } = transfer;
  const { mode } = connection.pod;
  const { done, inode, freeBytes } = await openPart(transfer, handle, file, { part, shown });
  const saved = done.reduce((sum, { count }) => sum + count, 0);
  const storedBytes = (await handle.stat()).blocks * 512;
  const needed = Math.min(file.size, storedBytes) - saved;
  if (freeBytes > 0 && freeBytes < needed) throw noRoomOnPod(shown, needed, freeBytes, transfer);
  transfer.moved(saved);
  const count = channelsFor(file.size - saved, { roundTripMs, mode });
  const { clean } = await connection.session({ signal });
  const queue = missing(file.size, done, { channels: count, mode, clean });
  const job = { handle, part, shown, queue, sparse: storedBytes < file.size, repeats: { left: 5 } };
  await channels.over({ connection, count: Math.min(count, queue.length), signal }, (channel, delivered) =>
    sendSome(transfer, channel, job, delivered),
  );
  if (queue.length > 0) throw failedOnPod(shown, transfer);
  return { saved, inode };
}

/** Opens the temporary file and finds what of it is there already and right. */
async function openPart(
  transfer: Transfer,
  handle: FileHandle,
  file: LocalFile,
  { part, shown }: { part: Buffer; shown: string },
): Promise<{ done: Block[]; inode: string; freeBytes: number }> {
  const { words, frames } = await ask(
    transfer.connection,
    { program: 'rp_open', words: [word(part), file.size] },
    transfer.signal,
  );
  const [how, second = '', freeKb] = words;
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
