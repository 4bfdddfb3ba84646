import { spawn } from '@lydell/node-pty';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type PracticePod, startPracticePod } from '../../fixtures/practice-pod.ts';
import type { Pod } from '../../src/pods/pod.ts';
import { explainFailure } from '../../src/ssh/explain-failure.ts';
import { runSsh } from '../../src/ssh/run-ssh.ts';
import { terminalSession } from '../../src/ssh/ssh-argv.ts';
import { directPod, makePlace, type Place, plainSession, until } from './on-loopback.ts';

let practice: PracticePod;
let place: Place;
let proxy: Pod;
/** As a pod that was re-created on another machine: its old login leads nowhere. */
let gone: Pod;

beforeAll(async () => {
  practice = await startPracticePod();
  place = await makePlace();
  proxy = {
    name: 'by-proxy',
    mode: 'proxy',
    host: '127.0.0.1',
    port: practice.gatewayPort,
    user: practice.gatewayUser,
    keyPath: practice.keyPath,
  };
  gone = { ...proxy, name: 'gone', user: 'gone12345678ab-64410065' };
  await place.config.ensure(proxy, [directPod(practice), gone]);
});
afterAll(async () => {
  await practice.stop();
  await place.remove();
});

const target = () => ({ name: proxy.name, files: place.config.files, connectTimeoutMs: 20_000 });

test('a terminal session gets a shell, and `~.` in its input is data', async () => {
  const end = await runSsh('ssh', terminalSession(target()), {
    env: place.config.env,
    timeoutMs: 30_000,
    // Not the echo of it: only the shell puts the two together.
    input: 'true\n~.\nprintf "%s%s\\n" on tinued\nexit\n',
  });
  expect(end.stdout).toContain('ontinued');
  expect(end.timedOut).toBe(false);
});

test('a command without a terminal is refused in words that stand on stdout', async () => {
  const end = await runSsh('ssh', plainSession({ ...target(), command: 'true' }), {
    env: place.config.env,
    timeoutMs: 30_000,
  });
  expect(end.stdout).toContain("doesn't support PTY");
});

test('a pod that has moved: the new string is asked for', async () => {
  const { config } = place;
  const end = await runSsh('ssh', terminalSession({ ...target(), name: 'gone' }), {
    env: config.env,
    timeoutMs: 30_000,
  });
  expect(await explainFailure(end, gone, config)).toMatchObject({ kind: 'container-not-found' });
});

test.each(['ssh by-proxy', 'ssh trainer', 'sftp trainer'])(
  'a person who types %s with our file in a terminal is let in',
  async (typed) => {
    const [program = '', name = ''] = typed.split(' ');
    const terminal = spawn(program, ['-F', place.config.files.sshConfig, name], {
      env: { PATH: process.env.PATH ?? '', TERM: 'xterm' },
    });
    let screen = '';
    let ended = false;
    terminal.onData((text) => {
      screen += text;
    });
    terminal.onExit(() => {
      ended = true;
    });
    if (program === 'sftp') {
      await until(() => screen.includes('sftp>'));
      terminal.write('pwd\r');
      await until(() => screen.includes(`Remote working directory: ${practice.home}`));
    } else {
      await until(() => /[#$] $/.test(screen));
      terminal.write('tty; printf "%s%s\\n" a live\r');
      await until(() => screen.includes('alive') && screen.includes('/dev/pts/'));
    }
    terminal.write('exit\r');
    await until(() => ended);
  },
);
