import type { Failure } from '../failure.ts';
import type { Description } from './description.ts';
import { type Frame, FrameReader } from './frame-reader.ts';
import type { Greeting } from './greeting.ts';
import {
  callLines,
  callWithInputLines,
  housekeepingLine,
  leaveLine,
  loadLines,
  pingLine,
  signalLine,
} from './request.ts';
import type { Wire } from './wire.ts';

/** The session ended while a call was under way: what became of the call has to be asked over another one. */
export class SessionLost extends Error {
  constructor(readonly reason: string) {
    super(reason);
    this.name = 'SessionLost';
  }
}

export type CallRequest = {
  /** The function to call, of a program that was loaded when the session began. */
  program: string;
  words: (string | number)[];
  /** Text or bytes for the program, of any length. */
  text?: string | Uint8Array;
  /** Gets every frame but the last. */
  onFrame?: (frame: Frame) => void;
  /** So many bytes the program reads from the session's input: the caller writes them with `send`. */
  inputBytes?: number;
};

export type Call = {
  /** The words of the call's last frame. Rejects with SessionLost. */
  done: Promise<string[]>;
  signal(signal: 'USR1' | 'USR2'): void;
};

type Active = {
  onFrame: (frame: Frame) => void;
  end: (words: string[]) => void;
  lose: (lost: SessionLost) => void;
};

const QUIET_MS = 4_000;
const PONG_MS = 7_000;
/** After a pause a session may be long dead: its first call wants an early sign of life. */
const PONG_AFTER_PAUSE_MS = 3_000;
const PAUSE_MS = 10_000;
/** What was sent before a ping may be long on its way over a slow line, and then to a slow disk. */
const PONG_AFTER_INPUT_MS = 180_000;
/** So long nothing of a call's input may flow out before the connection counts as dead. */
const STALLED_MS = 30_000;
const MAX_PENDING_BYTES = 512 * 1024;

/** An open place on the pod that serves calls, many at a time, over one wire. */
export class Session {
  /** Names the session on the pod. */
  readonly id: string;
  readonly description: Description;
  /** Whether any byte may travel as it is; otherwise payloads come in base64. */
  readonly clean: boolean;
  /** The socket of the control master that this session's `ssh` is, in direct mode. */
  readonly controlPath: string | undefined;
  readonly lost: Promise<SessionLost>;
  readonly #wire: Wire;
  readonly #active = new Map<number, Active>();
  readonly #reader: FrameReader;
  #lostReason: SessionLost | undefined;
  #resolveLost: (lost: SessionLost) => void = () => {};
  #lastHeard = Date.now();
  #pingSent: number | undefined;
  #pongDue = 0;
  #watch: NodeJS.Timeout | undefined;
  #serial = 0;
  readonly #last: (() => void)[] = [];
  readonly #loaded = new Set<string>();
  /** How much of a call's input is still to be written. Until then everything written would be taken for it. */
  #inputLeft = 0;
  #hadInput = false;
  #pendingBytes = 0;
  #lastFlow = 0;

