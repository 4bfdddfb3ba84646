import { setTimeout as delay } from 'node:timers/promises';
import { Failure } from '../failure.ts';
import type { Frame } from '../session/frame-reader.ts';
import type { PodConnection } from '../session/pod-connection.ts';
import { word } from '../session/request.ts';
import { type Session, SessionLost } from '../session/session.ts';
import { ByteWindow } from './byte-window.ts';
import { forget } from './forget.ts';

export type RunRequest = {
  command: string;
  /** Missing: the home directory. */
  workdir?: string;
  /** How long to wait for the end. */
  timeoutMs: number;
  /** How much of each stream to fetch whole, and how much of the end of a longer one. */
  headBytes: number;
  tailBytes: number;
  /** The caller no longer wants the command: it is ended. */
  signal?: AbortSignal;
  /** Called about every second with the end of what has been printed. */
  onProgress?: (latest: Uint8Array) => void;
};

/** How the wait for a command ended; each case is certain, none a guess. */
export type RunEnd =
  | { kind: 'exited'; code: number }
  | { kind: 'running' }
  /** It was started, but its supervisor on the pod is gone and left no exit code. */
  | { kind: 'lost' }
  /** The pod can't be reached; the command may go on. */
  | { kind: 'lost-contact'; reason: string; replaced: boolean };

export type RunResult = {
  end: RunEnd;
  /** The command's name on the pod. */
  job: string;
  out: ByteWindow;
  err: ByteWindow;
  /** The folder on the pod that keeps the command's files; undefined when nothing was kept. */
  keptIn?: string;
  /** The pod's disk took nothing, so the command's state lies in memory there. */
  inMemory: boolean;
  /** There was no room left at the end, so some of the output may never have been written. */
  noRoom: boolean;
};

const POLL_MS = 1_000;
/** A signal that comes before the call has set its traps is without effect, so this one is repeated. */
const LET_GO_MS = 100;
/** How far beyond the time the caller gave a lost connection may be sought. */
const SEEK_MS = 8_000;
const RETRY_MS = 200;
/** Directories for commands are made so many at a time (run.sh), and again before they run out. */
const BATCH = 8;

/**
 * Runs a command on the pod and waits for its end, through whatever happens to the connection: it is started
 * at most once, and every byte counts once. Throws Failure if it was certainly never started.
 */
export async function run(connection: PodConnection, request: RunRequest): Promise<RunResult> {
  return new Run(connection, request).toItsEnd();
}

class Run {
  readonly #connection: PodConnection;
  readonly #request: RunRequest;
  readonly #deadline: number;
  readonly #out: ByteWindow;
  readonly #err: ByteWindow;
  #job = '';
  #container = '';
  /** Whether the pod has said anything of the command. */
  #seen = false;
  #inMemory = false;
  #noRoom = false;

  constructor(connection: PodConnection, request: RunRequest) {
    this.#connection = connection;
    this.#request = request;
    this.#deadline = Date.now() + request.timeoutMs;
    const { headBytes: headLimit, tailBytes: tailLimit } = request;
    this.#out = new ByteWindow({ headLimit: headLimit + tailLimit, tailLimit });
    this.#err = new ByteWindow({ headLimit: headLimit + tailLimit, tailLimit });
  }

