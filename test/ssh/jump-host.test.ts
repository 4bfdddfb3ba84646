import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type PracticePod, startPracticePod } from '../../fixtures/practice-pod.ts';
import { literal, quoted } from '../../src/ssh/config-value.ts';
import { controlDirectory, newControlPath } from '../../src/ssh/control-socket.ts';
import { explainFailure } from '../../src/ssh/explain-failure.ts';
import { PodConfig } from '../../src/ssh/pod-config.ts';
import { runSsh } from '../../src/ssh/run-ssh.ts';
import { throughMaster } from '../../src/ssh/ssh-argv.ts';
import { directPod, runOn, startMaster } from './on-loopback.ts';

let practice: PracticePod;
let bastion: PracticePod;
let folder: string;

beforeAll(async () => {
  [practice, bastion] = await Promise.all([startPracticePod(), startPracticePod()]);
  folder = await mkdtemp(join(tmpdir(), 'jump-'));
});
afterAll(async () => {
  await Promise.all([practice.stop(), bastion.stop()]);
  await rm(folder, { recursive: true, force: true });
});

/** A home directory and a user's configuration in which the pod is behind a jump host with an alias. */
async function behindJump(home: string, key = bastion.keyPath): Promise<PodConfig> {
  const homeDir = join(folder, home);
  await mkdir(homeDir);
  const userConfigFile = join(homeDir, 'their_config');
  await writeFile(
    userConfigFile,
    `Match host 127.0.0.1 exec "test %p = ${practice.port}"
  ProxyJump office
Host office
  HostName localhost
  Port ${bastion.port}
  User ${bastion.user}
  IdentityFile ${quoted(literal(key))}
  IdentitiesOnly yes
  UserKnownHostsFile ${quoted(literal(`${homeDir}/their_known_hosts`))}
`,
  );
  return new PodConfig({ homeDir, env: { PATH: process.env.PATH }, userConfigFile });
}

test.each(['plain', "it's a $HOME 50%"])(
  'a pod is reached through an alias of the user’s, from the home %j',
  async (home) => {
    const config = await behindJump(home);
    const before = bastion.hops.direct.bytes().up;
    const end = await runOn(directPod(practice), config, 'echo $HOME');
    expect(end).toMatchObject({ exitCode: 0, stdout: `${practice.home}\n` });
    expect(bastion.hops.direct.bytes().up).toBeGreaterThan(before);
  },
);

test('over a dead master nothing connects, the jump host included', async () => {
  const config = await behindJump('poisoned');
  const pod = directPod(practice);
  const directory = await controlDirectory({ env: {}, homeDir: join(folder, 'poisoned') });
  const controlPath = newControlPath(directory);
  const through = { name: pod.name, files: config.files, controlPath, command: 'echo hi' };
  const master = await startMaster(pod, config, controlPath);
  const run = () => runSsh('ssh', throughMaster(through), { env: config.env, timeoutMs: 20_000 });
  expect(await run()).toMatchObject({ exitCode: 0, stdout: 'hi\n' });
  master.kill('SIGKILL');
  await master.exited;
  const before = bastion.hops.direct.bytes().up;
  const end = await run();
  expect(end.exitCode).toBe(255);
  expect(bastion.hops.direct.bytes().up).toBe(before);
});

test('a jump host that refuses us is told apart from the pod', async () => {
  const config = await behindJump('denied', bastion.otherKeyPath);
  const pod = directPod(practice, { user: 'nobody-there' });
  const failure = await explainFailure(await runOn(pod, config, 'true'), pod, config);
  expect(failure).toMatchObject({ kind: 'permission-denied', message: expect.stringContaining('jump host') });
});

test('a jump host that is not there is told apart from the pod', async () => {
  const config = await behindJump('refused');
  const pod = directPod(practice);
  bastion.hops.direct.refuse();
  const failure = await explainFailure(await runOn(pod, config, 'true'), pod, config);
  await bastion.hops.direct.accept();
  expect(failure).toMatchObject({ kind: 'refused', message: expect.stringContaining('jump host') });
});

test('a pod that the jump host can not reach is told', async () => {
  const config = await behindJump('unreached');
  const pod = directPod(practice);
  practice.hops.direct.refuse();
  const failure = await explainFailure(await runOn(pod, config, 'true'), pod, config);
  await practice.hops.direct.accept();
  expect(failure).toMatchObject({
    kind: 'refused',
    message: expect.stringContaining("jump host can't reach"),
  });
});
