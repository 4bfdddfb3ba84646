import { afterAll, beforeAll, describe, it } from 'vitest';
import { expectNothingLeft, manyCuts } from './many-cuts.ts';
import { bothModes, type PracticeServer, startPracticeServer } from './practice-server.ts';

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

  it('leave no process and no folder behind', () => expectNothingLeft(server));
});
