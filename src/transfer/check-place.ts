import { posix } from 'node:path';
import { Failure } from '../failure.ts';
import type { PodPlace } from './pod-files.ts';
import type { Transfer } from './transfer.ts';
import { failedOnPod, noRoomOnPod, notAFile } from './transfer-failures.ts';

/** Throws Failure where it can be seen before that it can't work. */
export function checkPlace(place: PodPlace, transfer: Transfer, bytes = 0): void {
  if (place.folder === 'file') {
    throw new Failure({
      kind: 'transfer-failed',
      happened: `${posix.dirname(place.path)} is a file on the pod, not a folder.`,
      next: 'choose another remote path.',
    });
  }
  if (place.folder === 'closed') throw failedOnPod(place.path, transfer, 'denied');
  if (place.kind === 'other') throw notAFile(place.path);
  if (place.freeBytes > 0 && place.freeBytes < bytes)
    throw noRoomOnPod(place.path, bytes, place.freeBytes, transfer);
}
