import { Failure } from '../failure.ts';
import type { PodConnection } from '../session/pod-connection.ts';
import { untilAnswered } from '../session/until-answered.ts';
import { ByteWindow } from './byte-window.ts';
import { checkedJobName } from './job-name.ts';
import { type JobState, parseJobState } from './job-state.ts';

/** How far both streams of a job have been read. */
export type Cursor = { out: number; err: number };

export type JobLook = {
  state: JobState;
  /** Times in seconds since 1970, by the pod's clock. */
  begun: number;
  over: number;
  now: number;
  /** The output from `from` on; offsets in the windows count from there. */
  out: ByteWindow;
  err: ByteWindow;
  from: Cursor;
  cursor: Cursor;
  /** The folder on the pod with the job's files. */
  folder: string;
  /** The pod's disk took nothing when it was started, so its state lies in memory there. */
  inMemory: boolean;
  /** It runs, and there is no room for what it prints. */
  noRoom: boolean;
  tmux?: string;
};

/**
 * Looks at a job: its state, and its output from a cursor on or the last of it. With `waitMs` it waits that long
 * for an end or for output beyond the cursor. Throws Failure `no-such-job`.
 */
export async function look(
  connection: PodConnection,
  name: string,
  options: { from?: Cursor; headBytes: number; tailBytes: number; waitMs?: number; signal?: AbortSignal },
): Promise<JobLook> {
  checkedJobName(name);
  const { from, headBytes, tailBytes, waitMs = 0, signal } = options;
  let letGo: () => void = () => {};
  const onAbort = (): void => letGo();
  signal?.addEventListener('abort', onAbort, { once: true });
  const { words, frames } = await untilAnswered(
    connection,
    {
      program: 'rp_look',
      words: [name, from?.out ?? '-', from?.err ?? '-', headBytes, tailBytes, Math.round(waitMs / 100)],
    },
    {
      ...(signal ? { signal } : {}),
      onCall: (let_) => {
        letGo = let_;
      },
    },
  ).finally(() => signal?.removeEventListener('abort', onAbort));
  signal?.throwIfAborted();
  const [outSize, errSize, state, code, where, begun, over, now, outFrom, errFrom, pane] = words;
  const session = await connection.session();
  if (state === 'none') throw await noSuchJob(connection, name);
  const started: Cursor = { out: Number(outFrom), err: Number(errFrom) };
  const cursor: Cursor = { out: Number(outSize), err: Number(errSize) };
  const limits = { headLimit: headBytes + tailBytes, tailLimit: tailBytes };
  const windows = { o: new ByteWindow(limits), e: new ByteWindow(limits) };
  for (const { type, words: place, payload, at } of frames) {
    if (type === 'o') windows.o.place(Number(place[0]) + at - started.out, payload);
    if (type === 'e') windows.e.place(Number(place[0]) + at - started.err, payload);
  }
  windows.o.setTotal(cursor.out - started.out);
  windows.e.setTotal(cursor.err - started.err);
  const inMemory = where?.startsWith('memory') ?? false;
  const base = inMemory ? session.description.memory : session.description.disk;
  return {
    state: parseJobState(state, code),
    begun: Number(begun),
    over: Number(over),
    now: Number(now),
    out: windows.o,
    err: windows.e,
    from: started,
    cursor,
    folder: `${base}/${name}`,
    inMemory,
    noRoom: where?.endsWith('-full') ?? false,
    ...(pane === undefined || pane === '-' ? {} : { tmux: pane }),
  };
}

/** The failure for a name that the pod knows no job of. */
export async function noSuchJob(connection: PodConnection, name: string): Promise<Failure> {
  const { description } = await connection.session();
  return new Failure({
    kind: 'no-such-job',
    happened: `The pod ${connection.pod.name} (${description.hostname}) has no job named ${name}.`,
    meaning:
      'It was never started there, was swept away (the newest 50 ended jobs are kept), or the container was replaced since, which wipes the home directory.',
    next: 'list_jobs shows what there is.',
  });
}
