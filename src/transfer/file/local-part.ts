import { closeSync, constants, fchmodSync, ftruncateSync, futimesSync, openSync } from 'node:fs';
import { lstat, mkdir, readFile, rename, rm } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { nodeTime } from '../times.ts';
import type { Block } from './blocks.ts';
import { hashOfBlock } from './fetch-blocks.ts';
import { beginDownload, endDownload, removeIfPossible, sweepParts } from './local-parts.ts';
import { folderOf, partPath, withEnding } from './part-name.ts';

export type HashedBlock = Block & { sum: string };

const BYTES = '/bytes';
const DONE = '/done';
const STICKY = 0o1000;

/**
 * A file on its way to this machine: a folder beside its target with the bytes and a list of the blocks that have
 * come. It belongs to one download alone, whose process is in its name.
 */
export class LocalPart {
  readonly file: number;
  /** Nothing has been written to it before: where it has no data it has holes. */
  readonly fresh: boolean;
  /** The list of the blocks that have come. */
  readonly done: Buffer;
  readonly #folder: Buffer;
  readonly #base: Buffer;
  readonly #download: string;

  private constructor(file: number, fresh: boolean, { base, download }: { base: Buffer; download: string }) {
    this.file = file;
    this.fresh = fresh;
    this.#base = base;
    this.#download = download;
    this.#folder = withEnding(base, `-${download}.part`);
    this.done = withEnding(this.#folder, DONE);
  }

  /**
   * Takes over what an earlier download of the same file has left beside `target`, or begins anew; what there is of
   * other versions goes. Throws the system's errors.
   */
  static async open(
    target: Buffer,
    source: { path: Buffer; size: number; mtimeNs: bigint },
  ): Promise<LocalPart> {
    const base = partPath(target, source);
    const ofThisOne = await sweepParts(base);
    const download = beginDownload();
    const folder = withEnding(base, `-${download}.part`);
    try {
      let taken = false;
      for (const left of ofThisOne) {
        taken = taken || (await takeOver(left, folder));
        await removeIfPossible(left);
      }
      const old = taken ? await openBytes(folder, source.size).catch(() => undefined) : undefined;
      const file = old ?? (await openBytes(await emptied(folder), source.size));
      return new LocalPart(file, old === undefined, { base, download });
    } catch (error) {
      endDownload(download);
      throw error;
    }
  }

  /** The blocks that an earlier download has brought, with their hashes as they are now. */
  async blocks(size: number, signal: AbortSignal): Promise<HashedBlock[]> {
    const done: HashedBlock[] = [];
    const list = this.fresh ? '' : await readFile(this.done, 'utf8').catch(() => '');
    for (const line of new Set(list.split('\n'))) {
      const found = /^(\d+) (\d+) ([0-9a-f]{64})$/.exec(line);
      if (!found) continue;
      const block = { from: Number(found[1]), count: Number(found[2]) };
      const sum = block.from + block.count <= size ? hashOfBlock(this.file, block) : undefined;
      if (sum !== undefined && sum === found[3]) done.push({ ...block, sum });
      // Others get their turn in between.
      await setImmediate();
      signal.throwIfAborted();
    }
    return done;
  }

  /** Gives the bytes their mode, time and name. Throws the system's errors. */
  async putInPlace(target: Buffer, { mode, mtimeNs }: { mode: number; mtimeNs: bigint }): Promise<void> {
    fchmodSync(this.file, mode);
    futimesSync(this.file, nodeTime(mtimeNs), nodeTime(mtimeNs));
    await rename(withEnding(this.#folder, BYTES), target);
    await this.discard();
  }

  /** Lets the next download of the same file take it over. */
  async release(): Promise<void> {
    closeSync(this.file);
    const [, token] = this.#download.split('.');
    await rename(this.#folder, withEnding(this.#base, `-0.${token}.part`)).catch(() => {});
    endDownload(this.#download);
  }

  /** Removes it. */
  async discard(): Promise<void> {
    closeSync(this.file);
    await removeIfPossible(this.#folder);
    endDownload(this.#download);
  }
}

async function emptied(folder: Buffer): Promise<Buffer> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { mode: 0o700 });
  return folder;
}

async function openBytes(folder: Buffer, size: number): Promise<number> {
  const { O_RDWR, O_CREAT, O_NOFOLLOW } = constants;
  let file: number | undefined;
  try {
    file = openSync(withEnding(folder, BYTES), O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
    ftruncateSync(file, size);
    return file;
  } catch (error) {
    if (file !== undefined) closeSync(file);
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

/** Never a link, nor what somebody else has put into a folder for all: it would be written to, or read. */
async function takeOver(left: Buffer, folder: Buffer): Promise<boolean> {
  try {
    const found = await lstat(left);
    const isForAll = ((await lstat(folderOf(left))).mode & STICKY) !== 0;
    if (!found.isDirectory() || (isForAll && found.uid !== process.getuid?.())) return false;
    await rename(left, folder);
    return true;
  } catch {
    // Somebody else was faster.
    return false;
  }
}
