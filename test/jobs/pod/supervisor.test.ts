import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  childrenOf,
  isRunning,
  PodPlace,
  processState,
  readProc,
  shells,
  until,
  type Way,
  ways,
} from '../../session/pod-place.ts';
import { runOn, startRun } from './run-on.ts';

const SIGNALS = ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGPIPE', 'SIGUSR1', 'SIGUSR2'] as const;

/** A command that goes on until it is told to end. */
const UNTIL_GO = 'echo begun; until [ -e ~/go-$PPID ]; do sleep 0.02; done; echo done; exit 9';
const DONE = { state: 'exited', code: 9, out: Buffer.from('begun\ndone\n') };

describe.each(shells)('%s', (shell) => {
  let place: PodPlace;
  beforeAll(async () => {
    place = await PodPlace.make({ shell });
  });
  afterAll(() => place.remove());

  async function start(way: Way) {
    const link = await place.open({ way });
    const { name, ran } = startRun(link.session, UNTIL_GO);
    ran.catch(() => {});
    const folder = join(link.session.description.disk, name);
    const words = (): string[] =>
      existsSync(join(folder, 'pid')) ? read(join(folder, 'pid')).split(' ') : [];
    await until(() => words().length === 4 && read(join(folder, 'out')) === 'begun\n');
    const [command = 0, supervisor = 0] = words().map(Number);
    const letEnd = (): void => writeFileSync(join(place.home, `go-${supervisor}`), '');
    return { link, name, folder, command, supervisor, letEnd };
  }

  test('what waits for a command takes no notice of signals, and writes its exit code down', async () => {
    const { link, name, command, supervisor, letEnd } = await start('pipes');
    expect(processState(command)?.parent).toBe(supervisor);
    for (const signal of SIGNALS) process.kill(supervisor, signal);
    expect((await runOn(link.session, 'true')).code).toBe(0);
    expect(isRunning(supervisor)).toBe(true);
    letEnd();
    expect(await runOn(link.session, '', { name, how: 'follow' })).toMatchObject(DONE);
  });

  test.each(ways)('over %s: a command outlives its session, however that dies', async (way) => {
    const { link, name, folder, command, supervisor, letEnd } = await start(way);
    const { description } = link.session;
    const session = [Number(description.pid), ...childrenOf(description.pid)];
    if (way === 'pipes') for (const pid of session) process.kill(pid, 'SIGKILL');
    else link.child.kill('SIGKILL');
    await link.ended;
    await until(() => !isRunning(description.pid));
    expect(processState(command)?.parent).toBe(supervisor);
    letEnd();
    await until(() => read(join(folder, 'exit_code')).trim() !== '');
    expect(read(join(folder, 'exit_code'))).toBe('9      \n');
    const next = await place.open({ way });
    expect(await runOn(next.session, '', { name, how: 'follow' })).toMatchObject(DONE);
    next.session.close();
  });

  test.each(ways)(
    'over %s: with the end of the input the session and its calls end, the commands go on',
    async (way) => {
      const { link, name, command, supervisor, letEnd } = await start(way);
      const { pid } = link.session.description;
      const calls = childrenOf(pid);
      expect(calls.flatMap((call) => childrenOf(call))).toContain(supervisor);
      link.session.close();
      // Nothing that lives on holds the connection's streams.
      await link.ended;
      await until(() => [Number(pid), ...calls].every((each) => !isRunning(each)));
      expect(processState(command)?.parent).toBe(supervisor);
      expect(readProc(supervisor, 'cmdline')).not.toBe('');
      letEnd();
      const next = await place.open();
      expect(await runOn(next.session, '', { name, how: 'follow' })).toMatchObject(DONE);
      next.session.close();
    },
  );

  test('when what waits for it is killed, that is said, and not that it goes on', async () => {
    const { link, name, command, supervisor } = await start('pipes');
    process.kill(supervisor, 'SIGKILL');
    const ran = await runOn(link.session, '', { name, how: 'follow' });
    expect(ran).toMatchObject({ state: 'lost', out: Buffer.from('begun\n') });
    process.kill(-command, 'SIGKILL');
    link.session.close();
  });

  // A shell reads byte by byte, so it may get the end of a line that was written meanwhile.
  test('an exit code of which half has been read is not taken for one', async () => {
    const printed = await place.evaluate(`
      mkdir half
      printf '143    \\n' >half/exit_code
      read() {
        if [ -z "$begun" ]; then begun=1 _rp_code=3; else command read "$@"; fi
      }
      _rp_dir=half
      until rp_ended; do :; done
      echo "$_rp_code"`);
    expect(printed.toString()).toBe('143\n');
  });
});

function read(file: string): string {
  return readFileSync(file, 'utf8');
}
