import { randomBytes } from 'node:crypto';
import { lstat, mkdir, readdir, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Failure } from '../failure.ts';

/** `sun_path` on macOS is 104 bytes with its NUL, on Linux 108. */
const MAX_SOCKET_PATH_BYTES = 103;
/** ssh binds at a temporary name first: `.` and 16 random characters more. */
const TEMPORARY_SUFFIX_BYTES = 17;
/** `<pid>-<8 hex digits>`, and a pid has at most ten digits. */
const NAME_BYTES = 19;

/**
 * A directory of ours for control sockets, and for files that only a trial needs: mode 0700, nobody else's, no link,
 * its path short enough for a socket on every system. Others may have made one in /tmp before us; such a one is not
 * taken.
 * Fails with `unexpected` when there is no place for it.
 */
export async function controlDirectory({
  env,
  homeDir,
  uid = process.getuid?.() ?? 0,
}: {
  env: NodeJS.ProcessEnv;
  homeDir: string;
  uid?: number;
}): Promise<string> {
  const candidates = [
    ...(env.XDG_RUNTIME_DIR ? [join(env.XDG_RUNTIME_DIR, 'runpod-ssh')] : []),
    join(homeDir, '.runpod-ssh-ctl'),
    `/tmp/rp-${uid}`,
  ];
  const reasons: string[] = [];
  for (const path of candidates) {
    const problem = notForASocket(path) ?? (await notOurs(path, uid));
    if (problem === undefined) return path;
    reasons.push(`${path} (${problem})`);
  }
  throw new Failure({
    kind: 'unexpected',
    happened: `There is no private directory for ssh's control sockets: ${reasons.join(', ')}.`,
    meaning: 'It has to belong to you, with mode 0700, so that nobody else can use your connection.',
    next: `remove or repair one of them, for example: rm -rf ${candidates.at(-1)}`,
  });
}

/** A socket path that nobody has used, with our pid in its name. */
export function newControlPath(directory: string): string {
  return join(directory, `${process.pid}-${randomBytes(4).toString('hex')}`);
}

/**
 * Removes the sockets of servers that are gone, and what they have left beside them. A socket that still answers
 * stays: in another container that shares this directory our view of the pids is worth nothing.
 */
export async function sweepStaleSockets(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const pid = /^(\d{1,10})-[0-9a-f]{8}(\.|$)/.exec(name)?.[1];
    if (pid === undefined || isRunning(Number(pid))) continue;
    const path = join(directory, name);
    if (await answers(path)) continue;
    // Another server may have swept it.
    await unlink(path).catch(() => {});
  }
}

function notForASocket(path: string): string | undefined {
  // Nothing that ssh_config would need quoted or ssh would expand.
  if (!/^\/[A-Za-z0-9/._+,@ -]*$/.test(path)) return 'its name has unusual characters';
  const bytes = Buffer.byteLength(path) + 1 + NAME_BYTES + TEMPORARY_SUFFIX_BYTES;
  return bytes > MAX_SOCKET_PATH_BYTES ? 'its name is too long for a socket' : undefined;
}

async function notOurs(path: string, uid: number): Promise<string | undefined> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code !== 'EEXIST') return String(code ?? error);
  }
  const found = await lstat(path);
  if (!found.isDirectory()) return 'it is no directory';
  if (found.uid !== uid) return 'it belongs to somebody else';
  const mode = found.mode & 0o7777;
  return mode === 0o700 ? undefined : `its mode is ${mode.toString(8)}`;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
