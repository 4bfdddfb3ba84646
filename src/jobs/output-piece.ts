import { markFraming } from './framing.ts';
import { asSeen } from './terminal-text.ts';

/** A run of a stream's bytes from `start` to before `end` (relative to the bytes it was cut from), and how it reads. */
export type OutputPiece = { start: number; end: number; text: string };

const NEWLINE = 0x0a;
const LINE_SEARCH = 200;
const ESCAPE_SEARCH = 64;

/** Bytes of output as the agent reads them: decoded, as seen on a terminal, with our own framing marked. */
export function readable(bytes: Uint8Array): string {
  return markFraming(asSeen(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')));
}

/** The longest beginning of `bytes` found that reads in at most `maxChars` characters; up to a line's end where one is near. */
export function beginningOf(bytes: Uint8Array, maxChars: number, isCut: boolean): OutputPiece {
  const make = (length: number): OutputPiece => {
    const end = length < bytes.length || isCut ? withoutHalfCharacter(bytes, length) : length;
    return { start: 0, end, text: readable(bytes.subarray(0, end)) };
  };
  const found = longest(bytes.length, maxChars, make);
  if (found.end === bytes.length && !isCut) return found;
  const line = bytes.lastIndexOf(NEWLINE, found.end - 1) + 1;
  return atLine(found, line, found.end - line, maxChars, () => make(line));
}

/** The longest end of `bytes` found that reads in at most `maxChars` characters; from a line's beginning where one is near. */
export function endOf(bytes: Uint8Array, maxChars: number, isCut: boolean): OutputPiece {
  const from = (start: number): OutputPiece => ({
    start,
    end: bytes.length,
    text: readable(bytes.subarray(start)),
  });
  const make = (length: number): OutputPiece => {
    const start = bytes.length - length;
    return from(start > 0 || isCut ? afterHalfSequence(bytes, afterHalfCharacter(bytes, start)) : 0);
  };
  const found = longest(bytes.length, maxChars, make);
  const startsLine = found.start > 0 ? bytes[found.start - 1] === NEWLINE : !isCut;
  if (startsLine) return found;
  const newline = bytes.indexOf(NEWLINE, found.start);
  return atLine(found, newline, newline + 1 - found.start, maxChars, () => from(newline + 1));
}

/**
 * By doubling and then halving, so that the cost follows what is kept and not what there is. Escapes make the
 * length of the text jump back and forth; whatever is returned fits.
 */
function longest(limit: number, maxChars: number, make: (length: number) => OutputPiece): OutputPiece {
  let fits = 0;
  let best = make(0);
  if (maxChars <= 0 || limit === 0) return best;
  let tooLong = limit + 1;
  for (let length = Math.min(limit, Math.max(1, maxChars)); ; length = Math.min(limit, 2 * length)) {
    const piece = make(length);
    if (piece.text.length > maxChars) {
      tooLong = length;
      break;
    }
    fits = length;
    best = piece;
    if (length === limit) return best;
  }
  while (tooLong - fits > Math.max(1, tooLong >> 8)) {
    const middle = (fits + tooLong) >> 1;
    const piece = make(middle);
    if (piece.text.length > maxChars) {
      tooLong = middle;
    } else {
      fits = middle;
      best = piece;
    }
  }
  return best;
}

/** The piece cut at a line instead, when that is near, leaves most of it, and still fits. */
function atLine(
  piece: OutputPiece,
  line: number,
  given: number,
  maxChars: number,
  make: () => OutputPiece,
): OutputPiece {
  if (line < 0 || given > LINE_SEARCH || given * 2 > piece.end - piece.start) return piece;
  const shorter = make();
  return shorter.text.length <= maxChars ? shorter : piece;
}

const isContinuation = (byte: number | undefined): boolean => byte !== undefined && (byte & 0xc0) === 0x80;

/** `end`, or up to three bytes less when a character begins there that goes on beyond it. */
function withoutHalfCharacter(bytes: Uint8Array, end: number): number {
  for (let lead = end - 1; lead >= 0 && lead >= end - 3; lead--) {
    const byte = bytes[lead];
    if (isContinuation(byte)) continue;
    const length =
      byte === undefined || byte < 0xc2 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : byte < 0xf5 ? 4 : 1;
    return lead + length > end ? lead : end;
  }
  return end;
}

/** `start`, or up to three bytes more when it lies within a character. */
function afterHalfCharacter(bytes: Uint8Array, start: number): number {
  let at = start;
  while (at < start + 3 && isContinuation(bytes[at])) at++;
  return at;
}

/** `start`, or the end of the escape sequence that `start` would cut in two. */
function afterHalfSequence(bytes: Uint8Array, start: number): number {
  const searched = Math.max(0, start - ESCAPE_SEARCH);
  const before = Buffer.from(bytes.subarray(searched, start)).toString('latin1');
  const opening = before.lastIndexOf('\x1b');
  if (opening < 0 || !/^.(?:\[[0-?]*[ -/]*|[ -/]*)$/s.test(before.slice(opening))) return start;
  const after = Buffer.from(bytes.subarray(start, start + ESCAPE_SEARCH)).toString('latin1');
  const rest = before.endsWith('\x1b') ? /^(?:\[[0-?]*[ -/]*[@-~]|[ -/]*[0-~])/ : /^[0-?]*[ -/]*[0-~]/;
  return start + (rest.exec(after)?.[0].length ?? 0);
}
