import { posix } from 'node:path';
import { Failure } from '../failure.ts';
import { abortable } from '../session/abortable.ts';
import type { PodConnection } from '../session/pod-connection.ts';
import { word } from '../session/request.ts';
import type { CallRequest, Session } from '../session/session.ts';
import { untilAnswered } from '../session/until-answered.ts';
import { loadTransfer } from './programs.ts';

/** What stands at a path on the pod. */
export type PodPlace = {
  /** Absolute, links resolved; as text, for whoever reads it. */
  path: string;
  /** The same in its bytes. */
  bytes: Buffer;
  kind: 'none' | 'file' | 'directory' | 'other';
  size: number;
  /** Seconds since 1970, with whatever fraction the pod can tell. */
  time: string;
  /** Octal. */
  mode: string;
  /** The folder that it is in: whether a file can be made there. */
  folder: 'open' | 'closed' | 'missing' | 'file';
  readable: boolean;
  /** What df says is free there; 0 where it says nothing. On network volumes it says nothing true. */
  freeBytes: number;
  tar: 'pax' | 'gnu';
  /** How much of a file is really on the disk: less than its size if it has holes. */
  storedBytes: number;
  inode: string;
  /** How long the pod took to answer, when it was fastest: it may have had other things to do. */
  roundTripMs: number;
};

/** Calls a program about files over the pod's session. Throws Failure; the signal's reason as soon as it is aborted. */
export async function ask(
  connection: PodConnection,
  request: Omit<CallRequest, 'onFrame'>,
  signal?: AbortSignal,
): ReturnType<typeof untilAnswered> {
  const answer = untilAnswered(connection, request, { prepare: loadTransfer, ...(signal ? { signal } : {}) });
  return abortable(answer, signal);
}

/** `path` as the pod has it: absolute, `~` and relative paths from the home directory on. Throws Failure `bad-input`. */
export function absoluteOnPod(path: string, home: string): string {
  if (path === '' || path.includes('\0')) {
    throw new Failure({
      kind: 'bad-input',
      happened: `${JSON.stringify(path)} is no path.`,
      next: 'name a file or folder on the pod.',
    });
  }
  const absolute =
    path === '~' || path.startsWith('~/') ? `${home}${path.slice(1)}` : posix.resolve(home, path);
  return posix.resolve(absolute);
}

/** Whether a path is written as a folder to put something into: with a slash, `.`, `..` or `~` at its end. */
export function namesFolder(path: string): boolean {
  return path === '~' || /(?:^|\/)(?:\.{1,2})?$/.test(path);
}

/** Looks at a path on the pod, in one round trip. Throws Failure. */
export async function surveyOnPod(
  connection: PodConnection,
  path: string | Buffer,
  signal?: AbortSignal,
): Promise<PodPlace> {
  const session = await connection.session(signal ? { signal } : {});
  const begun = performance.now();
  const { words, frames } = await ask(connection, { program: 'rp_survey', words: [word(path)] }, signal);
  const [kind, size, time, mode, folder, readable, freeKb, tar, storedBytes, inode] = words;
  const bytes = frames.find(({ type }) => type === 'path')?.payload ?? Buffer.from(path);
  return {
    path: bytes.toString(),
    bytes,
    kind: oneOf(kind, ['none', 'file', 'directory', 'other']),
    size: sizeFrom(size),
    time: time ?? '0',
    mode: mode ?? '0',
    folder: oneOf(folder, ['open', 'closed', 'missing', 'file']),
    readable: readable === 'yes',
    freeBytes: Number(freeKb) * 1024 || 0,
    tar: oneOf(tar, ['gnu', 'pax']),
    storedBytes: Number(storedBytes) || 0,
    inode: inode ?? '',
    roundTripMs: fastest(session, performance.now() - begun),
  };
}

const fastestMs = new WeakMap<Session, number>();

function fastest(session: Session, tookMs: number): number {
  const ms = Math.min(tookMs, fastestMs.get(session) ?? tookMs);
  fastestMs.set(session, ms);
  return ms;
}

/** A size as the pod says it. Throws Failure where it says none. */
export function sizeFrom(text: string | undefined): number {
  const size = /^\d{1,16}$/.test(text ?? '') ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(size)) return size;
  throw new Failure({
    kind: 'transfer-failed',
    happened: `The pod says of a file that its size is ${JSON.stringify(text ?? '')}.`,
    next: 'look at it with run_command("ls -la …").',
  });
}

function oneOf<T extends string>(value: string | undefined, known: readonly [T, ...T[]]): T {
  return known.find((one) => one === value) ?? known[0];
}
