import { chmod, mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { controlDirectory, newControlPath, sweepStaleSockets } from '../../src/ssh/control-socket.ts';
import { makePlace, type Place, run } from './on-loopback.ts';

const uid = process.getuid?.() ?? 0;
let place: Place;

beforeEach(async () => {
  place = await makePlace();
});
afterEach(() => place.remove());

function find(changes: { runtime?: string; homeDir?: string; uid?: number } = {}): Promise<string> {
  return controlDirectory({
    env: changes.runtime === undefined ? {} : { XDG_RUNTIME_DIR: changes.runtime },
    homeDir: changes.homeDir ?? place.home,
    uid: changes.uid ?? uid,
  });
}

test('the runtime directory comes first, then the home directory', async () => {
  const runtime = join(place.home, 'run');
  await mkdir(runtime);
  expect(await find({ runtime })).toBe(join(runtime, 'runpod-ssh'));
  expect(await find({ runtime: join(place.home, 'missing') })).toBe(join(place.home, '.runpod-ssh-ctl'));
  expect(await find()).toBe(join(place.home, '.runpod-ssh-ctl'));
});

test('a directory that others may enter, a link and a file are not taken', async () => {
  const runtime = join(place.home, 'run');
  const own = join(runtime, 'runpod-ssh');
  await mkdir(own, { recursive: true });
  await chmod(own, 0o755);
  expect(await find({ runtime })).toBe(join(place.home, '.runpod-ssh-ctl'));
  await rm(own, { recursive: true });
  await mkdir(join(place.home, 'target'), { mode: 0o700 });
  await symlink(join(place.home, 'target'), own);
  expect(await find({ runtime })).toBe(join(place.home, '.runpod-ssh-ctl'));
  await rm(own);
  await writeFile(own, '');
  expect(await find({ runtime })).toBe(join(place.home, '.runpod-ssh-ctl'));
});

test("somebody else's directory is not taken, and the failure names every place that was tried", async () => {
  const stranger = 4_000_000 + process.pid;
  const attempt = find({ uid: stranger });
  await expect(attempt).rejects.toMatchObject({
    kind: 'unexpected',
    message: expect.stringMatching(/runpod-ssh-ctl .*somebody else.*\/tmp\/rp-/),
  });
  await rm(`/tmp/rp-${stranger}`, { recursive: true });
});

test('a path that is too long for a socket, or that ssh would expand, is passed over', async () => {
  const long = join(place.home, 'x'.repeat(80));
  const odd = join(place.home, '%h');
  await mkdir(long);
  await mkdir(odd);
  expect(await find({ runtime: long })).toBe(join(place.home, '.runpod-ssh-ctl'));
  expect(await find({ runtime: odd })).toBe(join(place.home, '.runpod-ssh-ctl'));
});

test('the longest directory that is taken still has room for the socket that ssh makes first', async () => {
  const room = 103 - 17 - 19 - 1;
  const parent = join(place.home, 'y'.repeat(room - place.home.length - 1 - '/runpod-ssh'.length));
  await mkdir(parent);
  const directory = await find({ runtime: parent });
  expect(directory).toHaveLength(room);
  expect(newControlPath(directory).length + 17).toBeLessThanOrEqual(103);
});

test('names are new each time and say whose they are', async () => {
  const names = new Set(Array.from({ length: 100 }, () => newControlPath('/d')));
  expect(names.size).toBe(100);
  for (const name of names) expect(name).toMatch(new RegExp(`^/d/${process.pid}-[0-9a-f]{8}$`));
});

test('of servers that are gone nothing stays; what lives, or still answers, does', async () => {
  const directory = await find();
  const { stdout } = await run('sh', ['-c', 'echo $$']);
  const dead = `${stdout.trim()}-0123abcd`;
  const answering = `${stdout.trim()}-99999999`;
  const own = newControlPath(directory);
  for (const name of [dead, `${dead}.config`, `${dead}.AbCdEfGhIjKlMnOp`, 'something else']) {
    await writeFile(join(directory, name), '');
  }
  await writeFile(own, '');
  const server = createServer().listen(join(directory, answering));
  await new Promise((resolve) => server.once('listening', resolve));
  await sweepStaleSockets(directory);
  const left = await readdir(directory);
  expect(left).toHaveLength(3);
  expect(left).toContain(answering);
  expect(left).toContain('something else');
  expect(left.filter((name) => name.startsWith(`${process.pid}-`))).toHaveLength(1);
  await new Promise((resolve) => server.close(resolve));
});
