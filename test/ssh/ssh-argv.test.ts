import { readdir } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type PracticePod, startPracticePod } from '../../fixtures/practice-pod.ts';
import type { Pod } from '../../src/pods/pod.ts';
import { controlDirectory, newControlPath } from '../../src/ssh/control-socket.ts';
import { runSsh } from '../../src/ssh/run-ssh.ts';
import type { SshChild } from '../../src/ssh/spawn-ssh.ts';
import { byHand, masterSession, terminalSession, throughMaster } from '../../src/ssh/ssh-argv.ts';
import { directPod, makePlace, type Place, startMaster, until } from './on-loopback.ts';

const files = { sshConfig: '/home/me/.config/runpod-ssh/ssh_config' };
const target = {
  name: 'trainer',
  files,
  controlPath: '/run/rp/1-aa',
  connectTimeoutMs: 1_500,
  command: 'echo hi',
};

describe('whatever is built', () => {
  const argvs: Record<string, string[]> = {
    masterSession: masterSession(target),
    terminalSession: terminalSession(target),
    throughMaster: throughMaster(target),
  };
  test.each(Object.entries(argvs))('%s never asks, and gives every option once', (_, argv) => {
    const keys = argv.flatMap((word, index) => (argv[index - 1] === '-o' ? [word.split('=')[0]] : []));
    expect(keys).toContain('BatchMode');
    expect(new Set(keys).size).toBe(keys.length);
    expect(argv.slice(argv.indexOf('-F')).slice(0, 2)).toEqual(['-F', files.sshConfig]);
    expect(argv.filter((word) => word === '--')).toHaveLength(1);
  });
});

test('part of a second counts as a second, since ssh takes 0 for no limit', () => {
  expect(masterSession({ ...target, connectTimeoutMs: 10 })).toContain('ConnectTimeout=1');
  expect(masterSession({ ...target, connectTimeoutMs: 1_500 })).toContain('ConnectTimeout=2');
});

test('what a person types is short', () => {
  expect(byHand({ name: 'trainer' })).toBe('ssh -F ~/.config/runpod-ssh/ssh_config trainer');
});

describe('over a master', () => {
  let practice: PracticePod;
  let pod: Pod;
  let place: Place;
  let directory: string;
  let controlPath: string;
  let master: SshChild;

  beforeAll(async () => {
    practice = await startPracticePod();
    place = await makePlace();
    pod = directPod(practice);
    directory = await controlDirectory({ env: {}, homeDir: place.home });
    controlPath = newControlPath(directory);
    master = await startMaster(pod, place.config, controlPath);
  });
  afterAll(async () => {
    master.kill('SIGTERM');
    await master.exited;
    await practice.stop();
    await place.remove();
  });

  const on = () => ({ name: pod.name, files: place.config.files, controlPath });
  const start = (argv: string[], input = '') =>
    runSsh('ssh', argv, { env: place.config.env, timeoutMs: 20_000, input });

  test('a command has its own streams and status, and no further connection', async () => {
    const before = practice.hops.direct.connections();
    const end = await start(
      throughMaster({ ...on(), command: 'cat; echo to stderr >&2; exit 7' }),
      'to stdin',
    );
    expect(end).toMatchObject({ exitCode: 7, stdout: 'to stdin', stderr: 'to stderr\n' });
    expect(practice.hops.direct.connections()).toBe(before);
  });

  describe('that is not there, or dead', () => {
    test('fails instead of connecting by itself', async () => {
      for (const path of [newControlPath(directory), await staleSocket()]) {
        const bytesBefore = practice.hops.direct.bytes().up;
        const argv = throughMaster({ ...on(), controlPath: path, command: 'touch connected' });
        expect((await start(argv)).exitCode).toBe(255);
        expect(practice.hops.direct.bytes().up).toBe(bytesBefore);
      }
    });

    async function staleSocket(): Promise<string> {
      const path = newControlPath(directory);
      const killed = await startMaster(pod, place.config, path);
      killed.kill('SIGKILL');
      await killed.exited;
      const connections = () => practice.hops.direct.connections();
      await until(() => connections() === 1);
      return path;
    }
  });
});

describe('a master session', () => {
  test('goes with its socket when its input ends, so that a killed server leaves nothing', async () => {
    const practice = await startPracticePod();
    const place = await makePlace();
    const directory = await controlDirectory({ env: {}, homeDir: place.home });
    const master = await startMaster(directPod(practice), place.config, newControlPath(directory));
    expect(await readdir(directory)).toHaveLength(1);
    master.stdin.end();
    expect(await master.exited).toEqual({ exitCode: 0 });
    expect(await readdir(directory)).toEqual([]);
    await practice.stop();
    await place.remove();
  });
});
