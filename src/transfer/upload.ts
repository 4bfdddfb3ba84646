import { lstat, realpath, stat } from 'node:fs/promises';
import { posix } from 'node:path';
import ignore from 'ignore';
import { Failure } from '../failure.ts';
import { byHand } from '../ssh/ssh-argv.ts';
import { nanoseconds } from './fetch-file.ts';
import { GitIgnore } from './ignore-rules.ts';
import { localReadFailure } from './local-failures.ts';
import { matchLocalGlob } from './local-glob.ts';
import { isPrivateKey, type LocalGuard } from './local-guard.ts';
import { type Meter, megabytes } from './meter.ts';
import { absoluteOnPod, type PodPlace, surveyOnPod } from './pod-files.ts';
import { isTemporary, listPodTree } from './pod-tree.ts';
import { sameContentOnPod } from './same-content.ts';
import { sendFile } from './send-file.ts';
import { sendTree } from './send-tree.ts';
import type { Transfer } from './transfer.ts';
import type { TransferSummary } from './transfer-answer.ts';
import { placeFailure } from './transfer-failures.ts';
import { sameTime, treeDifference } from './tree-difference.ts';
import { listTree, type TreeEntry } from './tree-entries.ts';
import { sameSized, totalBytes } from './tree-totals.ts';

export type UploadRequest = {
  localPath: string;
  remotePath: string;
  exclude: string[];
  respectGitignore: boolean;
  checksum: boolean;
  remove: boolean;
};

/** No private key is larger; larger files need no look. */
const LARGEST_KEY_BYTES = 64 * 1024;

export type LocalWorld = { guard: LocalGuard; workingDir: string; homeDir: string };

export const newIgnoreList = () => ignore({ ignorecase: false, allowRelativePaths: true });

/** Uploads a file, a folder or what a glob matches. Throws Failure. */
export async function upload(
  transfer: Transfer & { meter: Meter },
  request: UploadRequest,
  { guard, workingDir, homeDir }: LocalWorld,
): Promise<Omit<TransferSummary, 'seconds' | 'mode' | 'direction'>> {
  const matches = await matchLocalGlob(request.localPath, workingDir, homeDir);
  if (matches.length === 0)
    throw localReadFailure(Object.assign(new Error(), { code: 'ENOENT' }), request.localPath);
  const { description } = await transfer.connection.session();
  const asked = absoluteOnPod(request.remotePath, description.home);
  const summary = { places: [], files: 0, bytes: 0, sameFiles: 0, savedBytes: 0, removed: [], skipped: [] };
  const into = matches.length > 1 ? `${asked.replace(/\/+$/, '')}/` : asked;
  for (const match of matches) {
    const { realPath } = await guard.allow(match.toString(), 'read');
    // A name that is no UTF-8 was allowed by how it looks; its bytes are what is opened.
    const path = await realpath(match, { encoding: 'buffer' }).catch((error: unknown) => {
      throw localReadFailure(error, match.toString());
    });
    const found = await stat(path);
    const name = posix.basename(match.toString());
    if (found.isDirectory()) {
      await uploadFolder(
        transfer,
        request,
        { guard, summary },
        { path, realPath, target: withName(into, name) },
      );
    } else if (found.isFile()) {
      await uploadFile(transfer, request, summary, { path, name, target: into });
    } else {
      throw notAFile(realPath);
    }
  }
  return summary;
}

type Summary = Omit<TransferSummary, 'seconds' | 'mode' | 'direction'>;

/** A path that ends in a slash takes the source's name. */
function withName(path: string, name: string): string {
  return path.endsWith('/') && path !== '/' ? posix.join(path, name) : path;
}

async function uploadFile(
  transfer: Transfer & { meter: Meter },
  request: UploadRequest,
  summary: Summary,
  { path, name, target }: { path: Buffer; name: string; target: string },
): Promise<void> {
  if (await isPrivateKey(path)) throw privateKey(path.toString());
  const found = await lstat(path, { bigint: true });
  let place = await surveyOnPod(transfer.connection, withName(target, name), transfer.signal);
  if (place.kind === 'directory') {
    place = await surveyOnPod(transfer.connection, posix.join(place.path, name), transfer.signal);
    if (place.kind === 'directory') throw placeFailure('directory', place.path);
  }
  const file = { path, size: Number(found.size), mode: Number(found.mode), mtimeNs: found.mtimeNs };
  summary.places.push(place.path);
  transfer.meter.expect(name, file.size);
  checkPlace(place, file.size, transfer);
  if (await isThere(transfer, request, place, file)) {
    summary.sameFiles += 1;
    transfer.moved(file.size);
    return;
  }
  summary.savedBytes += await sendFile(transfer, file, place.path, place);
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
  if (!sameTime(nanoseconds(place.time), file.mtimeNs)) return false;
  if (!request.checksum) return true;
  const same = await sameContentOnPod(transfer, '/', [
    { remote: Buffer.from(place.path.slice(1)), local: file.path },
  ]);
  return same.size === 1;
}

