import { randomBytes } from 'node:crypto';
import { readdir, rm, statfs } from 'node:fs/promises';
import { codeOf } from '../../local/error-code.ts';
import { noRoomHere } from '../local-failures.ts';
import { below, nameOf } from '../names.ts';
import { folderOf, temporaryPath, withEnding } from './part-name.ts';

/** Temporary names begin with that of the target, and end with the process and the download that they belong to. */
const OF_PROCESS = /-(\d+)\.([0-9a-f]+)\.(?:part|link)$/;
/** The downloads of this process that are under way: a process before it may have had the same number. */
const underWay = new Set<string>();

/** The temporary name of a file of a tree that comes to `target`, of a download of its own (`beginDownload`). */
export function ownPart(target: Buffer, download: string, ending: '.part' | '.link'): Buffer {
  return withEnding(temporaryPath(target), `-${download}${ending}`);
}

/** Names a download on this machine, until it is over. */
export function beginDownload(): string {
  const token = randomBytes(4).toString('hex');
  underWay.add(token);
  return `${process.pid}.${token}`;
}

/** What the download has left may be removed, or taken over. */
export function endDownload(download: string): void {
  underWay.delete(download.slice(download.indexOf('.') + 1));
}

/**
 * Removes what earlier downloads of other versions of a file have left beside it; returns what those of this one
 * have. `base` begins its temporary names, but for what stands behind the last dash that of the others too.
 */
export async function sweepParts(base: Buffer): Promise<Buffer[]> {
  const folder = folderOf(base);
  const own = `${nameOf(base).toString('latin1')}-`;
  const all = own.slice(0, own.lastIndexOf('-', own.length - 2) + 1);
  const ofThisOne: Buffer[] = [];
  for (const entry of await readdir(folder, { encoding: 'buffer' }).catch((): Buffer[] => [])) {
    const name = entry.toString('latin1');
    if (!name.startsWith(all) || isUnderWay(name)) continue;
    const path = below(folder, entry);
    if (name.startsWith(own)) ofThisOne.push(path);
    else await removeIfPossible(path);
  }
  return ofThisOne;
}

/** Whether the download that this temporary file belongs to goes on. */
export function isUnderWay(name: string): boolean {
  const [, pid = '0', token = ''] = OF_PROCESS.exec(name) ?? [];
  if (Number(pid) === process.pid) return underWay.has(token);
  try {
    return Number(pid) > 0 && process.kill(Number(pid), 0);
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

/** What somebody else has left may stay. */
export async function removeIfPossible(path: Buffer): Promise<void> {
  await rm(path, { recursive: true, force: true }).catch(() => {});
}

/** Throws Failure `no-space` if the disk that `target` is to be on has not so much room. */
export async function checkRoomHere(target: Buffer, bytes: number): Promise<void> {
  const found = await statfs(folderOf(target)).catch(() => undefined);
  // Some file systems say nothing of their size.
  if (!found || found.blocks === 0) return;
  const free = found.bavail * found.bsize;
  if (free < bytes) throw noRoomHere(target.toString(), bytes, free);
}
