import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { word } from '../../session/request.ts';
import { SessionLost } from '../../session/session.ts';
import { asText, TEXT_READ_BYTES, textLength } from '../file/text-lines.ts';
import { localReadFailure } from '../local-failures.ts';
import { below } from '../names.ts';
import type { Channel } from '../open-channel.ts';
import type { PodPlace } from '../pod-files.ts';
import type { Transfer } from '../transfer.ts';
import { failedOnPod, sourceChanged } from '../transfer-failures.ts';
import { nameList } from './name-list.ts';
import { tarPadding } from './tar-header.ts';
import { type TarEntry, tarEnd, tarHeader, tarSize } from './tar-writer.ts';
import type { TreeEntry } from './tree-entries.ts';

export type Batch = TreeEntry[];

/** Files in an archive for the pod (trees.sh): the names of the others, their hashes, and what is to be done with them. */
const NAMES = Buffer.from('.runpod-ssh-000000000000-names.part');
const SUMS = Buffer.from('.runpod-ssh-000000000000-sums.part');
const LAST = Buffer.from('.runpod-ssh-000000000000-last.part');

/** What is to be sent: entries of a local tree, in the form that the pod's tar reads. */
export type Archive = { localRoot: Buffer; place: PodPlace; batch: Batch };

/** How long the archive of a batch is, without what is in it for the pod. */
export function archiveSize({ place, batch }: Pick<Archive, 'place' | 'batch'>): number {
  return tarSize(batch.map(inTar), place.tar);
}

/** A small archive in one piece, with the hashes of its files and the records of what to do (rp_put_tree). Throws Failure. */
export async function smallArchive(
  archive: Archive,
  last: Buffer,
  moved: (bytes: number) => void,
): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const out = {
    send: async (bytes: Buffer): Promise<void> => {
      pieces.push(bytes);
    },
  };
  const sums = await sendEntries(out, archive, moved);
  const { place, batch } = archive;
  pieces.push(
    ownFile(NAMES, namesOf(batch), place),
    ownFile(SUMS, Buffer.from(sums.join('\n')), place),
    ownFile(LAST, last, place),
    tarEnd,
  );
  return Buffer.concat(pieces);
}

/**
 * Sends files and links as one archive over a channel, to be unpacked in `stage` on the pod. Whether all of it has
 * arrived as it was sent. Throws Failure, SessionLost.
 */
export async function sendArchive(
  transfer: Transfer,
  { session, raw }: Channel,
  { root, stage, ...archive }: Archive & { root: Buffer; stage: Buffer },
): Promise<boolean> {
  const { place, batch } = archive;
  const names = ownFile(NAMES, namesOf(batch), place);
  const total = archiveSize(archive) + names.length;
  const frames: Buffer[] = [];
  const call = session.call({
    program: 'rp_unpack',
    words: [word(stage), total, ...(raw ? [] : [textLength(total)])],
    inputBytes: raw ? total : textLength(total),
    onFrame: (frame) => frames.push(frame.payload),
  });
  call.done.catch(() => {});
  const out = new Outgoing(session, raw);
  let sums: string[];
  let moved = 0;
  const count = (bytes: number): void => {
    moved += bytes;
    transfer.moved(bytes);
  };
  try {
    sums = await sendEntries(out, archive, count);
    await out.send(Buffer.concat([names, tarEnd]));
    await out.end();
    const [how, why] = await call.done;
    if (how !== 'ok') throw failedOnPod(root.toString(), transfer, why);
  } catch (error) {
    transfer.moved(-moved);
    const [how, why] = error instanceof SessionLost ? await call.done.catch(() => []) : [];
    throw how === 'failed' ? failedOnPod(root.toString(), transfer, why) : error;
  }
  const found = Buffer.concat(frames).toString().trim();
  return found === sums.join('\n');
}

type Sink = { send(bytes: Buffer): Promise<void> };

/** Sends the entries of an archive; returns the hashes of its files. Throws Failure. */
async function sendEntries(
  out: Sink,
  { localRoot, place, batch }: Archive,
  moved: (bytes: number) => void,
): Promise<string[]> {
  const sums: string[] = [];
  for (const entry of batch) {
    await out.send(tarHeader(inTar(entry), place.tar));
    if (entry.kind === 'file') {
      sums.push(await sendContent(out, { ...entry, path: below(localRoot, entry.path) }, moved));
    }
  }
  return sums;
}

/**
 * Sends a file's bytes, exactly as many as were announced, and returns their hash. Throws Failure if the file isn't
 * any longer what was announced.
 */
async function sendContent(
  out: Sink,
  source: { path: Buffer; size: number; mtimeNs: bigint },
  moved: (bytes: number) => void,
): Promise<string> {
  const { path, size, mtimeNs } = source;
  const hash = createHash('sha256');
  // Small files are many, and a file's every step through Node's thread pool costs more than to read it.
  const file = openForReading(path);
  try {
    for (let at = 0; at < size; ) {
      const buffer = Buffer.allocUnsafe(Math.min(TEXT_READ_BYTES, size - at));
      const count = readSync(file, buffer, 0, buffer.length, at);
      if (count === 0) throw sourceChanged(path.toString());
      const bytes = buffer.subarray(0, count);
      hash.update(bytes);
      await out.send(bytes);
      moved(bytes.length);
      at += bytes.length;
    }
    const now = fstatSync(file, { bigint: true });
    if (now.size !== BigInt(size) || now.mtimeNs !== mtimeNs) throw sourceChanged(path.toString());
  } finally {
    closeSync(file);
  }
  await out.send(Buffer.alloc(tarPadding(size)));
  return hash.digest('hex');
}

function openForReading(path: Buffer): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    throw localReadFailure(error, path.toString());
  }
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

/** A file of ours in an archive, with its header. */
function ownFile(path: Buffer, content: Buffer, { tar }: PodPlace): Buffer {
  const header = tarHeader({ kind: 'file', path, size: content.length, mode: 0o600, mtimeNs: 0n }, tar);
  return Buffer.concat([header, content, Buffer.alloc(tarPadding(content.length))]);
}

/** The names of the files in an archive. */
function namesOf(batch: Batch): Buffer {
  return nameList(batch.flatMap(({ kind, path }) => (kind === 'file' ? [path] : [])));
}

function inTar(entry: TreeEntry): TarEntry {
  return { size: 0, ...entry };
}
