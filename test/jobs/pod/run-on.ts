import { ByteWindow } from '../../../src/jobs/byte-window.ts';
import type { Frame } from '../../../src/session/frame-reader.ts';
import { word } from '../../../src/session/request.ts';
import type { Call, Session } from '../../../src/session/session.ts';

export type RunOptions = {
  name?: string;
  how?: 'first' | 'again' | 'follow';
  workdir?: string;
  headBytes?: number;
  tailBytes?: number;
  onFrame?: (frame: Frame) => void;
};

export type Ran = {
  name: string;
  state: string | undefined;
  code: number;
  where: string | undefined;
  /** What arrived of both streams, in one piece. */
  out: Buffer;
  err: Buffer;
};

/** The name of the session's next command; has the pod prepare more of them in time, as src/jobs/run.ts does. */
export function nextName(session: Session): string {
  const serial = session.nextSerial();
  if (serial % 8 === 4) session.housekeep('rp_make_more');
  return `run-${session.id}-${serial}`;
}

/** Starts `command` as rp_run does. `ran` settles with the end of the call. */
export function startRun(
  session: Session,
  command: string,
  {
    name = nextName(session),
    how = 'first',
    workdir = '',
    headBytes = 4_000_000,
    tailBytes = 4_000_000,
    onFrame,
  }: RunOptions = {},
): { name: string; call: Call; ran: Promise<Ran> } {
  const limits = { headLimit: headBytes + tailBytes, tailLimit: tailBytes };
  const windows = { o: new ByteWindow(limits), e: new ByteWindow(limits) };
  const call = session.call({
    program: 'rp_run',
    words: [name, how, 0, 0, headBytes, tailBytes, word(workdir)],
    text: command,
    onFrame: (frame) => {
      onFrame?.(frame);
      if (frame.type === 'o' || frame.type === 'e') {
        windows[frame.type].place(Number(frame.words[0]) + frame.at, frame.payload);
      }
    },
  });
  const ran = call.done.then(([outSize, errSize, state, code, where]) => {
    windows.o.setTotal(Number(outSize));
    windows.e.setTotal(Number(errSize));
    return { name, state, code: Number(code), where, out: whole(windows.o), err: whole(windows.e) };
  });
  return { name, call, ran };
}

export function runOn(session: Session, command: string, options: RunOptions = {}): Promise<Ran> {
  return startRun(session, command, options).ran;
}

function whole(window: ByteWindow): Buffer {
  const { head, tail } = window.pieces();
  return tail ? Buffer.concat([head, tail]) : Buffer.from(head);
}
