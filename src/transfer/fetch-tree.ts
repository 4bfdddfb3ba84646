import { createHash, type Hash } from 'node:crypto';
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { chmod, lstat, mkdir, rename, rm, symlink, utimes } from 'node:fs/promises';
import { Failure } from '../failure.ts';
import type { Frame } from '../session/frame-reader.ts';
import { word } from '../session/request.ts';
import { channelsFor } from './blocks.ts';
import { type Channel, overChannels } from './channels.ts';
import { codeOf } from './error-code.ts';
import { fetchFile, putInPlace } from './fetch-file.ts';
import { localWriteFailure } from './local-failures.ts';
import { type PodPlace, surveyOnPod } from './pod-files.ts';
import type { Transfer } from './transfer.ts';
import { sourceChanged } from './transfer-failures.ts';
import type { TreeDifference } from './tree-difference.ts';
import type { TreeEntry } from './tree-entries.ts';

type FileEntry = TreeEntry & { kind: 'file' };

/** Files of more than this come one by one, in blocks; smaller ones together. */
const LARGE_BYTES = 4 * 1024 * 1024;
const BATCH_BYTES = 16 * 1024 * 1024;
const BATCH_FILES = 500;
const TRIES = 3;

/**
 * Makes the local tree at `localRoot` (a real path) like the one at `root` on the pod, as `difference` says: every
 * file under another name first, verified by SHA-256 computed on both sides, and renamed. Nothing is followed or
 * written out of the tree. Throws Failure.
 */
export async function fetchTree(
  transfer: Transfer,
  {
    localRoot,
    root,
    place,
    difference,
    folders,
    remove,
  }: {
    localRoot: string;
    root: string;
    place: PodPlace;
    difference: TreeDifference;
    folders: readonly TreeEntry[];
    remove: readonly Buffer[];
  },
): Promise<void> {
  const local = (path: Buffer): Buffer => Buffer.concat([Buffer.from(`${localRoot}/`), path]);
  try {
    await mkdir(localRoot, { recursive: true });
    for (const path of difference.inTheWay) await rm(local(path), { recursive: true, force: true });
    for (const { path } of difference.newFolders) await makeFolder(local(path));
    await checkFolders(difference.changed, local);
    const files = difference.changed.filter((entry): entry is FileEntry => entry.kind === 'file');
    await fetchBatches(transfer, {
      root,
      place,
      local,
      files: files.filter(({ size }) => size <= LARGE_BYTES),
    });
    for (const { path, size, mode } of files) {
      if (size <= LARGE_BYTES) continue;
      const source = await surveyOnPod(transfer.connection, `${root}/${path.toString()}`);
      await fetchFile(transfer, source, local(path).toString(), { mode });
    }
    for (const entry of difference.changed) {
      if (entry.kind === 'symlink') await putLink(local(entry.path), entry.target);
    }
    for (const path of remove) await rm(local(path), { recursive: true, force: true });
    for (const { path, mode, mtimeNs } of [...folders].reverse()) {
      await chmod(local(path), mode & 0o7777);
      await utimes(local(path), Number(mtimeNs) / 1e9, Number(mtimeNs) / 1e9);
    }
  } catch (error) {
    throw codeOf(error) === undefined ? error : localWriteFailure(error, localRoot);
  }
}

async function makeFolder(path: Buffer): Promise<void> {
  // What is a link in this place leads elsewhere; the tree has a folder there.
  if ((await kindOf(path)) !== 'folder') await rm(path, { force: true });
  await mkdir(path, { recursive: true });
}

async function kindOf(path: Buffer): Promise<'folder' | 'other' | 'none'> {
  try {
    return (await lstat(path)).isDirectory() ? 'folder' : 'other';
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return 'none';
    throw error;
  }
}

/** Every folder that something is put into must be one, and no link to one: that could lead out of the tree. */
async function checkFolders(entries: readonly TreeEntry[], local: (path: Buffer) => Buffer): Promise<void> {
  const checked = new Set<string>(['']);
  for (const { path } of entries) {
    for (let end = path.indexOf(0x2f); end >= 0; end = path.indexOf(0x2f, end + 1)) {
      const folder = path.subarray(0, end);
      const key = folder.toString('latin1');
      if (checked.has(key)) continue;
      checked.add(key);
      if ((await kindOf(local(folder))) === 'folder') continue;
      throw new Failure({
        kind: 'not-allowed',
        happened: `${local(folder).toString()} is no folder but a link or a file, and what comes from the pod would go through it.`,
        meaning: 'Nothing is written through links.',
        next: 'remove it, or choose another local folder.',
      });
    }
  }
}

async function putLink(path: Buffer, target: Buffer): Promise<void> {
  const temporary = Buffer.concat([folderOf(path), Buffer.from(`.runpod-ssh-${keyOf(path)}.link`)]);
  await rm(temporary, { force: true });
  await symlink(target, temporary);
  await rename(temporary, path);
}

function folderOf(path: Buffer): Buffer {
  return path.subarray(0, path.lastIndexOf(0x2f) + 1);
}

function keyOf(path: Buffer): string {
  return createHash('sha256').update(path).digest('hex').slice(0, 16);
}

type Batches = { root: string; place: PodPlace; local: (path: Buffer) => Buffer; files: FileEntry[] };

