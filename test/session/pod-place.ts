import { type ChildProcessWithoutNullStreams, execFile, spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beginJobs, jobPrograms } from '../../src/jobs/programs.ts';
import { DIRECT_COMMAND, openSession } from '../../src/session/open-session.ts';
import type { Session } from '../../src/session/session.ts';
import type { Wire, WireEnd } from '../../src/session/wire.ts';

const runFile = promisify(execFile);

/** The shells that a session may find on a pod. */
export const shells = ['bash', 'dash', 'busybox'] as const;
export type ShellName = (typeof shells)[number];

/** The two ways to a pod's shell: over pipes as with `ssh -T`, over a terminal as with `ssh -tt`. */
export const ways = ['pipes', 'terminal'] as const;
export type Way = (typeof ways)[number];

/** Marks the processes that belong to a place. */
const MARK = 'POD_PLACE';
const SYSTEM_FOLDERS = ['/usr/bin', '/bin'];

/** What the programs and the tests use of a system; what is missing here is missing on the place. */
const TOOLS =
  'awk base64 cat chmod cp date dd env false grep head id ln ls mkdir mv od printf pwd readlink rm rmdir sed seq setsid sleep sort stat stty tail touch tr true tty wc yes';

export type PlaceOptions = {
  shell: ShellName;
  /** Whether there is tmux. */
  tmux?: boolean;
  /** What the pod's first process has for an environment; missing: it can't be read. */
  environ?: Record<string, string>;
  /** What stands in /etc/rp_environment. */
  rpEnvironment?: string | Buffer;
};

/** A shell that the programs run in, with what is at both its ends. */
export type Link = {
  session: Session;
  /** The shell itself, or what holds its terminal. */
  child: ChildProcessWithoutNullStreams;
  /** Settles when the shell and all that hold its output are gone. */
  ended: Promise<WireEnd>;
};

/**
 * A folder that takes a pod's place: a home, a PATH with one shell in it, and stand-ins for the few absolute
 * paths in the programs. Its processes are found by a mark in their environment.
 */
export class PodPlace {
  readonly root: string;
  readonly home: string;
  readonly shell: ShellName;
  readonly programs: string[];

  private constructor(root: string, shell: ShellName) {
    this.root = root;
    this.home = join(root, 'home');
    this.shell = shell;
    this.programs = jobPrograms.map((program) =>
      program
        .replaceAll('/proc/1/environ', join(root, 'environ'))
        .replaceAll('/etc/rp_environment', join(root, 'rp_environment'))
        .replaceAll('/dev/shm/', join(root, 'shm/')),
    );
  }

  static async make({ shell, tmux = false, environ, rpEnvironment }: PlaceOptions): Promise<PodPlace> {
    const place = new PodPlace(await mkdtemp(join(tmpdir(), 'pod-')), shell);
    const { root } = place;
    for (const name of ['home', 'bin', 'shm', 'tmp']) await mkdir(join(root, name));
    await linkTools(join(root, 'bin'), shell);
    if (tmux) await symlink(toolPath('tmux'), join(root, 'bin/tmux'));
    if (environ) {
      const entries = Object.entries({ ...environ, PATH: join(root, 'bin') });
      await writeFile(join(root, 'environ'), entries.map((entry) => `${entry.join('=')}\0`).join(''));
    }
    if (rpEnvironment !== undefined) await writeFile(join(root, 'rp_environment'), rpEnvironment);
    return place;
  }

  get shellPath(): string {
    return join(this.root, 'bin', this.shell === 'bash' ? 'bash' : 'sh');
  }

  get env(): Record<string, string> {
    const { root, home } = this;
    return {
      PATH: join(root, 'bin'),
      HOME: home,
      SHELL: join(root, 'bin/sh'),
      TMPDIR: join(root, 'tmp'),
      TMUX_TMPDIR: join(root, 'tmp'),
      [MARK]: root,
    };
  }

