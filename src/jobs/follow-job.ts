import { Failure } from '../failure.ts';
import type { PodConnection } from '../session/pod-connection.ts';
import { type Cursor, type JobLook, look } from './look.ts';
import { readable } from './output-piece.ts';
import { asSeen } from './terminal-text.ts';

export type FollowOptions = {
  /** How long to wait for the end, or for `until`. 0: only look. */
  waitMs: number;
  /** A regular expression that new output has to match. */
  until?: string;
  /** From an earlier answer: what was read then is not read again. */
  cursor?: string;
  maxChars: number;
  onProgress?: (latest: Uint8Array) => void;
  signal?: AbortSignal;
};

export type FollowedJob = JobLook & {
  /** Whether new output matched `until`; undefined without one. */
  matched?: boolean;
};

/** How long the pod holds one look back while nothing happens: the heartbeat of the wait. */
const STRETCH_MS = 5_000;
/** How far back the text that `until` is matched against reaches. */
const MATCH_CHARS = 64 * 1024;
/** Of a terminal's raw output much is escapes and rewritten lines: this much is fetched to show some lines. */
const RAW_FACTOR = 2;

/** Looks at a job, and waits for its end or for output if asked to. Throws Failure `no-such-job`, `bad-input`. */
export async function followJob(
  connection: PodConnection,
  name: string,
  { waitMs, until, cursor, maxChars, onProgress, signal }: FollowOptions,
): Promise<FollowedJob> {
  const pattern = until === undefined ? undefined : patternOf(until);
  const deadline = Date.now() + waitMs;
  const given = cursor === undefined ? undefined : parseCursor(cursor);
  const tailBytes = maxChars * RAW_FACTOR;
  const options = { headBytes: maxChars, tailBytes, ...(signal ? { signal } : {}) };
  const first = await look(connection, name, given ? { ...options, from: given } : options);
  // What is new is matched; without a cursor, all that is seen now.
  let text = newText(first);
  let latest = first;
  let matched = pattern?.test(text) ?? false;
  while (latest.state.kind === 'running' && !matched && Date.now() < deadline) {
    const waited = await look(connection, name, {
      ...options,
      from: latest.cursor,
      waitMs: Math.min(STRETCH_MS, deadline - Date.now()),
    });
    const printed = waited.out.last(512) ?? waited.err.last(512);
    if (printed) onProgress?.(printed);
    if (pattern) {
      text = (text + newText(waited)).slice(-MATCH_CHARS);
      matched = pattern.test(text);
    }
    latest = waited;
  }
  const whole =
    latest === first ? first : await look(connection, name, given ? { ...options, from: given } : options);
  return pattern ? { ...whole, matched } : whole;
}

function newText({ out, err }: JobLook): string {
  return asSeen([out, err].map((stream) => textOf(stream.pieces())).join('\n'));
}

function textOf({ head, tail }: { head: Uint8Array; tail?: Uint8Array }): string {
  return readable(tail ? Buffer.concat([head, tail]) : head);
}

function patternOf(source: string): RegExp {
  try {
    return new RegExp(source, 'm');
  } catch (error) {
    throw new Failure({
      kind: 'bad-input',
      happened: `until is no regular expression: ${error instanceof Error ? error.message : String(error)}.`,
      next: 'write it as JavaScript reads it, with special characters escaped by a backslash.',
    });
  }
}

/** A cursor as it is handed out. */
export function cursorText({ out, err }: Cursor): string {
  return `${out}.${err}`;
}

function parseCursor(text: string): Cursor {
  const found = /^(\d{1,15})\.(\d{1,15})$/.exec(text);
  if (found) return { out: Number(found[1]), err: Number(found[2]) };
  throw new Failure({
    kind: 'bad-input',
    happened: `${JSON.stringify(text)} is no cursor.`,
    next: 'pass the cursor from an earlier answer of check_job as it stands, or leave it out.',
  });
}
