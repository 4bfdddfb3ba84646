import { randomBytes } from 'node:crypto';
import type { Mode } from '../pods/pod.ts';
import { findGreeting } from './greeting.ts';
import { base64Line } from './request.ts';
import { Session } from './session.ts';
import type { Wire, WireEnd } from './wire.ts';

/** Why no session came about: what ssh and the other side said until then. */
export class NoSession extends Error {
  constructor(
    readonly heard: string,
    readonly end: WireEnd | undefined,
    readonly timedOut: boolean,
  ) {
    super(timedOut ? 'the pod did not answer in time' : 'the connection ended before the pod was ready');
    this.name = 'NoSession';
  }
}

/**
 * The shell that runs our programs: bash where there is one, since the others start commands with INT ignored.
 * Plain enough for every login shell; its arguments hold no word that a `pkill -f` might be looking for.
 */
const SHELL_FROM_STDIN =
  "exec sh -c 'command -v bash >/dev/null 2>&1 && exec bash --norc --noprofile; exec sh'";
/**
 * The same on a terminal, but out of its reach: when the connection goes, the terminal's hang-up would end what
 * has just been started and isn't out of its session yet. bash would read ahead on a terminal, and busybox's cat
 * calls sendfile, which locks the pipe's reader out while it waits: hence dd.
 */
const SHELL_FROM_TERMINAL =
  "exec sh -c 'set -- sh; command -v bash >/dev/null 2>&1 && set -- bash --norc --noprofile; " +
  'command -v setsid >/dev/null 2>&1 && set -- setsid "$@"; dd bs=4096 2>/dev/null | "$@"\'';

/** The command that a direct session asks sshd for. */
export const DIRECT_COMMAND = SHELL_FROM_STDIN;

const MAX_HEARD_BYTES = 256 * 1024;
/** How long a login may have been quiet before a line is typed into it, and until it is typed again. */
const TYPE_AFTER_QUIET_MS = 120;
const TYPE_AGAIN_MS = 2_500;

/**
 * Brings the shell at the other end of `wire` into a known state and loads `programs` into it.
 * Throws NoSession.
 */
export async function openSession(
  wire: Wire,
  {
    mode,
    programs,
    timeoutMs,
    controlPath,
  }: { mode: Mode; programs: string[]; timeoutMs: number; controlPath?: string },
): Promise<Session> {
  const nonce = randomBytes(12).toString('hex');
  const listener = new Listener(wire, timeoutMs);
  try {
    if (mode === 'proxy') await takeOverTerminal(wire, listener, nonce);
    wire.write(`${nonceLine(nonce)}${programs.map(withoutComments).join('')}rp_begin\n`);
    const greeting = await listener.until((heard) => findGreeting(heard, nonce));
    if (!greeting.clean) wire.write(base64Line);
    return new Session(wire, nonce, greeting, controlPath);
  } catch (error) {
    wire.close();
    throw error;
  } finally {
    listener.stop();
  }
}

/** In two parts, so that a terminal's echo of it never looks like a frame. */
function nonceLine(nonce: string): string {
  return `_rp_nonce=${nonce.slice(0, 12)}; _rp_nonce=\${_rp_nonce}${nonce.slice(12)}\n`;
}

/** What a program is without its comments and indentation: they would travel with every session. */
export function withoutComments(program: string): string {
  return program.replace(/^[ \t]*(#.*)?\n/gm, '').replace(/^[ \t]+/gm, '');
}

/**
 * Types the line that turns a login shell on a terminal into ours: the terminal raw and without echo, no
 * prompt, no line editing. What is typed before the shell reads can be lost or eaten by a start-up file, so
 * the line is typed when the login has gone quiet, and again if nothing came of it; only the answer to the
 * last one counts, since a shell may still have the earlier ones to read.
 */
async function takeOverTerminal(wire: Wire, listener: Listener, nonce: string): Promise<void> {
  await listener.untilQuiet(TYPE_AFTER_QUIET_MS);
  for (let attempt = 1; ; attempt++) {
    const [a, b] = [nonce.slice(0, 12), nonce.slice(12)];
    wire.write(` stty raw -echo; printf '\\n%s%s %s\\n' ${a} ${b} ${attempt}; ${SHELL_FROM_TERMINAL}\n`);
    const mark = `${nonce} ${attempt}`;
    const taken = await listener.until((heard) => heard.includes(mark) || undefined, TYPE_AGAIN_MS * attempt);
    if (taken) return;
  }
}

/** Hears what comes over a wire until a session takes over. */
class Listener {
  #heard = Buffer.alloc(0);
  #wake: () => void = () => {};
  #end: WireEnd | undefined;
  readonly #deadline: number;

  constructor(wire: Wire, timeoutMs: number) {
    this.#deadline = Date.now() + timeoutMs;
    wire.listen((chunk) => {
      this.#heard = Buffer.concat([this.#heard, chunk]).subarray(-MAX_HEARD_BYTES);
      this.#wake();
    });
    void wire.ended.then((end) => {
      this.#end = end;
      this.#wake();
    });
  }

  stop(): void {
    this.#wake = () => {};
  }

  /** What `find` finds in the bytes heard so far. Undefined after `patienceMs`; NoSession at the deadline. */
  async until<T>(find: (heard: Buffer) => T | undefined): Promise<T>;
  async until<T>(find: (heard: Buffer) => T | undefined, patienceMs: number): Promise<T | undefined>;
  async until<T>(find: (heard: Buffer) => T | undefined, patienceMs = Infinity): Promise<T | undefined> {
    const giveUp = Date.now() + patienceMs;
    for (;;) {
      const found = find(this.#heard);
      if (found !== undefined) return found;
      if (this.#end) throw this.#noSession(false);
      if (Date.now() >= this.#deadline) throw this.#noSession(true);
      if (Date.now() >= giveUp) return undefined;
      await this.#more(Math.min(giveUp, this.#deadline));
    }
  }

  /** Until something has come and then nothing for `quietMs`. */
  async untilQuiet(quietMs: number): Promise<void> {
    await this.until((heard) => heard.length > 0 || undefined);
    for (let length = -1; length !== this.#heard.length; ) {
      length = this.#heard.length;
      await this.until((heard) => heard.length !== length || undefined, quietMs);
    }
  }

  async #more(untilTime: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      timer = setTimeout(resolve, Math.max(1, Math.min(untilTime - Date.now(), 2 ** 31 - 1)));
    });
    clearTimeout(timer);
  }

  #noSession(timedOut: boolean): NoSession {
    return new NoSession(this.#heard.subarray(0, 4096).toString(), this.#end, timedOut);
  }
}
