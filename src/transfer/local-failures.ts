import { Failure } from '../failure.ts';
import { codeOf } from '../local/error-code.ts';
import { megabytes } from './meter.ts';

/** What went wrong when a file of the user's machine was to be written. */
export function localWriteFailure(error: unknown, target: string): Failure {
  if (error instanceof Failure) return error;
  const code = codeOf(error);
  const untouched = 'What was there before is untouched.';
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new Failure({
      kind: 'no-space',
      happened: `There is no room on this machine for ${target}.`,
      meaning: untouched,
      next: 'free some room here and repeat the call.',
    });
  }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return new Failure({
      kind: 'no-permission',
      happened: `${target} can't be written on this machine (${code}).`,
      meaning: untouched,
      next: 'choose a folder that the user may write to.',
    });
  }
  return new Failure(
    {
      kind: 'transfer-failed',
      happened: `${target} could not be written: ${error instanceof Error ? error.message : String(error)}.`,
      meaning: untouched,
      next: 'check the local path and repeat the call.',
    },
    { cause: error },
  );
}

export function noRoomHere(target: string, bytes: number, free: number): Failure {
  return new Failure({
    kind: 'no-space',
    happened: `There is no room on this machine for ${megabytes(bytes)} at ${target}: ${megabytes(free)} are free.`,
    meaning: 'What was there before is untouched.',
    next: 'free some room here, or choose another folder.',
  });
}

/** What went wrong when a file of the user's machine was to be read. */
export function localReadFailure(error: unknown, path: string): Failure {
  if (error instanceof Failure) return error;
  const code = codeOf(error);
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new Failure({
      kind: 'no-such-file',
      happened: `There is no ${path} on this machine.`,
      next: 'check the local path; relative ones are taken from the directory that this server was started in.',
    });
  }
  return new Failure(
    {
      kind: 'no-permission',
      happened: `${path} could not be read on this machine: ${error instanceof Error ? error.message : String(error)}.`,
      next: 'check the file and its permissions.',
    },
    { cause: error },
  );
}
