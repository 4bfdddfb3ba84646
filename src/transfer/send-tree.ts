import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { word } from '../session/request.ts';
import { channelsFor } from './blocks.ts';
import { type Channel, overChannels } from './channels.ts';
import { ask, type PodPlace, surveyOnPod } from './pod-files.ts';
import { sendFile } from './send-file.ts';
import { tarPadding } from './tar-header.ts';
import { type TarEntry, tarEnd, tarHeader, tarSize } from './tar-writer.ts';
import { asText, TEXT_READ_BYTES, textLength } from './text-lines.ts';
import type { Transfer } from './transfer.ts';
import { failedOnPod, sourceChanged } from './transfer-failures.ts';
import type { TreeDifference } from './tree-difference.ts';
import type { TreeEntry } from './tree-entries.ts';

/** Files of more than this go one by one, in blocks; smaller ones together as archives of about this size. */
const LARGE_BYTES = 16 * 1024 * 1024;
const SLASH = Buffer.from('/');

type Batch = TreeEntry[];

/**
 * Makes the tree below `root` on the pod like the local one at `localRoot`, as `difference` says. Every file is
 * unpacked under another name, verified by SHA-256 computed on both sides, and moved to its place. Throws Failure.
 */
export async function sendTree(
  transfer: Transfer,
  {
    localRoot,
    root,
    place,
    difference,
    folders,
    remove,
  }: {
    localRoot: Buffer;
    root: string;
    place: PodPlace;
    difference: TreeDifference;
    /** All folders of the tree, for their modes and times. */
    folders: readonly TreeEntry[];
    /** What to remove on the pod at the end. */
    remove: readonly Buffer[];
  },
): Promise<void> {
  const { changed, newFolders, inTheWay } = difference;
  const stage = `${root === '/' ? '' : root}/.runpod-ssh-${createHash('sha256').update(root).digest('hex').slice(0, 12)}`;
  const first = [
    ...inTheWay.map((path) => record('x', path)),
    ...newFolders.map(({ path }) => record('d', path)),
  ];
  if (first.length > 0 || place.kind === 'none') await settle(transfer, `${stage}-0`, root, first);

  const isLarge = (entry: TreeEntry): boolean => entry.kind === 'file' && entry.size > LARGE_BYTES;
  const batches = batchesOf(changed.filter((entry) => !isLarge(entry)));
  await sendBatches(transfer, { localRoot, root, stage, place, batches });
  for (const entry of changed) {
    if (entry.kind !== 'file' || !isLarge(entry)) continue;
    const target = Buffer.concat([Buffer.from(`${root}/`), entry.path]).toString();
    const file = { ...entry, path: Buffer.concat([localRoot, SLASH, entry.path]) };
    await sendFile(transfer, file, target, {
      ...(await surveyOnPod(transfer.connection, target)),
      path: target,
    });
  }
  const touched = new Set([...changed, ...newFolders].map(({ path }) => folderOf(path).toString('latin1')));
  for (const path of remove) touched.add(folderOf(path).toString('latin1'));
  const fresh = new Set(newFolders.map(({ path }) => path.toString('latin1')));
  const last = [
    ...remove.map((path) => record('x', path)),
    // The innermost first: a change inside would give the outer one another time.
    ...folders
      .filter(({ path }) => touched.has(path.toString('latin1')) || fresh.has(path.toString('latin1')))
      .map((entry) => record(`t ${(entry.mode & 0o7777).toString(8)} ${seconds(entry.mtimeNs)}`, entry.path))
      .reverse(),
  ];
  if (last.length > 0) await settle(transfer, `${stage}-0`, root, last);
}

