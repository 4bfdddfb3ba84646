import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { Hop } from '../../fixtures/hop.ts';
import type { Answer, RunningServer } from './practice-server.ts';

/** What can happen to a connection for a while; each leaves the hop open again. */
export const troubles: Record<string, (hop: Hop) => Promise<void>> = {
  cut: async (hop) => hop.cut(),
  reset: async (hop) => hop.reset(),
  'freeze and thaw': async (hop) => {
    hop.freeze();
    await delay(700);
    hop.thaw();
  },
  'freeze and drop': async (hop) => {
    hop.freeze();
    await delay(400);
    hop.dropFrozen();
    hop.thaw();
  },
  'cut and refuse': async (hop) => {
    hop.refuse();
    hop.cut();
    await delay(900);
    await hop.accept();
  },
};

/** A command that prints numbered lines for about `seconds` and leaves a mark of each of its runs on the pod. */
export function numberedLines(name: string, seconds: number): { command: string; lines: number } {
  const lines = Math.round(seconds * 20);
  const loop = `i=0; while [ $i -lt ${lines} ]; do i=$((i + 1)); echo "line $i"; echo "err $i" >&2; sleep 0.05; done`;
  return { command: `echo ran >>~/ran-${name}; ${loop}; exit 17`, lines };
}

/** Every line once and in order, the right exit code, one execution. */
export async function expectWhole(
  server: Pick<RunningServer, 'run'>,
  name: string,
  lines: number,
  { text, facts }: Answer,
): Promise<void> {
  const numbers = Array.from({ length: lines }, (_, i) => i + 1);
  const out = numbers.map((i) => `line ${i}`).join('\n');
  const err = numbers.map((i) => `err ${i}`).join('\n');
  assert.equal(text, `${out}\n[stderr]\n${err}\n[exit_code: 17]`);
  assert.deepEqual([facts.status, facts.exit_code, facts.truncated], ['exited', 17, false]);
  assert.equal((await server.run(`cat ~/ran-${name}; rm ~/ran-${name}`)).text, 'ran');
}
