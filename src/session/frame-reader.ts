/**
 * One frame of a session's output: an answer, or a part of one, to the call with this number. A large payload
 * comes in several parts, as it arrives; `at` says where in the payload this part begins.
 */
export type Frame = { call: number; type: string; words: string[]; payload: Buffer; at: number };

const MAX_HEADER_BYTES = 1024;
/** A payload of more than this comes in parts. */
const WHOLE_BYTES = 256 * 1024;
/** base64 comes whole. */
const MAX_BASE64_BYTES = 128 * 1024 * 1024;
const NEWLINE = 0x0a;
const FULL_STOP = 0x2e;

/**
 * Takes a session's byte stream apart: `@<nonce> <call> <type> <length> <words…>\n`, then so many bytes and a
 * newline; a length of `b` means base64 lines up to a line with a full stop. What stands between frames is
 * noise (banners, a terminal's echo) and is passed over. Since payloads have a length, output that contains
 * our own markers is only payload. Throws if the stream breaks the form: bytes were lost on the way.
 */
export class FrameReader {
  readonly #mark: Buffer;
  readonly #onFrame: (frame: Frame) => void;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  /** How much has to be there before another look is worth it. */
  #wanted = 1;
  /** The byte without which another look is not worth it. */
  #awaited: number | undefined;
  /** The frame whose payload is coming in parts. */
  #partial: { head: Omit<Frame, 'payload' | 'at'>; at: number; length: number } | undefined;

  constructor(nonce: string, onFrame: (frame: Frame) => void) {
    this.#mark = Buffer.from(`@${nonce} `);
    this.#onFrame = onFrame;
  }

  push(chunk: Buffer): void {
    this.#pending.push(chunk);
    this.#pendingBytes += chunk.length;
    if (this.#pendingBytes < this.#wanted) return;
    if (this.#awaited !== undefined && !chunk.includes(this.#awaited)) {
      if (this.#pendingBytes > MAX_BASE64_BYTES) throw new Error('a frame without an end');
      return;
    }
    this.#awaited = undefined;
    let data = this.#pending.length === 1 ? chunk : Buffer.concat(this.#pending);
    this.#wanted = 1;
    while (data.length > 0) {
      const used = this.#take(data);
      if (used === 0) break;
      data = data.subarray(used);
    }
    this.#pending = data.length > 0 ? [data] : [];
    this.#pendingBytes = data.length;
  }

  /** Takes one frame, or noise, off the front; returns how many bytes that was, 0 if more are needed. */
  #take(data: Buffer): number {
    if (this.#partial) return this.#takePart(data, this.#partial);
    const start = data.indexOf(this.#mark);
    if (start < 0) return Math.max(0, data.length - this.#mark.length + 1);
    if (start > 0) return start;
    const lineEnd = data.indexOf(NEWLINE);
    if (lineEnd < 0) {
      if (data.length > MAX_HEADER_BYTES) throw new Error('a frame without an end of its first line');
      return 0;
    }
    const header = data.toString('latin1', this.#mark.length, lineEnd).trimEnd().split(' ');
    const [call, type, length, ...words] = header;
    if (call === undefined || type === undefined || length === undefined || !/^\d+$/.test(call)) {
      throw new Error(`a frame with an odd first line: ${header.join(' ')}`);
    }
    const head = { call: Number(call), type, words: words.filter((word) => word !== '') };
    const from = lineEnd + 1;
    if (length === '0') {
      this.#onFrame({ ...head, payload: Buffer.alloc(0), at: 0 });
      return from;
    }
    if (length === 'b') return this.#takeBase64(data, from, head);
    const count = Number(length);
    if (!Number.isSafeInteger(count) || count < 0) throw new Error(`a frame of ${length} bytes`);
    if (count > WHOLE_BYTES) {
      this.#partial = { head, at: 0, length: count };
      return from;
    }
    const end = from + count;
    if (data.length <= end) {
      this.#wanted = end + 1;
      return 0;
    }
    this.#checkEnd(data[end]);
    this.#onFrame({ ...head, payload: Buffer.from(data.subarray(from, end)), at: 0 });
    return end + 1;
  }

  #takePart(
    data: Buffer,
    partial: { head: Omit<Frame, 'payload' | 'at'>; at: number; length: number },
  ): number {
    const left = partial.length - partial.at;
    if (left === 0) {
      this.#checkEnd(data[0]);
      this.#partial = undefined;
      return 1;
    }
    const payload = data.subarray(0, left);
    this.#onFrame({ ...partial.head, payload, at: partial.at });
    partial.at += payload.length;
    return payload.length;
  }

  #checkEnd(byte: number | undefined): void {
    if (byte !== NEWLINE) throw new Error('a frame whose length is not its own: bytes were lost or added');
  }

  #takeBase64(data: Buffer, from: number, head: Omit<Frame, 'payload' | 'at'>): number {
    // A full stop is no base64 character, so the first one ends the payload.
    const stop = data.indexOf(FULL_STOP, from);
    const end = stop < 0 ? -1 : data.indexOf(NEWLINE, stop);
    if (end < 0) {
      this.#awaited = stop < 0 ? FULL_STOP : NEWLINE;
      return 0;
    }
    const text = data.toString('latin1', from, stop).replace(/[\r\n]/g, '');
    if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw new Error('a frame that is not base64');
    this.#onFrame({ ...head, payload: Buffer.from(text, 'base64'), at: 0 });
    return end + 1;
  }
}
