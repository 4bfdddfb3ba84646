import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../failure.ts';
import type { LocalGuard } from '../local/local-guard.ts';
import { word } from '../session/request.ts';
import { fetchFile, localKind } from './file/fetch-file.ts';
import type { Meter } from './meter.ts';
import { checkNamesDiffer, nameOf, withName } from './names.ts';
import { absoluteOnPod, ask, type PodPlace, surveyOnPod } from './pod-files.ts';
import { newSummary, type Summary } from './summary.ts';
import { fromSeconds } from './times.ts';
import type { Transfer } from './transfer.ts';
import { notAFile, notReadable, placeFailure } from './transfer-failures.ts';
import type { DownloadRequest } from './transfer-request.ts';
import { downloadFolder } from './tree/download-folder.ts';
import { newIgnoreList } from './tree/ignore-rules.ts';
import { listPodTree } from './tree/pod-tree.ts';
import { hasSameContent } from './tree/same-content.ts';
import { sameTime } from './tree/tree-difference.ts';

/** Downloads a file, a folder or what a glob matches on the pod. Throws Failure. */
export async function download(
  transfer: Transfer & { meter: Meter },
  request: DownloadRequest,
  guard: LocalGuard,
): Promise<Summary> {
  const { description } = await transfer.connection.session({ signal: transfer.signal });
  const asked = absoluteOnPod(request.remotePath, description.home);
  const [paths, target] = await Promise.all([
    matchesOnPod(transfer, asked, request),
    guard.allow(request.localPath, 'write'),
  ]);
  checkNamesDiffer(paths);
  const summary = newSummary();
  const kind = await localKind(target.realPath);
  for (const path of paths) {
    transfer.signal.throwIfAborted();
    // Of a file there is no list, and the question costs no further round trip.
    const [place, tree] = await Promise.all([
      surveyOnPod(transfer.connection, path, transfer.signal),
      listPodTree(transfer, path, 'all'),
    ]);
    if (place.kind === 'none') throw noSuchFile(path.toString(), transfer);
    const intoFolder =
      paths.length > 1 || target.namesFolder || (place.kind !== 'directory' && kind === 'directory');
    const local = intoFolder
      ? await allowedBelow(guard, target.realPath, nameOf(path))
      : Buffer.from(target.realPath);
    if (place.kind === 'directory')
      await downloadFolder(transfer, request, { guard, summary }, { place, tree }, local);
    else await downloadFile(transfer, request, summary, place, local);
  }
  return summary;
}

/** Where a file of this name in an allowed folder really is, if it may be written. */
async function allowedBelow(guard: LocalGuard, folder: string, name: Buffer): Promise<Buffer> {
  const path = withName(Buffer.from(folder), name);
  const { realPath } = await guard.allow(join(folder, name.toString()), 'write');
  // A name that is no UTF-8 is judged by how it looks.
  return realPath === path.toString() ? path : Buffer.from(realPath);
}

/** The paths on the pod that are meant: the path itself if it is there, else what it matches as a glob. */
async function matchesOnPod(transfer: Transfer, path: string, request: DownloadRequest): Promise<Buffer[]> {
  if (!/[*?[]/.test(path)) return [Buffer.from(path)];
  const { frames } = await ask(
    transfer.connection,
    { program: 'rp_glob', words: [word(path)] },
    transfer.signal,
  );
  const list = Buffer.concat(frames.map(({ payload }) => payload)).toString('latin1');
  const names = list.split('\0').filter((name) => name.startsWith('/'));
  if (names.length === 0) throw noSuchFile(path, transfer);
  const paths = names.map((name) => Buffer.from(name, 'latin1'));
  if (paths.length === 1) return paths;
  const exclude = newIgnoreList().add([...request.exclude]);
  return paths.filter((match) => !exclude.ignores(nameOf(match).toString()));
}

async function downloadFile(
  transfer: Transfer & { meter: Meter },
  request: DownloadRequest,
  summary: Summary,
  place: PodPlace,
  local: Buffer,
): Promise<void> {
  if (place.kind === 'other') throw notAFile(place.path);
  if (!place.readable) throw notReadable(place.path);
  const found = await lstat(local, { bigint: true }).catch(() => undefined);
  if (found?.isDirectory()) throw placeFailure('directory', local.toString());
  summary.places.push(local.toString());
  transfer.meter.expect(nameOf(place.bytes).toString(), place.size);
  // Setuid and setgid would let others do here what a pod says.
  const mode = Number.parseInt(place.mode, 8) & 0o1777;
  const looksSame =
    found?.isFile() &&
    found.size === BigInt(place.size) &&
    Number(found.mode & 0o7777n) === mode &&
    sameTime(found.mtimeNs, fromSeconds(place.time));
  if (looksSame && (!request.checksum || (await hasSameContent(transfer, place, local)))) {
    summary.sameFiles += 1;
    transfer.moved(place.size);
    return;
  }
  summary.savedBytes += await fetchFile(transfer, place, local, { mode });
  summary.files += 1;
  summary.bytes += place.size;
}

function noSuchFile(path: string, { connection }: Transfer): Failure {
  return new Failure({
    kind: 'no-such-file',
    happened: `There is no ${path} on the pod ${connection.pod.name}.`,
    next: 'look with run_command("ls -la …"); relative paths are taken from the home directory there.',
  });
}
