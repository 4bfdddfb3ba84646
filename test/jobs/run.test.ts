import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { beginJobs } from '../../src/jobs/programs.ts';
import { run } from '../../src/jobs/run.ts';
import type { Pod } from '../../src/pods/pod.ts';
import { PodConnection } from '../../src/session/pod-connection.ts';
import { PodPlace } from '../session/pod-place.ts';

const POD: Pod = {
  name: 'trainer',
  mode: 'direct',
  host: '127.0.0.1',
  port: 22,
  user: 'root',
  keyPath: '/key',
};
const BUDGET = { timeoutMs: 30_000, headBytes: 1000, tailBytes: 1000 };

let place: PodPlace;
let connection: PodConnection;
beforeAll(async () => {
  place = await PodPlace.make({ shell: 'bash' });
  const open = async () => (await place.open({ prepared: false })).session;
  connection = new PodConnection(POD, open, beginJobs);
});
afterAll(async () => {
  await connection.close();
  await place.remove();
});

test('a command runs, once, though somebody has cleared away what was prepared for it', async () => {
  await connection.session();
  expect((await run(connection, { ...BUDGET, command: 'true' })).end).toEqual({ kind: 'exited', code: 0 });
  rmSync(join(place.home, '.runpod-ssh'), { recursive: true });
  for (let i = 1; i <= 12; i++) {
    const ran = await run(connection, { ...BUDGET, command: 'printf x >>~/times; exit 7' });
    expect(ran.end).toEqual({ kind: 'exited', code: 7 });
    expect(readFileSync(join(place.home, 'times'), 'utf8')).toBe('x'.repeat(i));
  }
});

test('output beyond what comes in one piece is put together again', async () => {
  const ran = await run(connection, { ...BUDGET, command: 'seq 1 200000', headBytes: 2_000_000 });
  const whole = Array.from({ length: 200_000 }, (_, i) => `${i + 1}\n`).join('');
  expect(Buffer.from(ran.out.pieces().head).toString() === whole).toBe(true);
  expect(ran.keptIn).toBeUndefined();
});

test('what has been delivered whole is not kept, and what has not is', async () => {
  const small = await run(connection, { ...BUDGET, command: 'echo hello' });
  expect(small.keptIn).toBeUndefined();
  const large = await run(connection, { ...BUDGET, command: 'seq 1 2000' });
  expect(large.keptIn).toBe(join(place.home, '.runpod-ssh/jobs', large.job));
  expect(existsSync(join(large.keptIn ?? '', 'out'))).toBe(true);
});
