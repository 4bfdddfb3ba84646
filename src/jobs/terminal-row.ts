import { cellWidth, columnAfter } from './cell-width.ts';

/**
 * One line of a terminal. A line that is only ever appended to stays a plain string, so that it comes out
 * exactly as it was written; the first write into its middle turns it into cells (one per column; the second
 * column of a wide character and the rest of a tab are empty strings). Every operation costs what it touches.
 */
export class TerminalRow {
  #text = '';
  #width = 0;
  #cells: string[] | undefined;

  get width(): number {
    return this.#cells ? this.#cells.length : this.#width;
  }

  /** Writes at `column`, which must not lie beyond `width`; returns the column after it. */
  write(column: number, text: string): number {
    if (!this.#cells && column === this.#width) {
      this.#text += text;
      this.#width = columnAfter(text, column);
      return this.#width;
    }
    const cells = this.#asCells();
    let at = column;
    for (const character of text) at = putCell(cells, at, character);
    return at;
  }

  eraseFrom(column: number): void {
    if (column >= this.width) return;
    if (column === 0) {
      this.#text = '';
      this.#width = 0;
      this.#cells = undefined;
      return;
    }
    const cells = this.#asCells();
    freeCell(cells, column);
    cells.length = column;
  }

  /** Blanks the columns from `start` to before `end`, as far as there are any. */
  blank(start: number, end: number): void {
    const stop = Math.min(end, this.width);
    if (start >= stop) return;
    const cells = this.#asCells();
    freeCell(cells, start);
    freeCell(cells, stop - 1);
    cells.fill(' ', start, stop);
  }

  toString(): string {
    if (!this.#cells) return this.#text;
    // Blanks at the end of a rewritten line are how progress bars erase; nobody sees them.
    let end = this.#cells.length;
    while (end > 0 && this.#cells[end - 1] === ' ') end--;
    return this.#cells.slice(0, end).join('');
  }

  #asCells(): string[] {
    if (this.#cells) return this.#cells;
    const cells: string[] = [];
    let at = 0;
    for (const character of this.#text) at = putCell(cells, at, character);
    this.#cells = cells;
    this.#text = '';
    return cells;
  }
}

/** Puts one character at a column that is at most the row's end; returns the column after it. */
function putCell(cells: string[], column: number, character: string): number {
  const width = cellWidth(character, column);
  if (width === 0) {
    let base = Math.min(column, cells.length) - 1;
    while (base > 0 && cells[base] === '') base--;
    cells[base] = (cells[base] ?? '') + character;
    return column;
  }
  // A tab inside what is written already only moves the cursor.
  if (character === '\t' && column < cells.length) {
    while (cells.length < column + width) cells.push(' ');
    return column + width;
  }
  for (let i = column; i < column + width; i++) {
    freeCell(cells, i);
    cells[i] = i === column ? character : '';
  }
  return column + width;
}

/** A character that loses one of its columns is gone: terminals show blanks in its place. */
function freeCell(cells: string[], column: number): void {
  if (column >= cells.length) return;
  let start = column;
  while (start > 0 && cells[start] === '') start--;
  let end = column + 1;
  while (end < cells.length && cells[end] === '') end++;
  if (end - start > 1) cells.fill(' ', start, end);
}
