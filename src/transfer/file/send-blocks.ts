import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { word } from '../../session/request.ts';
import { SessionLost } from '../../session/session.ts';
import type { Channel } from '../open-channel.ts';
import type { Transfer } from '../transfer.ts';
import { failedOnPod, garbled, sourceChanged } from '../transfer-failures.ts';
import type { Block } from './blocks.ts';
import { asText, TEXT_READ_BYTES, textLength } from './text-lines.ts';
import { isZeros } from './zeros.ts';

export type SendJob = {
  handle: FileHandle;
  part: Buffer;
  /** The target, as the agent reads it. */
  shown: string;
  queue: (Block & { again?: true })[];
  /** The file has holes: they stay holes. */
  sparse: boolean;
  /** How many blocks may still turn out wrong. */
  repeats: { left: number };
};

/** The temporary file on the pod was taken over or away by somebody else. */
export class PartGone extends Error {}

/**
 * Sends blocks over one channel until none is left. The next one is on its way while the pod still hashes the one
 * before; what isn't acknowledged when the channel is lost goes back into the queue. Throws Failure, SessionLost and PartGone.
 */
export async function sendSome(
  transfer: Transfer,
  channel: Channel,
  job: SendJob,
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
        if (how !== 'ok') throw putFailure(job.shown, transfer, found);
        unanswered.delete(current);
        delivered();
        if (found === sum) return;
        // Garbled on the way, or on the disk: once more.
        job.repeats.left -= 1;
        if (job.repeats.left < 0) throw garbled(job.shown);
        transfer.moved(-current.count);
        job.queue.push({ ...current, again: true });
      });
      previous.catch(() => {});
    }
    await previous;
    return job.queue.length > 0;
  } catch (error) {
    // Why a session ended is often in the answer that came last.
    const earlier = await previous.then(
      () => error,
      (reason: unknown) => reason,
    );
    for (const block of unanswered) {
      transfer.moved(-block.count);
      job.queue.push(block);
    }
    throw earlier instanceof SessionLost ? error : earlier;
  }
}

function putFailure(shown: string, transfer: Transfer, why: string | undefined): Error {
  return why === 'gone' ? new PartGone() : failedOnPod(shown, transfer, why);
}

async function sendBlock(
  { session, raw }: Channel,
  { handle, part, sparse, shown }: SendJob,
  block: Block & { again?: true },
  transfer: Transfer,
): Promise<{ sum: string; answer: Promise<string[]> }> {
  const hash = createHash('sha256');
  const place = [word(part), block.from, block.count];
  const asHoles = sparse && block.again === undefined;
  if (asHoles && (await isAllZeros(handle, block))) {
    const { done } = session.call({ program: 'rp_has_block', words: place });
    done.catch(() => {});
    transfer.moved(block.count);
    return { sum: await hashOf(handle, block), answer: done };
  }
  const call = raw
    ? session.call({
        program: 'rp_put',
        words: [...place, asHoles ? 'sparse' : ''],
        inputBytes: block.count,
      })
    : session.call({
        program: 'rp_put_text',
        words: [...place, textLength(block.count)],
        inputBytes: textLength(block.count),
      });
  call.done.catch(() => {});
  let sent = 0;
  try {
    await readBlock(handle, block, async (bytes) => {
      hash.update(bytes);
      await session.send(raw ? bytes : Buffer.from(asText(bytes)));
      sent += bytes.length;
      transfer.moved(bytes.length);
    });
  } catch (error) {
    // The whole block is taken back by whoever puts it back into the queue.
    transfer.moved(block.count - sent);
    const [how, why] = error instanceof SessionLost ? await call.done.catch(() => []) : [];
    throw how === 'failed' ? putFailure(shown, transfer, why) : error;
  }
  return { sum: hash.digest('hex'), answer: call.done };
}

async function isAllZeros(handle: FileHandle, block: Block): Promise<boolean> {
  let zeros = true;
  await readBlock(handle, block, async (bytes) => {
    zeros &&= isZeros(bytes);
    return zeros;
  });
  return zeros;
}

/** The SHA-256 of a block of a local file. */
export async function hashOf(handle: FileHandle, block: Block): Promise<string> {
  const hash = createHash('sha256');
  await readBlock(handle, block, async (bytes) => hash.update(bytes));
  return hash.digest('hex');
}

/** Reads a block in pieces, until `take` says false. */
async function readBlock(
  handle: FileHandle,
  { from, count }: Block,
  take: (bytes: Buffer) => Promise<unknown>,
): Promise<void> {
  for (let at = 0; at < count; ) {
    // The wire keeps what it is given until it is gone, so each piece has a buffer of its own.
    const buffer = Buffer.allocUnsafe(Math.min(TEXT_READ_BYTES, count - at));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, from + at);
    if (bytesRead === 0) throw sourceChanged('The file');
    if ((await take(buffer.subarray(0, bytesRead))) === false) return;
    at += bytesRead;
  }
}
