import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { expectWhole, numberedLines, troubles } from './numbered-lines.ts';
import {
  bothModes,
  type PracticeServer,
  sshPidsOf,
  sshProcessesOf,
  startPracticeServer,
} from './practice-server.ts';

describe.each(bothModes)('a command in %s mode', (mode) => {
  let server: PracticeServer;
  const run: PracticeServer['run'] = (...args) => server.run(...args);

  beforeAll(async () => {
    server = await startPracticeServer(mode);
  });
  afterEach(async () => {
    server.hop.thaw();
    await server.hop.accept();
  });
  afterAll(() => server?.stop());

  it.each(Object.keys(troubles))('survives: %s', async (name) => {
    const trouble = troubles[name];
    const { command, lines } = numberedLines('one', 1.5);
    const answer = run(command);
    await delay(600);
    await trouble?.(server.hop);
    await expectWhole(server, 'one', lines, await answer);
  });

  it('survives one trouble after the other', async () => {
    const { command, lines } = numberedLines('all', 5);
    const answer = run(command);
    for (const trouble of Object.values(troubles)) {
      await delay(300);
      await trouble(server.hop);
    }
    await expectWhole(server, 'all', lines, await answer);
  });

  it.each([0, 1, 3, 8, 30])('runs once when it is cut %d ms after the call', async (ms) => {
    const answer = run('echo ran >>~/ran-once; sleep 0.1; echo done; exit 17');
    await delay(ms);
    server.hop.cut();
    expect((await answer).text).toBe('done\n[exit_code: 17]');
    expect((await run('cat ~/ran-once; rm ~/ran-once')).text).toBe('ran');
  });

  it('runs once when the way back is slow and cut', async () => {
    server.hop.setDelayMs(100);
    const answer = run('echo ran >>~/ran-slow; echo done; exit 17');
    await delay(150);
    server.hop.cut();
    server.hop.setDelayMs(0);
    expect((await answer).text).toBe('done\n[exit_code: 17]');
    expect((await run('cat ~/ran-slow; rm ~/ran-slow')).text).toBe('ran');
  });

  it.each([0, 5, 20, 80])('starts a job once when it is cut %d ms after the call', async (ms) => {
    const session_name = `cut-${ms}`;
    const started = server.call('start_background_job', {
      session_name,
      command: `echo ran >>~/ran-job; sleep 0.2; exit 17`,
    });
    await delay(ms);
    server.hop.cut();
    expect((await started).text).toMatch(/^Started job cut-/);
    const check = await server.call('check_job', { session_name, wait: 20 });
    expect(check.facts).toMatchObject({ status: 'exited', exit_code: 17 });
    expect((await run('cat ~/ran-job; rm ~/ran-job')).text).toBe('ran');
  });

  it('is waited for as a job through cuts', async () => {
    await server.call('start_background_job', {
      session_name: 'waited',
      command: 'for i in 1 2 3 4 5 6 7 8; do echo "step $i"; sleep 0.3; done; exit 17',
    });
    const until = server.call('check_job', { session_name: 'waited', wait: 30, until: 'step 4' });
    const end = server.call('check_job', { session_name: 'waited', wait: 30 });
    await delay(300);
    server.hop.reset();
    expect((await until).facts.matched).toBe(true);
    server.hop.cut();
    expect((await end).facts).toMatchObject({ status: 'exited', exit_code: 17 });
    expect((await end).text).toContain('\nstep 1\nstep 2\n');
  });

  it('is stopped as a job through a cut', async () => {
    await server.call('start_background_job', {
      session_name: 'stopped',
      command: "trap '' TERM; echo up; while :; do sleep 67; done",
    });
    await server.call('check_job', { session_name: 'stopped', wait: 20, until: 'up' });
    const stopping = server.call('stop_job', { session_name: 'stopped', grace: 1 });
    await delay(400);
    server.hop.cut();
    expect((await stopping).facts).toMatchObject({ status: 'stopped', exit_code: 137 });
    expect(await server.pod.processes()).not.toContain('sleep 67');
  });

  it('comes through whole when 200 kB of it are cut in the middle', async () => {
    const filler = `: '${'x'.repeat(99)}'\n`.repeat(2_000);
    const { up } = server.hop.bytes();
    const answer = run(`echo ran >>~/ran-big\n${filler}echo done; exit 17`);
    await expect.poll(() => server.hop.bytes().up - up, { interval: 1 }).toBeGreaterThan(20_000);
    server.hop.reset();
    expect((await answer).text).toBe('done\n[exit_code: 17]');
    expect((await run('cat ~/ran-big; rm ~/ran-big')).text).toBe('ran');
  });

  it('keeps 24 calls at once through a cut', async () => {
    const answers = Array.from({ length: 24 }, (_, i) => run(`echo ran >>~/ran-${i}; sleep 0.5; echo ${i}`));
    await delay(300);
    server.hop.cut();
    expect((await Promise.all(answers)).map(({ text }) => text)).toEqual(answers.map((_, i) => String(i)));
    expect((await run('cat ~/ran-*| sort | uniq -c | tr -s " "; rm ~/ran-*')).text).toBe(' 24 ran');
  });

  it('notices within 15 s that the other side is frozen', { retry: 1 }, async () => {
    const before = sshPidsOf(server.home);
    const answer = run('for i in 1 2 3 4 5; do echo $i; sleep 0.2; done');
    await delay(300);
    server.hop.freeze();
    const frozen = performance.now();
    await expect
      .poll(() => sshPidsOf(server.home).filter((pid) => before.includes(pid)), { timeout: 20_000 })
      .toEqual([]);
    expect(performance.now() - frozen).toBeLessThan(15_000);
    server.hop.dropFrozen();
    server.hop.thaw();
    expect((await answer).text).toBe('1\n2\n3\n4\n5');
  });

  it('ends as lost contact, with what was seen, when the pod stays away', async () => {
    const answer = run('echo seen; sleep 65; echo never', { timeout: 2 });
    await delay(1_500);
    server.hop.refuse();
    server.hop.cut();
    const { text, facts } = await answer;
    expect(facts).toMatchObject({ status: 'lost-contact', exit_code: null });
    expect(text).toMatch(
      /^seen\n\[lost contact: .*The command may go on as job (run-\S+); when the pod can be reached again, check_job\("\1"\)/,
    );
    await server.hop.accept();
    const check = await server.call('check_job', { session_name: facts.job });
    expect(check.facts).toMatchObject({ status: 'running' });
    await server.call('stop_job', { session_name: facts.job });
  });

  it('works again at the next call after the connection was lost in a pause', async () => {
    server.hop.reset();
    expect((await run('echo back')).text).toBe('back');
    server.hop.cut();
    await expect.poll(() => sshProcessesOf(server.home)).toEqual([]);
    expect((await run('echo back')).text).toBe('back');
  });

  it('says so when the container was restarted under a command', async () => {
    const answer = run('echo seen; sleep 66', { timeout: 20 });
    await delay(1_500);
    await server.pod.restartContainer();
    const { text, facts } = await answer;
    expect(facts).toMatchObject({ status: 'lost-contact', exit_code: null });
    expect(text).toMatch(/^seen\n\[lost contact: the pod's container was replaced/);
  });

  it('leaves nothing behind: no process and no growing folder', async () => {
    await run('rm -rf ~/.runpod-ssh/jobs/run-*/command');
    await server.close();
    await expect.poll(() => sshProcessesOf(server.home)).toEqual([]);
    await expect.poll(() => server.pod.processes()).toEqual([]);
  });
});
