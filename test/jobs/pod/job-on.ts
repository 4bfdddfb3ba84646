import type { Frame } from '../../../src/session/frame-reader.ts';
import { word } from '../../../src/session/request.ts';
import type { Session } from '../../../src/session/session.ts';

let tokens = 0;

/** Starts a job; the words of the answer. */
export function startJob(
  session: Session,
  name: string,
  command: string,
  { token = `token-${++tokens}`, workdir = '', replace = false } = {},
): Promise<string[]> {
  const words = [name, token, word(workdir), replace ? 'replace' : 'keep'];
  return session.call({ program: 'rp_job', words, text: command }).done;
}

export type Look = {
  state: string | undefined;
  code: string | undefined;
  where: string | undefined;
  out: string;
  err: string;
  words: string[];
};

/** The state of a job and its whole output. */
export async function lookAt(session: Session, name: string, tenths = 0): Promise<Look> {
  const frames: Frame[] = [];
  const words = await session.call({
    program: 'rp_look',
    words: [name, 0, 0, 1_000_000, 1_000_000, tenths],
    onFrame: (frame) => frames.push(frame),
  }).done;
  const [, , state, code, where] = words;
  const text = (type: string): string =>
    Buffer.concat(frames.filter((frame) => frame.type === type).map(({ payload }) => payload)).toString();
  return { state, code, where, out: text('o'), err: text('e'), words };
}

/** The same, when it has ended. New output ends a look too. */
export async function ended(session: Session, name: string): Promise<Look> {
  for (;;) {
    const seen = await lookAt(session, name, 10);
    if (seen.state !== 'running') return seen;
  }
}

/** What rp_stop answers. */
export function stopJob(session: Session, name: string, signal = 'TERM', graceS = 5): Promise<string[]> {
  return session.call({ program: 'rp_stop', words: [name, signal, graceS] }).done;
}
