import type { Pod } from '../pods/pod.ts';
import { controlDirectory, newControlPath, sweepStaleSockets } from '../ssh/control-socket.ts';
import type { OwnFiles } from '../ssh/own-files.ts';
import { spawnSsh } from '../ssh/spawn-ssh.ts';
import { masterSession, terminalSession, throughMaster } from '../ssh/ssh-argv.ts';
import { DIRECT_COMMAND, openSession } from './open-session.ts';
import type { Session } from './session.ts';
import { sshWire } from './ssh-wire.ts';

export type Opening = {
  files: Pick<OwnFiles, 'sshConfig'>;
  /** What ssh gets for an environment. */
  env: Record<string, string>;
  homeDir: string;
  /** The programs to load into the session, in order. */
  programs: string[];
  signal?: AbortSignal;
};

/** TCP, key exchange and login each have their share of it. */
const OPEN_MS = 30_000;
const CONNECT_MS = 15_000;

/**
 * Logs in and opens a session. In direct mode its `ssh` is the control master as well: one process, one login,
 * and it goes when we go. Throws NoSession; Failure `no-ssh`.
 */
export async function openOnPod(
  pod: Pod,
  { files, env, homeDir, programs, signal }: Opening,
): Promise<Session> {
  const target = { name: pod.name, files, connectTimeoutMs: CONNECT_MS };
  if (pod.mode === 'proxy') {
    const child = await spawnSsh('ssh', terminalSession(target), { env, signal });
    return openSession(sshWire(child), { mode: 'proxy', programs, timeoutMs: OPEN_MS });
  }
  const directory = await controlDirectory({ env, homeDir });
  const controlPath = newControlPath(directory);
  const argv = masterSession({ ...target, controlPath, command: DIRECT_COMMAND });
  const child = await spawnSsh('ssh', argv, { env, signal });
  return openSession(sshWire(child), { mode: 'direct', programs, timeoutMs: OPEN_MS, controlPath });
}

/**
 * A further session beside the pod's own: over its control master in direct mode, over a connection of its own
 * through the gateway, of which nobody knows that it shares one. Once it is open `signal` doesn't end it any more.
 * Throws NoSession; Failure `no-ssh`.
 */
export async function openBeside(
  pod: Pod,
  main: Session,
  { files, env, programs, signal }: Opening,
): Promise<Session> {
  const target = { name: pod.name, files };
  const { controlPath } = main;
  const argv =
    controlPath === undefined
      ? terminalSession({ ...target, connectTimeoutMs: CONNECT_MS })
      : throughMaster({ ...target, controlPath, command: DIRECT_COMMAND });
  const opening = new AbortController();
  const giveUp = (): void => opening.abort(signal?.reason);
  signal?.throwIfAborted();
  signal?.addEventListener('abort', giveUp);
  try {
    const child = await spawnSsh('ssh', argv, { env, signal: opening.signal });
    return await openSession(sshWire(child), { mode: pod.mode, programs, timeoutMs: OPEN_MS });
  } finally {
    signal?.removeEventListener('abort', giveUp);
  }
}

/** Removes what servers that are gone have left in the folder of control sockets. */
export async function sweepSockets(env: NodeJS.ProcessEnv, homeDir: string): Promise<void> {
  await sweepStaleSockets(await controlDirectory({ env, homeDir }));
}
