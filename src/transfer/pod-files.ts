import { posix } from 'node:path';
import { Failure } from '../failure.ts';
import type { PodConnection } from '../session/pod-connection.ts';
import { word } from '../session/request.ts';
import type { CallRequest } from '../session/session.ts';
import { untilAnswered } from '../session/until-answered.ts';
import { loadTransfer } from './programs.ts';

/** What stands at a path on the pod. */
export type PodPlace = {
  /** Absolute, links resolved. */
  path: string;
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
  /** How long the pod took to answer. */
  roundTripMs: number;
};

/** Calls a program about files over the pod's session. Throws Failure. */
export async function ask(
  connection: PodConnection,
  request: Omit<CallRequest, 'onFrame'>,
  signal?: AbortSignal,
): ReturnType<typeof untilAnswered> {
  return untilAnswered(connection, request, { ...(signal ? { signal } : {}), prepare: loadTransfer });
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
  if (path === '~') return home;
  if (path.startsWith('~/')) return posix.join(home, path.slice(2));
  return path.startsWith('/') ? path : posix.join(home, path);
}

/** Looks at a path on the pod, in one round trip. Throws Failure. */
export async function surveyOnPod(
  connection: PodConnection,
  path: string,
  signal?: AbortSignal,
): Promise<PodPlace> {
  await connection.session();
  const begun = performance.now();
  const { words, frames } = await ask(connection, { program: 'rp_survey', words: [word(path)] }, signal);
  const [kind, size, time, mode, folder, readable, freeKb, tar] = words;
  return {
    path: frames.find(({ type }) => type === 'path')?.payload.toString() ?? path,
    kind: oneOf(kind, ['none', 'file', 'directory', 'other']),
    size: Number(size),
    time: time ?? '0',
    mode: mode ?? '0',
    folder: oneOf(folder, ['open', 'closed', 'missing', 'file']),
    readable: readable === 'yes',
    freeBytes: Number(freeKb) * 1024 || 0,
    tar: oneOf(tar, ['gnu', 'pax']),
    roundTripMs: performance.now() - begun,
  };
}

function oneOf<T extends string>(value: string | undefined, known: readonly [T, ...T[]]): T {
  return known.find((one) => one === value) ?? known[0];
}
