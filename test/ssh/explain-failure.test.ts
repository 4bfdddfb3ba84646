import { chmod, cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startHop } from '../../fixtures/hop.ts';
import { type PracticePod, startPracticePod } from '../../fixtures/practice-pod.ts';
import { type Failure, failureAsText } from '../../src/failure.ts';
import type { Pod } from '../../src/pods/pod.ts';
import { controlDirectory, newControlPath } from '../../src/ssh/control-socket.ts';
import type { SshEnd } from '../../src/ssh/diagnose.ts';
import { explainFailure } from '../../src/ssh/explain-failure.ts';
import type { PodConfig } from '../../src/ssh/pod-config.ts';
import { capture, MAX_SSH_WORDS_BYTES, runSsh } from '../../src/ssh/run-ssh.ts';
import { spawnSsh } from '../../src/ssh/spawn-ssh.ts';
import { throughMaster } from '../../src/ssh/ssh-argv.ts';
import { directPod, makePlace, type Place, plainSession, run, runOn, startMaster } from './on-loopback.ts';

let practice: PracticePod;
let place: Place;
const agents: string[] = [];

beforeAll(async () => {
  practice = await startPracticePod();
});
afterAll(async () => {
  for (const pid of agents) process.kill(Number(pid));
  await practice.stop();
});
beforeEach(async () => {
  place = await makePlace();
});
afterEach(() => place.remove());

async function failureOf(
  pod: Pod,
  config: PodConfig,
  options: { connectTimeoutMs?: number } = {},
): Promise<Failure> {
  const end = await runOn(pod, config, 'true', options);
  expect(end.exitCode).toBe(255);
  return explained(end, pod, config);
}

/** Every failure ends with the next step and a command. */
async function explained(end: SshEnd, pod: Pod, config: PodConfig): Promise<Failure> {
  const failure = await explainFailure(end, pod, config);
  expect(failureAsText(failure.text)).toMatch(/\nNext: .+\nBy hand: .+$/);
  expect(failureAsText(failure.text)).not.toContain('undefined');
  return failure;
}

/** A place with an agent, and how to add keys to it. */
async function withAgent(): Promise<{
  place: Place;
  socket: string;
  add: (...keys: string[]) => Promise<void>;
}> {
  const socket = join(place.home, 'agent');
  const { stdout } = await run('ssh-agent', ['-a', socket, '-s']);
  agents.push(/SSH_AGENT_PID=(\d+)/.exec(stdout)?.[1] ?? '');
  const env = { PATH: process.env.PATH, SSH_AUTH_SOCK: socket };
  const withIt = await makePlace({ env });
  const add = async (...keys: string[]) => {
    for (const key of keys) await run('ssh-add', ['-q', key], { env });
  };
  return { place: withIt, socket, add };
}

async function makeKey(name: string, passphrase = ''): Promise<string> {
  const path = join(place.home, name);
  await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', passphrase, '-f', path]);
  return path;
}

async function fingerprint(path: string): Promise<string> {
  const { stdout } = await run('ssh-keygen', ['-l', '-f', path]);
  return stdout.split(' ')[1] ?? '';
}

describe('on the way to the pod', () => {
  test('a port where nothing listens', async () => {
    practice.hops.direct.refuse();
    const failure = await failureOf(directPod(practice), place.config);
    await practice.hops.direct.accept();
    expect(failure).toMatchObject({
      kind: 'refused',
      message: expect.stringContaining(`127.0.0.1:${practice.port}`),
    });
  });

  test('a server that takes the connection and stays silent', async () => {
    practice.hops.direct.freeze();
    const failure = await failureOf(directPod(practice), place.config, { connectTimeoutMs: 1_000 });
    practice.hops.direct.dropFrozen();
    practice.hops.direct.thaw();
    expect(failure).toMatchObject({ kind: 'timed-out', message: expect.stringContaining('says nothing') });
  });

  test('a name that does not exist', async () => {
    const failure = await failureOf(directPod(practice, { host: 'pod.invalid' }), place.config);
    expect(failure).toMatchObject({
      kind: 'name-not-found',
      message: expect.stringContaining('pod.invalid'),
    });
  });

  /** An ssh whose command runs; resolves with how it ended after `spoil`. */
  async function spoiled(pod: Pod, extra: string[], spoil: () => void): Promise<Failure> {
    const { config } = place;
    await config.ensure(pod);
    const command = 'echo runs; sleep 30';
    const argv = plainSession({ name: pod.name, files: config.files, command, connectTimeoutMs: 20_000 });
    const child = await spawnSsh('ssh', [...extra, ...argv], { env: config.env });
    const stderr = capture(child.stderr, MAX_SSH_WORDS_BYTES, 'last');
    await new Promise((resolve) => child.stdout.once('data', resolve));
    spoil();
    const { exitCode } = await child.exited;
    return explained({ stderr: stderr.text(), exitCode }, pod, config);
  }

  test.each(['cut', 'reset'] as const)('a connection that is %s in the middle', async (how) => {
    const failure = await spoiled(directPod(practice), [], () => practice.hops.direct[how]());
    expect(failure.kind).toBe('connection-lost');
  });

  test('a pod that stops answering', async () => {
    const alive = ['-o', 'ServerAliveInterval=1', '-o', 'ServerAliveCountMax=1'];
    const failure = await spoiled(directPod(practice), alive, () => practice.hops.direct.freeze());
    practice.hops.direct.dropFrozen();
    practice.hops.direct.thaw();
    expect(failure).toMatchObject({
      kind: 'connection-lost',
      message: expect.stringContaining('not answered'),
    });
  });
});