/** Throws Failure where it can be seen before that it can't work. */
export function checkPlace(place: PodPlace, bytes: number, { connection }: Transfer): void {
  if (place.folder === 'file') {
    throw new Failure({
      kind: 'transfer-failed',
      happened: `${posix.dirname(place.path)} is a file on the pod, not a folder.`,
      next: 'choose another remote path.',
    });
  }
  if (place.folder === 'closed') {
    throw new Failure({
      kind: 'no-permission',
      happened: `The pod's user may not write to ${posix.dirname(place.path)}.`,
      next: 'choose a folder such as /workspace, or change its permissions with run_command.',
    });
  }
  if (place.kind === 'other') throw notAFile(place.path);
  if (place.freeBytes > 0 && place.freeBytes < bytes) {
    throw new Failure({
      kind: 'no-space',
      happened: `There is no room for ${megabytes(bytes)} at ${place.path} on the pod: ${megabytes(place.freeBytes)} are free.`,
      next: 'free some room, or choose another folder.',
      byHand: `${byHand(connection.pod)} df -h`,
    });
  }
}

async function uploadFolder(
  transfer: Transfer & { meter: Meter },
  request: UploadRequest,
  { guard, summary }: { guard: LocalGuard; summary: Summary },
  { path, realPath, target }: { path: Buffer; realPath: string; target: string },
): Promise<void> {
  const exclude = newIgnoreList().add([...request.exclude]);
  const [listing, place] = await Promise.all([
    listTree(realPath, {
      exclude,
      ...(request.respectGitignore ? { gitIgnore: await GitIgnore.forTree(realPath, newIgnoreList) } : {}),
      refuse: (file) => guard.refuse(file, 'read'),
      signal: transfer.signal,
    }),
    surveyOnPod(transfer.connection, target.replace(/(.)\/+$/, '$1'), transfer.signal),
  ]);
  if (place.kind === 'file' || place.kind === 'other') {
    throw new Failure({
      kind: 'transfer-failed',
      happened: `${place.path} is a file on the pod, so no folder can take its place.`,
      next: 'choose another remote path, or remove it first.',
    });
  }
  const entries = listing.entries.filter((entry) => !isTemporary(entry.path));
  const there = (await listPodTree(transfer, place.path)) ?? [];
  const same = request.checksum
    ? await sameContentOnPod(
        transfer,
        place.path,
        sameSized(entries, there).map((file) => ({
          remote: file,
          local: Buffer.concat([path, Buffer.from('/'), file]),
        })),
      )
    : undefined;
  const difference = treeDifference(entries, there, same && ((file) => same.has(file.toString('latin1'))));
  const remove = request.remove
    ? difference.surplus.filter((file) => !exclude.test(file.toString()).ignored)
    : [];
  const bytes = totalBytes(difference.changed);
  transfer.meter.expect(posix.basename(target), bytes);
  checkPlace(
    { ...place, kind: 'none', folder: place.kind === 'directory' ? 'open' : place.folder },
    bytes,
    transfer,
  );
  summary.places.push(place.path);
  difference.changed = await withoutPrivateKeys(difference.changed, path, summary.skipped);
  await sendTree(transfer, {
    localRoot: path,
    root: place.path,
    place,
    difference,
    folders: entries.filter(({ kind }) => kind === 'directory'),
    remove,
  });
  summary.files += difference.changed.filter(({ kind }) => kind === 'file').length;
  summary.bytes += bytes;
  summary.sameFiles += difference.same.filter(({ kind }) => kind === 'file').length;
  summary.removed.push(...remove.map((file) => file.toString()));
  summary.skipped.push(...listing.skipped.map(({ path: file, why }) => `${file.toString()} (${why})`));
}

/** Leaves out what begins like a private key, whatever it is called. */
async function withoutPrivateKeys(
  entries: readonly TreeEntry[],
  root: Buffer,
  skipped: string[],
): Promise<TreeEntry[]> {
  const kept: TreeEntry[] = [];
  for (const entry of entries) {
    const probe = entry.kind === 'file' && entry.size > 0 && entry.size <= LARGEST_KEY_BYTES;
    if (probe && (await isPrivateKey(Buffer.concat([root, Buffer.from('/'), entry.path])))) {
      skipped.push(`${entry.path.toString()} (a private key)`);
    } else {
      kept.push(entry);
    }
  }
  return kept;
}

function privateKey(path: string): Failure {
  return new Failure({
    kind: 'not-allowed',
    happened: `${path} holds a private key, and those are never sent.`,
    next: 'create a key of its own on the pod (run_command("ssh-keygen …")), or let the user copy it by hand.',
  });
}

function notAFile(path: string): Failure {
  return new Failure({
    kind: 'transfer-failed',
    happened: `${path} is neither a file nor a folder (a device, a pipe or a socket).`,
    next: 'choose another path.',
  });
}
