import { createHash, type Hash } from 'node:crypto';
import {
  closeSync,
  constants,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { appendFile, chmod, mkdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Frame } from '../session/frame-reader.ts';
import { word } from '../session/request.ts';
import { type Block, channelsFor, missing } from './blocks.ts';
import { type Channel, overChannels } from './channels.ts';
import { codeOf } from './error-code.ts';
import { localWriteFailure } from './local-failures.ts';
import { partPath } from './part-name.ts';
import { ask, type PodPlace } from './pod-files.ts';
import type { Transfer } from './transfer.ts';
import { failedOnPod, sourceChanged } from './transfer-failures.ts';

/** Files up to this come with the answer itself. */
const INLINE_BYTES = 128 * 1024;

/**
 * Fetches one file from the pod into `target`: to a temporary name beside it, verified by SHA-256 computed on both
 * sides, and renamed. Blocks that an earlier try has left there and that are the same don't come again.
 * Returns how many bytes that saved. Throws Failure.
 */
export async function fetchFile(
  transfer: Transfer,
  source: PodPlace,
  target: string,
  options: { mode: number },
): Promise<number> {
  const mtimeNs = nanoseconds(source.time);
  const part = partPath(target, { path: Buffer.from(source.path), size: source.size, mtimeNs });
  await mkdir(dirname(target), { recursive: true });
  let saved = 0;
  const file = openPart(part, target);
  try {
    ftruncateSync(file, source.size);
    saved = await fetchBlocks(transfer, source, { file, part });
  } catch (error) {
    throw codeOf(error) === undefined ? error : localWriteFailure(error, target);
  } finally {
    closeSync(file);
  }
  const [now] = (
    await ask(transfer.connection, { program: 'rp_survey', words: [word(source.path)] })
  ).words.slice(1);
  if (Number(now) !== source.size) throw sourceChanged(source.path);
  try {
    await putInPlace(`${part}.part`, target, { mode: options.mode, mtimeNs });
    await rm(`${part}.done`, { force: true });
  } catch (error) {
    throw localWriteFailure(error, target);
  }
  return saved;
}

/** Gives a finished temporary file its mode and time, and the target's name. */
export async function putInPlace(
  part: string | Buffer,
  target: string | Buffer,
  { mode, mtimeNs }: { mode: number; mtimeNs: bigint },
): Promise<void> {
  await chmod(part, mode);
  const seconds = Number(mtimeNs) / 1e9;
  await utimes(part, seconds, seconds);
  await rename(part, target);
}

/** `1700000000.123456789` */
export function nanoseconds(time: string): bigint {
  const [seconds = '0', fraction = ''] = time.split('.');
  return BigInt(seconds) * 1_000_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, '0'));
}

/** The temporary file, kept from an earlier try if its list of blocks is there as well. Never through a link. */
function openPart(part: string, target: string): number {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
  try {
    if (readDone(part) === undefined) rmSync(`${part}.part`, { force: true });
    return openSync(`${part}.part`, flags, 0o600);
  } catch (error) {
    throw localWriteFailure(error, target);
  }
}

function readDone(part: string): string | undefined {
  try {
    return readFileSync(`${part}.done`, 'utf8');
  } catch {
    return undefined;
  }
}

type Local = { file: number; part: string };

async function fetchBlocks(transfer: Transfer, source: PodPlace, local: Local): Promise<number> {
  const { connection, connections, signal } = transfer;
  const { mode } = connection.pod;
  if (source.size === 0) return 0;
  if (source.size <= INLINE_BYTES) {
    const whole = { from: 0, count: source.size };
    for (let tries = 0; ; tries++) {
      const incoming = new IncomingBlock(local.file, whole, transfer);
      const { words, frames } = await ask(connection, {
        program: 'rp_get',
        words: [word(source.path), 0, source.size],
      });
      for (const frame of frames) incoming.take(frame);
      if (incoming.matches(words[1])) return 0;
      if (tries > 0) throw sourceChanged(source.path);
    }
  }
  const done = blocksThere(local, source.size);
  const saved = done.reduce((sum, { count }) => sum + count, 0);
  transfer.moved(saved);
  const count = channelsFor(source.size - saved, { roundTripMs: source.roundTripMs, mode });
  const queue = missing(source.size, done, { channels: count, mode });
  const repeats = { left: 3 };
  await overChannels(
    { connections, pod: connection.pod, count: Math.min(count, queue.length), signal },
    (channel, delivered) => fetchSome(transfer, channel, { source, local, queue, repeats }, delivered),
  );
  if (queue.length > 0) throw failedOnPod(source.path, transfer);
  return saved;
}

