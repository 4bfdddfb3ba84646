import { execFile } from 'node:child_process';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type PracticePod, startPracticePod } from '../../fixtures/practice-pod.ts';
import { controlDirectory, newControlPath } from '../../src/ssh/control-socket.ts';
import { runSsh } from '../../src/ssh/run-ssh.ts';
import { spawnSsh } from '../../src/ssh/spawn-ssh.ts';
import { throughMaster } from '../../src/ssh/ssh-argv.ts';
import { directPod, makePlace, type Place, plainSession, startMaster, until } from './on-loopback.ts';

let practice: PracticePod;
let place: Place;
let env: Record<string, string>;
/** A folder for the PATH with an `ssh` that is a shell program. */
let fakePath: string;

beforeAll(async () => {
  practice = await startPracticePod();
  place = await makePlace();
  env = place.config.env;
  fakePath = join(place.home, 'bin');
  await mkdir(fakePath);
});
afterAll(async () => {
  await practice.stop();
  await place.remove();
});

/** An environment in which `ssh` is this shell program: for how processes are handled, whatever they are. */
async function withProgram(text: string): Promise<Record<string, string>> {
  const file = join(fakePath, 'ssh');
  await writeFile(file, `#!/bin/sh\n${text}\n`);
  await chmod(file, 0o755);
  return { ...env, PATH: `${fakePath}:${env.PATH}` };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test('without ssh on the PATH the failure is typed and says what to do', async () => {
  const attempt = spawnSsh('ssh', ['-V'], { env: { PATH: '/nonexistent' } });
  await expect(attempt).rejects.toMatchObject({ kind: 'no-ssh', text: { byHand: 'command -v ssh' } });
});

test('an argument that the system does not take is a failure too', async () => {
  const attempt = spawnSsh('ssh', ['x'.repeat(200_000)], { env });
  await expect(attempt).rejects.toMatchObject({ kind: 'no-ssh', message: expect.stringContaining('E2BIG') });
});

test('it gets our environment and nothing of the server’s', async () => {
  process.env.PRACTICE_SECRET = 'secret';
  const { stdout } = await runSsh('ssh', [], { env: await withProgram('env'), timeoutMs: 10_000 });
  expect(stdout).toContain('LC_ALL=C\n');
  expect(stdout).not.toContain('PRACTICE_SECRET');
  delete process.env.PRACTICE_SECRET;
});

test('it has no terminal to ask at, and Ctrl-C of ours does not reach it', async () => {
  const child = await spawnSsh('ssh', [], { env: await withProgram('exec sleep 60') });
  const stat = await readFile(`/proc/${child.pid}/stat`, 'utf8');
  const [, , group, session, terminal] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  expect([group, session, terminal]).toEqual([String(child.pid), String(child.pid), '0']);
  child.kill('SIGTERM');
  expect(await child.exited).toEqual({ signal: 'SIGTERM' });
});

test('a signal reaches what it has started as well', async () => {
  const child = await spawnSsh('ssh', [], { env: await withProgram('sleep 60 & echo $!; wait') });
  const [pid] = await new Promise<string[]>((resolve) => {
    child.stdout.once('data', (chunk: Buffer) => resolve(chunk.toString().trim().split('\n')));
  });
  child.kill('SIGKILL');
  await child.exited;
  await until(() => !isAlive(Number(pid)));
});

test('an aborted call ends its ssh, one that ignores TERM too', async () => {
  const abort = new AbortController();
  const child = await spawnSsh('ssh', [], {
    env: await withProgram('trap "" TERM; echo; while :; do sleep 0.1; done'),
    signal: abort.signal,
  });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  abort.abort();
  expect(await child.exited).toEqual({ signal: 'SIGKILL' });
  await expect(spawnSsh('ssh', [], { env, signal: abort.signal })).rejects.toThrow();
});

test('when the server ends, its children end', async () => {
  const programPath = await withProgram('echo $$ >&2; exec sleep 60');
  const module = new URL('../../src/ssh/spawn-ssh.ts', import.meta.url).href;
  const code = `
    const { spawnSsh } = await import(${JSON.stringify(module)});
    const child = await spawnSsh('ssh', [], { env: ${JSON.stringify(programPath)} });
    child.stderr.once('data', (pid) => { console.log(String(pid)); process.exit(0); });`;
  const tsx = new URL('../../node_modules/tsx/dist/cli.mjs', import.meta.url).pathname;
  const stdout = await new Promise<string>((resolve, reject) => {
    execFile(process.execPath, [tsx, '--input-type=module', '--eval', code], (error, out) =>
      error ? reject(error) : resolve(out),
    );
  });
  const pid = Number(stdout.trim());
  expect(pid).toBeGreaterThan(1);
  await until(() => !isAlive(pid));
});

test('a master that holds the stderr of a killed client does not hold us', async () => {
  const pod = directPod(practice);
  const controlPath = newControlPath(await controlDirectory({ env: {}, homeDir: place.home }));
  const master = await startMaster(pod, place.config, controlPath);
  const argv = throughMaster({
    name: pod.name,
    files: place.config.files,
    controlPath,
    command: 'echo started; exec sleep 30',
  });
  const client = await spawnSsh('ssh', argv, { env });
  await new Promise((resolve) => client.stdout.once('data', resolve));
  const start = Date.now();
  client.kill('SIGKILL');
  expect(await client.exited).toEqual({ signal: 'SIGKILL' });
  expect(Date.now() - start).toBeLessThan(5_000);
  expect(client.stderr.destroyed).toBe(true);
  master.kill('SIGTERM');
  await master.exited;
});

test('a slow reader gets everything, also what comes after the exit', async () => {
  const pod = directPod(practice);
  await place.config.ensure(pod);
  const size = 3_000_000;
  const argv = plainSession({
    name: pod.name,
    files: place.config.files,
    command: `head -c ${size} /dev/zero`,
    connectTimeoutMs: 20_000,
  });
  const child = await spawnSsh('ssh', argv, { env });
  let received = 0;
  const read = (async () => {
    for await (const chunk of child.stdout) {
      received += chunk.length;
      // Longer in all than streams are held open for those who don't read.
      if (received > size - 200_000) await delay(400);
    }
  })();
  expect(await child.exited).toEqual({ exitCode: 0 });
  await read;
  expect(received).toBe(size);
});

test('output that nobody reads does not keep the end from being told', async () => {
  const child = await spawnSsh('ssh', [], { env: await withProgram('echo unread; exit 3') });
  expect(await child.exited).toEqual({ exitCode: 3 });
});

test('a run that takes too long is ended and says so, with what came until then', async () => {
  const end = await runSsh('ssh', [], {
    env: await withProgram('echo half; trap "" TERM; while :; do sleep 0.1; done'),
    timeoutMs: 500,
  });
  expect(end).toMatchObject({ signal: 'SIGKILL', timedOut: true, stdout: 'half\n' });
});

test('of endless output a bounded part is kept, and the program is not held up', async () => {
  const end = await runSsh('ssh', [], {
    env: await withProgram('head -c 5000000 /dev/zero | tr "\\0" a; echo over >&2'),
    timeoutMs: 20_000,
    maxBytes: 1_000,
  });
  expect(end).toMatchObject({ exitCode: 0, truncated: true, stdout: 'a'.repeat(1_000), stderr: 'over\n' });
});
