const NOTE_MS = 1_000;
const MB = 1e6;

/** Counts the bytes of a transfer, and says every second how far it is. */
export class Meter {
  moved = 0;
  #total: number;
  #what: string;
  readonly #begun = performance.now();
  readonly #timer: NodeJS.Timeout;

  constructor(what: string, send: (note: { message: string; done: number; total: number }) => void) {
    this.#what = what;
    this.#total = 0;
    this.#timer = setInterval(() => send(this.#note()), NOTE_MS);
    this.#timer.unref();
  }

  /** What is under way now, and how many bytes there are in all. */
  expect(what: string, bytes: number): void {
    this.#what = what;
    this.#total += bytes;
  }

  count(bytes: number): void {
    this.moved += bytes;
  }

  get seconds(): number {
    return (performance.now() - this.#begun) / 1000;
  }

  end(): void {
    clearInterval(this.#timer);
  }

  #note(): { message: string; done: number; total: number } {
    const rate = this.moved / this.seconds;
    const left = rate > 0 ? Math.max(0, Math.round((this.#total - this.moved) / rate)) : undefined;
    const of = this.#total > 0 ? ` of ${megabytes(this.#total)}` : '';
    const rest = left === undefined || this.#total === 0 ? '' : `, ${left} s left`;
    return {
      message: `${this.#what}: ${megabytes(this.moved)}${of}, ${(rate / MB).toFixed(1)} MB/s${rest}`,
      done: this.moved,
      total: this.#total,
    };
  }
}

/** `12.3 MB` */
export function megabytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} byte${bytes === 1 ? '' : 's'}`;
  return bytes < 100_000 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / MB).toFixed(1)} MB`;
}
