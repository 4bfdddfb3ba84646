import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { canMakeNamespaces } from '../../fixtures/namespaces.ts';
import {
  type Answer,
  type PracticeServer,
  type RunningServer,
  startPracticeServer,
} from './practice-server.ts';

const inMemory = "\n[the pod's disk takes nothing more: this command's state lay in its memory]";

/** Done in the background: a command's own output lies on that disk too. */
const disks = {
  full: 'until [ -e /tmp/full ]; do head -c 1M /dev/zero >>"$HOME/fill"; sleep 0.02; done',
  'read-only': 'until mount -o remount,ro "$HOME"; do sleep 0.05; done',
};
const kinds = [
  { mode: 'direct', disk: 'full', spoil: disks.full, tmux: true },
  { mode: 'proxy', disk: 'read-only', spoil: disks['read-only'], tmux: false },
] as const;

// It takes root to give the pod such a disk.
describe.runIf(canMakeNamespaces()).each(kinds)(
  'on a pod whose disk is $disk, in $mode mode',
  ({ mode, spoil, tmux }) => {
    let server: PracticeServer;
    let on: RunningServer;
    beforeAll(async () => {
      server = await startPracticeServer(mode, { tmux });
      await server.run('mount -t tmpfs -o size=256k tmpfs ~');
      // A session that begins before the disk is full, as it usually is; its first commands are prepared there.
      on = await server.another();
      await on.run('true');
      await on.run(`cd /; setsid sh -c '${spoil}' >/dev/null 2>&1 &`);
      // What commands of before leave there frees some room again.
      await vi.waitFor(async () => {
        for (let i = 0; i < 5; i++) expect((await on.run('sleep 0.05')).text).toContain(inMemory);
      }, 20_000);
      await on.run('touch /tmp/full');
    });
    afterAll(() => server?.stop());

    const plain = ({ text }: Answer): string => text.replace(inMemory, '');

    it('commands run, and say where their state lay', async () => {
      // More than were prepared.
      for (let i = 0; i < 12; i++) {
        const answer = await on.run(`echo out ${i}; echo err >&2; exit 3`);
        expect(plain(answer)).toBe(`out ${i}\n[stderr]\nerr\n[exit_code: 3]`);
        expect(answer.text).toContain(inMemory);
      }
    });

    it.runIf(tmux)('a command that fills it is told of what may be missing', async () => {
      await on.run('rm -f ~/fill');
      const { text } = await on.run('head -c 1M /dev/zero >~/fill; echo lost');
      expect(text).toMatch(/\n\[the pod's disk is full: of what the command prints some may be missing/);
    });

    it('a session that begins on it serves as well', async () => {
      const fresh = await server.another();
      expect((await fresh.run('echo fresh')).text).toBe(`fresh${inMemory}`);
      await fresh.close();
    });

    it('output comes whole', async () => {
      const { text, facts } = await on.run('seq 1 5000', { max_output_chars: 40_000 });
      expect(facts).toMatchObject({ stdout_bytes: 23_893, truncated: false });
      expect(text).toMatch(/\n5000\n\[the pod's disk/);
    });

    it('what outlives its time is followed and ended', async () => {
      const { facts } = await on.run('echo begun; sleep 0.7; echo over; exit 4', { timeout: 0.2 });
      expect(facts.status).toBe('running');
      const check = await on.call('check_job', { session_name: facts.job, wait: 20 });
      expect(check.facts).toMatchObject({ status: 'exited', exit_code: 4 });
      expect(check.text).toContain('\nbegun\nover\n');
    });

    it('jobs run, and say where their state lies', async () => {
      const started = await on.call('start_background_job', {
        command: 'echo job; sleep 0.3; exit 5',
        session_name: 'job',
      });
      expect(started.isError).toBe(false);
      expect(started.text).toMatch(/disk takes nothing more.*memory/);
      const check = await on.call('check_job', { session_name: 'job', wait: 20 });
      expect(check.facts).toMatchObject({ status: 'exited', exit_code: 5 });
      expect(check.text).toContain('\njob\n');
      expect((await on.call('list_jobs')).text).toMatch(/^job: exited with code 5/m);
      const again = await on.call('start_background_job', { command: 'sleep 55', session_name: 'job' });
      expect(again.isError).toBe(false);
      expect((await on.call('stop_job', { session_name: 'job' })).facts.status).toBe('stopped');
    });

    it('cleaning up brings the disk back', async () => {
      await on.run('mount -o remount,rw ~; rm -f ~/fill');
      const fresh = await server.another();
      expect((await fresh.run('echo on disk')).text).toBe('on disk');
      await fresh.close();
    });
  },
);

describe('jobs that have ended', () => {
  it('are kept, the newest 50, and running ones beside', async () => {
    const server = await startPracticeServer('direct', { tmux: false });
    try {
      const start = (session_name: string, command: string): Promise<Answer> =>
        server.call('start_background_job', { session_name, command });
      await start('runs', 'sleep 56');
      for (let i = 0; i < 4; i++) await start(`job-${i}`, 'true');
      await Promise.all(Array.from({ length: 49 }, (_, i) => start(`job-${i + 4}`, 'true')));
      await start('job-53', 'true');
      const last = await server.call('check_job', { session_name: 'job-53', wait: 20 });
      expect(last.facts.status).toBe('exited');
      // A new server sweeps when it begins.
      const next = await server.another();
      const names = async (): Promise<string[]> =>
        (await next.call('list_jobs')).text.split('\n').flatMap((line) => /^(\S+): /.exec(line)?.[1] ?? []);
      await expect.poll(async () => (await names()).length).toBe(51);
      const kept = await names();
      expect(kept).toContain('runs');
      expect(kept).toContain('job-53');
      expect(kept).not.toContain('job-0');
    } finally {
      await server.stop();
    }
  });
});