function record(verb: string, path: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${verb} `), path, Buffer.from([0])]);
}

async function settle(transfer: Transfer, stage: string, root: string, records: Buffer[]): Promise<void> {
  const { words } = await ask(transfer.connection, {
    program: 'rp_settle_tree',
    words: [word(stage), word(root)],
    text: Buffer.concat(records),
  });
  if (words[0] === 'failed') throw failedOnPod(root, transfer);
}

function batchesOf(entries: readonly TreeEntry[]): Batch[] {
  const batches: Batch[] = [];
  let room = 0;
  for (const entry of entries) {
    const size = 1024 + (entry.kind === 'file' ? entry.size : 0);
    if (room < size) {
      batches.push([]);
      room = Math.max(LARGE_BYTES, size);
    }
    batches.at(-1)?.push(entry);
    room -= size;
  }
  return batches;
}

type Archives = { localRoot: Buffer; root: string; stage: string; place: PodPlace; batches: Batch[] };

async function sendBatches(transfer: Transfer, { batches, ...archives }: Archives): Promise<void> {
  const { connection, connections, signal } = transfer;
  if (batches.length === 0) return;
  const { mode } = connection.pod;
  const bytes = batches.flat().reduce((sum, entry) => sum + (entry.kind === 'file' ? entry.size : 0), 0);
  const count = Math.min(
    batches.length,
    channelsFor(bytes, { roundTripMs: archives.place.roundTripMs, mode }),
  );
  const queue = batches.map((batch, number) => ({ batch, stage: `${archives.stage}-${number + 1}` }));
  await overChannels({ connections, pod: connection.pod, count, signal }, async (channel, delivered) => {
    const next = queue.shift();
    if (!next) return false;
    try {
      await sendBatch(transfer, channel, archives, next.batch, next.stage);
    } catch (error) {
      queue.push(next);
      throw error;
    }
    delivered();
    return queue.length > 0;
  });
}

async function sendBatch(
  transfer: Transfer,
  { session, raw }: Channel,
  { localRoot, root, place }: Omit<Archives, 'batches' | 'stage'>,
  batch: Batch,
  stage: string,
): Promise<void> {
  const files = batch.flatMap((entry) => (entry.kind === 'file' ? [entry] : []));
  const names = Buffer.concat(files.flatMap(({ path }) => [path, Buffer.from([0])]));
  const list: TreeEntry = {
    kind: 'file',
    path: Buffer.from('.runpod-ssh-names'),
    size: names.length,
    mode: 0o600,
    mtimeNs: 0n,
  };
  const total = tarSize([...batch, list].map(inTar), place.tar);
  const words = [word(stage), total, ...(raw ? [] : [textLength(total)])];
  const call = session.call({
    program: 'rp_unpack',
    words,
    takesInput: true,
    onFrame: (frame) => frames.push(frame.payload),
  });
  const frames: Buffer[] = [];
  call.done.catch(() => {});
  const out = new Outgoing(session, raw);
  const sums: string[] = [];
  let moved = 0;
  try {
    for (const entry of batch) {
      await out.send(tarHeader(inTar(entry), place.tar));
      if (entry.kind !== 'file') continue;
      sums.push(
        await sendContent(out, Buffer.concat([localRoot, SLASH, entry.path]), entry.size, (bytes) => {
          moved += bytes;
          transfer.moved(bytes);
        }),
      );
    }
    await out.send(
      Buffer.concat([
        tarHeader(inTar(list), place.tar),
        names,
        Buffer.alloc(tarPadding(names.length)),
        tarEnd,
      ]),
    );
    await out.end();
    const [how] = await call.done;
    if (how !== 'ok') throw failedOnPod(root, transfer);
  } catch (error) {
    transfer.moved(-moved);
    throw error;
  }
  const found = Buffer.concat(frames).toString().trim().split('\n');
  const wrong = sums.findIndex((sum, index) => sum !== found[index]);
  if (wrong >= 0) throw sourceChanged(files[wrong]?.path.toString() ?? 'A file');
  const into = new Set(batch.map(({ path }) => folderOf(path).toString('latin1')));
  await settle(
    transfer,
    stage,
    root,
    [...into].map((path) => record('m', Buffer.from(path, 'latin1'))),
  );
}

/** Sends a file's bytes, exactly as many as were announced, and returns their hash; of a file that shrank, none. */
async function sendContent(
  out: Outgoing,
  path: Buffer,
  size: number,
  moved: (bytes: number) => void,
): Promise<string> {
  const hash = createHash('sha256');
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  let short = false;
  try {
    for (let at = 0; at < size; ) {
      const buffer = Buffer.allocUnsafe(Math.min(TEXT_READ_BYTES, size - at));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
      short ||= bytesRead === 0;
      const bytes = short ? Buffer.alloc(buffer.length) : buffer.subarray(0, bytesRead);
      hash.update(bytes);
      await out.send(bytes);
      moved(bytes.length);
      at += bytes.length;
    }
  } finally {
    await file.close();
  }
  await out.send(Buffer.alloc(tarPadding(size)));
  return short ? '' : hash.digest('hex');
}

/** Gathers small pieces, so that a tree of small files doesn't become as many writes. */
class Outgoing {
  readonly #session: Channel['session'];
  readonly #raw: boolean;
  #held: Buffer[] = [];
  #heldBytes = 0;

  constructor(session: Channel['session'], raw: boolean) {
    this.#session = session;
    this.#raw = raw;
  }

  async send(bytes: Buffer): Promise<void> {
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    if (this.#heldBytes >= TEXT_READ_BYTES) await this.#flush(false);
  }

  end(): Promise<void> {
    return this.#flush(true);
  }

  async #flush(last: boolean): Promise<void> {
    const all = Buffer.concat(this.#held);
    // Whole base64 lines, but for the last.
    const length = last ? all.length : all.length - (all.length % TEXT_READ_BYTES);
    const now = all.subarray(0, length);
    this.#held = [all.subarray(length)];
    this.#heldBytes = all.length - length;
    await this.#session.send(this.#raw ? now : Buffer.from(asText(now)));
  }
}

function inTar(entry: TreeEntry): TarEntry {
  return { size: 0, ...entry };
}

function folderOf(path: Buffer): Buffer {
  return path.subarray(0, Math.max(0, path.lastIndexOf(SLASH)));
}

function seconds(mtimeNs: bigint): string {
  return `${mtimeNs / 1_000_000_000n}.${String(mtimeNs % 1_000_000_000n).padStart(9, '0')}`;
}
