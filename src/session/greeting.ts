import { type Description, parseDescription } from './description.ts';

/** What a session's shell sends when it is ready. */
export type Greeting = {
  description: Description;
  /** Whether every byte value arrived as it was sent. */
  clean: boolean;
  /** Bytes behind the greeting. */
  rest: Buffer;
};

const ALL_BYTES = Buffer.from(Array.from({ length: 256 }, (_, value) => value));

/**
 * Looks for the greeting in what has arrived so far; undefined while it isn't complete. It stands behind
 * whatever a login prints, and its first part may be mangled by a terminal on the way: that is what the part
 * with all bytes is there to show.
 */
export function findGreeting(data: Buffer, nonce: string): Greeting | undefined {
  const mark = Buffer.from(`@${nonce} 0 ready b`);
  const start = data.indexOf(mark);
  if (start < 0) return undefined;
  const stop = data.indexOf(0x2e, start);
  const end = stop < 0 ? -1 : data.indexOf(0x0a, stop);
  if (end < 0) return undefined;
  const base64 = data.toString('latin1', start + mark.length, stop).replace(/\s/g, '');
  const bytesMark = Buffer.from(`@${nonce} 0 bytes 256\n`);
  const bytesStart = data.indexOf(bytesMark);
  const arrived = data.subarray(bytesStart + bytesMark.length, start - 1);
  return {
    description: parseDescription(Buffer.from(base64, 'base64').toString()),
    clean: bytesStart >= 0 && arrived.equals(ALL_BYTES),
    rest: data.subarray(end + 1),
  };
}