describe('the host key', () => {
  test('has changed: both fingerprints, and what to do; the record stays', async () => {
    const pod = directPod(practice);
    expect((await runOn(pod, place.config, 'true')).exitCode).toBe(0);
    const old = await fingerprint(practice.hostKeyPath);
    const record = await readFile(place.config.files.knownHosts, 'utf8');
    await practice.changeHostKey();
    const failure = await failureOf(pod, place.config);
    expect(failure.kind).toBe('host-key-changed');
    expect(failure.message).toContain(
      `On record: ED25519 ${old}. Now: ED25519 ${await fingerprint(practice.hostKeyPath)}.`,
    );
    expect(failure.text.byHand).toBe("ssh-keygen -R 'runpod-trainer' -f ~/.config/runpod-ssh/known_hosts");
    expect(await readFile(place.config.files.knownHosts, 'utf8')).toBe(record);
  });

  test('of the same pod at another port is the same; of another pod at this port is new', async () => {
    const { config } = place;
    const elsewhere = await startHop(practice.port);
    const here = await runOn(directPod(practice), config, 'true');
    expect(here).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('added') });
    const there = await runOn(
      directPod(practice, { port: elsewhere.port, host: 'localhost' }),
      config,
      'true',
    );
    expect(there).toMatchObject({ exitCode: 0, stderr: '' });
    await elsewhere.close();
    await practice.changeHostKey();
    expect((await runOn(directPod(practice, { name: 'another' }), config, 'true')).exitCode).toBe(0);
    const record = await readFile(config.files.knownHosts, 'utf8');
    expect(record).toMatch(/^runpod-trainer .*\nrunpod-another .*\n$/);
  });
});

