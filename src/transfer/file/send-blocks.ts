import { createHash, type Hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { word } from '../../session/request.ts';
import { SessionLost } from '../../session/session.ts';
import type { Channel } from '../open-channel.ts';
import { Outgoing } from '../outgoing.ts';
import { isWorthPacking, type Packed, Packer, SAMPLE_BYTES } from '../packing.ts';
import type { Transfer } from '../transfer.ts';
import { failedOnPod, garbled, sourceChanged } from '../transfer-failures.ts';
import { type Block, type BlockQueue, packNoMore } from './blocks.ts';
import { TEXT_READ_BYTES, textLength } from './text-lines.ts';
import { isZeros } from './zeros.ts';

export type SendJob = {
  handle: FileHandle;
  part: Buffer;
  /** The target, as the agent reads it. */
  shown: string;
  queue: BlockQueue;
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
  const { queue } = job;
  const unanswered = new Set<Block>();
  let previous: Promise<void> = Promise.resolve();
  try {
    for (let block = queue.blocks.shift(); block; block = queue.blocks.shift()) {
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
        queue.blocks.push({ ...current, again: true });
      });
      previous.catch(() => {});
    }
    await previous;
    return queue.blocks.length > 0;
  } catch (error) {
    // Why a session ended is often in the answer that came last.
    const earlier = await previous.then(
      () => error,
      (reason: unknown) => reason,
    );
    for (const block of unanswered) {
      transfer.moved(-block.count);
      queue.blocks.push(block);
    }
    throw earlier instanceof SessionLost ? error : earlier;
  }
}

function putFailure(shown: string, transfer: Transfer, why: string | undefined): Error {
  return why === 'gone' ? new PartGone() : failedOnPod(shown, transfer, why);
}

async function sendBlock(
  { session, raw }: Channel,
  job: SendJob,
  block: Block & { again?: true },
  transfer: Transfer,
): Promise<{ sum: string; answer: Promise<string[]> }> {
  const { handle, part, sparse, shown } = job;
  const hash = createHash('sha256');
  const asHoles = sparse && block.again === undefined;
  const place = [word(part), block.from, block.count, asHoles ? 'sparse' : '-'];
  if (asHoles && (await isAllZeros(handle, block))) {
    const { done } = session.call({ program: 'rp_has_block', words: place });
    done.catch(() => {});
    transfer.moved(block.count);
    return { sum: await hashOf(handle, block), answer: done };
  }
  const packed = (await isWorthIt(job, block)) ? await pack(handle, block, hash) : undefined;
  const count = packed?.bytes ?? block.count;
  const inputBytes = raw ? count : textLength(count);
  const call =
    raw && !packed
      ? session.call({ program: 'rp_put', words: place, inputBytes })
      : session.call({
          program: 'rp_put_coded',
          words: [...place, packed ? 'gzip' : '-', count, raw ? '' : inputBytes],
          inputBytes,
        });
  call.done.catch(() => {});
  const out = new Outgoing({ session, raw });
  let sent = 0;
  let moved = 0;
  const send = async (bytes: Buffer): Promise<void> => {
    await out.send(bytes);
    sent += bytes.length;
    const now = Math.round((sent / count) * block.count);
    transfer.moved(now - moved);
    moved = now;
  };
  try {
    if (packed) {
      for (const piece of packed.pieces) await send(piece);
    } else {
      await readBlock(handle, block, async (bytes) => {
        hash.update(bytes);
        await send(bytes);
      });
    }
    await out.end();
  } catch (error) {
    // The whole block is taken back by whoever puts it back into the queue.
    transfer.moved(block.count - moved);
    const [how, why] = error instanceof SessionLost ? await call.done.catch(() => []) : [];
    throw how === 'failed' ? putFailure(shown, transfer, why) : error;
  }
  return { sum: hash.digest('hex'), answer: call.done };
}

/** Whether packing makes a block much smaller. If once it doesn't, the rest of the file isn't tried. */
async function isWorthIt({ queue, handle }: SendJob, { from, count }: Block): Promise<boolean> {
  if (!queue.cut.packs) return false;
  const sample = Buffer.allocUnsafe(Math.min(SAMPLE_BYTES, count));
  const { bytesRead } = await handle.read(sample, 0, sample.length, from);
  const isWorth = await isWorthPacking(sample.subarray(0, bytesRead));
  if (!isWorth) packNoMore(queue);
  return isWorth;
}

async function pack(handle: FileHandle, block: Block, hash: Hash): Promise<Packed> {
  const packer = new Packer();
  await readBlock(handle, block, async (bytes) => {
    hash.update(bytes);
    await packer.write(bytes);
  });
  return packer.end();
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
