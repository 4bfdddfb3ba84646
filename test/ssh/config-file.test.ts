import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Pod } from '../../src/pods/pod.ts';
import { writeSshConfig } from '../../src/ssh/config-file.ts';
import type { HostEntry } from '../../src/ssh/host-entry.ts';
import { makePlace, type Place, run } from './on-loopback.ts';

const pod: Pod = { name: 'trainer', mode: 'direct', host: '213.173.108.12', port: 17445, user: 'root' };
const entry: HostEntry = { pod, settings: { certificateFiles: [], jumpHosts: [] } };
let place: Place;

beforeEach(async () => {
  place = await makePlace();
});
afterEach(() => place.remove());

function write(entries: HostEntry[], env = place.config.env): Promise<void> {
  return writeSshConfig(entries, place.config.files, env);
}

test('the file is private, whole, and one that ssh takes', async () => {
  const other = { ...entry, pod: { ...pod, name: 'other', port: 2222 } };
  await write([entry, other]);
  const { directory, sshConfig } = place.config.files;
  expect((await stat(directory)).mode & 0o777).toBe(0o700);
  expect((await stat(sshConfig)).mode & 0o777).toBe(0o600);
  expect(await readdir(directory)).toEqual(['ssh_config']);
  expect(await readFile(sshConfig, 'utf8')).not.toMatch(/include/i);
  const { stdout } = await run('ssh', ['-G', '-F', sshConfig, '--', 'other']);
  expect(stdout).toContain('port 2222\n');
});

test('a file that is right already is not written, and ssh is not started', async () => {
  await write([entry]);
  const before = await stat(place.config.files.sshConfig);
  await write([entry], { PATH: '/nonexistent' });
  expect((await stat(place.config.files.sshConfig)).ino).toBe(before.ino);
});

test('a folder that others may read is closed to them', async () => {
  const { directory } = place.config.files;
  await mkdir(directory, { recursive: true });
  await chmod(directory, 0o755);
  await write([entry]);
  expect((await stat(directory)).mode & 0o777).toBe(0o700);
});

test('when ssh rejects what is new, the old file stays and nothing is left behind', async () => {
  await write([entry]);
  const { directory, sshConfig } = place.config.files;
  const before = await readFile(sshConfig, 'utf8');
  // ssh takes IdentityAgent as it comes, but not without a value.
  const faulty: HostEntry = { pod, settings: { certificateFiles: [], jumpHosts: [], identityAgent: '' } };
  await expect(write([faulty])).rejects.toMatchObject({ kind: 'config-rejected' });
  expect(await readFile(sshConfig, 'utf8')).toBe(before);
  expect(await readdir(directory)).toEqual(['ssh_config']);
});

test('an entry that ssh reads in another way than it was meant is not taken', async () => {
  const twin = { ...entry, pod: { ...pod, host: '10.0.0.1' } };
  await expect(write([entry, twin])).rejects.toMatchObject({ kind: 'config-rejected' });
  expect(await readdir(place.config.files.directory)).toEqual([]);
});

test('a place where nothing can be written is named', async () => {
  await writeFile(`${place.home}/.config`, 'a file is in the way');
  await expect(write([entry])).rejects.toMatchObject({ kind: 'config-unwritable' });
});

test('without an ssh client the failure says how to get one', async () => {
  await expect(write([entry], { PATH: '/nonexistent' })).rejects.toMatchObject({
    kind: 'no-ssh',
    text: { next: expect.stringContaining('openssh-client') },
  });
});
