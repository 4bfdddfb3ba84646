import { TerminalRow } from './terminal-row.ts';

/** How far up a cursor can go. Terminals clamp at their height, which nobody tells us; few are taller than this. */
const HEIGHT = 100;
/** How far to the right of the text the cursor can be sent. */
const MAX_COLUMN = 200;

type Place = { row: number; column: number };

/**
 * What a terminal without a right edge shows, with everything that scrolled off its top kept. Columns and rows
 * are counted from 0. `allowance` bounds the blanks and erasures that cursor movements can cause beyond what
 * was written (10 bytes can ask for 200 columns), so that time and memory stay linear in the input.
 */
export class TerminalScreen {
  #done: string[] = [];
  #rows: TerminalRow[] = [new TerminalRow()];
  #row = 0;
  #column = 0;
  #saved: Place = { row: 0, column: 0 };
  /** Where a program that addresses rows absolutely (watch, top) has its first row; undefined until one does. */
  #origin: number | undefined;
  /** A status line below the scrolling region (apt's progress bar): not part of the text. */
  #status: TerminalRow | undefined;
  #lastScrollingRow = Number.POSITIVE_INFINITY;
  #allowance: number;

  constructor(allowance: number) {
    this.#allowance = allowance;
  }

  write(text: string): void {
    const row = this.#current();
    const missing = this.#column - row.width;
    if (missing > 0) row.write(row.width, ' '.repeat(this.#spend(missing)));
    this.#column = row.write(Math.min(this.#column, row.width), text);
  }

  newline(): void {
    this.#column = 0;
    if (this.#status) return;
    this.#row++;
    this.#reachRow();
  }

  column(column: number): void {
    this.#column = Math.max(0, Math.min(column, Math.max(MAX_COLUMN, this.#current().width)));
  }

  right(columns: number): void {
    this.column(this.#column + columns);
  }

  left(columns: number): void {
    this.#column = Math.max(0, this.#column - columns);
  }

  up(rows: number): void {
    if (!this.#status) this.#row = Math.max(this.#top(), this.#row - rows);
  }

  down(rows: number): void {
    if (this.#status) return;
    const last = this.#rows.length - 1;
    // "Far down" is asked for to find the bottom, not to get blank lines.
    const beyond = rows >= HEIGHT ? 0 : this.#spend(Math.max(0, this.#row + rows - last));
    this.#row = Math.min(this.#row + rows, last + beyond);
    this.#reachRow();
  }

  upToLineStart(rows: number): void {
    this.up(rows);
    this.#column = 0;
  }

  downToLineStart(rows: number): void {
    this.down(rows);
    this.#column = 0;
  }

  /** To a row of the screen of a program that addresses rows absolutely; it begins below all that was there. */
  position(row: number, column: number): void {
    this.#status = undefined;
    if (row > this.#lastScrollingRow) {
      this.#status = new TerminalRow();
      this.column(column);
      return;
    }
    this.#beginScreen();
    this.#row = this.#screenTop();
    this.down(Math.min(row, HEIGHT - 1));
    this.column(column);
  }

  /** The last row that scrolls; what is written below it is a status line. */
  scrollingRegion(lastRow: number): void {
    this.#lastScrollingRow = lastRow;
    this.#status = undefined;
  }

  save(): void {
    this.#saved = { row: this.#row, column: this.#column };
  }

  restore(): void {
    this.#status = undefined;
    this.#row = Math.min(Math.max(0, this.#saved.row), this.#rows.length - 1);
    this.#column = this.#saved.column;
  }

  eraseToLineEnd(): void {
    this.#current().eraseFrom(this.#column);
  }

  eraseToLineStart(): void {
    this.#blank(0, this.#column + 1);
  }

  eraseLine(): void {
    this.#current().eraseFrom(0);
  }

  eraseCharacters(count: number): void {
    this.#blank(this.#column, this.#column + count);
  }

  eraseBelow(): void {
    this.eraseToLineEnd();
    if (this.#status) return;
    this.#rows.length = this.#row + 1;
    if (this.#origin !== undefined) this.#origin = Math.min(this.#origin, this.#row);
  }

  eraseAbove(): void {
    if (!this.#status) for (let i = this.#screenTop(); i < this.#row; i++) this.#rows[i]?.eraseFrom(0);
    this.eraseToLineStart();
  }

  /** The first clearing leaves what stands above, as scrollback does; later ones redraw in place. */
  eraseScreen(): void {
    this.#status = undefined;
    this.#beginScreen();
    this.#row = this.#screenTop();
    this.#column = 0;
    this.#rows.length = this.#row + 1;
    this.eraseLine();
  }

  toString(): string {
    return [...this.#done, ...this.#rows.map(String)].join('\n');
  }

  #current(): TerminalRow {
    if (this.#status) return this.#status;
    const row = this.#rows[this.#row];
    if (row) return row;
    throw new RangeError('the cursor stands on no row');
  }

  #top(): number {
    return Math.max(0, this.#rows.length - HEIGHT);
  }

  #screenTop(): number {
    return Math.max(this.#origin ?? 0, this.#top());
  }

  #beginScreen(): void {
    if (this.#origin !== undefined) return;
    const last = this.#rows[this.#rows.length - 1];
    if (last && last.width > 0) this.#rows.push(new TerminalRow());
    this.#origin = this.#rows.length - 1;
  }

  /** Makes the rows down to the cursor's, and puts away those that no cursor can reach any more. */
  #reachRow(): void {
    while (this.#rows.length <= this.#row) this.#rows.push(new TerminalRow());
    const gone = this.#rows.length - HEIGHT;
    if (gone < HEIGHT) return;
    for (const row of this.#rows.splice(0, gone)) this.#done.push(row.toString());
    this.#row -= gone;
    this.#saved.row -= gone;
    if (this.#origin !== undefined) this.#origin = Math.max(0, this.#origin - gone);
  }

  #blank(start: number, end: number): void {
    const count = Math.min(end, this.#current().width) - start;
    if (count > 0 && this.#spend(count) === count) this.#current().blank(start, end);
  }

  #spend(wanted: number): number {
    const granted = Math.min(wanted, this.#allowance);
    this.#allowance -= granted;
    return granted;
  }
}
