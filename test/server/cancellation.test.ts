import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bothModes, type PracticeServer, startPracticeServer } from './practice-server.ts';

describe.each(bothModes)('a cancelled call in %s mode', (mode) => {
  let server: PracticeServer;
  beforeAll(async () => {
    server = await startPracticeServer(mode);
  });
  afterAll(() => server?.stop());

  /** Starts a command, cancels the call once `marker` runs on the pod, and waits until the client has let go. */
  async function cancelled(command: string, marker: string): Promise<void> {
    const controller = new AbortController();
    const answer = server.run(command, {}, { signal: controller.signal });
    await expect.poll(() => server.pod.processes()).toContain(marker);
    controller.abort();
    await expect(answer).rejects.toThrow();
  }

  it("ends the command's whole process group", async () => {
    await cancelled('sleep 81 & sh -c "sleep 82; true"; echo never', 'sleep 82');
    await expect
      .poll(async () => (await server.pod.processes()).filter((line) => /sleep 8/.test(line)))
      .toEqual([]);
  });

  it('ends what ignores TERM by KILL', async () => {
    await cancelled("trap '' TERM; sleep 83", 'sleep 83');
    const begun = performance.now();
    await expect
      .poll(async () => (await server.pod.processes()).filter((line) => line === 'sleep 83'), {
        timeout: 10_000,
      })
      .toEqual([]);
    expect(performance.now() - begun).toBeLessThan(8_000);
  });

  it('lets a command clean up after TERM', async () => {
    await cancelled("trap 'echo cleaned >~/cleaned; exit' TERM; sleep 84 & wait", 'sleep 84');
    await expect.poll(async () => (await server.run('cat ~/cleaned')).text).toBe('cleaned');
  });

  it('leaves a daemon alone that was detached with setsid', async () => {
    await cancelled('setsid sleep 85 >/dev/null 2>&1 & sleep 86', 'sleep 86');
    await expect
      .poll(async () => (await server.pod.processes()).filter((line) => /^sleep 8/.test(line)))
      .toEqual(['sleep 85']);
    await server.run('pkill -f "sleep 8[5]"');
  });

  it('ends the command also when the connection is cut at that moment', async () => {
    const controller = new AbortController();
    const answer = server.run('sleep 87; true', {}, { signal: controller.signal });
    await expect.poll(() => server.pod.processes()).toContain('sleep 87');
    server.hop.reset();
    controller.abort();
    await expect(answer).rejects.toThrow();
    await expect
      .poll(async () => (await server.pod.processes()).filter((line) => line === 'sleep 87'), {
        timeout: 10_000,
      })
      .toEqual([]);
  });

  it('never starts a command that is cancelled before the pod is reached', async () => {
    const fresh = await server.another();
    server.hop.setDelayMs(150);
    try {
      const controller = new AbortController();
      const answer = fresh.run('touch ~/never', {}, { signal: controller.signal });
      const before = server.hop.connections();
      await expect.poll(() => server.hop.connections()).toBeGreaterThanOrEqual(before);
      controller.abort();
      await expect(answer).rejects.toThrow();
    } finally {
      server.hop.setDelayMs(0);
    }
    // The same connection serves this one, so it comes after.
    expect((await fresh.run('ls ~/never')).facts.exit_code).not.toBe(0);
    await fresh.close();
  });

  it('leaves a job alone that was only waited for', async () => {
    await server.call('start_background_job', { command: 'sleep 88', session_name: 'waited' });
    const controller = new AbortController();
    const answer = server.call(
      'check_job',
      { session_name: 'waited', wait: 60 },
      { signal: controller.signal },
    );
    await expect.poll(() => server.pod.processes()).toContain('sleep 88');
    controller.abort();
    await expect(answer).rejects.toThrow();
    const look = await server.call('check_job', { session_name: 'waited' });
    expect(look.facts.status).toBe('running');
    await server.call('stop_job', { session_name: 'waited' });
  });

  it('leaves no trace', async () => {
    await expect
      .poll(async () => (await server.call('list_jobs')).text.match(/^.*running/gm) ?? [])
      .toEqual([]);
    await server.close();
    await expect.poll(() => server.pod.processes()).toEqual([]);
  });
});
