import { createHash } from 'node:crypto';

/** Temporary files that are older belong to nobody any more. */
export const STALE_NS = 24n * 3600n * 1_000_000_000n;

const SLASH = 0x2f;
/** Every temporary name of ours, on both sides. They belong to no tree. */
const TEMPORARY = /^\.runpod-ssh-[0-9a-f]{12}-[^/]*\.(?:part|link)$/s;
const PREFIX = Buffer.from('.runpod-ssh-');

/**
 * The beginning of the path of the temporary file beside `target`: the same for the same source as it is now, so
 * that a later try finds it, and another one as soon as the source's size or time changes. What stands before the
 * last dash is the same for all sources, so that what is out of date can be found. Whom it belongs to comes behind.
 */
export function partPath(target: Buffer, source: { path: Buffer; size: number; mtimeNs: bigint }): Buffer {
  const version = createHash('sha256').update(`${source.size}\0${source.mtimeNs}\0`).update(source.path);
  return Buffer.concat([temporaryPath(target), Buffer.from(`-${version.digest('hex').slice(0, 8)}`)]);
}

/** The beginning of all temporary names beside `target`. */
export function temporaryPath(target: Buffer): Buffer {
  const name = `.runpod-ssh-${createHash('sha256').update(target).digest('hex').slice(0, 12)}`;
  return Buffer.concat([target.subarray(0, target.lastIndexOf(SLASH) + 1), Buffer.from(name)]);
}

/** Whether any name of a path is a temporary one. */
export function isTemporary(path: Buffer): boolean {
  return (
    path.includes(PREFIX) &&
    path
      .toString('latin1')
      .split('/')
      .some((name) => TEMPORARY.test(name))
  );
}

/** The folder that a path is in, without a slash at its end but for the topmost. */
export function folderOf(path: Buffer): Buffer {
  return path.subarray(0, Math.max(1, path.lastIndexOf(SLASH)));
}

export function withEnding(path: Buffer, ending: string): Buffer {
  return Buffer.concat([path, Buffer.from(ending)]);
}
