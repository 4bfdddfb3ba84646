import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type PracticePod, startPracticePod } from '../../fixtures/practice-pod.ts';
import type { Pod } from '../../src/pods/pod.ts';
import { controlDirectory, newControlPath, newLogPath } from '../../src/ssh/control-socket.ts';
import { runSsh } from '../../src/ssh/run-ssh.ts';
import type { SshChild } from '../../src/ssh/spawn-ssh.ts';
import {
  byHand,
  masterSession,
  plainSession,
  scpThroughMaster,
  sftpThroughMaster,
  terminalSession,
  throughMaster,
} from '../../src/ssh/ssh-argv.ts';
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
    plainSession: plainSession(target),
    terminalSession: terminalSession(target),
    throughMaster: throughMaster({ ...target, logFile: '/run/rp/1-bb.log' }),
    sftpThroughMaster: sftpThroughMaster(target),
    scpThroughMaster: scpThroughMaster({ ...target, direction: 'upload', localPath: '/a', remotePath: 'b' }),
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
  expect(plainSession({ ...target, connectTimeoutMs: 10 })).toContain('ConnectTimeout=1');
  expect(plainSession({ ...target, connectTimeoutMs: 1_500 })).toContain('ConnectTimeout=2');
});

test('a line break in a remote name is refused, not cut off', () => {
  const build = () =>
    scpThroughMaster({ ...target, direction: 'upload', localPath: '/a', remotePath: 'b\nc' });
  expect(build).toThrow(/line break/);
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
  const start = (program: 'ssh' | 'sftp' | 'scp', argv: string[], input = '') =>
    runSsh(program, argv, { env: place.config.env, timeoutMs: 20_000, input });

  test('a command has its own streams and status, and no further connection', async () => {
    const before = practice.hops.direct.connections();
    const end = await start(
      'ssh',
      throughMaster({ ...on(), command: 'cat; echo to stderr >&2; exit 7' }),
      'to stdin',
    );
    expect(end).toMatchObject({ exitCode: 7, stdout: 'to stdin', stderr: 'to stderr\n' });
    expect(practice.hops.direct.connections()).toBe(before);
  });

  test('sftp works, with names that need quotes', async () => {
    await writeFile(join(place.home, 'data'), 'by sftp');
    const end = await start(
      'sftp',
      sftpThroughMaster(on()),
      `put "${place.home}/data" "${practice.home}/a \\"b"\n`,
    );
    expect(end.exitCode).toBe(0);
    expect(await readFile(join(practice.home, 'a "b'), 'utf8')).toBe('by sftp');
  });

  test.each(['plain', "it's; touch pwned", '$(touch pwned)', '-O', 'a*b', 'ümlaut 😀', '`x`\\'])(
    'scp -O takes %j for a name and nothing else',
    async (name) => {
      const local = join(place.home, 'a:b c');
      const folder = join(practice.home, 'scp');
      await mkdir(folder, { recursive: true });
      await writeFile(local, `for ${name}`);
      const remotePath = name === '-O' ? name : join(folder, name);
      const up = await start(
        'scp',
        scpThroughMaster({ ...on(), direction: 'upload', localPath: local, remotePath }),
      );
      expect(up).toMatchObject({ exitCode: 0, stderr: '' });
      const back = join(place.home, 'back');
      await start('scp', scpThroughMaster({ ...on(), direction: 'download', localPath: back, remotePath }));
      expect(await readFile(back, 'utf8')).toBe(`for ${name}`);
      expect(await readFile(join(practice.home, 'pwned')).catch(() => 'none')).toBe('none');
    },
  );

  test('words of ssh go to the log, words of the pod to stderr', async () => {
    const logFile = newLogPath(directory);
    const gone = { ...on(), controlPath: newControlPath(directory), logFile };
    const end = await start('ssh', throughMaster({ ...gone, command: 'true' }));
    expect(end).toMatchObject({ exitCode: 255, stdout: '', stderr: '' });
    expect(await readFile(logFile, 'utf8')).toMatch(/closed/i);
  });

  describe('that is not there, or dead', () => {
    test.each(['ssh', 'sftp', 'scp'] as const)(
      '%s fails instead of connecting by itself',
      async (program) => {
        for (const path of [newControlPath(directory), await staleSocket()]) {
          const bytesBefore = practice.hops.direct.bytes().up;
          const to = { ...on(), controlPath: path };
          const argv = {
            ssh: throughMaster({ ...to, command: 'touch connected' }),
            sftp: sftpThroughMaster(to),
            scp: scpThroughMaster({
              ...to,
              direction: 'upload',
              localPath: '/dev/null',
              remotePath: 'connected',
            }),
          };
          expect((await start(program, argv[program])).exitCode).not.toBe(0);
          expect(practice.hops.direct.bytes().up).toBe(bytesBefore);
        }
      },
    );

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
