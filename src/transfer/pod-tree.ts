import { Failure } from '../failure.ts';
import { word } from '../session/request.ts';
import { nanoseconds } from './fetch-file.ts';
import { ask } from './pod-files.ts';
import type { Transfer } from './transfer.ts';
import type { TreeEntry } from './tree-entries.ts';
import { isSafeTreeName } from './tree-names.ts';

/** Our own temporary names, which belong to no tree. */
export const TEMPORARY = Buffer.from('.runpod-ssh-');

/** Everything below a folder on the pod, by its bytes; undefined if there is no such folder. Throws Failure. */
export async function listPodTree(transfer: Transfer, root: string): Promise<TreeEntry[] | undefined> {
  const { words, frames } = await ask(
    transfer.connection,
    { program: 'rp_list_tree', words: [word(root)] },
    transfer.signal,
  );
  if (words[0] !== 'ok') return undefined;
  return parsePodTree(Buffer.concat(frames.map(({ payload }) => payload)));
}

/** Reads `kind size time mode path NUL target NUL …`. Throws Failure where a pod names what can be in no tree. */
export function parsePodTree(list: Buffer): TreeEntry[] {
  const entries: TreeEntry[] = [];
  for (let at = 0; at < list.length; ) {
    const recordEnd = list.indexOf(0, at);
    const targetEnd = list.indexOf(0, recordEnd + 1);
    if (recordEnd < 0 || targetEnd < 0) throw unreadable('it breaks off');
    const entry = parseRecord(list.subarray(at, recordEnd), list.subarray(recordEnd + 1, targetEnd));
    if (entry) entries.push(entry);
    at = targetEnd + 1;
  }
  return entries.sort((one, other) => Buffer.compare(one.path, other.path));
}

function parseRecord(record: Buffer, target: Buffer): TreeEntry | undefined {
  let pathStart = 0;
  for (let blanks = 0; blanks < 4; blanks++) pathStart = record.indexOf(0x20, pathStart) + 1;
  const [kind, size, time = '0', mode = '0'] = record.toString('latin1', 0, pathStart).split(' ');
  const path = Buffer.from(record.subarray(pathStart));
  if (path.length === 0 || isTemporary(path)) return undefined;
  if (!isSafeTreeName(path)) throw unreadable(`it names ${JSON.stringify(path.toString())}`);
  const common = { path, mode: Number.parseInt(mode, 8), mtimeNs: nanoseconds(time) };
  if (kind === 'd') return { ...common, kind: 'directory' };
  if (kind === 'l') return { ...common, kind: 'symlink', target: Buffer.from(target) };
  if (kind === 'f') return { ...common, kind: 'file', size: Number(size) };
  return undefined;
}

export function isTemporary(path: Buffer): boolean {
  return path
    .subarray(path.lastIndexOf(0x2f) + 1, path.length)
    .subarray(0, TEMPORARY.length)
    .equals(TEMPORARY);
}

function unreadable(why: string): Failure {
  return new Failure({
    kind: 'transfer-failed',
    happened: `The pod's list of files can't be used: ${why}.`,
    meaning: 'Nothing was written.',
    next: 'look at the folder with run_command("ls -la …").',
  });
}
