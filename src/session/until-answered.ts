import { Failure } from '../failure.ts';
import type { Frame } from './frame-reader.ts';
import type { PodConnection } from './pod-connection.ts';
import { type CallRequest, type Session, SessionLost } from './session.ts';

const TRIES = 5;

/**
 * Makes a call that may safely be made again, until it is answered: over a new session when one is lost.
 * Throws Failure; `lost-contact` when no session lasts.
 */
export async function untilAnswered(
  connection: PodConnection,
  request: Omit<CallRequest, 'onFrame'>,
  {
    signal,
    onCall,
    prepare,
  }: {
    signal?: AbortSignal;
    onCall?: (letGo: () => void) => void;
    /** Done to every session that the call is made over, first. */
    prepare?: (session: Session) => void;
  } = {},
): Promise<{ words: string[]; frames: Frame[] }> {
  let reason = '';
  for (let attempt = 1; attempt <= TRIES; attempt++) {
    const session = await connection.session(signal ? { signal } : {});
    prepare?.(session);
    const frames: Frame[] = [];
    const call = session.call({ ...request, onFrame: (frame) => frames.push(frame) });
    onCall?.(() => call.signal('USR2'));
    try {
      return { words: await call.done, frames };
    } catch (error) {
      if (!(error instanceof SessionLost)) throw error;
      reason = error.reason;
    }
  }
  throw new Failure({
    kind: 'lost-contact',
    happened: `The connection to the pod was lost ${TRIES} times in a row (${reason}).`,
    meaning: 'What runs on the pod goes on.',
    next: 'try again in a moment.',
  });
}
