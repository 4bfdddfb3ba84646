import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Link, mayMount, PodPlace, shells } from '../../session/pod-place.ts';
import { nextName, type Ran, runOn, startRun } from './run-on.ts';

describe.each(shells)('%s: a command is started once', (shell) => {
  let place: PodPlace;
  let one: Link;
  let other: Link;
  beforeAll(async () => {
    place = await PodPlace.make({ shell });
    [one, other] = await Promise.all([place.open(), place.open()]);
  });
  afterAll(() => place.remove());

  const timesRun = (name: string): number => {
    const file = join(place.home, `ran-${name}`);
    return existsSync(file) ? statSync(file).size : 0;
  };
  const command = (name: string): string => `printf x >>~/ran-${name}; echo hello; exit 4`;
  const done = { state: 'exited', code: 4, out: Buffer.from('hello\n') };

  test('whichever of two sessions is asked, at the same time', async () => {
    const names = Array.from({ length: 25 }, (_, i) => `same-${i}`);
    const runs: Promise<Ran>[] = [];
    for (const name of names) {
      for (const { session } of [one, other, one]) {
        runs.push(runOn(session, command(name), { name, how: 'again' }));
      }
    }
    for (const ran of await Promise.all(runs)) expect(ran).toMatchObject({ ...done, where: 'disk' });
    expect(names.map(timesRun)).toEqual(names.map(() => 1));
  });

  test('however often the request for a prepared one arrives', async () => {
    const name = nextName(one.session);
    const runs = ['first', 'first', 'again', 'first'].map((how) =>
      runOn(one.session, command(name), { name, how: how === 'first' ? how : 'again' }),
    );
    for (const ran of await Promise.all(runs)) expect(ran).toMatchObject({ ...done, where: 'disk' });
    expect(timesRun(name)).toBe(1);
    expect(readdirSync(join(place.root, 'shm'))).toEqual([]);
  });

  test('and after its end only reported', async () => {
    const name = nextName(one.session);
    await runOn(one.session, command(name), { name });
    expect(await runOn(other.session, command(name), { name, how: 'again' })).toMatchObject(done);
    expect(await runOn(other.session, '', { name, how: 'follow' })).toMatchObject(done);
    expect(timesRun(name)).toBe(1);
  });

  test('or not at all, when its directory is gone: the connection had been given up', async () => {
    const name = nextName(one.session);
    // What comes before it has been done by then.
    await runOn(one.session, 'true');
    rmSync(join(one.session.description.disk, name), { recursive: true });
    expect((await runOn(one.session, command(name), { name, how: 'first' })).state).toBe('gone');
    expect(timesRun(name)).toBe(0);
    expect(existsSync(join(one.session.description.disk, name))).toBe(false);
  });

  test('a session that was given up and cleared away can start nothing more', async () => {
    const given = await place.open();
    await runOn(given.session, 'true');
    one.session.housekeep('rp_clear', [given.session.id]);
    await runOn(one.session, 'true');
    const name = nextName(given.session);
    expect((await runOn(given.session, command(name), { name, how: 'first' })).state).toBe('gone');
    expect(timesRun(name)).toBe(0);
    given.session.close();
  });

  test('one that nobody knows can be asked for again, but not followed', async () => {
    const name = 'run-deadbeef-1';
    expect((await runOn(one.session, command(name), { name, how: 'follow' })).state).toBe('gone');
    expect(await runOn(one.session, command(name), { name, how: 'again' })).toMatchObject(done);
  });
});

describe.skipIf(!mayMount()).each(shells)('%s: on a disk that takes nothing more', (shell) => {
  let place: PodPlace;
  const mountHome = async (options: string): Promise<void> => {
    place = await PodPlace.make({ shell });
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', place.home]);
  };
  const fillHome = (): void => {
    const size = { length: 4096 };
    for (let i = 0; ; i++) {
      try {
        writeFileSync(join(place.home, `fill-${i}`), 'x'.repeat(size.length));
      } catch {
        return;
      }
    }
  };
  afterEach(async () => {
    execFileSync('umount', ['--lazy', place.home]);
    await place.remove();
  });

  test('a command runs all the same, from memory', async () => {
    await mountHome('size=64k');
    const { session } = await place.open();
    await runOn(session, 'true');
    fillHome();
    const ran = await runOn(session, 'echo out; echo err >&2; exit 6');
    expect(ran).toMatchObject({ state: 'exited', code: 6, where: 'memory', out: Buffer.from('out\n') });
    expect(ran.err.toString()).toBe('err\n');
    expect(readdirSync(session.description.memory)).toEqual([ran.name]);
    expect(existsSync(join(session.description.disk, ran.name))).toBe(false);
  });

  test('one that takes not even a directory', async () => {
    await mountHome('nr_inodes=2');
    const { session } = await place.open();
    expect(await runOn(session, 'exit 6')).toMatchObject({ state: 'exited', code: 6, where: 'memory' });
    const again = startRun(session, 'pwd', { name: 'run-deadbeef-2', how: 'again' });
    expect(await again.ran).toMatchObject({ code: 0, where: 'memory', out: Buffer.from(`${place.home}\n`) });
    session.close();
  });

  test('a command that fills it keeps its exit code and what could be written', async () => {
    await mountHome('size=256k');
    const { session } = await place.open();
    const ran = await runOn(session, 'echo begun; yes 2>/dev/null >~/fill; exit 5');
    expect(ran).toMatchObject({ state: 'exited', code: 5, out: Buffer.from('begun\n') });
    expect(ran.where).toMatch(/^disk/);
    expect(readFileSync(join(session.description.disk, ran.name, 'exit_code'), 'utf8')).toBe('5      \n');
  });

  test('with no memory left either: nothing runs, and that is said', async () => {
    await mountHome('size=64k');
    const { session } = await place.open();
    await runOn(session, 'true');
    fillHome();
    const shm = join(place.root, 'shm');
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4k', 'tmpfs', shm]);
    try {
      const ran = await runOn(session, 'touch /tmp/never');
      expect(ran.state).toBe('no-room');
      expect(readdirSync(session.description.memory)).toEqual([]);
    } finally {
      execFileSync('umount', ['--lazy', shm]);
    }
  });
});
