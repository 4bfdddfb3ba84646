import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Link, PodPlace, readProc, shells, until } from '../../session/pod-place.ts';
import { ended, lookAt, startJob, stopJob } from './job-on.ts';

const runFile = promisify(execFile);
const [ESC, BEL] = ['\u001b', '\u0007'];
/** What marks the end of the output; no terminal shows it. */
const MARK = new RegExp(`${ESC}\\]7777;\\d+${BEL}`, 'g');

describe.each(shells)('%s: a job on a terminal', (shell) => {
  let place: PodPlace;
  let link: Link;
  beforeAll(async () => {
    place = await PodPlace.make({ shell, tmux: true });
    link = await place.open();
  });
  afterAll(() => place.remove());

  const folder = (name: string): string => join(link.session.description.disk, name);
  const read = (name: string, file: string): string =>
    existsSync(join(folder(name), file)) ? readFileSync(join(folder(name), file), 'utf8') : '';
  const log = (name: string): string => read(name, 'out').replace(MARK, '');
  const tmux = (...args: string[]) =>
    runFile('tmux', args, { env: { ...place.env, PATH: process.env.PATH } });

  test('has its whole log the moment its exit code is there', async () => {
    const command = 'i=0; while [ $i -lt 40 ]; do echo "line $i"; i=$((i + 1)); done; printf last; exit 3';
    const expected = `${Array.from({ length: 40 }, (_, i) => `line ${i}\r\n`).join('')}last`;
    for (let round = 0; round < 20; round += 5) {
      const names = Array.from({ length: 5 }, (_, i) => `fast-${round + i}`);
      await Promise.all(
        names.map(async (name) => {
          expect(await startJob(link.session, name, command)).toEqual(['on-terminal', name]);
          await until(() => read(name, 'exit_code').trim() !== '');
          expect(read(name, 'out').replace(MARK, '')).toBe(expected);
          expect(read(name, 'exit_code')).toBe('3      \n');
        }),
      );
    }
    expect(await lookAt(link.session, 'fast-7')).toMatchObject({ state: 'exited', code: '3' });
  });

  test('has a terminal, an environment without anything of ours, and takes input', async () => {
    await startJob(
      link.session,
      'asks',
      'tty; cat /proc/self/environ | tr "\\0" "\\n"; read -r line; echo "got $line"',
    );
    await until(() => log('asks').includes('POD_PLACE='));
    expect(log('asks')).toMatch(/^\/dev\/pts\/\d+\r\n/);
    expect(log('asks')).not.toMatch(/^_rp_/m);
    await tmux('send-keys', '-t', '=asks:', 'hello', 'Enter');
    expect(await ended(link.session, 'asks')).toMatchObject({ state: 'exited', code: '0' });
    expect(log('asks')).toContain('got hello\r\n');
  });

  test('whose session somebody kills has an exit code', async () => {
    await startJob(link.session, 'killed', 'echo ready; exec sleep 300');
    await until(() => log('killed').includes('ready'));
    await tmux('kill-session', '-t', '=killed');
    await until(() => read('killed', 'exit_code').trim() !== '');
    expect(await lookAt(link.session, 'killed')).toMatchObject({ state: 'exited', code: '129' });
  });

  test('is stopped with its process group', async () => {
    await startJob(link.session, 'stopped', 'sleep 300 & echo ready; wait');
    await until(() => log('stopped').includes('ready'));
    const [group = ''] = read('stopped', 'pid').split(' ');
    expect(await stopJob(link.session, 'stopped')).toEqual(['stopped', 'TERM', '143']);
    expect(readProc(group, 'stat')).toBe('');
  });

  test('may have dots in its name; where tmux has that name already, it runs without a terminal', async () => {
    expect(await startJob(link.session, 'v1.2', 'exec sleep 300')).toEqual(['on-terminal', 'v1_2']);
    expect(await startJob(link.session, 'v1_2', 'tty; exit 4')).toEqual(['detached']);
    expect(await ended(link.session, 'v1_2')).toMatchObject({
      state: 'exited',
      code: '4',
      out: 'not a tty\n',
    });
    expect(await stopJob(link.session, 'v1.2', 'TERM', 5)).toEqual(['stopped', 'TERM', '143']);
  });
});
