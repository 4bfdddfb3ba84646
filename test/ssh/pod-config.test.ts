import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Pod } from '../../src/pods/pod.ts';
import { makePlace, type Place, run } from './on-loopback.ts';

const pod: Pod = { name: 'trainer', mode: 'direct', host: '213.173.108.12', port: 17445, user: 'root' };
let place: Place;

beforeEach(async () => {
  place = await makePlace();
});
afterEach(() => place.remove());

const text = (): Promise<string> => readFile(place.config.files.sshConfig, 'utf8');

test('a saved pod that can not be written does not keep the others from being reached', async () => {
  const bad = { ...pod, name: 'bad', host: '-oProxyCommand=x' };
  const good = { ...pod, name: 'good', port: 2222 };
  await place.config.ensure(pod, [bad, good]);
  expect([...(await text()).matchAll(/^Host (.*)$/gm)].map((match) => match[1])).toEqual(['good', 'trainer']);
  await expect(place.config.ensure(bad, [pod])).rejects.toMatchObject({ kind: 'bad-input' });
});

test('whichever pod is asked for, the file stays the same', async () => {
  const other = { ...pod, name: 'another' };
  await place.config.ensure(pod, [other, pod]);
  const { ino } = await stat(place.config.files.sshConfig);
  await place.config.ensure(other, [pod, other]);
  expect((await stat(place.config.files.sshConfig)).ino).toBe(ino);
});

test('eight calls at once leave one whole file', async () => {
  const pods = Array.from({ length: 8 }, (_, index) => ({ ...pod, name: `pod-${index}` }));
  await Promise.all(pods.map((one) => place.config.ensure(one, pods)));
  expect(await readdir(place.config.files.directory)).toEqual(['ssh_config']);
  expect((await text()).match(/^Host /gm)).toHaveLength(8);
});

test('a key that is named is used only if it is there; its public half is enough', async () => {
  const keyed = { ...pod, keyPath: '~/my key' };
  await place.config.ensure(keyed);
  expect(await text()).not.toContain('Identit');
  await writeFile(join(place.home, 'my key.pub'), '');
  await place.config.ensure(keyed);
  expect(await text()).toContain(`IdentityFile "${place.home}/my key"\n  IdentitiesOnly yes\n`);
});

test('trying an address leaves the saved pods as they are, and goes without a trace', async () => {
  await place.config.ensure(pod);
  const before = await text();
  const candidate = { ...pod, port: 4711 };
  const trial = await place.config.tryOut(candidate, place.home);
  const { stdout } = await run('ssh', ['-G', '-F', trial.files.sshConfig, '--', pod.name]);
  expect(stdout).toContain('port 4711\n');
  expect(stdout).toContain(`userknownhostsfile ${place.config.files.knownHosts}\n`);
  expect(await text()).toBe(before);
  await trial.remove();
  expect(
    (await readdir(place.home)).filter((name) => name.endsWith('.config') && name !== '.config'),
  ).toEqual([]);
});