  /** Opens a session as it is opened on a pod. `pipes` unless told otherwise. */
  async open({ way = 'pipes', prepared = true }: { way?: Way; prepared?: boolean } = {}): Promise<Link> {
    const child =
      way === 'pipes'
        ? spawn(join(this.root, 'bin/sh'), ['-c', DIRECT_COMMAND], this.#spawnOptions())
        : spawn(toolPath('script'), ['-qfec', this.#loginShell(), '/dev/null'], this.#spawnOptions());
    const wire = wireOf(child);
    const session = await openSession(wire, {
      mode: way === 'pipes' ? 'direct' : 'proxy',
      programs: this.programs,
      timeoutMs: 30_000,
    });
    if (prepared) beginJobs(session, []);
    return { session, child, ended: wire.ended };
  }

  /** What a shell with the programs loaded, but without a session, prints for `text`. */
  async evaluate(text: string, env: Record<string, string> = {}): Promise<Buffer> {
    const file = join(this.root, 'evaluated');
    const begin = `_rp_nonce=${NONCE}\n_rp_call=1\nexec 9>/dev/null\n`;
    await writeFile(file, `${this.programs.join('')}${begin}${text}\n`);
    const { stdout } = await runFile(this.shellPath, [file], {
      env: { ...this.env, ...env },
      cwd: this.home,
      encoding: 'buffer',
      maxBuffer: 64 * 1024 * 1024,
      timeout: 30_000,
    });
    return stdout;
  }

  /** The pids of all that was started here and still runs. */
  processes(): number[] {
    const mark = `${MARK}=${this.root}`;
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((pid) => readProc(pid, 'environ').split('\0').includes(mark));
  }

  /** Ends all processes of the place and removes it. */
  async remove(): Promise<void> {
    for (let left = this.processes(); left.length > 0; left = this.processes()) {
      for (const pid of left) killOne(pid);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await rm(this.root, { recursive: true, force: true });
  }

  #loginShell(): string {
    return `exec ${this.shellPath} ${this.shell === 'bash' ? '--norc --noprofile ' : ''}-i`;
  }

  #spawnOptions() {
    return { env: { ...this.env, TERM: 'xterm' }, cwd: this.root, stdio: 'pipe', detached: true } as const;
  }
}

/** The nonce of what `evaluate` prints. */
export const NONCE = '0123456789abcdef01234567';

/** The text of a file under /proc/PID; empty when the process has gone. */
export function readProc(pid: number | string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return '';
  }
}

/** The state letter of a process and its parent, from /proc/PID/stat; undefined when it has gone. */
export function processState(pid: number | string): { state: string; parent: number } | undefined {
  const stat = readProc(pid, 'stat');
  if (stat === '') return undefined;
  const [state = '', parent = ''] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { state, parent: Number(parent) };
}

/** Whether a process is there; one that has ended and waits to be noticed is not. */
export function isRunning(pid: number | string): boolean {
  const found = processState(pid);
  return found !== undefined && found.state !== 'Z';
}

/** The pids of a process's children, zombies among them. */
export function childrenOf(pid: number | string): number[] {
  return readProc(pid, `task/${pid}/children`)
    .split(' ')
    .filter((word) => word !== '')
    .map(Number);
}

/** Whether file systems can be mounted here, which takes root. */
export function mayMount(): boolean {
  if (process.getuid?.() !== 0) return false;
  return spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status === 0;
}

/** Awaits a condition. */
export async function until(condition: () => boolean | Promise<boolean>, timeoutMs = 20_000): Promise<void> {
  const giveUp = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > giveUp) throw new Error(`not in ${timeoutMs} ms: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function wireOf(child: ChildProcessWithoutNullStreams): Wire {
  let onData: (chunk: Buffer) => void = () => {};
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => onData(chunk));
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  child.stdin.on('error', () => {});
  const ended = new Promise<WireEnd>((resolve) => {
    child.on('close', (exitCode, signal) =>
      resolve({ stderr, ...(exitCode === null ? { signal: signal ?? '' } : { exitCode }) }),
    );
  });
  return {
    write: (data) => {
      if (child.stdin.writable) child.stdin.write(data);
    },
    pendingBytes: () => child.stdin.writableLength,
    drained: () => Promise.resolve(),
    listen: (listener) => {
      onData = listener;
    },
    ended,
    close: () => {
      child.stdin.end();
      // As a connection takes its terminal with it.
      if (child.spawnfile.endsWith('script')) setTimeout(() => child.kill('SIGKILL'), 100).unref();
    },
  };
}

async function linkTools(folder: string, shell: ShellName): Promise<void> {
  if (shell === 'busybox') {
    const busybox = toolPath('busybox');
    const { stdout } = await runFile(busybox, ['--list']);
    const applets = stdout.split('\n').filter((name) => name !== '');
    await Promise.all(applets.map((name) => symlink(busybox, join(folder, name))));
    return;
  }
  await Promise.all(TOOLS.split(' ').map((name) => symlink(toolPath(name), join(folder, name))));
  await symlink(toolPath('dash'), join(folder, 'sh'));
  if (shell === 'bash') await symlink(toolPath('bash'), join(folder, 'bash'));
}

function toolPath(name: string): string {
  const found = SYSTEM_FOLDERS.map((folder) => join(folder, name)).find(isExecutable);
  if (found === undefined) throw new Error(`the tests need ${name}; npm run setup installs it`);
  return found;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function killOne(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone already.
  }
}
