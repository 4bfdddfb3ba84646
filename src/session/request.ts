/**
 * What a session's shell reads: lines of printable ASCII, short enough for a terminal in canonical mode, which
 * drops what goes beyond 4,095 bytes of a line without a word (n_tty).
 */
const MAX_CHUNK = 1000;

/** `text` as printf's `%b` writes it back, without blanks: data can never become a word or code of the shell's. */
export function escapeForPrintf(text: string | Uint8Array): string {
  let escaped = '';
  for (const byte of typeof text === 'string' ? Buffer.from(text) : text) {
    const plain = byte > 0x20 && byte < 0x7f && byte !== 0x5c;
    escaped += plain ? String.fromCharCode(byte) : `\\0${byte.toString(8).padStart(3, '0')}`;
  }
  return escaped;
}

/** A word of a call. The mark in front keeps an empty one in its place. */
export function word(text: string | Uint8Array): string {
  return `=${escapeForPrintf(text)}`;
}

/** A call of `program` with `words`, preceded by the lines that carry `text`, if there is one. */
export function callLines(
  call: number,
  program: string,
  words: (string | number)[],
  text: string | Uint8Array = '',
): string {
  return `${textLines(text)}c ${call} ${[program, ...words].join(' ')}\n`;
}

function textLines(text: string | Uint8Array): string {
  const escaped = escapeForPrintf(text);
  let lines = '';
  for (let from = 0; from < escaped.length; ) {
    let to = Math.min(from + MAX_CHUNK, escaped.length);
    // An escape of five characters stays in one piece.
    const begun = escaped.lastIndexOf('\\', to - 1);
    if (begun > to - 5 && to < escaped.length) to = begun;
    lines += `t 0 ${escaped.slice(from, to)}\n`;
    from = to;
  }
  return lines;
}

/** A call that takes bytes from the session's input: they follow it at once, and what comes then waits for it. */
export function callWithInputLines(call: number, program: string, words: (string | number)[]): string {
  return `u ${call} ${[program, ...words].join(' ')}\n`;
}

/** Loads a further program into the session. */
export function loadLines(program: string): string {
  return `${textLines(program)}h 0 rp_load\n`;
}

/** Sends a signal to the subshell of a call: what it means is the program's affair. */
export function signalLine(call: number, signal: 'USR1' | 'USR2'): string {
  return `s ${call} ${signal}\n`;
}

/** Runs a function of a loaded program in the session's own shell; it gives no answer. */
export function housekeepingLine(program: string, words: (string | number)[] = []): string {
  return `h 0 ${[program, ...words].join(' ')}\n`;
}

export const pingLine = 'p 0\n';
export const base64Line = 'e 0 base64\n';
export const leaveLine = 'x 0\n';
