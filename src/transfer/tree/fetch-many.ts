import { createHash, type Hash } from 'node:crypto';
import { closeSync, constants, fchmodSync, futimesSync, openSync, writeSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import type { Frame } from '../../session/frame-reader.ts';
import { word } from '../../session/request.ts';
import type { Session } from '../../session/session.ts';
import { clearFolder } from '../file/fetch-file.ts';
import { beginDownload, endDownload, ownPart } from '../file/local-parts.ts';
import { mayPack, unpacked } from '../packing.ts';
import { nodeTime } from '../times.ts';
import type { Transfer } from '../transfer.ts';
import { sourceChanged } from '../transfer-failures.ts';
import { nameList } from './name-list.ts';
import { keyOf } from './tree-difference.ts';
import type { TreeEntry } from './tree-entries.ts';
import { totalBytes } from './tree-totals.ts';

export type FileEntry = TreeEntry & { kind: 'file' };

/** How much may come packed: it is held in memory until it is whole. */
export const PACKED_BYTES = 4 * 1024 * 1024;

/** A session that carries files; `shared` with calls that must not wait for it. */
export type FilesChannel = { session: Session; shared?: boolean };

/**
 * Fetches files of a tree together, in one stream; returns those whose bytes weren't what the pod's hash says.
 * Throws Failure, SessionLost, and what went wrong on the disk here.
 */
export async function fetchMany(
  transfer: Transfer,
  { session, shared = false }: FilesChannel,
  {
    root,
    local,
    files,
    inTheWay,
  }: {
    root: Buffer;
    local: (path: Buffer) => Buffer;
    files: readonly FileEntry[];
    /** Files in whose place there are folders, as `keyOf` has them. */
    inTheWay: ReadonlySet<string>;
  },
): Promise<FileEntry[]> {
  const download = beginDownload();
  const parts = files.map((file) => ({ file, part: ownPart(local(file.path), download, '.part') }));
  const incoming = new IncomingFiles(
    parts.map(({ file: { size, mode, mtimeNs }, part }) => ({ size, mode: mode & 0o7777, mtimeNs, part })),
  );
  const sums: Buffer[] = [];
  const bytes = totalBytes(files);
  const packs = bytes <= PACKED_BYTES && mayPack(transfer.connection, session);
  let packed: Buffer | undefined;
  try {
    const [how] = await session.call({
      program: 'rp_get_many',
      words: [word(root), bytes, shared ? 'gathered' : packs ? 'packed' : ''],
      text: nameList(files.map(({ path }) => path)),
      onFrame: (frame: Frame) => {
        if (frame.type === 'sums') sums.push(frame.payload);
        if (frame.type === 'z') packed = frame.payload;
        if (frame.type === 'd') transfer.moved(incoming.take(frame.payload));
      },
    }).done;
    if (packed) {
      const all = await unpacked(packed, bytes);
      transfer.moved(incoming.take(all ?? packed));
    }
    const hashes = incoming.end();
    transfer.signal.throwIfAborted();
    if (how !== 'ok') throw sourceChanged(root.toString());
    const said = Buffer.concat(sums).toString().trim().split('\n');
    const wrong: FileEntry[] = [];
    for (const [index, { file, part }] of parts.entries()) {
      // A file that has gone meanwhile has no line, and none knows which one it was.
      if (said.length === files.length && hashes[index] === said[index]) {
        if (inTheWay.has(keyOf(file))) await clearFolder(local(file.path));
        await rename(part, local(file.path));
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
    for (const { part } of parts) await rm(part, { force: true }).catch(() => {});
    throw error;
  } finally {
    endDownload(download);
  }
}

type IncomingFile = { size: number; mode: number; mtimeNs: bigint; part: Buffer };

/** Splits one stream into files by their lengths, hashing each. What is more than that is not written anywhere. */
export class IncomingFiles {
  readonly #files: readonly IncomingFile[];
  readonly #hashes: string[] = [];
  #open: { fd: number; hash: Hash; left: number } | undefined;
  #error: unknown;
  #taken = 0;

  constructor(files: readonly IncomingFile[]) {
    this.#files = files;
  }

  /** How many bytes have been taken into files. */
  get taken(): number {
    return this.#taken;
  }

  /** Returns how many of the bytes belong to a file. */
  take(payload: Buffer): number {
    const before = this.#taken;
    try {
      if (this.#error === undefined) this.#write(payload);
    } catch (error) {
      // A full disk here is no fault of the session's, which goes on to the end of the frame.
      this.#error = error;
    }
    return this.#taken - before;
  }

  /** The hashes of all files that have come whole, in order. Throws what went wrong when they were written. */
  end(): string[] {
    try {
      if (this.#error === undefined) this.#closeFull();
    } catch (error) {
      this.#error = error;
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
    for (let rest = payload; rest.length > 0; ) {
      const current = this.#closeFull();
      if (!current) return;
      const part = rest.subarray(0, current.left);
      for (let at = 0; at < part.length; ) at += writeSync(current.fd, part, at);
      current.hash.update(part);
      current.left -= part.length;
      this.#taken += part.length;
      rest = rest.subarray(part.length);
    }
  }

  /** Closes what is full, empty files among it; the file that takes the next byte, if there is one. */
  #closeFull(): { fd: number; hash: Hash; left: number } | undefined {
    for (;;) {
      const next = this.#files[this.#hashes.length];
      if (!next) return undefined;
      this.#open ??= { fd: openNew(next.part), hash: createHash('sha256'), left: next.size };
      if (this.#open.left > 0) return this.#open;
      fchmodSync(this.#open.fd, next.mode);
      futimesSync(this.#open.fd, nodeTime(next.mtimeNs), nodeTime(next.mtimeNs));
      this.#hashes.push(this.#open.hash.digest('hex'));
      this.abandon();
    }
  }
}

function openNew(path: Buffer): number {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  return openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
}
