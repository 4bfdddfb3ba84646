import { Failure } from '../failure.ts';

/** What a window holds of a stream; offsets and totals in bytes. */
export type StreamPieces = {
  /** The stream from its first byte on. */
  head: Uint8Array;
  /** A later piece, beginning at `tailStart`; missing when nothing beyond the head is held. */
  tail?: Uint8Array;
  tailStart?: number;
  /** How long the stream is: its true length once that is known, until then how far it has been seen. */
  total: number;
};

/**
 * What is known of a stream on the pod: the first `headLimit` bytes and the last `tailLimit` bytes of what was
 * delivered. Pieces come with their absolute offset, in any order, and may overlap or repeat (after a
 * reconnect): each byte has one place. Memory is bounded by the two limits.
 *
 * There is at most one gap, before the tail: a piece beyond `contiguousEnd` begins a tail of its own, and one
 * that lies in the gap and touches neither side is not kept (`contiguousEnd` goes on asking for it).
 */
export class ByteWindow {
  readonly #headLimit: number;
  readonly #tailLimit: number;
  #head = new Uint8Array(0);
  /** Bytes `#tailStart` to before `#end`, each at its offset modulo the ring's length. */
  #ring = new Uint8Array(0);
  #tailStart = 0;
  #end = 0;
  #contiguousEnd = 0;
  #total: number | undefined;

  constructor({ headLimit, tailLimit }: { headLimit: number; tailLimit: number }) {
    this.#headLimit = headLimit;
    this.#tailLimit = tailLimit;
  }

  /** Every byte before this one was delivered; it is the next one wanted. */
  get contiguousEnd(): number {
    return this.#contiguousEnd;
  }

  /** One past the last byte that was delivered. */
  get end(): number {
    return this.#end;
  }

  /** The stream's true length in bytes, once `setTotal` has told it. */
  get total(): number | undefined {
    return this.#total;
  }