  async toItsEnd(): Promise<RunResult> {
    let lostBecause = '';
    for (let attempt = 1; ; attempt++) {
      if (this.#job === '') this.#request.signal?.throwIfAborted();
      let session: Session;
      try {
        session = await this.#connection.session({ patienceMs: this.#patienceMs() });
      } catch (error) {
        if (this.#job === '' || !(error instanceof Failure)) throw error;
        return this.#result({ kind: 'lost-contact', reason: error.message || lostBecause, replaced: false });
      }
      if (this.#job === '') {
        this.#job = nextName(session);
        this.#container = session.description.container;
      } else if (session.description.container !== this.#container) {
        return this.#result({ kind: 'lost-contact', reason: 'the container was replaced', replaced: true });
      }
      try {
        if (!this.#request.signal?.aborted) {
          const result = await this.#follow(session, attempt);
          if (result) return result;
          continue;
        }
        await endJob(session, this.#job);
        throw this.#request.signal.reason;
      } catch (error) {
        if (!(error instanceof SessionLost)) throw error;
        lostBecause = error.reason;
        if (Date.now() > this.#deadline + SEEK_MS) {
          return this.#result({ kind: 'lost-contact', reason: lostBecause, replaced: false });
        }
        if (attempt > 1) await delay(RETRY_MS);
      }
    }
  }

  #patienceMs(): number {
    return Math.max(SEEK_MS, this.#deadline - Date.now());
  }

  /** Undefined: the command was certainly not started, and may be asked for again. */
  async #follow(session: Session, attempt: number): Promise<RunResult | undefined> {
    const { command, workdir = '', headBytes, tailBytes } = this.#request;
    const how = this.#seen ? 'follow' : attempt === 1 ? 'first' : 'again';
    const call = session.call({
      program: 'rp_run',
      words: [
        this.#job,
        how,
        this.#out.contiguousEnd,
        this.#err.contiguousEnd,
        headBytes,
        tailBytes,
        word(workdir),
      ],
      text: this.#seen ? '' : command,
      onFrame: (frame) => this.#receive(frame),
    });
    if (how === 'first') keepPrepared(session, this.#job);
    let timer: NodeJS.Timeout | undefined;
    const attend = (): void => {
      const leftMs = this.#deadline - Date.now();
      timer = setTimeout(attend, leftMs > 0 ? Math.min(POLL_MS, leftMs) : LET_GO_MS);
      call.signal(leftMs > 0 ? 'USR1' : 'USR2');
    };
    timer = setTimeout(attend, Math.max(0, Math.min(POLL_MS, this.#deadline - Date.now())));
    const { signal } = this.#request;
    const end = (): void => void endJob(session, this.#job).catch(() => {});
    signal?.addEventListener('abort', end, { once: true });
    try {
      const words = await call.done;
      signal?.throwIfAborted();
      // Somebody has cleared the directory away that was prepared for it.
      if (how === 'first' && words[2] === 'gone') return undefined;
      return this.#conclude(session, words);
    } finally {
      signal?.removeEventListener('abort', end);
      clearTimeout(timer);
    }
  }

  #receive({ type, words, payload, at }: Frame): void {
    this.#seen = true;
    if (type === 's') {
      const latest = this.#out.last(512);
      if (latest) this.#request.onProgress?.(latest);
      return;
    }
    const stream = type === 'e' ? this.#err : this.#out;
    stream.place(Number(words[0]) + at, payload);
  }

  #conclude(session: Session, words: string[]): RunResult {
    const [outSize, errSize, state, code, where] = words;
    this.#inMemory = where?.startsWith('memory') ?? false;
    this.#noRoom = where?.endsWith('-full') ?? false;
    switch (state) {
      case 'exited':
      case 'running':
      case 'lost':
        break;
      case 'no-workdir':
        throw new Failure({
          kind: 'no-such-workdir',
          happened: `There is no folder ${this.#request.workdir} on the pod, or it can't be entered.`,
          meaning: 'The command was not run.',
          next: 'Name an existing folder as workdir, or create it first.',
        });
      case 'no-room':
        throw new Failure({
          kind: 'no-space',
          happened: 'The pod can take no file, neither on its disk nor in /dev/shm.',
          meaning: 'The command was not run.',
          next: 'Free some space in a terminal on the pod.',
        });
      default:
        return this.#result({ kind: 'lost' });
    }
    this.#out.setTotal(Number(outSize));
    this.#err.setTotal(Number(errSize));
    if (state === 'running') return this.#result({ kind: 'running' }, session);
    if (state === 'lost') return this.#result({ kind: 'lost' }, session);
    const delivered = this.#out.complete && this.#err.complete;
    if (delivered) forget(session, this.#job);
    return this.#result({ kind: 'exited', code: Number(code) }, delivered ? undefined : session);
  }

  #result(end: RunEnd, keptBy?: Session): RunResult {
    const base = this.#inMemory ? keptBy?.description.memory : keptBy?.description.disk;
    return {
      end,
      job: this.#job,
      out: this.#out,
      err: this.#err,
      inMemory: this.#inMemory,
      noRoom: this.#noRoom,
      ...(base ? { keptIn: `${base}/${this.#job}` } : {}),
    };
  }
}

/** Ends the command's process group: TERM, and KILL 2 s later. What it has detached with setsid lives on. */
async function endJob(session: Session, job: string): Promise<void> {
  await session.call({ program: 'rp_stop', words: [job, 'TERM', 2] }).done;
}

function nextName(session: Session): string {
  return `run-${session.id}-${session.nextSerial()}`;
}

/** Has more directories made when those that the pod has prepared run low. */
function keepPrepared(session: Session, name: string): void {
  const serial = Number(name.slice(name.lastIndexOf('-') + 1));
  if (serial % BATCH === BATCH / 2) session.housekeep('rp_make_more');
}
