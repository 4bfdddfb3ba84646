import { lstat, mkdir } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { Failure } from '../failure.ts';
import { word } from '../session/request.ts';
import { fetchFile, localKind, nanoseconds } from './fetch-file.ts';
import { fetchTree } from './fetch-tree.ts';
import { localWriteFailure } from './local-failures.ts';
import type { LocalGuard } from './local-guard.ts';
import type { Meter } from './meter.ts';
import { absoluteOnPod, ask, type PodPlace, surveyOnPod } from './pod-files.ts';
import { isTemporary, listPodTree } from './pod-tree.ts';
import { sameContentOnPod } from './same-content.ts';
import type { Transfer } from './transfer.ts';
import type { TransferSummary } from './transfer-answer.ts';
import { sameTime, treeDifference } from './tree-difference.ts';
import { listTree, type TreeEntry } from './tree-entries.ts';
import { linkStaysInTree } from './tree-names.ts';
import { sameSized, totalBytes } from './tree-totals.ts';
import { newIgnoreList } from './upload.ts';

export type DownloadRequest = {
  remotePath: string;
  localPath: string;
  exclude: string[];
  checksum: boolean;
  remove: boolean;
};

type Summary = Omit<TransferSummary, 'seconds' | 'mode' | 'direction'>;

/** Downloads a file, a folder or what a glob matches on the pod. Throws Failure. */
export async function download(
  transfer: Transfer & { meter: Meter },
  request: DownloadRequest,
  guard: LocalGuard,
): Promise<Summary> {
  const { description } = await transfer.connection.session();
  const asked = absoluteOnPod(request.remotePath, description.home);
  const summary: Summary = {
    places: [],
    files: 0,
    bytes: 0,
    sameFiles: 0,
    savedBytes: 0,
    removed: [],
    skipped: [],
  };
  const [paths, target] = await Promise.all([
    matchesOnPod(transfer, asked),
    guard.allow(request.localPath, 'write'),
  ]);
  const kind = await localKind(target.realPath);
  const several = paths.length > 1;
  for (const path of paths) {
    const name = posix.basename(path) || 'root';
    const place = await surveyOnPod(transfer.connection, path.replace(/(.)\/+$/, '$1'), transfer.signal);
    if (place.kind === 'none') throw noSuchFile(path, transfer);
    const intoFolder = several || target.namesFolder || (place.kind === 'file' && kind === 'directory');
    const local = intoFolder
      ? (await guard.allow(join(target.realPath, name), 'write')).realPath
      : target.realPath;
    if (place.kind === 'directory') await downloadFolder(transfer, request, { guard, summary }, place, local);
    else await downloadFile(transfer, request, summary, place, local);
  }
  return summary;
}

