import { TerminalScreen } from './terminal-screen.ts';

const NEEDS_TERMINAL = /(?![\t\n])\p{Cc}/u;
const WRITTEN_AS_IS = /[\P{Cc}\t]+/uy;
const LAST_LINE_LENGTH = 200;
const LAST_LINE_SEARCH = 16_384;

const BEL = 0x07;
const BACKSPACE = 0x08;
const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SHIFT_OUT = 0x0e;
const SHIFT_IN = 0x0f;
const CANCEL = 0x18;
const SUBSTITUTE = 0x1a;
const ESC = 0x1b;
const DELETE = 0x7f;
const STRING_TERMINATOR = 0x9c;

/** What a control sequence does, by its final character and its first two parameters (0 where one is missing). */
const CSI_ACTIONS = new Map<string, (screen: TerminalScreen, first: number, second: number) => void>([
  ['A', (screen, rows) => screen.up(rows || 1)],
  ['B', (screen, rows) => screen.down(rows || 1)],
  ['C', (screen, columns) => screen.right(columns || 1)],
  ['D', (screen, columns) => screen.left(columns || 1)],
  ['E', (screen, rows) => screen.downToLineStart(rows || 1)],
  ['F', (screen, rows) => screen.upToLineStart(rows || 1)],
  ['G', (screen, column) => screen.column((column || 1) - 1)],
  ['`', (screen, column) => screen.column((column || 1) - 1)],
  ['H', (screen, row, column) => screen.position((row || 1) - 1, (column || 1) - 1)],
  ['f', (screen, row, column) => screen.position((row || 1) - 1, (column || 1) - 1)],
  ['J', (screen, part) => [screen.eraseBelow, screen.eraseAbove, screen.eraseScreen][part]?.call(screen)],
  [
    'K',
    (screen, part) => [screen.eraseToLineEnd, screen.eraseToLineStart, screen.eraseLine][part]?.call(screen),
  ],
  ['X', (screen, count) => screen.eraseCharacters(count || 1)],
  ['r', (screen, _, lastRow) => screen.scrollingRegion((lastRow || Number.POSITIVE_INFINITY) - 1)],
  ['s', (screen) => screen.save()],
  ['u', (screen) => screen.restore()],
]);

/**
 * What a person would see of this terminal output, as plain text: escape sequences are gone and what they do to
 * the text is done (lines rewritten by `\r`, cursor movements and erasing stand as they ended; xterm's "Control
 * Sequences" and ECMA-48 name them). The bell is dropped; other control characters are shown as `\x01`, so
 * that nothing invisible is left but tabs and newlines. Text without control characters comes back as it is,
 * white space included; only a rewritten line loses the blanks at its end. Linear in time and memory.
 */
export function asSeen(text: string): string {
  if (!NEEDS_TERMINAL.test(text)) return text;
  const screen = new TerminalScreen(text.length * 4 + 4096);
  let at = 0;
  while (at < text.length) {
    WRITTEN_AS_IS.lastIndex = at;
    const written = WRITTEN_AS_IS.exec(text)?.[0];
    if (written !== undefined) {
      screen.write(written);
      at += written.length;
      continue;
    }
    at = control(screen, text, at);
  }
  return screen.toString();
}

/** The last line that is not blank, as seen and without the blanks around it, at most 200 characters long; '' when there is none. */
export function lastLine(text: string): string {
  let end = text.slice(-LAST_LINE_SEARCH);
  if (end.length < text.length) {
    // What was cut in two may look like text but be the rest of an escape sequence.
    const whole = end.search(/[\r\n]/);
    if (whole >= 0) end = end.slice(whole);
  }
  const lines = asSeen(end).split('\n');
  const line = lines.findLast((candidate) => candidate.trim() !== '')?.trim() ?? '';
  if (line.length <= LAST_LINE_LENGTH) return line;
  let short = '';
  for (const character of line) {
    if (short.length + character.length >= LAST_LINE_LENGTH) break;
    short += character;
  }
  return `${short}…`;
}

