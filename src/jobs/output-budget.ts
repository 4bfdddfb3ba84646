import type { StreamPieces } from './byte-window.ts';
import { beginningOf, endOf, readable } from './output-piece.ts';

/** How much longer than `maxChars` an answer may be: our own lines around the output. */
export const FRAMING_ROOM = 400;

const STDOUT_SHARE = 2 / 3;
/** Of a stream that is too long; its end tells more (results, errors) than its beginning. */
const HEAD_SHARE = 0.4;

export type CommandOutput = {
  stdout: StreamPieces;
  stderr: StreamPieces;
  /** How many characters of output the answer may have. */
  maxChars: number;
  /** Where on the pod the whole of each stream is; undefined when it is not kept. */
  where: { stdout: string; stderr: string } | undefined;
  /** Our own last line, such as `[exit_code: 3]`. */
  exitLine?: string;
};

type Rendered = { text: string; truncated: boolean };

/**
 * The answer of a command: stdout, `[stderr]` and stderr, the exit line; `(no output)` when there is none. Of a
 * stream that is too long the head and the tail, and a line that counts what is left out. One final newline of
 * each stream is cut, all other white space is kept. A line of output that looks like one of ours begins with a
 * backslash (`markFraming`). `text` is never longer than `maxChars` + 400, as long as our own lines fit in that.
 */
export function composeOutput({ stdout, stderr, maxChars, where, exitLine }: CommandOutput): Rendered {
  const markers = [
    marker(stdout.total, stdout.total, where?.stdout),
    marker(stderr.total, stderr.total, where?.stderr),
  ];
  const framing = markers.join('').length + '[stderr](no output)'.length + (exitLine?.length ?? 0) + 8;
  const room = Math.max(0, Math.min(maxChars, maxChars + FRAMING_ROOM - framing));
  const [forStdout, forStderr] = shares(room, lengthOf(stdout), lengthOf(stderr));
  const out = render(stdout, forStdout, where?.stdout);
  const err = render(stderr, forStderr, where?.stderr);

  const parts: string[] = [];
  if (out.text !== '') parts.push(withoutFinalNewline(out.text));
  if (err.text !== '') parts.push('[stderr]', withoutFinalNewline(err.text));
  if (parts.join('') === '') parts.splice(0, parts.length, '(no output)');
  if (exitLine !== undefined) parts.push(exitLine);
  return { text: parts.join('\n'), truncated: out.truncated || err.truncated };
}

/** What each stream may take: stderr what stdout leaves, and the other way round. */
function shares(room: number, stdout: number, stderr: number): [number, number] {
  if (stdout + stderr <= room) return [stdout, stderr];
  const most = Math.ceil(room * STDOUT_SHARE);
  if (stderr <= room - most) return [room - stderr, stderr];
  if (stdout <= most) return [stdout, room - stdout];
  return [most, room - most];
}

function lengthOf(stream: StreamPieces): number {
  const { first, second } = joined(stream);
  return readable(first).length + (second ? readable(second.bytes).length : 0);
}

/** The stream as one run of bytes, or as two with something missing between them. */
function joined({ head, tail, tailStart = 0, total }: StreamPieces): {
  first: Uint8Array;
  second?: { start: number; bytes: Uint8Array };
  isWhole: boolean;
} {
  if (!tail || tail.length === 0) return { first: head, isWhole: head.length >= total };
  if (tailStart > head.length)
    return { first: head, second: { start: tailStart, bytes: tail }, isWhole: false };
  const rest = tail.subarray(Math.min(tail.length, head.length - tailStart));
  const first = Buffer.concat([head, rest]);
  return { first, isWhole: first.length >= total };
}

function render(stream: StreamPieces, room: number, where: string | undefined): Rendered {
  const { first, second, isWhole } = joined(stream);
  if (isWhole) {
    const text = readable(first);
    if (text.length <= room) return { text, truncated: false };
  }
  const headRoom = Math.floor(room * HEAD_SHARE);
  const lastBytes = second?.bytes ?? (isWhole ? first : new Uint8Array(0));
  // What the one doesn't need the other may take.
  let tailRoom = room - Math.min(headRoom, readable(first).length);
  for (;;) {
    const tail = endOf(lastBytes, tailRoom, second !== undefined);
    const tailStart = (second?.start ?? (isWhole ? 0 : stream.total)) + tail.start;
    const head = beginningOf(first.subarray(0, tailStart), room - tail.text.length, true);
    const left = stream.total - head.end - (tail.end - tail.start);
    if (left > 0 || tailRoom === 0) {
      const text = `${lineEnded(head.text)}${marker(left, stream.total, where)}\n${tail.text}`;
      return { text, truncated: true };
    }
    // Both ends fit, and the whole does not: together they would read differently than apart.
    tailRoom >>= 1;
  }
}

function marker(left: number, total: number, where: string | undefined): string {
  const rest = where === undefined ? 'the whole was not kept' : `the whole is on the pod: ${where}`;
  return `[… ${grouped(left)} of ${grouped(total)} bytes left out; ${rest} …]`;
}

const lineEnded = (text: string): string => (text === '' || text.endsWith('\n') ? text : `${text}\n`);

const withoutFinalNewline = (text: string): string => (text.endsWith('\n') ? text.slice(0, -1) : text);

/** `49,990,000`; Intl would do it too, but takes 25 ms to load. */
function grouped(number: number): string {
  return String(number).replace(/\B(?=(\d{3})+$)/g, ',');
}
