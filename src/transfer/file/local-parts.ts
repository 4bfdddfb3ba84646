import { randomBytes } from 'node:crypto';
import { readdir, rm, statfs } from 'node:fs/promises';
import { codeOf } from '../../local/error-code.ts';
import { noRoomHere } from '../local-failures.ts';
import { nameOf } from '../names.ts';
import { folderOf, temporaryPath, withEnding } from './part-name.ts';

const SLASH = Buffer.from('/');
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

/** Removes what earlier tries to bring other versions of a file to the same place have left beside it. */
export async function sweepParts(base: Buffer): Promise<void> {
  const otherVersions = base.subarray(0, base.lastIndexOf('-'));
  const own = `${nameOf(base).toString('latin1')}-`;
  for (const path of await abandonedParts(otherVersions)) {
    if (!nameOf(path).toString('latin1').startsWith(own)) await removeIfPossible(path);
  }
}

/** The temporary files whose names begin so, and that nobody writes to any more. */
export async function abandonedParts(base: Buffer): Promise<Buffer[]> {
  const folder = folderOf(base);
  const beginning = `${nameOf(base).toString('latin1')}-`;
  const names = await readdir(folder, { encoding: 'buffer' }).catch((): Buffer[] => []);
  return names
    .filter((name) => name.toString('latin1').startsWith(beginning) && !isUnderWay(name.toString('latin1')))
    .map((name) => Buffer.concat([folder, SLASH, name]));
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
