import { randomBytes } from 'node:crypto';
import { readdir, rm, statfs } from 'node:fs/promises';
import { noRoomHere } from '../local-failures.ts';
import { folderOf, temporaryPath, withEnding } from './part-name.ts';

/** What a tree's files are called while they come: by process, since two calls must not write to one file. */
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
export async function sweepParts(part: Buffer): Promise<void> {
  const folder = folderOf(part);
  const own = part.subarray(folder.length).toString('latin1').replace(/^\//, '');
  const prefix = own.slice(0, own.lastIndexOf('-') + 1);
  for (const name of await readdir(folder, { encoding: 'buffer' })) {
    const text = name.toString('latin1');
    if (!text.startsWith(prefix) || text.startsWith(`${own}.`) || isUnderWay(text)) continue;
    await rm(Buffer.concat([folder, Buffer.from('/'), name]), { force: true });
  }
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
