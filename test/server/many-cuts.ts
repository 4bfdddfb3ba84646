import { setTimeout as delay } from 'node:timers/promises';
import { expectWhole, numberedLines, troubles } from './numbered-lines.ts';
import type { PracticeServer } from './practice-server.ts';

/**
 * Runs commands of two to three seconds while their connection is troubled at random moments, `count` times in
 * all; each has to come through whole. Returns what was done, so that a failure can be told from the log.
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