/** The paths on the pod that are meant: the path itself if it is there, else what it matches as a glob. */
async function matchesOnPod(transfer: Transfer, path: string): Promise<string[]> {
  if (!/[*?[]/.test(path)) return [path];
  const { frames } = await ask(
    transfer.connection,
    { program: 'rp_glob', words: [word(path)] },
    transfer.signal,
  );
  const names = Buffer.concat(frames.map(({ payload }) => payload))
    .toString()
    .split('\0')
    .filter(Boolean);
  if (names.length === 0) throw noSuchFile(path, transfer);
  return names;
}

async function downloadFile(
  transfer: Transfer & { meter: Meter },
  request: DownloadRequest,
  summary: Summary,
  place: PodPlace,
  local: string,
): Promise<void> {
  if (place.kind === 'other') throw notAFile(place.path);
  if (!place.readable) throw notReadable(place.path);
  const kind = await localKind(local);
  if (kind === 'directory') {
    throw new Failure({
      kind: 'transfer-failed',
      happened: `${local} is a folder on this machine, so no file can take its place.`,
      next: 'end the local path with a slash to put the file into the folder.',
    });
  }
  summary.places.push(local);
  transfer.meter.expect(posix.basename(place.path), place.size);
  if (kind === 'file' && (await isThere(transfer, request, place, local))) {
    summary.sameFiles += 1;
    transfer.moved(place.size);
    return;
  }
  summary.savedBytes += await fetchFile(transfer, place, local, {
    mode: Number.parseInt(place.mode, 8) & 0o777,
  });
  summary.files += 1;
  summary.bytes += place.size;
}

async function isThere(
  transfer: Transfer,
  request: DownloadRequest,
  place: PodPlace,
  local: string,
): Promise<boolean> {
  const found = await lstat(local, { bigint: true });
  if (found.size !== BigInt(place.size) || !sameTime(found.mtimeNs, nanoseconds(place.time))) return false;
  if (!request.checksum) return true;
  const pair = { remote: Buffer.from(place.path.slice(1)), local: Buffer.from(local) };
  return (await sameContentOnPod(transfer, '/', [pair])).size === 1;
}

async function downloadFolder(
  transfer: Transfer & { meter: Meter },
  request: DownloadRequest,
  { guard, summary }: { guard: LocalGuard; summary: Summary },
  place: PodPlace,
  local: string,
): Promise<void> {
  const kind = await localKind(local);
  if (kind !== undefined && kind !== 'directory') {
    throw new Failure({
      kind: 'transfer-failed',
      happened: `${local} is a file on this machine, so no folder can take its place.`,
      next: 'choose another local path, or remove it first.',
    });
  }
  try {
    await mkdir(local, { recursive: true });
  } catch (error) {
    throw localWriteFailure(error, local);
  }
  const exclude = newIgnoreList().add([...request.exclude]);
  const [there, here] = await Promise.all([
    listPodTree(transfer, place.path),
    listTree(local, { signal: transfer.signal }),
  ]);
  if (!there) throw notReadable(place.path);
  const entries = wanted(there, { exclude, guard, local, skipped: summary.skipped });
  const mine = here.entries.filter(({ path }) => !isTemporary(path));
  const same = request.checksum
    ? await sameContentOnPod(
        transfer,
        place.path,
        sameSized(entries, mine).map((path) => ({
          remote: path,
          local: Buffer.concat([Buffer.from(`${local}/`), path]),
        })),
      )
    : undefined;
  const difference = treeDifference(entries, mine, same && ((path) => same.has(path.toString('latin1'))));
  const remove = request.remove
    ? difference.surplus.filter(
        (path) =>
          !exclude.test(path.toString()).ignored &&
          guard.refuse(join(local, path.toString()), 'write') === undefined,
      )
    : [];
  const bytes = totalBytes(difference.changed);
  transfer.meter.expect(posix.basename(place.path), bytes);
  summary.places.push(local);
  await fetchTree(transfer, {
    localRoot: local,
    root: place.path,
    place,
    difference,
    folders: entries.filter((entry) => entry.kind === 'directory'),
    remove,
  });
  summary.files += difference.changed.filter((entry) => entry.kind === 'file').length;
  summary.bytes += bytes;
  summary.sameFiles += difference.same.filter((entry) => entry.kind === 'file').length;
  summary.removed.push(...remove.map((path) => path.toString()));
}

/** What of the pod's tree is taken: nothing excluded, nothing protected here, no link that leads out of the tree. */
function wanted(
  entries: readonly TreeEntry[],
  {
    exclude,
    guard,
    local,
    skipped,
  }: {
    exclude: ReturnType<typeof newIgnoreList>;
    guard: LocalGuard;
    local: string;
    skipped: string[];
  },
): TreeEntry[] {
  const kept: TreeEntry[] = [];
  let leftOut: string | undefined;
  for (const entry of entries) {
    const name = entry.path.toString('latin1');
    if (leftOut !== undefined && name.startsWith(leftOut)) continue;
    const shown = entry.path.toString();
    if (exclude.test(entry.kind === 'directory' ? `${shown}/` : shown).ignored) {
      leftOut = entry.kind === 'directory' ? `${name}/` : leftOut;
      continue;
    }
    const refused = guard.refuse(join(local, shown), 'write');
    if (refused !== undefined) {
      skipped.push(`${shown} (${refused})`);
      leftOut = `${name}/`;
    } else if (entry.kind === 'symlink' && !linkStaysInTree(entry.path, entry.target)) {
      skipped.push(`${shown} (a link that leads out of the tree: ${entry.target.toString()})`);
    } else {
      kept.push(entry);
    }
  }
  return kept;
}

function noSuchFile(path: string, { connection }: Transfer): Failure {
  return new Failure({
    kind: 'no-such-file',
    happened: `There is no ${path} on the pod ${connection.pod.name}.`,
    next: 'look with run_command("ls -la …"); relative paths are taken from the home directory there.',
  });
}

function notReadable(path: string): Failure {
  return new Failure({
    kind: 'no-permission',
    happened: `The pod's user may not read ${path}.`,
    next: 'change its permissions with run_command, or choose another path.',
  });
}

function notAFile(path: string): Failure {
  return new Failure({
    kind: 'transfer-failed',
    happened: `${path} is neither a file nor a folder (a device, a pipe or a socket).`,
    next: 'choose another path.',
  });
}
