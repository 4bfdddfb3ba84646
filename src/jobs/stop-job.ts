import { Failure } from '../failure.ts';
import type { PodConnection } from '../session/pod-connection.ts';
import { untilAnswered } from '../session/until-answered.ts';
import { checkedJobName } from './job-name.ts';
import { noSuchJob } from './look.ts';

const SIGNALS = new Set([
  'TERM',
  'INT',
  'HUP',
  'KILL',
  'QUIT',
  'USR1',
  'USR2',
  'ABRT',
  'CONT',
  'STOP',
  'TSTP',
]);

/**
 * Ends a job's process group, with KILL when it hasn't ended after `graceS` seconds. Output and exit code stay.
 * Throws Failure `no-such-job`, `bad-input`.
 */
export async function stopJob(
  connection: PodConnection,
  name: string,
  { signal, graceS }: { signal: string; graceS: number },
): Promise<{ text: string; ended: Record<string, unknown> }> {
  checkedJobName(name);
  const plain = signal.toUpperCase().replace(/^SIG/, '');
  if (!SIGNALS.has(plain)) {
    throw new Failure({
      kind: 'bad-input',
      happened: `${JSON.stringify(signal)} is no signal that stop_job sends.`,
      next: `take one of ${[...SIGNALS].join(', ')}.`,
    });
  }
  const { words } = await untilAnswered(connection, {
    program: 'rp_stop',
    words: [name, plain, Math.ceil(graceS)],
  });
  const [how, took, code] = words;
  switch (how) {
    case 'none':
      throw await noSuchJob(connection, name);
    case 'ended':
      return {
        text: `Job ${name} had ended before, with code ${code}. Its output stays readable with check_job("${name}").`,
        ended: { status: 'exited', exit_code: Number(code) },
      };
    case 'lost':
      return {
        text: `Nothing of job ${name} runs any more; what waited for it is gone, so its exit code is unknown.`,
        ended: { status: 'lost', exit_code: null },
      };
    default: {
      const killed = took === 'KILL' && plain !== 'KILL';
      const by = killed ? `by KILL, ${graceS} s after ${plain} had no effect` : `by ${took}`;
      const known = code === undefined || code === '-' ? undefined : Number(code);
      const text =
        known === undefined
          ? `Job ${name} was sent ${took}, but it has not ended yet (it may wait for a disk or a driver).`
          : `Job ${name} was ended ${by}: its whole process group (exit code ${known}). Its output stays readable with check_job("${name}").`;
      return {
        text,
        ended: {
          status: known === undefined ? 'running' : 'stopped',
          exit_code: known ?? null,
          signal: took,
        },
      };
    }
  }
}
