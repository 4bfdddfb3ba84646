import type { Session } from '../session/session.ts';
import { asText, TEXT_READ_BYTES } from './file/text-lines.ts';

/** The input of a call on its way: as it is, or as base64 in whole lines, whatever pieces it comes in. */
export class Outgoing {
  readonly #session: Session;
  readonly #raw: boolean;
  #held: Buffer[] = [];
  #heldBytes = 0;

  constructor({ session, raw }: { session: Session; raw: boolean }) {
    this.#session = session;
    this.#raw = raw;
  }

  /** Small pieces are gathered, so that a tree of small files doesn't become as many writes. Throws SessionLost. */
  async send(bytes: Buffer): Promise<void> {
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    if (this.#heldBytes >= TEXT_READ_BYTES) await this.#flush(false);
  }

  /** Sends what is still held. Throws SessionLost. */
  end(): Promise<void> {
    return this.#flush(true);
  }

  async #flush(last: boolean): Promise<void> {
    const [only] = this.#held;
    const all = only && this.#held.length === 1 ? only : Buffer.concat(this.#held);
    const length = last ? all.length : all.length - (all.length % TEXT_READ_BYTES);
    const now = all.subarray(0, length);
    this.#held = length < all.length ? [all.subarray(length)] : [];
    this.#heldBytes = all.length - length;
    if (length > 0) await this.#session.send(this.#raw ? now : Buffer.from(asText(now)));
  }
}
