import type { Session } from '../session/session.ts';

/** So many at a time cost the pod one process, and calls that come one after another don't wait for it. */
const MOST = 8;
const QUIET_MS = 40;

/** How many of the last ones are sent again over the next session: nobody says whether they had arrived. */
const AGAIN = 64;

const queues = new WeakMap<Session, ForgetQueue>();

/** Has the pod remove a command's directory: its end and all of its output have arrived. */
export function forget(session: Session, name: string): void {
  queueOf(session).add(name);
}

/** Has `session` remove what a session that was lost may not have had removed. */
export function forgetWhatWasLeft(session: Session, lost: Session): void {
  for (const name of queues.get(lost)?.uncertain() ?? []) forget(session, name);
}

function queueOf(session: Session): ForgetQueue {
  const known = queues.get(session);
  if (known) return known;
  const queue = new ForgetQueue(session);
  queues.set(session, queue);
  return queue;
}

class ForgetQueue {
  readonly #session: Session;
  #names: string[] = [];
  #sent: string[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(session: Session) {
    this.#session = session;
    session.beforeClose(() => this.#flush());
  }

  add(name: string): void {
    this.#names.push(name);
    clearTimeout(this.#timer);
    if (this.#names.length >= MOST) this.#flush();
    else this.#timer = setTimeout(() => this.#flush(), QUIET_MS);
  }

  /** What was asked for and may not have been done. */
  uncertain(): string[] {
    return [...this.#sent, ...this.#names];
  }

  #flush(): void {
    clearTimeout(this.#timer);
    if (this.#session.isLost) return;
    const names = this.#names.splice(0);
    if (names.length > 0) this.#session.housekeep('rp_forget', names);
    this.#sent = [...this.#sent, ...names].slice(-AGAIN);
  }
}
