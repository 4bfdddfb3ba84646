import { randomBytes } from 'node:crypto';
import { Failure } from '../failure.ts';
import type { PodConnection } from '../session/pod-connection.ts';
import { word } from '../session/request.ts';
import { untilAnswered } from '../session/until-answered.ts';
import { checkedJobName } from './job-name.ts';

export type StartedJob = {
  /** The tmux session on whose terminal the job runs; undefined: the pod has no tmux, or the name can't be had there. */
  tmux?: string;
  /** The pod's disk takes nothing more, so the job's state lies in its memory. */
  inMemory: boolean;
};

/**
 * Starts a job under a name of its own, once, whatever happens to the connection meanwhile. `replace`: a running
 * job of that name is ended first. Throws Failure `name-taken`, `no-such-workdir`, `no-space`.
 */
export async function startJob(
  connection: PodConnection,
  {
    name,
    command,
    workdir = '',
    replace = false,
  }: { name: string; command: string; workdir?: string; replace?: boolean },
): Promise<StartedJob> {
  checkedJobName(name);
  const token = randomBytes(8).toString('hex');
  const { words, frames } = await untilAnswered(connection, {
    program: 'rp_job',
    words: [name, token, word(workdir), replace ? 'replace' : 'keep'],
    text: command,
  });
  const [how, tmux] = words;
  const inMemory = frames.some(({ type, words: [where] }) => type === 'where' && where === 'memory');
  switch (how) {
    case 'on-terminal':
      return tmux === undefined ? { inMemory } : { inMemory, tmux };
    case 'detached':
      return { inMemory };
    case 'taken':
      throw new Failure({
        kind: 'name-taken',
        happened: `A job named ${name} is running on the pod.`,
        meaning: 'It was left alone, and nothing was started.',
        next: `look at it with check_job("${name}"), end it with stop_job("${name}"), take another name, or pass replace: true to end it and start this one.`,
      });
    case 'no-workdir':
      throw new Failure({
        kind: 'no-such-workdir',
        happened: `There is no folder ${workdir} on the pod, or it can't be entered.`,
        meaning: 'Nothing was started.',
        next: 'name an existing folder as workdir, or create it first.',
      });
    default:
      throw new Failure({
        kind: 'no-space',
        happened: 'The pod can take no file, neither on its disk nor in /dev/shm.',
        meaning: 'Nothing was started.',
        next: 'free some space first: run_command("df -h") shows where it is short.',
      });
  }
}
