import type { PodConnection } from '../session/pod-connection.ts';
import { untilAnswered } from '../session/until-answered.ts';
import { type JobState, parseJobState } from './job-state.ts';
import { lastLine } from './terminal-text.ts';

export type ListedJob = {
  name: string;
  state: JobState;
  /** Times in seconds since 1970, by the pod's clock. */
  begun: number;
  over: number;
  now: number;
  /** The beginning of the command, on one line. */
  command: string;
  lastLine: string;
};

const COMMAND_CHARS = 100;

/** All jobs that the pod knows, the newest first. Throws Failure. */
export async function listJobs(connection: PodConnection): Promise<ListedJob[]> {
  const { frames } = await untilAnswered(connection, { program: 'rp_list', words: [] });
  const text = Buffer.concat(frames.map(({ payload }) => payload)).toString();
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map(parseLine)
    .sort((one, other) => other.begun - one.begun);
}

function parseLine(line: string): ListedJob {
  const [state, code, begun, over, now, name = '', command = '', output = ''] = line.split(' ');
  return {
    name,
    state: parseJobState(state, code),
    begun: Number(begun),
    over: Number(over),
    now: Number(now),
    command: shortened(decoded(command)),
    lastLine: lastLine(decoded(output)),
  };
}

function decoded(word: string): string {
  return Buffer.from(word.slice(1), 'base64').toString();
}

function shortened(command: string): string {
  const line = command.replace(/\s+/g, ' ').trim();
  return line.length > COMMAND_CHARS ? `${line.slice(0, COMMAND_CHARS - 1)}…` : line;
}
