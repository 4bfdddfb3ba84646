import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { word } from '../../session/request.ts';
import { ask, type PodPlace } from '../pod-files.ts';
import type { Transfer } from '../transfer.ts';
import { nameList } from './name-list.ts';

const AT_ONCE = 500;

/** Which of these files are the same on both sides, by SHA-256; as latin1 of their paths below `root` on the pod. */
export async function sameContentOnPod(
  transfer: Transfer,
  root: Buffer,
  files: readonly { remote: Buffer; local: Buffer }[],
): Promise<Set<string>> {
  const same = new Set<string>();
  for (let at = 0; at < files.length; at += AT_ONCE) {
    const some = files.slice(at, at + AT_ONCE);
    const names = nameList(some.map(({ remote }) => remote));
    const [{ frames }, hashes] = await Promise.all([
      ask(
        transfer.connection,
        { program: 'rp_hash_many', words: [word(root)], text: names },
        transfer.signal,
      ),
      hashesOf(
        some.map(({ local }) => local),
        transfer.signal,
      ),
    ]);
    const said = Buffer.concat(frames.map(({ payload }) => payload))
      .toString()
      .trim()
      .split('\n');
    // A file that has gone meanwhile has no line, and none knows which one it was.
    if (said.length !== some.length) continue;
    for (const [index, { remote }] of some.entries()) {
      if (hashes[index] === said[index]) same.add(remote.toString('latin1'));
    }
  }
  return same;
}

/** Whether one file is the same on both sides, by SHA-256. */
export async function hasSameContent(
  transfer: Transfer,
  { bytes }: PodPlace,
  local: Buffer,
): Promise<boolean> {
  const pair = { remote: bytes.subarray(1), local };
  return (await sameContentOnPod(transfer, Buffer.from('/'), [pair])).size === 1;
}

/** The SHA-256 of each; undefined for what can't be read. */
async function hashesOf(paths: readonly Buffer[], signal: AbortSignal): Promise<(string | undefined)[]> {
  const hashes: (string | undefined)[] = [];
  for (const path of paths) {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch(() => undefined);
    if (!file) {
      hashes.push(undefined);
      continue;
    }
    const hash = createHash('sha256');
    for await (const chunk of file.createReadStream()) {
      signal.throwIfAborted();
      hash.update(chunk);
    }
    hashes.push(hash.digest('hex'));
  }
  return hashes;
}