async function fetchBatches(transfer: Transfer, { root, place, local, files }: Batches): Promise<void> {
  if (files.length === 0) return;
  const { connection, connections, signal } = transfer;
  const queue: { batch: FileEntry[]; tries: number }[] = batchesOf(files).map((batch) => ({
    batch,
    tries: 0,
  }));
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  const { mode } = connection.pod;
  const count = Math.min(queue.length, channelsFor(bytes, { roundTripMs: place.roundTripMs, mode }));
  await overChannels({ connections, pod: connection.pod, count, signal }, async (channel, delivered) => {
    const next = queue.shift();
    if (!next) return false;
    let wrong: FileEntry[];
    try {
      wrong = await fetchBatch(transfer, channel, { root, local, files: next.batch });
    } catch (error) {
      queue.push(next);
      throw error;
    }
    delivered();
    if (wrong.length > 0) {
      if (next.tries >= TRIES) throw sourceChanged(wrong[0]?.path.toString() ?? root);
      // One by one: a file that changes its length while it is read garbles all behind it.
      for (const file of wrong) queue.push({ batch: [file], tries: next.tries + 1 });
    }
    return queue.length > 0;
  });
}

function batchesOf(files: readonly FileEntry[]): FileEntry[][] {
  const batches: FileEntry[][] = [];
  let room = 0;
  for (const file of files) {
    const last = batches.at(-1);
    if (!last || room < file.size || last.length >= BATCH_FILES) {
      batches.push([file]);
      room = BATCH_BYTES - file.size;
    } else {
      last.push(file);
      room -= file.size;
    }
  }
  return batches;
}

/** Fetches files together; returns those whose bytes weren't what the pod's hash says. */
async function fetchBatch(
  transfer: Transfer,
  { session }: Channel,
  { root, local, files }: Omit<Batches, 'place'>,
): Promise<FileEntry[]> {
  const names = Buffer.concat(files.flatMap(({ path }) => [path, Buffer.from([0])]));
  const total = files.reduce((sum, { size }) => sum + size, 0);
  const incoming = new IncomingFiles(files.map((file) => ({ file, part: partOf(local(file.path)) })));
  const sums: Buffer[] = [];
  try {
    const [how] = await session.call({
      program: 'rp_get_many',
      words: [word(root), total],
      text: names,
      onFrame: (frame: Frame) => {
        if (frame.type === 'sums') sums.push(frame.payload);
        if (frame.type !== 'd') return;
        incoming.take(frame.payload);
        transfer.moved(frame.payload.length);
      },
    }).done;
    const hashes = incoming.end();
    if (how !== 'ok') throw sourceChanged(root);
    const said = Buffer.concat(sums).toString().trim().split('\n');
    const wrong: FileEntry[] = [];
    for (const [index, file] of files.entries()) {
      const part = partOf(local(file.path));
      if (hashes[index] === said[index]) {
        await putInPlace(part, local(file.path), { mode: file.mode & 0o7777, mtimeNs: file.mtimeNs });
      } else {
        await rm(part, { force: true });
        transfer.moved(-file.size);
        wrong.push(file);
      }
    }
    return wrong;
  } catch (error) {
    transfer.moved(-incoming.taken);
    incoming.abandon();
    for (const file of files) await rm(partOf(local(file.path)), { force: true });
    throw error;
  }
}

function partOf(path: Buffer): Buffer {
  return Buffer.concat([folderOf(path), Buffer.from(`.runpod-ssh-${keyOf(path)}.part`)]);
}

/** Splits one stream into files by their lengths, hashing each. */
class IncomingFiles {
  readonly #files: { file: FileEntry; part: Buffer }[];
  readonly #hashes: string[] = [];
  #open: { fd: number; hash: Hash; left: number } | undefined;
  #error: unknown;
  taken = 0;

  constructor(files: { file: FileEntry; part: Buffer }[]) {
    this.#files = files;
  }

  take(payload: Buffer): void {
    this.taken += payload.length;
    if (this.#error !== undefined) return;
    try {
      this.#write(payload);
    } catch (error) {
      this.#error = error;
    }
  }

  /** The hashes of all files, in order. Throws what went wrong when they were written. */
  end(): string[] {
    if (this.#error === undefined) {
      try {
        while (this.#hashes.length < this.#files.length && this.#current().left === 0) this.#close();
      } catch (error) {
        this.#error = error;
      }
    }
    this.abandon();
    if (this.#error !== undefined) throw this.#error;
    return this.#hashes;
  }

  abandon(): void {
    if (this.#open) closeSync(this.#open.fd);
    this.#open = undefined;
  }

  #write(payload: Buffer): void {
    let rest = payload;
    while (rest.length > 0 && this.#hashes.length < this.#files.length) {
      const current = this.#current();
      const part = rest.subarray(0, current.left);
      for (let at = 0; at < part.length; ) at += writeSync(current.fd, part, at);
      current.hash.update(part);
      current.left -= part.length;
      rest = rest.subarray(part.length);
      if (current.left === 0) this.#close();
    }
  }

  #current(): { fd: number; hash: Hash; left: number } {
    const next = this.#files[this.#hashes.length];
    if (!this.#open && next) {
      const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants;
      const fd = openSync(next.part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600);
      this.#open = { fd, hash: createHash('sha256'), left: next.file.size };
    }
    if (!this.#open) throw new Error('more bytes than files');
    return this.#open;
  }

  #close(): void {
    if (!this.#open) return;
    closeSync(this.#open.fd);
    this.#hashes.push(this.#open.hash.digest('hex'));
    this.#open = undefined;
  }
}
