import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { PracticePod } from '../../fixtures/practice-pod.ts';
import type { Pod } from '../../src/pods/pod.ts';
import { PodConfig } from '../../src/ssh/pod-config.ts';
import { runSsh, type SshRun } from '../../src/ssh/run-ssh.ts';
import { type SshChild, spawnSsh } from '../../src/ssh/spawn-ssh.ts';
import { masterSession, terminalSession } from '../../src/ssh/ssh-argv.ts';

export const run = promisify(execFile);

export type Place = {
  /** A home directory of our own, empty. */
  home: string;
  config: PodConfig;
  remove(): Promise<void>;
};

/** A home directory with nothing in it, and a user's configuration with nothing in it unless one is given. */
export async function makePlace(
  options: { env?: NodeJS.ProcessEnv; userConfigFile?: string } = {},
): Promise<Place> {
  const home = await mkdtemp(join(tmpdir(), 'ssh-'));
  const config = new PodConfig({
    homeDir: home,
    env: options.env ?? { PATH: process.env.PATH },
    userConfigFile: options.userConfigFile ?? '/dev/null',
  });
  return { home, config, remove: () => rm(home, { recursive: true, force: true }) };
}

/** The practice pod as it is reached directly. */
export function directPod(pod: PracticePod, changes: Partial<Pod> = {}): Pod {
  return {
    name: 'trainer',
    mode: 'direct',
    host: '127.0.0.1',
    port: pod.port,
    user: pod.user,
    keyPath: pod.keyPath,
    ...changes,
  };
}

/** `ssh -T` with a connection of its own that no master shares, and otherwise the options of a session of ours. */
export function plainSession({
  command,
  ...target
}: Parameters<typeof terminalSession>[0] & { command: string }): string[] {
  const [, ...options] = terminalSession(target);
  return ['-T', ...options, command];
}

/** Writes the pod's entry and runs a command with it, over a connection of its own. */
export async function runOn(
  pod: Pod,
  config: PodConfig,
  command: string,
  {
    connectTimeoutMs = 20_000,
    env = config.env,
  }: { connectTimeoutMs?: number; env?: Record<string, string> } = {},
): Promise<SshRun> {
  await config.ensure(pod);
  const argv = plainSession({ name: pod.name, files: config.files, command, connectTimeoutMs });
  return runSsh('ssh', argv, { env, timeoutMs: 40_000 });
}

/** A master that has logged in; ends with its stdin. */
export async function startMaster(pod: Pod, config: PodConfig, controlPath: string): Promise<SshChild> {
  await config.ensure(pod);
  const argv = masterSession({
    name: pod.name,
    files: config.files,
    controlPath,
    command: 'echo ready; cat',
    connectTimeoutMs: 20_000,
  });
  const master = await spawnSsh('ssh', argv, { env: config.env });
  master.stderr.resume();
  await new Promise<void>((resolve, reject) => {
    master.stdout.once('data', () => resolve());
    void master.exited.then((exit) => reject(new Error(`the master ended: ${JSON.stringify(exit)}`)));
  });
  return master;
}

/** Awaits a condition. */
export async function until(condition: () => boolean | Promise<boolean>, timeoutMs = 20_000): Promise<void> {
  const giveUp = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > giveUp) throw new Error(`not in ${timeoutMs} ms: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
