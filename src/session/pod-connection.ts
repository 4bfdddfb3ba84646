import { setTimeout as delay } from 'node:timers/promises';
import { Failure, type FailureKind } from '../failure.ts';
import type { Pod } from '../pods/pod.ts';
import { abortable } from './abortable.ts';
import type { Session } from './session.ts';

/** Opens one session on a pod; throws Failure. */
export type OpenSession = (pod: Pod, signal: AbortSignal) => Promise<Session>;

/** Called when a session begins, before its first call; `predecessors` are those that were lost. */
export type OnBegin = (session: Session, predecessors: Session[]) => void;

const IDLE_MS = 10 * 60_000;
const FIRST_BACK_OFF_MS = 100;
const MAX_BACK_OFF_MS = 3_000;
/** How long to go on trying when a pod that did answer before doesn't now. */
const PATIENCE_MS = 10_000;
const BRIEF_MS = 5_000;

/** Failures that another try a moment later may not meet. */
const PASSING = new Set<FailureKind>(['refused', 'timed-out', 'connection-lost', 'unreachable']);
/** Those that pass while a container is restarted, but are worth no long wait. */
const BRIEF = new Set<FailureKind>(['container-not-found', 'unexpected']);

/**
 * The way to one pod: keeps a session open while it is used, so that a call needs no login and no process, and
 * opens another one when that is lost. One session serves any number of calls at a time, so there is one.
 */
export class PodConnection {
  readonly pod: Pod;
  readonly #open: OpenSession;
  readonly #onBegin: OnBegin;
  #session: Session | undefined;
  #opening: Promise<Session> | undefined;
  readonly #ended = new AbortController();
  #predecessors: Session[] = [];
  #reachedBefore = false;
  #idle: NodeJS.Timeout | undefined;
  #held = 0;

  constructor(pod: Pod, open: OpenSession, onBegin: OnBegin) {
    this.pod = pod;
    this.#open = open;
    this.#onBegin = onBegin;
  }

  /**
   * The open session, or a new one. A pod that has answered before is tried for `patienceMs` if it refuses or
   * is silent now; one that never has, once. Throws Failure.
   */
  async session({
    patienceMs = PATIENCE_MS,
    signal,
  }: {
    patienceMs?: number;
    signal?: AbortSignal;
  } = {}): Promise<Session> {
    this.#stayAwake();
    const begun = Date.now();
    for (let backOffMs = FIRST_BACK_OFF_MS; ; backOffMs = Math.min(2 * backOffMs, MAX_BACK_OFF_MS)) {
      signal?.throwIfAborted();
      if (this.#session) return this.#session;
      try {
        this.#opening ??= this.#begin();
        return await abortable(this.#opening, signal);
      } catch (error) {
        if (!(error instanceof Failure) || !this.#reachedBefore) throw error;
        const bearableMs = PASSING.has(error.kind)
          ? patienceMs
          : Math.min(patienceMs, BRIEF.has(error.kind) ? BRIEF_MS : 0);
        if (Date.now() + backOffMs > begun + bearableMs) throw error;
      }
      await delay(backOffMs, undefined, signal ? { signal } : {});
    }
  }

  /** Keeps the session open for something beside it that goes through it, until the returned function is called. */
  hold(): () => void {
    this.#held += 1;
    return () => {
      this.#held -= 1;
      this.#stayAwake();
    };
  }

  /** Opens a session in the background, for a call that may come. */
  warm(): void {
    void this.session().catch(() => {});
  }

  /** Ends the session, and resolves when its `ssh` has ended too; what runs on the pod goes on. */
  async close(): Promise<void> {
    this.#ended.abort();
    clearTimeout(this.#idle);
    const session = this.#session;
    this.#session = undefined;
    session?.close();
    await Promise.allSettled([session?.wire.ended, this.#opening]);
  }

  async #begin(): Promise<Session> {
    try {
      return this.adopt(await this.#open(this.pod, this.#ended.signal));
    } finally {
      this.#opening = undefined;
    }
  }

  /** Makes `session` the one that serves the calls from now on. */
  adopt(session: Session): Session {
    this.#reachedBefore = true;
    this.#session?.close();
    const gone = this.#predecessors.filter(
      ({ description }) => description.container === session.description.container,
    );
    this.#predecessors = [];
    for (const { description } of gone) {
      session.housekeep('rp_bury', [description.pid, description.started]);
    }
    this.#onBegin(session, gone);
    this.#session = session;
    void session.lost.then(() => {
      if (this.#session !== session) return;
      this.#session = undefined;
      this.#predecessors.push(session);
    });
    return session;
  }

  #stayAwake(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => {
      if (this.#held > 0 || (this.#session && !this.#session.idle)) return this.#stayAwake();
      const session = this.#session;
      this.#session = undefined;
      session?.close();
    }, IDLE_MS);
    this.#idle.unref();
  }
}
