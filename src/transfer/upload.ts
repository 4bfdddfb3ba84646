import { lstat, realpath, stat } from 'node:fs/promises';
import { posix } from 'node:path';
import { Failure } from '../failure.ts';
import { matchLocalGlob } from '../local/local-glob.ts';
import { isPrivateKey } from '../local/local-guard.ts';
import { checkPlace } from './check-place.ts';
import { sendFile } from './file/send-file.ts';
import { localReadFailure } from './local-failures.ts';
import type { Meter } from './meter.ts';
import { checkNamesDiffer, nameOf, withName } from './names.ts';
import { absoluteOnPod, namesFolder, type PodPlace, surveyOnPod } from './pod-files.ts';
import { newSummary, type Summary } from './summary.ts';
import { fromSeconds } from './times.ts';
import type { Transfer } from './transfer.ts';
import { notAFile, placeFailure } from './transfer-failures.ts';
import type { LocalWorld, UploadRequest } from './transfer-request.ts';
import { newIgnoreList } from './tree/ignore-rules.ts';
import { hasSameContent } from './tree/same-content.ts';
import { sameTime } from './tree/tree-difference.ts';
import { uploadFolder } from './tree/upload-folder.ts';

/** Uploads a file, a folder or what a glob matches. Throws Failure. */
export async function upload(
  transfer: Transfer & { meter: Meter },
  request: UploadRequest,
  { guard, workingDir, homeDir }: LocalWorld,
): Promise<Summary> {
  const found = await matchLocalGlob(request.localPath, workingDir, homeDir);
  const exclude = newIgnoreList().add([...request.exclude]);
  const matches =
    found.length > 1 ? found.filter((path) => !exclude.ignores(nameOf(path).toString())) : found;
  if (matches.length === 0)
    throw localReadFailure(Object.assign(new Error(), { code: 'ENOENT' }), request.localPath);
  const { description } = await transfer.connection.session({ signal: transfer.signal });
  const asked = Buffer.from(absoluteOnPod(request.remotePath, description.home));
  const intoFolder = matches.length > 1 || namesFolder(request.remotePath);
  checkNamesDiffer(matches);
  const summary = newSummary();
  for (const match of matches) {
    transfer.signal.throwIfAborted();
    const { realPath } = await guard.allow(match.toString(), 'read');
    // A name that is no UTF-8 was allowed by how it looks; its bytes are what is opened.
    const path = await realpath(match, { encoding: 'buffer' }).catch((error: unknown) => {
      throw localReadFailure(error, match.toString());
    });
    // The link's own name, if it is one.
    const name = nameOf(Buffer.from(posix.resolve(workingDir, match.toString('latin1')), 'latin1'));
    const target = intoFolder ? withName(asked, name) : asked;
    const kind = await stat(path);
    if (kind.isDirectory()) {
      await uploadFolder(transfer, request, { guard, summary }, { path, realPath, target });
    } else if (kind.isFile()) {
      await uploadFile(transfer, request, summary, { path, name, target, intoFolder });
    } else {
      throw notAFile(realPath);
    }
  }
  return summary;
}

async function uploadFile(
  transfer: Transfer & { meter: Meter },
  request: UploadRequest,
  summary: Summary,
  { path, name, target, intoFolder }: { path: Buffer; name: Buffer; target: Buffer; intoFolder: boolean },
): Promise<void> {
  const isKey = await isPrivateKey(path).catch((error: unknown) => {
    throw localReadFailure(error, path.toString());
  });
  if (isKey) throw privateKey(path.toString());
  const found = await lstat(path, { bigint: true });
  let place = await surveyOnPod(transfer.connection, target, transfer.signal);
  if (place.kind === 'directory' && !intoFolder) {
    place = await surveyOnPod(transfer.connection, withName(place.bytes, name), transfer.signal);
  }
  if (place.kind === 'directory') throw placeFailure('directory', place.path);
  const file = { path, size: Number(found.size), mode: Number(found.mode), mtimeNs: found.mtimeNs };
  summary.places.push(place.path);
  transfer.meter.expect(name.toString(), file.size);
  checkPlace(place, transfer);
  if (await isThere(transfer, request, place, file)) {
    summary.sameFiles += 1;
    transfer.moved(file.size);
    return;
  }
  summary.savedBytes += await sendFile(transfer, file, place.bytes, place);
  summary.files += 1;
  summary.bytes += file.size;
}

/** Whether the same file is at its place already: by size, time and mode, or with `checksum` by its content. */
async function isThere(
  transfer: Transfer,
  request: UploadRequest,
  place: PodPlace,
  file: { path: Buffer; size: number; mtimeNs: bigint; mode: number },
): Promise<boolean> {
  if (
    place.kind !== 'file' ||
    place.size !== file.size ||
    Number.parseInt(place.mode, 8) !== (file.mode & 0o7777)
  )
    return false;
  if (!sameTime(fromSeconds(place.time), file.mtimeNs)) return false;
  return !request.checksum || (await hasSameContent(transfer, place, file.path));
}

function privateKey(path: string): Failure {
  return new Failure({
    kind: 'not-allowed',
    happened: `${path} holds a private key, and those are never sent.`,
    next: 'create a key of its own on the pod (run_command("ssh-keygen …")), or let the user copy it by hand.',
  });
}
