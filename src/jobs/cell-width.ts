const PRINTABLE_ASCII = /^[ -~]*$/;
const ZERO_WIDTH = /^[\p{Mn}\p{Me}\p{Cf}]$/u;
const TAB_STOP = 8;

/** First and last code points of the blocks that terminals draw two columns wide (Unicode's East Asian Width W and F, and emoji). */
const WIDE_RANGES: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0x4dbf],
  [0x4e00, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f300, 0x1f64f],
  [0x1f680, 0x1f6ff],
  [0x1f900, 0x1f9ff],
  [0x1fa70, 0x1faff],
  [0x20000, 0x3fffd],
];

/** How many terminal columns one code point takes when it is written at `column`: a tab reaches to the next stop. */
export function cellWidth(character: string, column: number): number {
  if (character === '\t') return TAB_STOP - (column % TAB_STOP);
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x300) return 1;
  // A mark that has nothing to sit on takes a column, as there is no cell it could be kept in.
  if (ZERO_WIDTH.test(character)) return column === 0 ? 1 : 0;
  return WIDE_RANGES.some(([first, last]) => code >= first && code <= last) ? 2 : 1;
}

/** The column at which the cursor stands after `text` was written from `column` on. */
export function columnAfter(text: string, column: number): number {
  if (PRINTABLE_ASCII.test(text)) return column + text.length;
  let at = column;
  for (const character of text) at += cellWidth(character, at);
  return at;
}
