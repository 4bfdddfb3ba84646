import { createHash } from 'node:crypto';
import { posix } from 'node:path';

/**
 * The path, without its ending, of the temporary file beside `target`: the same for the same source as it is now,
 * so that a later try finds it, and another one as soon as the source's size or time changes.
 */
export function partPath(target: string, source: { path: Buffer; size: number; mtimeNs: bigint }): string {
  const key = createHash('sha256')
    .update(`${target}\0${source.size}\0${source.mtimeNs}\0`)
    .update(source.path)
    .digest('hex')
    .slice(0, 16);
  return posix.join(posix.dirname(target), `.runpod-ssh-${key}`);
}
