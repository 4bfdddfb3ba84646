import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bothModes, type PracticeServer, sshProcessesOf, startPracticeServer } from './practice-server.ts';

describe.each(bothModes)('a server that is killed, in %s mode', (mode) => {
  let server: PracticeServer;
  beforeEach(async () => {
    server = await startPracticeServer(mode);
  });
  afterEach(() => server?.stop());

  it('leaves a command and a job running, which the next server finds, follows and knows the end of', async () => {
    const go = 'until [ -e ~/go ]; do sleep 0.1; done';
    void server.run(`echo command begun; ${go}; echo command over; exit 21`).catch(() => {});
    await server.call('start_background_job', {
      command: `echo job begun; ${go}; echo job over; exit 22`,
      session_name: 'train',
    });
    // By when both print.
    await server.call('check_job', { session_name: 'train', wait: 20, until: 'begun' });
    await expect
      .poll(async () => (await server.call('list_jobs')).text)
      .toMatch(/run-\S+: running.*\n.*\n {2}> command begun/);
    await server.kill();
    await expect.poll(() => sshProcessesOf(server.home)).toEqual([]);

    const next = await server.another();
    const { facts } = await next.call('list_jobs');
    const jobs = JSON.parse(JSON.stringify(facts.jobs)) as { name: string; state: { kind: string } }[];
    expect(jobs.map(({ state }) => state.kind)).toEqual(['running', 'running']);
    const command = jobs.map(({ name }) => name).find((name) => name.startsWith('run-'));
    const waits = [command, 'train'].map((name) => next.call('check_job', { session_name: name, wait: 30 }));
    await delay(300);
    await next.run('touch ~/go');
    const [first, second] = await Promise.all(waits);
    expect(first?.facts).toMatchObject({ status: 'exited', exit_code: 21 });
    expect(first?.text).toContain('\ncommand begun\ncommand over\n');
    expect(second?.facts).toMatchObject({ status: 'exited', exit_code: 22 });
    expect(second?.text).toContain('\njob begun\njob over\n');
  });

  it('leaves nothing on the pod but what it was told to start', async () => {
    await server.call('start_background_job', { command: 'sleep 71', session_name: 'stays' });
    void server.run('sleep 72; true').catch(() => {});
    await expect.poll(() => server.pod.processes()).toContain('sleep 72');
    await server.kill();
    await expect.poll(() => sshProcessesOf(server.home)).toEqual([]);
    await expect
      .poll(async () => (await server.pod.processes()).filter((line) => !isPartOfAJob(line)).sort())
      .toEqual(['sleep 71', 'sleep 72']);
  });
});

/** tmux, the command's shell and what waits for it: one each, as long as the job runs. */
function isPartOfAJob(line: string): boolean {
  return /^tmux |^(ba)?sh \/\S+\/(start|command)\b|^bash --norc --noprofile$/.test(line);
}
