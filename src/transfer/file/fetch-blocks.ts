import { createHash, type Hash } from 'node:crypto';
import { readSync, writeSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import type { Frame } from '../../session/frame-reader.ts';
import { word } from '../../session/request.ts';
import type { Channel } from '../open-channel.ts';
import { unpacked } from '../packing.ts';
import type { PodPlace } from '../pod-files.ts';
import type { Transfer } from '../transfer.ts';
import { sourceChanged } from '../transfer-failures.ts';
import { type Block, type BlockQueue, packNoMore } from './blocks.ts';
import { isZeros } from './zeros.ts';

const PIECE_BYTES = 1024 * 1024;
/** How finely holes are kept. */
const HOLE_BYTES = 64 * 1024;

export type FetchJob = {
  source: PodPlace;
  part: { file: number; fresh: boolean; done: Buffer };
  queue: BlockQueue;
  /** The source has holes: they stay holes. */
  sparse: boolean;
  /** How many blocks may still turn out wrong. */
  repeats: { left: number };
};

/** Fetches blocks over one channel until none is left, two asked for at a time so that the line is never idle. */
export async function fetchSome(
  transfer: Transfer,
  channel: Channel,
  job: FetchJob,
  delivered: () => void,
): Promise<boolean> {
  const { queue } = job;
  const under = new Set<Block>();
  let failed = false;
  const lane = async (): Promise<void> => {
    for (let block = queue.blocks.shift(); block; block = failed ? undefined : queue.blocks.shift()) {
      under.add(block);
      try {
        await fetchBlock(transfer, channel, job, block);
      } catch (error) {
        failed = true;
        throw error;
      }
      under.delete(block);
      delivered();
    }
  };
  const results = await Promise.allSettled([lane(), lane()]);
  for (const block of under) queue.blocks.push(block);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
  return queue.blocks.length > 0;
}

async function fetchBlock(
  transfer: Transfer,
  { session }: Channel,
  job: FetchJob,
  block: Block & { again?: true },
): Promise<void> {
  const { source, part } = job;
  const holes = job.sparse && block.again === undefined;
  const incoming = new IncomingBlock(part.file, block, transfer, holes && part.fresh);
  try {
    let packed: Buffer | undefined;
    const call = session.call({
      program: 'rp_get',
      words: [
        word(source.bytes),
        block.from,
        block.count,
        holes ? 'sparse' : '-',
        job.queue.cut.packs ? 'packed' : '-',
      ],
      onFrame: (frame) => {
        if (frame.type === 'z') packed = frame.payload;
        else incoming.take(frame);
      },
    });
    const [how, sum] = await call.done;
    if (packed) incoming.take({ type: 'd', payload: (await unpacked(packed, block.count)) ?? packed });
    else if (how === 'ok') packNoMore(job.queue);
    if (how === 'zeros') {
      await appendFile(part.done, `${block.from} ${block.count} ${clear(part.file, block)}\n`);
      transfer.moved(block.count);
      return;
    }
    if (how !== 'ok') throw sourceChanged(source.path);
    if (incoming.matches(sum)) {
      await appendFile(part.done, `${block.from} ${block.count} ${sum}\n`);
      return;
    }
  } catch (error) {
    incoming.undo();
    throw error;
  }
  incoming.undo();
  job.repeats.left -= 1;
  if (job.repeats.left < 0) throw sourceChanged(source.path);
  job.queue.blocks.push({ ...block, again: true });
}

/** Writes what comes of a block to its place, and hashes it. */
export class IncomingBlock {
  readonly #file: number;
  readonly #block: Block;
  readonly #transfer: Transfer;
  readonly #holes: boolean;
  readonly #hash: Hash = createHash('sha256');
  #taken = 0;
  #error: unknown;

  /** `holes`: zeros need not be written, since they are there. */
  constructor(file: number, block: Block, transfer: Transfer, holes = false) {
    this.#file = file;
    this.#block = block;
    this.#transfer = transfer;
    this.#holes = holes;
  }

  take({ type, payload }: Pick<Frame, 'type' | 'payload'>): void {
    if (type !== 'd') return;
    // A pod that sends more than was asked for does not get it written.
    const bytes = payload.subarray(0, this.#block.count - this.#taken);
    try {
      if (this.#error === undefined) this.#write(bytes);
    } catch (error) {
      // A full disk here is no fault of the session's, which goes on to the end of the frame.
      this.#error = error;
    }
    this.#hash.update(bytes);
    this.#taken += bytes.length;
    this.#transfer.moved(bytes.length);
  }

  #write(bytes: Buffer): void {
    const from = this.#block.from + this.#taken;
    if (!this.#holes) {
      writeAll(this.#file, bytes, from);
      return;
    }
    for (let at = 0; at < bytes.length; ) {
      const end = at + HOLE_BYTES - ((from + at) % HOLE_BYTES);
      const piece = bytes.subarray(at, end);
      if (!isZeros(piece)) writeAll(this.#file, piece, from + at);
      at = end;
    }
  }

  /** Throws what went wrong when it was written. */
  matches(sum: string | undefined): boolean {
    if (this.#error !== undefined) throw this.#error;
    return this.#taken === this.#block.count && this.#hash.digest('hex') === sum;
  }

  /** What came doesn't count: it will come again. */
  undo(): void {
    this.#transfer.moved(-this.#taken);
    this.#taken = 0;
  }
}

/** The SHA-256 of what is in a block of a file. */
export function hashOfBlock(file: number, block: Block): string {
  const hash = createHash('sha256');
  inPieces(file, block, (piece) => hash.update(piece));
  return hash.digest('hex');
}

/** Makes sure that there are only zeros in a block; their SHA-256. */
function clear(file: number, block: Block): string {
  const hash = createHash('sha256');
  inPieces(file, block, (piece, at) => {
    if (!isZeros(piece)) writeAll(file, piece.fill(0), at);
    hash.update(piece);
  });
  return hash.digest('hex');
}

function inPieces(file: number, { from, count }: Block, use: (piece: Buffer, at: number) => void): void {
  const buffer = Buffer.allocUnsafe(Math.min(count, PIECE_BYTES));
  for (let at = 0; at < count; ) {
    const read = readSync(file, buffer, 0, Math.min(buffer.length, count - at), from + at);
    if (read === 0) break;
    use(buffer.subarray(0, read), from + at);
    at += read;
  }
}

function writeAll(file: number, bytes: Buffer, from: number): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at, bytes.length - at, from + at);
}
