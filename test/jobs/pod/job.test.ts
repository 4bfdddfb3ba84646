import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  isRunning,
  type Link,
  mayMount,
  PodPlace,
  readProc,
  shells,
  until,
} from '../../session/pod-place.ts';
import { ended, lookAt, startJob, stopJob } from './job-on.ts';

describe.each(shells)('%s', (shell) => {
  let place: PodPlace;
  let link: Link;
  beforeAll(async () => {
    place = await PodPlace.make({ shell });
    link = await place.open();
  });
  afterAll(() => place.remove());

  const folder = (name: string): string => join(link.session.description.disk, name);
  const groupOf = (name: string): number =>
    Number(readFileSync(join(folder(name), 'pid'), 'utf8').split(' ')[0]);
  /** The processes of a process group that run. */
  const members = (group: number): number[] =>
    place.processes().filter((pid) => {
      const stat = readProc(pid, 'stat');
      return isRunning(pid) && Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]) === group;
    });
  const printed = (name: string, text: string) =>
    until(() => readFileSync(join(folder(name), 'out'), 'utf8').includes(text));

  test('a job runs to its end with nobody following, under a name that may have dots', async () => {
    for (const name of ['train.v1.2', 'a-b_c', 'x..', 'X'.repeat(64)]) {
      expect(await startJob(link.session, name, 'echo "out é"; echo err >&2; exit 12')).toEqual(['detached']);
      const seen = await ended(link.session, name);
      expect(seen).toMatchObject({ state: 'exited', code: '12', out: 'out é\nerr\n', err: '' });
    }
  });

  test('the same request twice starts one job, another one of the same name is refused while it runs', async () => {
    const command = 'printf x >>~/times; until [ -e ~/end ]; do sleep 0.02; done';
    const ask = () => startJob(link.session, 'once', command, { token: 'same' });
    expect(await Promise.all([ask(), ask(), ask()])).toEqual([['detached'], ['detached'], ['detached']]);
    expect(await startJob(link.session, 'once', 'touch ~/never')).toEqual(['taken']);
    await until(() => existsSync(join(place.home, 'times')));
    expect(readFileSync(join(place.home, 'times'), 'utf8')).toBe('x');

    expect(await startJob(link.session, 'once', 'echo second', { replace: true })).toEqual(['detached']);
    expect(await ended(link.session, 'once')).toMatchObject({
      state: 'exited',
      code: '0',
      out: 'second\n',
    });
    expect(await startJob(link.session, 'once', 'echo third')).toEqual(['detached']);
    expect(await ended(link.session, 'once')).toMatchObject({ out: 'third\n' });
    expect(existsSync(join(place.home, 'never'))).toBe(false);
  });

  test('of many that want the same name at once, one gets it', async () => {
    const other = await place.open();
    const command = 'printf x >>~/winners; until [ -e ~/over ]; do sleep 0.02; done';
    const answers = await Promise.all(
      [link, other, link, other, link, other].map(({ session }) => startJob(session, 'wanted', command)),
    );
    expect(answers.flat().sort()).toEqual(['detached', 'taken', 'taken', 'taken', 'taken', 'taken']);
    writeFileSync(join(place.home, 'over'), '');
    await ended(link.session, 'wanted');
    expect(readFileSync(join(place.home, 'winners'), 'utf8')).toBe('x');
    other.session.close();
  });

  test('all are listed, each on a line of its own whatever it was and printed', async () => {
    const listed = await PodPlace.make({ shell });
    const { session } = await listed.open();
    const list = async (): Promise<string[][]> => {
      let text = '';
      const onFrame = ({ payload }: { payload: Buffer }): void => {
        text += payload;
      };
      await session.call({ program: 'rp_list', words: [], onFrame }).done;
      const lines = text.split('\n').filter((line) => line !== '');
      return lines.map((line) => {
        const [state = '', code = '', , , , name = '', command = '', output = ''] = line.split(' ');
        const decoded = [command, output].map((word) => Buffer.from(word.slice(1), 'base64').toString());
        return [name, state, code, ...decoded];
      });
    };
    expect(await list()).toEqual([]);
    await startJob(session, 'one', 'echo a b;\n\necho "é"; exit 3');
    await startJob(session, 'two', 'exec sleep 300');
    await startJob(session, 'three', '');
    for (const name of ['one', 'three']) await ended(session, name);
    expect((await list()).sort()).toEqual([
      ['one', 'exited', '3', 'echo a b;\n\necho "é"; exit 3\n', 'a b\né\n'],
      ['three', 'exited', '0', '\n', ''],
      ['two', 'running', '-', 'exec sleep 300\n', ''],
    ]);
    await listed.remove();
  });

  describe('a job is stopped', () => {
    test('with all of its process group, by the signal it was sent', async () => {
      await startJob(link.session, 'plain', 'sleep 300 & sleep 301 & echo ready; wait');
      await printed('plain', 'ready');
      const group = groupOf('plain');
      expect(await stopJob(link.session, 'plain')).toEqual(['stopped', 'TERM', '143']);
      expect(members(group)).toEqual([]);
      expect(await lookAt(link.session, 'plain')).toMatchObject({
        state: 'stopped',
        code: '143',
        out: 'ready\n',
      });
      expect(await stopJob(link.session, 'plain')).toEqual(['ended', '-', '143']);
    });

    test('by KILL, when it takes no notice', async () => {
      await startJob(link.session, 'deaf', "trap '' TERM; echo ready; while :; do sleep 0.05; done");
      await printed('deaf', 'ready');
      const group = groupOf('deaf');
      expect(await stopJob(link.session, 'deaf', 'TERM', 0)).toEqual(['stopped', 'KILL', '137']);
      expect(members(group)).toEqual([]);
    });

    test('with children that take no notice, though it ends itself', async () => {
      const child = `sh -c 'trap "" TERM; echo ready; while :; do sleep 0.05; done'`;
      await startJob(link.session, 'deaf-child', `${child} & wait`);
      await printed('deaf-child', 'ready');
      const group = groupOf('deaf-child');
      expect(await stopJob(link.session, 'deaf-child', 'TERM', 0)).toEqual(['stopped', 'KILL', '143']);
      expect(members(group)).toEqual([]);
    });

    // Where the container's first process is a bare `sleep infinity`, every orphan stays behind as a zombie.
    test('at once, though a zombie that nobody takes away is left in its group', async () => {
      const zombie = '(sh -c : & exec setsid sleep 300) &';
      await startJob(link.session, 'haunted', `${zombie} echo ready; while :; do sleep 0.05; done`);
      await printed('haunted', 'ready');
      const group = groupOf('haunted');
      expect(await stopJob(link.session, 'haunted', 'TERM', 30)).toEqual(['stopped', 'TERM', '143']);
      expect(members(group)).toEqual([]);
    });

    test('if there is one', async () => {
      expect(await stopJob(link.session, 'nobody')).toEqual(['none']);
    });
  });

  describe('taking turns', () => {
    const lock = (name: string): string =>
      join(place.root, 'tmp', `.runpod-ssh-${process.getuid?.()}-${name}`);
    const take = (name: string): Promise<Buffer> =>
      place.evaluate(`rp_take_turn ${name}; readlink "$_rp_turn" || echo none; rm -f "$_rp_turn"`);

    test.each([
      ['a process that is gone', '4194305 17'],
      ['a process that has another start time, so that is another', '1 17'],
    ])('a lock of %s is taken over', async (_, text) => {
      symlinkSync(text, lock('stale'));
      const taken = (await take('stale')).toString();
      expect(taken).toMatch(/^\d+ \d+\n$/);
      expect(taken).not.toBe(`${text}\n`);
    });

    test('what is no lock holds nobody up for long', async () => {
      writeFileSync(lock('odd'), '');
      expect((await take('odd')).toString()).toBe('none\n');
    });

    test('one after the other', async () => {
      const turn = `(
        rp_take_turn shared
        echo in >>order
        sleep 0.02
        echo out >>order
        rm -f "$_rp_turn"
      ) &`;
      const log = await place.evaluate(`: >order\n${`${turn}\n`.repeat(8)}wait\ncat order`);
      expect(log.toString()).toBe('in\nout\n'.repeat(8));
    });
  });

  describe('what has ended is swept away', () => {
    let swept: PodPlace;
    afterEach(() => swept.remove());

    test('but for the newest fifty, and never what runs', async () => {
      swept = await PodPlace.make({ shell });
      const disk = join(swept.home, '.runpod-ssh/jobs');
      const memory = join(swept.root, `shm/runpod-ssh-${process.getuid?.()}/jobs`);
      const make = (base: string, name: string, files: Record<string, string>, age: number): void => {
        mkdirSync(join(base, name), { recursive: true });
        for (const [file, text] of Object.entries(files)) writeFileSync(join(base, name, file), text);
        const time = Date.now() / 1000 - age;
        utimesSync(join(base, name), time, time);
      };
      const ended = { command: 'x\n', exit_code: '0      \n' };
      for (let i = 1; i <= 60; i++) make(i % 10 === 0 ? memory : disk, `ended-${i}`, ended, i * 60);
      const self = readProc(process.pid, 'stat');
      const started = self.slice(self.lastIndexOf(')') + 2).split(' ')[19];
      const running = { command: 'x\n', exit_code: '       \n', pid: `1 ${process.pid} ${started} here\n` };
      for (let i = 1; i <= 3; i++) make(i === 2 ? memory : disk, `running-${i}`, running, 100_000 + i);
      make(disk, 'lost', { command: 'x\n', exit_code: '       \n', pid: '1 4194305 17 here\n' }, 90_000);
      make(disk, 'run-12345678-1', {}, 90_000);
      await swept.evaluate('rp_settle; rp_sweep; wait');
      const left = [...readdirSync(disk), ...readdirSync(memory)].sort();
      const newest = Array.from({ length: 50 }, (_, i) => `ended-${i + 1}`);
      expect(left).toEqual([...newest, 'run-12345678-1', 'running-1', 'running-2', 'running-3'].sort());
    });
  });
});

describe.skipIf(!mayMount()).each(shells)(
  '%s: with neither a disk nor a /tmp that takes anything',
  (shell) => {
    let place: PodPlace;
    afterEach(async () => {
      execFileSync('umount', ['--lazy', place.home, join(place.root, 'tmp')]);
      await place.remove();
    });

    test('a job runs from memory', async () => {
      place = await PodPlace.make({ shell });
      for (const folder of [place.home, join(place.root, 'tmp')]) {
        execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'tmpfs', folder]);
        for (let full = false; !full; ) {
          try {
            writeFileSync(join(folder, 'fill'), 'x'.repeat(4096), { flag: 'a' });
          } catch {
            full = true;
          }
        }
      }
      const { session } = await place.open();
      expect(await startJob(session, 'tight', 'echo out; exit 3')).toEqual(['detached']);
      expect(await ended(session, 'tight')).toMatchObject({
        state: 'exited',
        code: '3',
        where: 'memory',
        out: 'out\n',
      });
    });
  },
);
