import { Failure } from '../failure.ts';
import type { PodConnection } from '../session/pod-connection.ts';
import { SessionLost } from '../session/session.ts';
import { byHand } from '../ssh/ssh-argv.ts';
import { megabytes } from './meter.ts';

type OnPod = { connection: PodConnection };

const UNTOUCHED = 'What was there before is untouched.';

/** The pod could not write; `why` is what it says of the reason (rp_why in places.sh). */
export function failedOnPod(target: string, { connection }: OnPod, why?: string): Failure {
  const shell = byHand(connection.pod);
  if (why === 'full') {
    return new Failure({
      kind: 'no-space',
      happened: `The pod could not write ${target}: its disk or quota is full.`,
      meaning: `${UNTOUCHED} On network volumes df says nothing true about free room.`,
      next: 'free some room (run_command("du -sh /workspace/* | sort -h")) or choose another folder, then repeat the call.',
      byHand: `${shell} df -h`,
    });
  }
  if (why === 'denied') {
    return new Failure({
      kind: 'no-permission',
      happened: `The pod's user may not write ${target}.`,
      meaning: UNTOUCHED,
      next: 'choose a folder such as /workspace, or change its permissions with run_command.',
      byHand: `${shell} ls -ld ${target}`,
    });
  }
  return new Failure({
    kind: 'transfer-failed',
    happened: `The pod could not write ${target}: its disk or quota may be full, or the folder takes no such file.`,
    meaning: UNTOUCHED,
    next: 'look at it with run_command("df -h; ls -la …"), then repeat the call.',
    byHand: `${shell} df -h`,
  });
}

export function noRoomOnPod(
  target: string,
  bytes: number,
  freeBytes: number,
  { connection }: OnPod,
): Failure {
  return new Failure({
    kind: 'no-space',
    happened: `There is no room for ${megabytes(bytes)} at ${target} on the pod: ${megabytes(freeBytes)} are free.`,
    meaning: UNTOUCHED,
    next: 'free some room, or choose another folder.',
    byHand: `${byHand(connection.pod)} df -h`,
  });
}

export function sourceChanged(what: string): Failure {
  return new Failure({
    kind: 'transfer-failed',
    happened: `${what} changed while it was read.`,
    meaning: 'Nothing was put in place of the old file.',
    next: 'repeat the call when nothing writes to it any more, or copy it first and send the copy.',
  });
}

/** What came wasn't what was sent, several times. */
export function garbled(what: string): Failure {
  return new Failure({
    kind: 'transfer-failed',
    happened: `${what} did not arrive as it was sent, several times: the two sides' SHA-256 differ.`,
    meaning: UNTOUCHED,
    next: 'repeat the call; if it happens again, the disk of the pod or of this machine may be broken.',
  });
}

/** A file arrived, but could not take its place. */
export function placeFailure(answer: string | undefined, target: string): Failure {
  if (answer === 'directory') {
    return new Failure({
      kind: 'transfer-failed',
      happened: `${target} is a folder, so no file can take its place.`,
      next: 'end the path with a slash to put the file into the folder, or choose another name.',
    });
  }
  if (answer === 'file') {
    return new Failure({
      kind: 'transfer-failed',
      happened: `${target} is a file, so no folder can take its place.`,
      next: 'choose another path, or remove it first.',
    });
  }
  if (answer === 'gone') {
    return new Failure({
      kind: 'transfer-failed',
      happened: `Something else writes to ${target} at the same time, and took away what had arrived.`,
      meaning: UNTOUCHED,
      next: 'see that nothing else transfers to this place, and repeat the call.',
    });
  }
  return new Failure({
    kind: 'transfer-failed',
    happened: `The file arrived, but could not be put in place as ${target}.`,
    meaning: UNTOUCHED,
    next: 'check that the folder can be written to and repeat the call.',
  });
}

export function notAFile(path: string): Failure {
  return new Failure({
    kind: 'transfer-failed',
    happened: `${path} is neither a file nor a folder (a device, a pipe or a socket).`,
    next: 'choose another path.',
  });
}

export function notReadable(path: string): Failure {
  return new Failure({
    kind: 'no-permission',
    happened: `The pod's user may not read ${path}.`,
    next: 'change its permissions with run_command, or choose another path.',
  });
}

/** A connection that was lost again and again, as the agent reads it; any other error as it is. */
export function asTransferFailure(error: unknown): unknown {
  if (!(error instanceof SessionLost)) return error;
  return new Failure({
    kind: 'lost-contact',
    happened: `The connection to the pod was lost again and again (${error.reason}).`,
    meaning: `${UNTOUCHED} What has arrived is kept beside it under another name.`,
    next: 'repeat the call: it goes on where it stopped.',
  });
}

/** Whether a transfer failed in a way that makes what has arrived useless, or a burden on a full disk. */
export function isFinal(error: unknown): boolean {
  return error instanceof Failure && ['no-space', 'no-permission', 'transfer-failed'].includes(error.kind);
}
