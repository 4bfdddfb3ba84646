import type { Readable } from 'node:stream';

const MAX_BYTES = 256 * 1024;
const NEWLINE = 0x0a;

/** The first lines of a stream, read without being taken from it: `giveBack` leaves them to the next reader. */
export class PeekedLines {
  readonly #stream: Readable;
  /** Everything that was read, and where the next line begins. */
  #read = Buffer.alloc(0);
  #at = 0;

  constructor(stream: Readable) {
    this.#stream = stream;
  }

  /** The next line; undefined if the stream ends before, if the line is endless, or if none comes in `waitMs`. */
  async next(waitMs?: number): Promise<string | undefined> {
    let end = this.#lineEnd();
    if (end < 0 && this.#read.length - this.#at <= MAX_BYTES) {
      await this.#more(waitMs);
      end = this.#lineEnd();
    }
    if (end < 0) return undefined;
    const line = this.#read.toString('utf8', this.#at, end);
    this.#at = end + 1;
    return line;
  }

  /** Leaves all of it in the stream. False if that has ended meanwhile: nobody can read it any more. */
  giveBack(): boolean {
    if (this.#stream.readableEnded || this.#stream.destroyed) return false;
    if (this.#read.length > 0) this.#stream.unshift(this.#read);
    this.#read = Buffer.alloc(0);
    this.#at = 0;
    return true;
  }

  #lineEnd(): number {
    return this.#read.indexOf(NEWLINE, this.#at);
  }

  /** Reads until there is a line, or no use in waiting for one. */
  async #more(waitMs: number | undefined): Promise<void> {
    const stream = this.#stream;
    await new Promise<void>((resolve) => {
      const timer = waitMs === undefined ? undefined : setTimeout(() => done(), waitMs);
      const done = (): void => {
        clearTimeout(timer);
        stream.off('readable', look).off('end', done).off('error', done);
        resolve();
      };
      const look = (): void => {
        for (let chunk: Buffer | null = stream.read(); chunk !== null; chunk = stream.read()) {
          this.#read = Buffer.concat([this.#read, chunk]);
          if (this.#lineEnd() >= 0 || this.#read.length - this.#at > MAX_BYTES) {
            done();
            return;
          }
        }
      };
      stream.on('readable', look).on('end', done).on('error', done);
    });
  }
}
