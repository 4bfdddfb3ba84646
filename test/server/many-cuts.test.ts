import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { manyCuts } from './many-cuts.ts';
import { bothModes, type PracticeServer, sshProcessesOf, startPracticeServer } from './practice-server.ts';

describe.each(bothModes)('commands under many cuts in %s mode', (mode) => {
  let server: PracticeServer;
  beforeAll(async () => {
    server = await startPracticeServer(mode);
  });
  afterAll(() => server?.stop());

  it('come through whole: every line once, in order, the right exit code, one execution', async () => {
    const log: string[] = [];
    try {
      await manyCuts(server, { count: 10, log: (line) => log.push(line) });
    } catch (error) {
      throw new Error(`after ${log.join('; ')}`, { cause: error });
    }
  });

  it('leave no process and no folder behind', async () => {
    // The folders of the next commands are prepared; of those before nothing stays.
    const folders = await server.run('cd ~/.runpod-ssh/jobs && find . -type f; find . -type d | wc -l');
    expect(folders.text.split('\n').filter((line) => line.includes('cut'))).toEqual([]);
    const [job] = /run-\w+-\d+/.exec(String(folders.facts.job)) ?? [];
    for (const file of folders.text.split('\n').filter((line) => line.startsWith('./'))) {
      expect(file).toContain(job);
    }
    expect(Number(folders.text.split('\n').at(-1))).toBeLessThan(30);
    await server.close();
    await expect.poll(() => sshProcessesOf(server.home)).toEqual([]);
    await expect.poll(() => server.pod.processes()).toEqual([]);
  });
});