/** Which blocks an earlier try has brought; each is hashed again. */
function blocksThere({ file, part }: Local, size: number): Block[] {
  const done: Block[] = [];
  for (const line of (readDone(part) ?? '').split('\n')) {
    const found = /^(\d+) (\d+) ([0-9a-f]{64})$/.exec(line);
    if (!found) continue;
    const block = { from: Number(found[1]), count: Number(found[2]) };
    if (block.from + block.count <= size && hashOfBlock(file, block) === found[3]) done.push(block);
  }
  return done;
}

function hashOfBlock(file: number, { from, count }: Block): string {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(Math.min(count, 1024 * 1024));
  for (let at = 0; at < count; ) {
    const read = readSync(file, buffer, 0, Math.min(buffer.length, count - at), from + at);
    if (read === 0) break;
    hash.update(buffer.subarray(0, read));
    at += read;
  }
  return hash.digest('hex');
}

type Job = { source: PodPlace; local: Local; queue: Block[]; repeats: { left: number } };

/** Fetches blocks over one channel until none is left, two asked for at a time so that the line is never idle. */
async function fetchSome(
  transfer: Transfer,
  channel: Channel,
  job: Job,
  delivered: () => void,
): Promise<boolean> {
  const under = new Set<Block>();
  const one = async (block: Block): Promise<void> => {
    under.add(block);
    const incoming = new IncomingBlock(job.local.file, block, transfer);
    try {
      const call = channel.session.call({
        program: 'rp_get',
        words: [word(job.source.path), block.from, block.count],
        onFrame: (frame) => incoming.take(frame),
      });
      const [how, sum] = await call.done;
      if (how !== 'ok') throw failedOnPod(job.source.path, transfer);
      if (!incoming.matches(sum)) {
        incoming.undo();
        job.repeats.left -= 1;
        if (job.repeats.left < 0) throw sourceChanged(job.source.path);
        job.queue.push(block);
      } else {
        await appendFile(`${job.local.part}.done`, `${block.from} ${block.count} ${sum}\n`);
        delivered();
      }
      under.delete(block);
    } catch (error) {
      incoming.undo();
      throw error;
    }
  };
  const lane = async (): Promise<void> => {
    for (let block = job.queue.shift(); block; block = job.queue.shift()) await one(block);
  };
  const results = await Promise.allSettled([lane(), lane()]);
  for (const block of under) job.queue.push(block);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
  return job.queue.length > 0;
}

/** Writes what comes of a block to its place, and hashes it. */
class IncomingBlock {
  readonly #file: number;
  readonly #block: Block;
  readonly #transfer: Transfer;
  readonly #hash: Hash = createHash('sha256');
  #taken = 0;
  #error: unknown;

  constructor(file: number, block: Block, transfer: Transfer) {
    this.#file = file;
    this.#block = block;
    this.#transfer = transfer;
  }

  take({ type, payload }: Frame): void {
    if (type !== 'd') return;
    // A pod that sends more than was asked for does not get it written.
    const bytes = payload.subarray(0, this.#block.count - this.#taken);
    try {
      for (let at = 0; at < bytes.length && this.#error === undefined; ) {
        at += writeSync(this.#file, bytes, at, bytes.length - at, this.#block.from + this.#taken + at);
      }
    } catch (error) {
      // A full disk here is no fault of the session's, which goes on to the end of the frame.
      this.#error = error;
    }
    this.#hash.update(bytes);
    this.#taken += bytes.length;
    this.#transfer.moved(bytes.length);
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