/** Carries out the control character or sequence at `at`; returns where the text goes on. */
function control(screen: TerminalScreen, text: string, at: number): number {
  const code = text.charCodeAt(at);
  switch (code) {
    case NEWLINE:
      screen.newline();
      return at + 1;
    case CARRIAGE_RETURN:
      screen.column(0);
      return at + 1;
    case BACKSPACE:
      screen.left(1);
      return at + 1;
    case BEL:
    case SHIFT_OUT:
    case SHIFT_IN:
      return at + 1;
    case ESC:
      return escapeSequence(screen, text, at + 1);
    default:
      // C1 controls are ESC and a letter in one character (ECMA-48, 5.3).
      if (code > DELETE) return escapeLetter(screen, text, String.fromCharCode(code - 0x40), at + 1);
      screen.write(`\\x${code.toString(16).padStart(2, '0')}`);
      return at + 1;
  }
}

function escapeSequence(screen: TerminalScreen, text: string, at: number): number {
  let end = at;
  while (isBetween(text.charCodeAt(end), 0x20, 0x2f)) end++;
  // Anything but a final character means that this was no sequence: only the ESC goes.
  if (!isBetween(text.charCodeAt(end), 0x30, 0x7e)) return end;
  if (end > at) return end + 1;
  return escapeLetter(screen, text, text.charAt(end), end + 1);
}

function escapeLetter(screen: TerminalScreen, text: string, letter: string, at: number): number {
  switch (letter) {
    case '[':
      return controlSequence(screen, text, at);
    case ']':
    case 'k': // the window title, in screen and tmux
      return afterString(text, at, false);
    case 'P':
    case 'X':
    case '^':
    case '_':
      return afterString(text, at, true);
    case '7':
      screen.save();
      break;
    case '8':
      screen.restore();
      break;
    case 'D':
      screen.down(1);
      break;
    case 'E':
      screen.newline();
      break;
    case 'M':
      screen.up(1);
      break;
    case 'c':
      screen.eraseScreen();
      break;
  }
  return at;
}

/** Where the text goes on after the payload of an OSC, DCS, APC, PM or SOS that begins at `at`. */
function afterString(text: string, at: number, spansLines: boolean): number {
  let firstNewline = -1;
  for (let i = at; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === ESC && text[i + 1] === '\\') return i + 2;
    if (code === STRING_TERMINATOR) return i + 1;
    if (code === BEL && !spansLines) return i + 1;
    if (code === NEWLINE && firstNewline < 0) {
      if (!spansLines) return i;
      firstNewline = i;
    }
    if (code === CANCEL || code === SUBSTITUTE) return firstNewline >= 0 ? firstNewline : i + 1;
    if (code === ESC || isBetween(code, 0x80, 0x9f)) return firstNewline >= 0 ? firstNewline : i;
  }
  // Never ended: two stray bytes of a binary must not swallow all the lines that follow.
  return firstNewline >= 0 ? firstNewline : text.length;
}

function controlSequence(screen: TerminalScreen, text: string, at: number): number {
  let end = at;
  while (isBetween(text.charCodeAt(end), 0x30, 0x3f)) end++;
  const parameters = text.slice(at, end);
  const plain = end;
  while (isBetween(text.charCodeAt(end), 0x20, 0x2f)) end++;
  if (!isBetween(text.charCodeAt(end), 0x40, 0x7e)) return end;
  // Private sequences (`?25l`) and those with intermediate characters change modes, not text.
  const act = end === plain && !/^[<-?]/.test(parameters) ? CSI_ACTIONS.get(text.charAt(end)) : undefined;
  if (act) {
    const [first = 0, second = 0] = parameters
      .split(';', 2)
      .map((digits) => Number.parseInt(digits, 10) || 0);
    act(screen, first, second);
  }
  return end + 1;
}

function isBetween(code: number, first: number, last: number): boolean {
  return code >= first && code <= last;
}
