import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { expectWhole, numberedLines, troubles } from './numbered-lines.ts';
import { type PracticeServer, sshProcessesOf } from './practice-server.ts';

/**
 * Runs commands of two to three seconds while their connection is troubled at random moments, `count` times in
 * all; each has to come through whole. `log` gets what was done, so that a failure can be told from it.
 */
export async function manyCuts(
  server: PracticeServer,
  { count, log }: { count: number; log: (line: string) => void },
): Promise<void> {
  const kinds = Object.entries(troubles);
  for (let done = 0; done < count; ) {
    const seconds = 2 + Math.random();
    const times = Math.min(count - done, 1 + Math.floor(Math.random() * 3));
    const name = `cut-${done}`;
    const { command, lines } = numberedLines(name, seconds);
    const answer = server.run(command, { timeout: 60 });
    for (let i = 0; i < times; i++) {
      const waitMs = Math.floor((Math.random() * seconds * 1000) / times);
      const [kind, trouble] = kinds[Math.floor(Math.random() * kinds.length)] ?? [];
      if (trouble === undefined) throw new Error('no trouble');
      await delay(waitMs);
      log(`${name}: ${kind} after ${waitMs} ms`);
      await trouble(server.hop);
    }
    await expectWhole(server, name, lines, await answer);
    done += times;
  }
}

/** Closes the server, and fails when a process or a folder outlives the commands that are over. */
export async function expectNothingLeft(server: PracticeServer): Promise<void> {
  await becomesEmpty('left on the pod', async () => {
    const { text, facts } = await server.run('cd ~/.runpod-ssh/jobs && find . -type f');
    return text.split('\n').filter((line) => line.startsWith('./') && !line.includes(String(facts.job)));
  });
  const prepared = await server.run('ls ~/.runpod-ssh/jobs | wc -l');
  assert.ok(Number(prepared.text) < 30, `${prepared.text} folders on the pod`);
  await server.close();
  await becomesEmpty('ssh here', async () => sshProcessesOf(server.home));
  await becomesEmpty('processes on the pod', () => server.pod.processes());
}

export async function becomesEmpty(what: string, look: () => Promise<string[]>): Promise<void> {
  let left = await look();
  for (let tries = 50; tries > 0 && left.length > 0; tries--) {
    await delay(100);
    left = await look();
  }
  assert.deepEqual(left, [], what);
}
