import type { Readable, Writable } from 'node:stream';
import { execa } from 'execa';
import { noSsh } from './no-ssh.ts';

export type SshProgram = 'ssh' | 'ssh-keygen' | 'ssh-add';

/** How a process ended: one of the two. */
export type SshExit = { exitCode?: number; signal?: NodeJS.Signals };

export type SshChild = {
  pid: number;
  /** Already ended where `stdin: 'ignore'` was asked for. */
  stdin: Writable;
  stdout: Readable;
  stderr: Readable;
  /** Settles when the process is gone and its streams are over or given up. Never rejects. */
  exited: Promise<SshExit>;
  /** Signals the process and what it has started (a jump's ssh). */
  kill(signal: NodeJS.Signals): void;
};

/** How long output may still come after the exit before the streams are given up. */
const STREAM_GRACE_MS = 250;
/** Also for a reader that has data and doesn't take it. */
const STREAM_PATIENCE_MS = 30_000;
const KILL_AFTER_MS = 2_000;

const alive = new Set<number>();
let cleansUp = false;

/**
 * Starts one of OpenSSH's programs, with pipes only (stdout of ours is the protocol's), in a session of its own:
 * it finds no terminal to ask at, and Ctrl-C in the terminal of our client doesn't reach it.
 * It gets `env` and nothing else. It ends with us, unless we are killed; then its stdin ends.
 * An aborted `signal` sends TERM, and KILL 2 s later. Fails with `no-ssh`.
 */
export async function spawnSsh(
  program: SshProgram,
  argv: readonly string[],
  {
    env,
    signal,
    stdin = 'pipe',
  }: { env: Record<string, string>; signal?: AbortSignal | undefined; stdin?: 'pipe' | 'ignore' },
): Promise<SshChild> {
  signal?.throwIfAborted();
  const child = execa(program, [...argv], {
    env,
    extendEnv: false,
    stdio: ['pipe', 'pipe', 'pipe'],
    buffer: false,
    reject: false,
    // execa's own clean-up leaves detached children alone.
    detached: true,
    cleanup: false,
  });
  const { pid } = child;
  if (pid === undefined) {
    const { code, originalMessage } = await child;
    throw noSsh(program, code, originalMessage);
  }
  track(pid);
  // A process that ends before it has read all is no failure of ours; its end says what happened.
  child.stdin.on('error', () => {});
  if (stdin === 'ignore') child.stdin.end();
  // Settles once the streams are closed; what counts comes with 'exit'.
  void child.catch(() => {});

  let running = true;
  const kill = (name: NodeJS.Signals): void => {
    if (running) killGroup(pid, name);
  };
  const exited = new Promise<SshExit>((resolve) => {
    child.once('exit', (exitCode, exitSignal) => {
      running = false;
      alive.delete(pid);
      const end = exitSignal === null ? { exitCode: exitCode ?? 255 } : { signal: exitSignal };
      void Promise.all([over(child.stdout), over(child.stderr)]).then(() => resolve(end));
    });
  });
  if (signal) endWhenAborted(signal, kill, exited);
  return { pid, stdin: child.stdin, stdout: child.stdout, stderr: child.stderr, exited, kill };
}

function endWhenAborted(
  signal: AbortSignal,
  kill: (name: NodeJS.Signals) => void,
  exited: Promise<SshExit>,
): void {
  let timer: NodeJS.Timeout | undefined;
  const end = (): void => {
    kill('SIGTERM');
    timer = setTimeout(() => kill('SIGKILL'), KILL_AFTER_MS);
  };
  signal.addEventListener('abort', end, { once: true });
  void exited.then(() => {
    signal.removeEventListener('abort', end);
    clearTimeout(timer);
  });
}

/**
 * Waits for a stream of a process that has ended. A control master can hold its other end for as long as the
 * remote command runs (PROTOCOL.mux passes the descriptors on), so it is destroyed once nothing comes any more;
 * not before its reader has what came.
 */
function over(stream: Readable): Promise<void> {
  if (stream.closed || stream.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const giveUpAt = Date.now() + STREAM_PATIENCE_MS;
    let seen = bytesRead(stream);
    const look = setInterval(() => {
      const read = bytesRead(stream);
      const wanted = stream.readableFlowing !== null || stream.listenerCount('readable') > 0;
      const moving = wanted && (read !== seen || stream.readableLength > 0);
      seen = read;
      if (!moving || Date.now() > giveUpAt) stream.destroy();
    }, STREAM_GRACE_MS);
    stream.once('close', () => {
      clearInterval(look);
      resolve();
    });
  });
}

function bytesRead(stream: Readable): number {
  return 'bytesRead' in stream && typeof stream.bytesRead === 'number' ? stream.bytesRead : 0;
}

function track(pid: number): void {
  alive.add(pid);
  if (cleansUp) return;
  cleansUp = true;
  // TERM lets a master remove its socket.
  process.on('exit', () => {
    for (const left of alive) killGroup(left, 'SIGTERM');
  });
}

/** The process leads a group of its own, see `detached`. */
function killGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // Gone already.
  }
}
