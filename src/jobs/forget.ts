import type { Session } from '../session/session.ts';

/** So many at a time cost the pod one process, and calls that come one after another don't wait for it. */
const MOST = 8;
const QUIET_MS = 40;

const queues = new WeakMap<Session, ForgetQueue>();

/** Has the pod remove a command's directory: its end and all of its output have arrived. */
export function forget(session: Session, name: string): void {
  let queue = queues.get(session);
  if (!queue) {
    queue = new ForgetQueue(session);
    queues.set(session, queue);
  }
  queue.add(name);
}

class ForgetQueue {
  readonly #session: Session;
  #names: string[] = [];
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

  #flush(): void {
    clearTimeout(this.#timer);
    const names = this.#names.splice(0);
    if (names.length > 0) this.#session.housekeep('rp_forget', names);
  }
}
