import type { Readable } from 'node:stream';
import { type SshExit, type SshProgram, spawnSsh } from './spawn-ssh.ts';

export type SshRun = SshExit & {
  stdout: string;
  stderr: string;
  /** It was ended because `timeoutMs` had passed. */
  timedOut: boolean;
  /** More came than `maxBytes` of stdout or stderr; the rest is lost. */
  truncated: boolean;
};

/** What ssh says of itself is far less; more is the pod's doing. */
export const MAX_SSH_WORDS_BYTES = 32 * 1024;
const KILL_AFTER_MS = 1_000;

/**
 * Runs one of OpenSSH's programs to its end. After `timeoutMs` it gets TERM, and KILL one second later.
 * Of stdout and of stderr the first `maxBytes` are kept (default 256 KiB). Fails with `no-ssh`.
 */
export async function runSsh(
  program: SshProgram,
  argv: readonly string[],
  {
    env,
    timeoutMs,
    input,
    maxBytes = 256 * 1024,
    signal,
  }: {
    env: Record<string, string>;
    timeoutMs: number;
    /** Given on stdin, which then ends. */
    input?: string;
    maxBytes?: number;
    signal?: AbortSignal;
  },
): Promise<SshRun> {
  const child = await spawnSsh(program, argv, { env, signal });
  child.stdin.end(input);
  const stdout = capture(child.stdout, maxBytes);
  const stderr = capture(child.stderr, maxBytes);
  let timedOut = false;
  let killTimer: NodeJS.Timeout | undefined;
  const timer = setTimeout(() => {
    timedOut = true;
    child.kill('SIGTERM');
    killTimer = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS);
  }, timeoutMs);
  const exit = await child.exited;
  clearTimeout(timer);
  clearTimeout(killTimer);
  return {
    ...exit,
    stdout: stdout.text(),
    stderr: stderr.text(),
    timedOut,
    truncated: stdout.truncated() || stderr.truncated(),
  };
}

/**
 * Keeps `maxBytes` of what comes, the first or the last, and reads the rest away, so that the process isn't held up.
 * The last ones are for an ssh that runs long: they say why it ended.
 */
export function capture(
  stream: Readable,
  maxBytes: number,
  keep: 'first' | 'last' = 'first',
): { text: () => string; truncated: () => boolean } {
  let kept = Buffer.alloc(0);
  let truncated = false;
  stream.on('data', (chunk: Buffer) => {
    if (keep === 'first' && kept.length === maxBytes) {
      truncated = true;
      return;
    }
    const all = Buffer.concat([kept, chunk]);
    if (all.length > maxBytes) truncated = true;
    kept = keep === 'first' ? all.subarray(0, maxBytes) : all.subarray(-maxBytes);
  });
  // A stream that is given up emits no error; one that breaks has said what it had.
  stream.on('error', () => {});
  return { text: () => kept.toString('utf8'), truncated: () => truncated };
}
