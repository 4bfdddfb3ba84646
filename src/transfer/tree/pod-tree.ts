import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { Failure } from '../../failure.ts';
import { word } from '../../session/request.ts';
import { isTemporary } from '../file/part-name.ts';
import { ask, sizeFrom } from '../pod-files.ts';
import { fromFind } from '../times.ts';
import type { Transfer } from '../transfer.ts';
import { nameList } from './name-list.ts';
import { foldersOf, keyOf, topmost } from './tree-difference.ts';
import type { TreeEntry } from './tree-entries.ts';
import { isSafeTreeName } from './tree-names.ts';

/** What is below a folder on the pod. */
export type PodTree = {
  /** In the order of their bytes. */
  entries: TreeEntry[];
  /** Temporary files and folders of ours, the topmost of each. */
  temporaries: { path: Buffer; mtimeNs: bigint }[];
};

const HERE = Buffer.from('./');
const MAX_LIST_BYTES = 512 * 1024 * 1024;

/**
 * What is in `folders` (relative to `root`, which is always one of them), or all that is below `root`; undefined if
 * there is no such folder. Throws Failure.
 */
export async function listPodTree(
  transfer: Transfer,
  root: Buffer,
  folders: readonly Buffer[] | 'all',
): Promise<PodTree | undefined> {
  const { words, frames } = await ask(
    transfer.connection,
    {
      program: 'rp_list_tree',
      words: [word(root), folders === 'all' ? 'deep' : ''],
      text: folders === 'all' ? '' : Buffer.concat([Buffer.from('.\0'), nameList(folders)]),
    },
    transfer.signal,
  );
  if (words[0] !== 'ok') return undefined;
  const list = Buffer.concat(frames.map(({ payload }) => payload));
  if (words[1] !== 'gzip') return parsePodTree(list);
  const unpacked = await promisify(gunzip)(list, { maxOutputLength: MAX_LIST_BYTES }).catch(() => undefined);
  if (!unpacked) throw unreadable('it can’t be unpacked');
  return parsePodTree(unpacked);
}

/**
 * Reads `kind size time mode ./path NUL target NUL …`. What is in no folder of the list is left out: it would be
 * reached through a link. Throws Failure where a pod names what can be in no tree: names that lead out of it, or a
 * name twice.
 */
export function parsePodTree(list: Buffer): PodTree {
  const tree: PodTree = { entries: [], temporaries: [] };
  for (let at = 0; at < list.length; ) {
    const recordEnd = list.indexOf(0, at);
    const targetEnd = recordEnd < 0 ? -1 : list.indexOf(0, recordEnd + 1);
    if (targetEnd < 0) throw unreadable('it breaks off');
    const entry = parseRecord(list.subarray(at, recordEnd), list.subarray(recordEnd + 1, targetEnd));
    if (entry && isTemporary(entry.path)) tree.temporaries.push(entry);
    else if (entry) tree.entries.push(entry);
    at = targetEnd + 1;
  }
  const inOrder = (one: { path: Buffer }, other: { path: Buffer }) => Buffer.compare(one.path, other.path);
  tree.entries = inTheirFolders(tree.entries.sort(inOrder));
  tree.temporaries = topmost(tree.temporaries);
  return tree;
}

function parseRecord(record: Buffer, target: Buffer): TreeEntry | undefined {
  const head = /^(\w) (\d+) (-?\d+(?:\.\d+)?) ([0-7]{1,6}) /.exec(record.toString('latin1', 0, 128));
  if (!head) throw unreadable('a line of it has not its form');
  const [all, kind, size, time = '', mode = ''] = head;
  const named = record.subarray(all.length);
  // The folder itself.
  if (named.length === 1 && named[0] === HERE[0]) return undefined;
  const path = Buffer.from(named.subarray(HERE.length));
  if (!named.subarray(0, HERE.length).equals(HERE))
    throw unreadable(`it names ${JSON.stringify(named.toString())}`);
  if (!isSafeTreeName(path)) throw unreadable(`it names ${JSON.stringify(path.toString())}`);
  const common = { path, mode: Number.parseInt(mode, 8) & 0o7777, mtimeNs: fromFind(time) };
  if (kind === 'd') return { ...common, kind: 'directory' };
  if (kind === 'l') return { ...common, kind: 'symlink', target: Buffer.from(target) };
  if (kind === 'f') return { ...common, kind: 'file', size: sizeFrom(size) };
  return undefined;
}

function inTheirFolders(entries: readonly TreeEntry[]): TreeEntry[] {
  const folders = new Set<string>();
  let before: string | undefined;
  return entries.filter((entry) => {
    const name = keyOf(entry);
    if (name === before) throw unreadable(`it names ${JSON.stringify(entry.path.toString())} twice`);
    before = name;
    const above = foldersOf(name).at(-1);
    if (above !== undefined && !folders.has(above)) return false;
    if (entry.kind === 'directory') folders.add(name);
    return true;
  });
}

function unreadable(why: string): Failure {
  return new Failure({
    kind: 'transfer-failed',
    happened: `The pod's list of files can't be used: ${why}.`,
    meaning: 'Nothing was written.',
    next: 'look at the folder with run_command("ls -la …").',
  });
}