  /** Whether the total is known and every byte up to it was delivered and is still held. */
  get complete(): boolean {
    if (this.#contiguousEnd !== this.#total) return false;
    return this.#headLength() === this.#total || this.#tailStart <= this.#headLength();
  }

  /** Fails as `unexpected` when the stream was seen to be longer, or another length was set before. */
  setTotal(total: number): void {
    if (total < this.#end || (this.#total !== undefined && this.#total !== total)) {
      throw contradiction(
        `The output is said to end at byte ${total}, but byte ${this.#total ?? this.#end} was reached.`,
      );
    }
    this.#total = total;
  }

  /** Fails as `unexpected` when the bytes differ from those held for the same place, or lie beyond the total. */
  place(offset: number, bytes: Uint8Array): void {
    if (!Number.isSafeInteger(offset) || offset < 0) throw new RangeError(`not an offset: ${offset}`);
    if (bytes.length === 0) return;
    const stop = offset + bytes.length;
    if (this.#total !== undefined && stop > this.#total) {
      throw contradiction(`The output goes on beyond byte ${this.#total}, where it was said to end.`);
    }
    this.#checkAgreement(offset, bytes);
    if (offset <= this.#contiguousEnd) this.#extend(offset, bytes);
    else this.#placeBeyondGap(offset, bytes);
  }

  /** A copy of what is held, in the shape that `composeOutput` takes. */
  pieces(): StreamPieces {
    const head = this.#head.slice(0, this.#headLength());
    const total = this.#total ?? this.#end;
    if (this.#tailStart >= this.#end) return { head, total };
    const tail = new Uint8Array(this.#end - this.#tailStart);
    for (let i = 0; i < tail.length; ) {
      const from = this.#ringFrom(this.#tailStart + i, tail.length - i);
      tail.set(from, i);
      i += from.length;
    }
    return { head, tail, tailStart: this.#tailStart, total };
  }

  /** A copy of the last bytes that were delivered, at most `length` and as far as they are held; undefined before the first. */
  last(length: number): Uint8Array | undefined {
    if (this.#end === 0) return undefined;
    const { head, tail } = this.pieces();
    if (!tail) return head.length === this.#end ? head.subarray(-length) : undefined;
    if (tail.length >= length || this.#tailStart > head.length) return tail.subarray(-length);
    return Buffer.concat([head, tail]).subarray(-length);
  }

  #headLength(): number {
    return Math.min(this.#contiguousEnd, this.#headLimit);
  }

  #extend(offset: number, bytes: Uint8Array): void {
    const stop = offset + bytes.length;
    if (stop <= this.#contiguousEnd) return;
    const fresh = bytes.subarray(this.#contiguousEnd - offset);
    const freshStart = this.#contiguousEnd;
    this.#appendToHead(freshStart, fresh);
    this.#contiguousEnd = stop;

    const beyondHead = Math.max(freshStart, this.#headLimit);
    const rest = fresh.subarray(Math.min(fresh.length, beyondHead - freshStart));
    const tailIsDetached = this.#tailStart < this.#end && this.#tailStart > freshStart;
    if (tailIsDetached && stop < this.#end) {
      if (stop >= this.#tailStart) this.#joinTail(beyondHead, rest, stop);
      return;
    }
    // A tail that was detached lies within these bytes.
    if (tailIsDetached) this.#tailStart = this.#end;
    const end = Math.max(this.#end, stop);
    if (rest.length > 0) this.#appendToTail(beyondHead, rest);
    this.#end = end;
    if (rest.length === 0 || this.#tailLimit === 0) this.#tailStart = end;
  }

  /** The gap is closed by bytes that end within the tail: what it held becomes part of the contiguous stream. */
  #joinTail(restStart: number, rest: Uint8Array, stop: number): void {
    if (this.#tailStart > restStart) this.#prependToTail(rest.subarray(0, this.#tailStart - restStart));
    this.#contiguousEnd = this.#end;
    const headEnd = Math.min(this.#end, this.#headLimit);
    for (let at = stop; at < headEnd; ) {
      const from = this.#ringFrom(at, headEnd - at);
      this.#appendToHead(at, from);
      at += from.length;
    }
    this.#tailStart = Math.min(this.#end, Math.max(this.#tailStart, this.#headLimit));
  }

  #placeBeyondGap(offset: number, bytes: Uint8Array): void {
    const stop = offset + bytes.length;
    const tailIsDetached = this.#tailStart < this.#end && this.#tailStart > this.#contiguousEnd;
    if (!tailIsDetached || offset > this.#end) {
      if (stop <= this.#end) return;
      this.#tailStart = offset;
      this.#end = offset;
      this.#appendToTail(offset, bytes);
      return;
    }
    if (stop < this.#tailStart) return;
    if (offset < this.#tailStart) this.#prependToTail(bytes.subarray(0, this.#tailStart - offset));
    if (stop > this.#end) this.#appendToTail(this.#end, bytes.subarray(this.#end - offset));
  }

  #appendToHead(offset: number, bytes: Uint8Array): void {
    const taken = bytes.subarray(0, Math.max(0, this.#headLimit - offset));
    const needed = offset + taken.length;
    if (taken.length === 0) return;
    if (needed > this.#head.length) {
      const grown = new Uint8Array(Math.min(this.#headLimit, Math.max(needed, 2 * this.#head.length)));
      grown.set(this.#head);
      this.#head = grown;
    }
    this.#head.set(taken, offset);
  }

  /** `offset` is the tail's end, or the tail is empty. */
  #appendToTail(offset: number, bytes: Uint8Array): void {
    if (this.#tailStart >= this.#end) this.#tailStart = offset;
    this.#end = offset + bytes.length;
    const kept = this.#tailLimit === 0 ? new Uint8Array(0) : bytes.subarray(-this.#tailLimit);
    this.#ringWrite(this.#end - kept.length, kept);
    this.#tailStart = Math.max(this.#tailStart, this.#end - this.#tailLimit);
  }

  /** `bytes` end where the tail begins; the last of them are kept as far as there is room. */
  #prependToTail(bytes: Uint8Array): void {
    const room = this.#tailLimit - (this.#end - this.#tailStart);
    const kept = bytes.subarray(Math.max(0, bytes.length - room));
    this.#ringWrite(this.#tailStart - kept.length, kept);
    this.#tailStart -= kept.length;
  }

  #ringWrite(offset: number, bytes: Uint8Array): void {
    if (this.#ring.length === 0) this.#ring = new Uint8Array(this.#tailLimit);
    for (let i = 0; i < bytes.length; ) {
      const place = (offset + i) % this.#tailLimit;
      const part = bytes.subarray(i, i + this.#tailLimit - place);
      this.#ring.set(part, place);
      i += part.length;
    }
  }

  /** At most `length` held tail bytes from `offset` on, up to where the ring wraps. */
  #ringFrom(offset: number, length: number): Uint8Array {
    const place = offset % this.#tailLimit;
    return this.#ring.subarray(place, Math.min(place + length, this.#tailLimit));
  }

  #checkAgreement(offset: number, bytes: Uint8Array): void {
    const stop = offset + bytes.length;
    const headStop = Math.min(stop, this.#headLength());
    if (offset < headStop) this.#checkSame(this.#head.subarray(offset, headStop), bytes, 0, offset);
    const tailStop = Math.min(stop, this.#end);
    for (let at = Math.max(offset, this.#tailStart); at < tailStop; ) {
      const held = this.#ringFrom(at, tailStop - at);
      this.#checkSame(held, bytes, at - offset, offset);
      at += held.length;
    }
  }

  #checkSame(held: Uint8Array, bytes: Uint8Array, from: number, offset: number): void {
    if (Buffer.compare(held, bytes.subarray(from, from + held.length)) === 0) return;
    throw contradiction(
      `The pod gave different bytes for the same place of the output (near byte ${offset + from}).`,
    );
  }
}

function contradiction(happened: string): Failure {
  return new Failure({
    kind: 'unexpected',
    happened,
    meaning: 'The output kept on the pod was changed or replaced while it was read.',
    next: 'look at the job again from the beginning with check_job.',
  });
}
