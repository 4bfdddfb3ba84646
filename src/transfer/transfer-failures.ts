import { Failure } from '../failure.ts';
import { byHand } from '../ssh/ssh-argv.ts';
import type { Transfer } from './transfer.ts';

/** The pod could not write: most often its disk is full, or the folder isn't writable. */
export function failedOnPod(target: string, { connection }: Transfer): Failure {
  return new Failure({
    kind: 'no-space',
    happened: `The pod could not write ${target}: its disk or quota is full, or the folder takes no files.`,
    meaning: 'What was there before is untouched. On network volumes df says nothing true about free room.',
    next: 'free some room (run_command("du -sh /workspace/* | sort -h")) or choose another folder, then repeat the same call: it goes on where it stopped.',
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

export function placeFailure(answer: string | undefined, target: string): Failure {
  if (answer === 'directory') {
    return new Failure({
      kind: 'transfer-failed',
      happened: `${target} is a folder, so no file can take its place.`,
      next: 'end the remote path with a slash to put the file into the folder, or choose another name.',
    });
  }
  return new Failure({
    kind: 'transfer-failed',
    happened: `The file arrived, but could not be put in place as ${target}.`,
    meaning: 'What was there before is untouched.',
    next: 'check that the folder can be written to and repeat the call.',
  });
}
