import { randomBytes } from 'node:crypto';
import { readdir, rm, statfs } from 'node:fs/promises';
import { noRoomHere } from '../local-failures.ts';
import { nameOf } from '../names.ts';
import { folderOf, temporaryPath, withEnding } from './part-name.ts';

const SLASH = Buffer.from('/');
/** Temporary names begin with that of the target, and end with the process that they belong to. */
const OF_PROCESS = /-(\d+)\.[0-9a-f]+\.(?:part|link)$/;

/** The temporary name of a file of a tree that comes to `target`, of a download of its own (`newDownload`). */
export function ownPart(target: Buffer, download: string, ending: '.part' | '.link'): Buffer {
  return withEnding(temporaryPath(target), `-${download}${ending}`);
}

/** Names a download on this machine. */
export function newDownload(): string {
  return `${process.pid}.${randomBytes(4).toString('hex')}`;
}

/** Removes what earlier tries to bring other versions of a file to the same place have left beside it. */
export async function sweepParts(base: Buffer): Promise<void> {
  const otherVersions = base.subarray(0, base.lastIndexOf('-'));
  const own = `${nameOf(base).toString('latin1')}-`;
  for (const path of await abandonedParts(otherVersions)) {
    if (!nameOf(path).toString('latin1').startsWith(own)) await rm(path, { recursive: true, force: true });
  }
}

/** The temporary files whose names begin so, and that nobody writes to any more. */
export async function abandonedParts(base: Buffer): Promise<Buffer[]> {
  const folder = folderOf(base);
  const beginning = `${nameOf(base).toString('latin1')}-`;
  const names = await readdir(folder, { encoding: 'buffer' });
  return names
    .filter((name) => name.toString('latin1').startsWith(beginning) && !isUnderWay(name.toString('latin1')))
    .map((name) => Buffer.concat([folder, SLASH, name]));
}

/** Whether the process that this temporary file belongs to still runs. */
export function isUnderWay(name: string): boolean {
  const pid = Number(OF_PROCESS.exec(name)?.[1] ?? 0);
  if (pid === 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Throws Failure `no-space` if the disk that `target` is to be on has not so much room. */
export async function checkRoomHere(target: Buffer, bytes: number): Promise<void> {
  const found = await statfs(folderOf(target)).catch(() => undefined);
  // Some file systems say nothing of their size.
  if (!found || found.blocks === 0) return;
  const free = found.bavail * found.bsize;
  if (free < bytes) throw noRoomHere(target.toString(), bytes, free);
}
