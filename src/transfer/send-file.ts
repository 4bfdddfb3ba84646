import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { word } from '../session/request.ts';
import { type Block, channelsFor, missing } from './blocks.ts';
import { type Channel, overChannels } from './channels.ts';
import { partPath } from './part-name.ts';
import { ask, type PodPlace } from './pod-files.ts';
import { asText, TEXT_READ_BYTES, textLength } from './text-lines.ts';
import type { Transfer } from './transfer.ts';
import { failedOnPod, placeFailure, sourceChanged } from './transfer-failures.ts';

/** Files up to this go with the request itself: two round trips in all. */
const INLINE_BYTES = 96 * 1024;

/** A local file to be sent; `path` in the bytes that name it. */
export type LocalFile = { path: Buffer; size: number; mode: number; mtimeNs: bigint };

/**
 * Sends one file to `target` on the pod: to a temporary name beside it, verified by SHA-256 computed on both sides,
 * and renamed. Blocks that an earlier try has left there and that are the same are not sent again.
 * Returns how many bytes that saved. Throws Failure.
 */
export async function sendFile(
  transfer: Transfer,
  file: LocalFile,
  target: string,
  place: PodPlace,
): Promise<number> {
  const handle = await open(file.path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const part = partPath(target, file);
    const saved =
      file.size <= INLINE_BYTES
        ? await sendInline(transfer, handle, file, part, target)
        : await sendBlocks(transfer, handle, file, part, target, place);
    await checkUnchanged(handle, file);
    const seconds = `${file.mtimeNs / 1_000_000_000n}.${String(file.mtimeNs % 1_000_000_000n).padStart(9, '0')}`;
    const { words } = await ask(transfer.connection, {
      program: 'rp_place',
      words: [word(part), word(target), file.size, (file.mode & 0o7777).toString(8), seconds],
    });
    if (words[0] !== 'ok') throw placeFailure(words[0], target);
    return saved;
  } finally {
    await handle.close();
  }
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
  part: string,
  target: string,
): Promise<number> {
  const bytes = await handle.readFile();
  if (bytes.length !== file.size) throw sourceChanged(file.path.toString());
  const { words } = await ask(transfer.connection, {
    program: 'rp_write',
    words: [word(part)],
    text: bytes.toString('base64'),
  });
  if (words[0] !== 'ok') throw failedOnPod(target, transfer);
  if (words[1] !== createHash('sha256').update(bytes).digest('hex'))
    throw sourceChanged(file.path.toString());
  transfer.moved(bytes.length);
  return 0;
}

async function sendBlocks(
  transfer: Transfer,
  handle: FileHandle,
  file: LocalFile,
  part: string,
  target: string,
  place: PodPlace,
): Promise<number> {
  const { connection, connections, signal } = transfer;
  const { mode } = connection.pod;
  const done = await blocksOnPod(transfer, handle, file, part, target);
  const saved = done.reduce((sum, { count }) => sum + count, 0);
  transfer.moved(saved);
  const count = channelsFor(file.size - saved, { roundTripMs: place.roundTripMs, mode });
  const queue = missing(file.size, done, { channels: count, mode });
  await overChannels(
    { connections, pod: connection.pod, count: Math.min(count, queue.length), signal },
    (channel, delivered) => sendSome(transfer, channel, { handle, part, target, queue }, delivered),
  );
  if (queue.length > 0) throw failedOnPod(target, transfer);
  return saved;
}

/** Opens the temporary file and finds what of it is there already and right. */
async function blocksOnPod(
  transfer: Transfer,
  handle: FileHandle,
  file: LocalFile,
  part: string,
  target: string,
): Promise<Block[]> {
  const { words, frames } = await ask(transfer.connection, {
    program: 'rp_open',
    words: [word(part), file.size],
  });
  if (words[0] !== 'ok') throw failedOnPod(target, transfer);
  const lines = (frames[0]?.payload.toString() ?? '').split('\n').filter((line) => line !== '');
  const done: Block[] = [];
  for (const line of lines) {
    const [from, count, sum] = line.split(' ');
    const block = { from: Number(from), count: Number(count) };
    if (block.from + block.count <= file.size && (await hashOf(handle, block)) === sum) done.push(block);
  }
  return done;
}

async function hashOf(handle: FileHandle, { from, count }: Block): Promise<string> {
  const hash = createHash('sha256');
  await readBlock(handle, { from, count }, async (bytes) => void hash.update(bytes));
  return hash.digest('hex');
}

async function readBlock(
  handle: FileHandle,
  { from, count }: Block,
  take: (bytes: Buffer) => Promise<void>,
): Promise<void> {
  for (let at = 0; at < count; ) {
    // The wire keeps what it is given until it is gone, so each piece has a buffer of its own.
    const buffer = Buffer.allocUnsafe(Math.min(TEXT_READ_BYTES, count - at));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, from + at);
    if (bytesRead === 0) throw sourceChanged('The file');
    await take(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
}

type Job = { handle: FileHandle; part: string; target: string; queue: Block[] };

/**
 * Sends blocks over one channel until none is left. The next one is on its way while the pod still hashes the one
 * before; what isn't acknowledged when the channel is lost goes back into the queue.
 */
async function sendSome(
  transfer: Transfer,
  channel: Channel,
  job: Job,
  delivered: () => void,
): Promise<boolean> {
  const unanswered = new Set<Block>();
  let previous: Promise<void> = Promise.resolve();
  try {
    for (let block = job.queue.shift(); block; block = job.queue.shift()) {
      unanswered.add(block);
      const current = block;
      const { sum, answer } = await sendBlock(channel, job, current, transfer);
      await previous;
      previous = answer.then(([how, found]) => {
        if (how !== 'ok') throw failedOnPod(job.target, transfer);
        unanswered.delete(current);
        delivered();
        if (found === sum) return;
        // Garbled on the way, or on the disk: once more.
        transfer.moved(-current.count);
        job.queue.push(current);
      });
      previous.catch(() => {});
    }
    await previous;
    return job.queue.length > 0;
  } catch (error) {
    for (const block of unanswered) job.queue.push(block);
    throw error;
  }
}

async function sendBlock(
  { session, raw }: Channel,
  { handle, part }: Job,
  block: Block,
  transfer: Transfer,
): Promise<{ sum: string; answer: Promise<string[]> }> {
  const hash = createHash('sha256');
  let sent = 0;
  const place = [word(part), block.from, block.count];
  const call = raw
    ? session.call({ program: 'rp_put', words: place, takesInput: true })
    : session.call({ program: 'rp_put_text', words: [...place, textLength(block.count)], takesInput: true });
  call.done.catch(() => {});
  try {
    await readBlock(handle, block, async (bytes) => {
      hash.update(bytes);
      await session.send(raw ? bytes : Buffer.from(asText(bytes)));
      sent += bytes.length;
      transfer.moved(bytes.length);
    });
  } catch (error) {
    transfer.moved(-sent);
    throw error;
  }
  return { sum: hash.digest('hex'), answer: call.done };
}