describe('the login', () => {
  test('with a key that is not accepted: which one it was, and where it belongs', async () => {
    const pod = directPod(practice, { keyPath: practice.otherKeyPath });
    const failure = await failureOf(pod, place.config);
    expect(failure.kind).toBe('permission-denied');
    expect(failure.text.meaning).toContain(
      `Offered was ${practice.otherKeyPath} (${await fingerprint(practice.otherKeyPath)})`,
    );
    expect(failure.text.next).toContain('Settings → SSH Public Keys');
  });

  test('without any key: it says that none is named, there or held', async () => {
    const { keyPath: _, ...pod } = directPod(practice);
    const failure = await failureOf(pod, place.config);
    expect(failure.kind).toBe('permission-denied');
    expect(failure.text.meaning).toMatch(/No key is named.*SSH_AUTH_SOCK is not in its environment/);
  });

  test('with a key file that is not there: it says so', async () => {
    const failure = await failureOf(directPod(practice, { keyPath: '~/.ssh/gone' }), place.config);
    expect(failure.text.meaning).toContain(`The key ${place.home}/.ssh/gone isn't there`);
  });

  test('with a key that needs a passphrase: which one, and ssh-add; once the agent has it, it works', async () => {
    const agent = await withAgent();
    const key = await makeKey('locked key', 'secret');
    const pod = directPod(practice, { keyPath: key });
    const failure = await failureOf(pod, agent.place.config);
    expect(failure).toMatchObject({
      kind: 'passphrase-needed',
      message: expect.stringContaining(key),
      text: { meaning: expect.stringContaining('The agent holds no key.'), byHand: `ssh-add '${key}'` },
    });
    const open = join(place.home, 'open');
    await cp(key, open);
    await run('ssh-keygen', ['-q', '-p', '-P', 'secret', '-N', '', '-f', open]);
    await agent.add(open);
    const denied = await failureOf(pod, agent.place.config);
    expect(denied).toMatchObject({ kind: 'permission-denied' });
    expect(denied.text.meaning).toContain('by way of the agent');
    await agent.place.remove();
  });

  test('with a passphrase and no agent: how to start one', async () => {
    const key = await makeKey('locked', 'secret');
    const failure = await failureOf(directPod(practice, { keyPath: key }), place.config);
    expect(failure).toMatchObject({
      kind: 'passphrase-needed',
      text: { next: expect.stringContaining('ssh-agent') },
    });
  });

  test('with an agent that does not answer: it says so', async () => {
    const env = { PATH: process.env.PATH, SSH_AUTH_SOCK: join(place.home, 'nobody') };
    const lonely = await makePlace({ env });
    const { keyPath: _, ...pod } = directPod(practice);
    const failure = await failureOf(pod, lonely.config);
    expect(failure.text.meaning).toContain('(SSH_AUTH_SOCK) does not answer');
    await lonely.remove();
  });

  test('with seven wrong keys in the agent: how many, and how to name one', async () => {
    const agent = await withAgent();
    for (let index = 0; index < 7; index++) await agent.add(await makeKey(`wrong${index}`));
    const { keyPath: _, ...pod } = directPod(practice);
    const failure = await failureOf(pod, agent.place.config);
    expect(failure).toMatchObject({ kind: 'too-many-keys', text: { meaning: expect.stringContaining('7') } });
    expect((await runOn(directPod(practice), agent.place.config, 'true')).exitCode).toBe(0);
    await agent.place.remove();
  });

  test('a public half picks its key in the agent; if that is not held, it says so', async () => {
    const agent = await withAgent();
    for (let index = 0; index < 7; index++) await agent.add(await makeKey(`other${index}`));
    const half = join(agent.place.home, 'half.pub');
    await cp(`${practice.keyPath}.pub`, half);
    const pod = directPod(practice, { keyPath: half });
    const failure = await failureOf(pod, agent.place.config);
    expect(failure).toMatchObject({
      kind: 'permission-denied',
      text: { meaning: expect.stringContaining("doesn't hold") },
    });
    await agent.add(practice.keyPath);
    expect((await runOn(pod, agent.place.config, 'true')).exitCode).toBe(0);
    await agent.place.remove();
  });

  test('the agent that the user’s own configuration names is the one that is asked', async () => {
    const agent = await withAgent();
    await agent.add(practice.keyPath);
    const userConfigFile = join(place.home, 'their_config');
    await writeFile(userConfigFile, `Host 127.0.0.1\n  IdentityAgent ${agent.socket}\n`);
    const theirs = await makePlace({ userConfigFile });
    const { keyPath: _, ...pod } = directPod(practice);
    expect((await runOn(pod, theirs.config, 'true')).exitCode).toBe(0);
    const failure = await failureOf({ ...pod, user: 'nobody-there' }, theirs.config);
    expect(failure.text.meaning).toContain(`The agent holds ${await fingerprint(practice.keyPath)}`);
    await theirs.remove();
    await agent.place.remove();
  });

  test('with a key that others may read: how to close it', async () => {
    const key = join(place.home, 'key');
    await cp(practice.keyPath, key);
    await chmod(key, 0o644);
    const failure = await failureOf(directPod(practice, { keyPath: key }), place.config);
    expect(failure).toMatchObject({ kind: 'permission-denied', text: { byHand: `chmod 600 ${key}` } });
  });

  test('with a file that is no key', async () => {
    const key = join(place.home, 'key');
    await writeFile(key, 'no key\n', { mode: 0o600 });
    const failure = await failureOf(directPod(practice, { keyPath: key }), place.config);
    expect(failure.message).toContain(`${key} is no private key`);
  });
});

test('a broken configuration of the user’s is mentioned, since its jump hosts were not used', async () => {
  const userConfigFile = join(place.home, 'their_config');
  await writeFile(userConfigFile, 'UseKeychian yes\n');
  const theirs = await makePlace({ userConfigFile });
  const failure = await failureOf(directPod(practice, { keyPath: practice.otherKeyPath }), theirs.config);
  expect(failure.text.meaning).toMatch(/Your own ssh configuration could not be read.*usekeychian/);
  await theirs.remove();
});

test('an ssh_config of ours that somebody has broken is named', async () => {
  const pod = directPod(practice);
  const { files, env } = place.config;
  await mkdir(files.directory, { recursive: true });
  await writeFile(files.sshConfig, 'Host trainer\n  NoSuchOption yes\n');
  const argv = plainSession({ name: pod.name, files, command: 'true', connectTimeoutMs: 20_000 });
  const end = await runSsh('ssh', argv, { env, timeoutMs: 20_000 });
  expect((await explained(end, pod, place.config)).kind).toBe('config-rejected');
});

test('over the master of a pod that opens no more sessions: nothing has run', async () => {
  const { env, files } = place.config;
  const other = await startPracticePod({ sshdOptions: ['MaxSessions 1'] });
  const pod = directPod(other);
  const controlPath = newControlPath(await controlDirectory({ env: {}, homeDir: place.home }));
  const master = await startMaster(pod, place.config, controlPath);
  try {
    const argv = throughMaster({ name: pod.name, files, controlPath, command: 'true' });
    const end = await runSsh('ssh', argv, { env, timeoutMs: 20_000 });
    expect((await explained(end, pod, place.config)).kind).toBe('session-refused');
  } finally {
    master.kill('SIGTERM');
    await master.exited;
    await other.stop();
  }
});

test('no algorithm in common', async () => {
  const other = await startPracticePod({ sshdOptions: ['KexAlgorithms diffie-hellman-group1-sha1'] });
  const failure = await failureOf(directPod(other), place.config);
  await other.stop();
  expect(failure.message).toContain('no algorithm in common');
});