  constructor(wire: Wire, nonce: string, { description, rest, clean }: Greeting, controlPath?: string) {
    this.id = nonce.slice(0, 8);
    this.description = description;
    this.clean = clean;
    this.controlPath = controlPath;
    this.#wire = wire;
    this.lost = new Promise((resolve) => {
      this.#resolveLost = resolve;
    });
    this.#reader = new FrameReader(nonce, (frame) => this.#receive(frame));
    wire.listen((chunk) => this.#hear(chunk));
    if (rest.length > 0) this.#hear(rest);
    void wire.ended.then((end) => {
      this.#die(end.stderr.trim().split('\n').at(-1) || 'the connection ended');
    });
  }

  /** 1, 2, 3, … */
  nextSerial(): number {
    this.#serial += 1;
    return this.#serial;
  }

  get isLost(): boolean {
    return this.#lostReason !== undefined;
  }

  get idle(): boolean {
    return this.#active.size === 0;
  }

  get wire(): Wire {
    return this.#wire;
  }

  /** Loads a further program, once. */
  load(name: string, program: string): void {
    if (this.#loaded.has(name) || this.#lostReason) return;
    this.#loaded.add(name);
    this.#wire.write(loadLines(program));
  }

  /** Bytes for a call that takes input; resolves when the wire can take more. */
  async send(bytes: Uint8Array): Promise<void> {
    if (this.#lostReason) throw this.#lostReason;
    this.#inputLeft -= bytes.length;
    this.#wire.write(bytes);
    if (this.#wire.pendingBytes() > MAX_PENDING_BYTES) {
      await this.#wire.drained();
      // What flows out is a sign of life as good as an answer.
      this.#lastHeard = Date.now();
      this.#pingSent = undefined;
    }
  }

  call({ program, words, text, onFrame, inputBytes = 0 }: CallRequest): Call {
    if (this.#lostReason) {
      return { done: Promise.reject(this.#lostReason), signal: () => {} };
    }
    let id = 1;
    while (this.#active.has(id)) id++;
    const done = new Promise<string[]>((resolve, reject) => {
      this.#active.set(id, { onFrame: onFrame ?? (() => {}), end: resolve, lose: reject });
    });
    const paused = Date.now() - this.#lastHeard > PAUSE_MS;
    this.#wire.write(
      inputBytes > 0 ? callWithInputLines(id, program, words) : callLines(id, program, words, text),
    );
    if (inputBytes > 0) {
      this.#inputLeft = inputBytes;
      this.#hadInput = true;
      this.#lastFlow = Date.now();
    } else if (paused) {
      this.#ping(PONG_AFTER_PAUSE_MS);
    }
    this.#watch ??= setInterval(() => this.#look(), 1_000);
    return {
      done,
      signal: (signal) => {
        if (this.#active.has(id) && !this.#lostReason) this.#wire.write(signalLine(id, signal));
      },
    };
  }

  /** Runs a function in the session's own shell, without an answer. */
  housekeep(program: string, words: (string | number)[] = []): void {
    if (!this.#lostReason) this.#wire.write(housekeepingLine(program, words));
  }

  /** Has something done right before the session is ended in order. */
  beforeClose(last: () => void): void {
    this.#last.push(last);
  }

  /** Ends the session in order; what runs on the pod goes on. */
  close(): void {
    for (const last of this.#last.splice(0)) last();
    // In the middle of a call's input it would be taken for that.
    if (!this.#lostReason && this.#inputLeft <= 0) this.#wire.write(leaveLine);
    this.#die('the session was closed');
  }

  /** Gives the session up at once. */
  abandon(reason: Failure | string): void {
    this.#die(typeof reason === 'string' ? reason : reason.message);
  }

  #hear(chunk: Buffer): void {
    if (this.#lostReason) return;
    this.#lastHeard = Date.now();
    this.#pingSent = undefined;
    try {
      this.#reader.push(chunk);
    } catch (error) {
      this.#die(
        `the answer was garbled on its way: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }

  #receive(frame: Frame): void {
    const active = this.#active.get(frame.call);
    if (!active) return;
    if (frame.type !== '.') {
      active.onFrame(frame);
      return;
    }
    this.#active.delete(frame.call);
    if (this.#active.size === 0) this.#rest();
    active.end(frame.words);
  }

  #ping(pongMs: number): void {
    this.#wire.write(pingLine);
    this.#pingSent = Date.now();
    this.#pongDue = this.#pingSent + pongMs;
  }

  #look(): void {
    const now = Date.now();
    if (this.#inputLeft > 0) {
      this.#watchFlow(now);
      return;
    }
    if (this.#pingSent !== undefined) {
      if (now >= this.#pongDue) this.#die('the pod has gone silent');
    } else if (now - this.#lastHeard >= QUIET_MS) {
      this.#ping(this.#hadInput ? PONG_AFTER_INPUT_MS : PONG_MS);
    }
  }

  /** While input is written no ping can be: whether it flows shows that the other side is there. */
  #watchFlow(now: number): void {
    const pending = this.#wire.pendingBytes();
    if (pending === 0 || pending !== this.#pendingBytes) this.#lastFlow = now;
    this.#pendingBytes = pending;
    // An earlier ping's answer is behind the input.
    if (this.#pingSent !== undefined) this.#pongDue = now + PONG_AFTER_INPUT_MS;
    if (now - this.#lastFlow >= STALLED_MS) this.#die('the pod takes nothing any more');
  }

  #rest(): void {
    clearInterval(this.#watch);
    this.#watch = undefined;
    this.#hadInput = false;
  }

  #die(reason: string): void {
    if (this.#lostReason) return;
    this.#lostReason = new SessionLost(reason);
    this.#rest();
    this.#wire.close();
    for (const active of this.#active.values()) active.lose(this.#lostReason);
    this.#active.clear();
    this.#resolveLost(this.#lostReason);
  }
}
