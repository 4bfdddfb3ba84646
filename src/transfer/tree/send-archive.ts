import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { word } from '../../session/request.ts';
import { SessionLost } from '../../session/session.ts';
import { TEXT_READ_BYTES, textLength } from '../file/text-lines.ts';
import { localReadFailure } from '../local-failures.ts';
import { below } from '../names.ts';
import type { Channel } from '../open-channel.ts';
import { Outgoing } from '../outgoing.ts';
import { isWorthPacking, mayPack, type Packed, Packer, SAMPLE_BYTES } from '../packing.ts';
import type { PodPlace } from '../pod-files.ts';
import type { Transfer } from '../transfer.ts';
import { failedOnPod, sourceChanged } from '../transfer-failures.ts';
import { nameList } from './name-list.ts';
import { tarPadding } from './tar-header.ts';
import { type TarEntry, tarEnd, tarHeader, tarSize } from './tar-writer.ts';
import type { TreeEntry } from './tree-entries.ts';
import { totalBytes } from './tree-totals.ts';

export type Batch = TreeEntry[];

/** Files in an archive for the pod (trees.sh): the names of the others, their hashes, and what is to be done with them. */
const NAMES = Buffer.from('.runpod-ssh-000000000000-names.part');
const SUMS = Buffer.from('.runpod-ssh-000000000000-sums.part');
const LAST = Buffer.from('.runpod-ssh-000000000000-last.part');

/** How many files to look at to see whether an archive is worth packing. */
const SAMPLES = 4;

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
  channel: Channel,
  { root, stage, ...archive }: Archive & { root: Buffer; stage: Buffer },
): Promise<boolean> {
  const { session, raw } = channel;
  const { place, batch } = archive;
  const names = ownFile(NAMES, namesOf(batch), place);
  const sendAll = async (out: Sink, moved: (bytes: number) => void): Promise<string[]> => {
    const sums = await sendEntries(out, archive, moved);
    await out.send(Buffer.concat([names, tarEnd]));
    return sums;
  };
  let packed: (Packed & { sums: string[] }) | undefined;
  if (mayPack(transfer.connection, session) && (await isWorthPacking(sampleOf(archive)))) {
    const packer = new Packer();
    const into = {
      send: async (bytes: Buffer): Promise<void> => {
        transfer.signal.throwIfAborted();
        await packer.write(bytes);
      },
    };
    const sums = await sendAll(into, () => {});
    packed = { ...(await packer.end()), sums };
  }
  const bytes = packed?.bytes ?? archiveSize(archive) + names.length;
  const inputBytes = raw ? bytes : textLength(bytes);
  const frames: Buffer[] = [];
  const call = session.call({
    program: 'rp_unpack',
    words: [word(stage), packed ? 'gzip' : '-', bytes, raw ? '' : inputBytes],
    inputBytes,
    onFrame: (frame) => frames.push(frame.payload),
  });
  call.done.catch(() => {});
  const out = new Outgoing(channel);
  let sums = packed?.sums;
  let moved = 0;
  const count = (bytes: number): void => {
    moved += bytes;
    transfer.moved(bytes);
  };
  try {
    if (packed)
      await sendPacked(out, packed, (share) => count(Math.round(share * totalBytes(batch)) - moved));
    else sums = await sendAll(out, count);
    await out.end();
    const [how, why] = await call.done;
    if (why === 'garbled') return false;
    if (how !== 'ok') throw failedOnPod(root.toString(), transfer, why);
  } catch (error) {
    transfer.moved(-moved);
    const [how, why] = error instanceof SessionLost ? await call.done.catch(() => []) : [];
    throw how === 'failed' ? failedOnPod(root.toString(), transfer, why) : error;
  }
  const found = Buffer.concat(frames).toString().trim();
  return found === sums?.join('\n');
}

/** `sent` hears which share of all that is. */
async function sendPacked(
  out: Sink,
  { pieces, bytes }: Packed,
  sent: (share: number) => void,
): Promise<void> {
  let at = 0;
  for (const piece of pieces) {
    await out.send(piece);
    at += piece.length;
    sent(at / bytes);
  }
}

/** The beginnings of some files, by which the whole is judged. */
function sampleOf({ localRoot, batch }: Archive): Buffer {
  const files = batch.filter((entry) => entry.kind === 'file' && entry.size > 0);
  const step = Math.ceil(files.length / SAMPLES);
  const begins = files
    .filter((_, index) => index % step === 0)
    .map(({ path }) => {
      const file = openForReading(below(localRoot, path));
      try {
        const buffer = Buffer.allocUnsafe(SAMPLE_BYTES / SAMPLES);
        return buffer.subarray(0, readSync(file, buffer, 0, buffer.length, 0));
      } finally {
        closeSync(file);
      }
    });
  return Buffer.concat(begins);
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
