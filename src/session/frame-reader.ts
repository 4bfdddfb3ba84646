/** One frame of a session's output: an answer, or a part of one, to the call with this number. */
export type Frame = { call: number; type: string; words: string[]; payload: Buffer };

const MAX_HEADER_BYTES = 1024;
const MAX_PAYLOAD_BYTES = 4 * 1024 * 1024;
const NEWLINE = 0x0a;

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

  constructor(nonce: string, onFrame: (frame: Frame) => void) {
    this.#mark = Buffer.from(`@${nonce} `);
    this.#onFrame = onFrame;
  }

  push(chunk: Buffer): void {
    this.#pending.push(chunk);
    this.#pendingBytes += chunk.length;
    if (this.#pendingBytes < this.#wanted) return;
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
    const frame = (payload: Buffer): void =>
      this.#onFrame({ call: Number(call), type, words: words.filter((word) => word !== ''), payload });
    const from = lineEnd + 1;
    if (length === '0') {
      frame(Buffer.alloc(0));
      return from;
    }
    if (length === 'b') return this.#takeBase64(data, from, frame);
    const count = Number(length);
    if (!(count <= MAX_PAYLOAD_BYTES)) throw new Error(`a frame of ${length} bytes`);
    const end = from + count;
    if (data.length <= end) {
      this.#wanted = end + 1;
      return 0;
    }
    if (data[end] !== NEWLINE)
      throw new Error('a frame whose length is not its own: bytes were lost or added');
    frame(Buffer.from(data.subarray(from, end)));
    return end + 1;
  }

  #takeBase64(data: Buffer, from: number, frame: (payload: Buffer) => void): number {
    // A full stop is no base64 character, so the first one ends the payload.
    const stop = data.indexOf(0x2e, from);
    const end = stop < 0 ? -1 : data.indexOf(NEWLINE, stop);
    if (end < 0) {
      if (data.length - from > 2 * MAX_PAYLOAD_BYTES) throw new Error('a frame without an end');
      return 0;
    }
    const text = data.toString('latin1', from, stop).replace(/[\r\n]/g, '');
    if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw new Error('a frame that is not base64');
    frame(Buffer.from(text, 'base64'));
    return end + 1;
  }
}
