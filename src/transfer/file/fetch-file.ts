import { lstat, mkdir, rm, stat } from 'node:fs/promises';
import { codeOf } from '../../local/error-code.ts';
import { word } from '../../session/request.ts';
import { localWriteFailure } from '../local-failures.ts';
import { mayPack } from '../packing.ts';
import { ask, type PodPlace, surveyOnPod } from '../pod-files.ts';
import { fromSeconds } from '../times.ts';
import type { Transfer } from '../transfer.ts';
import { failedOnPod, isFinal, sourceChanged } from '../transfer-failures.ts';
import { type Block, bytesIn, channelsFor, gapsIn, missing } from './blocks.ts';
import { fetchSome, IncomingBlock } from './fetch-blocks.ts';
import { type HashedBlock, LocalPart } from './local-part.ts';
import { checkRoomHere } from './local-parts.ts';
import { folderOf } from './part-name.ts';

/** Files up to this come with the answer itself. */
const INLINE_BYTES = 128 * 1024;

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
  let part: LocalPart | undefined;
  try {
    await mkdir(folderOf(target), { recursive: true });
    part = await LocalPart.open(target, { path: source.bytes, size: source.size, mtimeNs });
    const saved = await fetchInto(transfer, source, { part, target });
    if (over) await clearFolder(target);
    await part.putInPlace(target, { mode, mtimeNs });
    return saved;
  } catch (error) {
    const isLocal = codeOf(error) !== undefined && !transfer.signal.aborted;
    const failure = isLocal ? localWriteFailure(error, target.toString()) : error;
    await (isFinal(failure) ? part?.discard() : part?.release());
    throw failure;
  }
}

/** Removes a folder that stands where something else is to be put; never through a link. */
export async function clearFolder(path: Buffer): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found?.isDirectory()) await rm(path, { recursive: true, force: true });
}

/** Brings all of the file into its temporary one. Returns how many bytes were there already. */
async function fetchInto(
  transfer: Transfer,
  source: PodPlace,
  { part, target }: { part: LocalPart; target: Buffer },
): Promise<number> {
  const done = await thereToo(transfer, source, await part.blocks(source.size, transfer.signal));
  const saved = source.size - bytesIn(gapsIn(source.size, done));
  await checkRoomHere(target, Math.min(source.size, source.storedBytes) - saved);
  if (source.size > INLINE_BYTES) await fetchBlocks(transfer, source, part, { done, saved });
  else if (source.size > 0) await fetchInline(transfer, source, part.file);
  const now = await surveyOnPod(transfer.connection, source.bytes, transfer.signal);
  if (now.size !== source.size || now.time !== source.time || now.inode !== source.inode) {
    throw sourceChanged(source.path);
  }
  return saved;
}

/** Those of the blocks that the pod's file has as well, as it is now. */
async function thereToo(
  { connection, signal }: Transfer,
  source: PodPlace,
  blocks: readonly HashedBlock[],
): Promise<Block[]> {
  if (blocks.length === 0) return [];
  const text = blocks.map(({ from, count }) => `${from} ${count}\n`).join('');
  const request = { program: 'rp_hash_blocks', words: [word(source.bytes)], text };
  const { frames } = await ask(connection, request, signal);
  const there = new Set(frames.flatMap(({ payload }) => payload.toString().split('\n')));
  return blocks.filter(({ from, count, sum }) => there.has(`${from} ${count} ${sum}`));
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
  part: LocalPart,
  { done, saved }: { done: readonly Block[]; saved: number },
): Promise<void> {
  const { connection, channels, signal } = transfer;
  const { mode } = connection.pod;
  transfer.moved(saved);
  const count = channelsFor(source.size - saved, { roundTripMs: source.roundTripMs, mode });
  const session = await connection.session({ signal });
  const cut = { channels: count, mode, clean: session.clean, packs: mayPack(connection, session) };
  const queue = { blocks: missing(source.size, done, cut), cut };
  const sparse = source.storedBytes < source.size;
  const job = { source, part, queue, sparse, repeats: { left: 3 } };
  await channels.over(
    { connection, count: Math.min(count, queue.blocks.length), signal },
    (channel, delivered) => fetchSome(transfer, channel, job, delivered),
  );
  if (queue.blocks.length > 0) throw failedOnPod(source.path, transfer);
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
