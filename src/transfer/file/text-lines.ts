/** A base64 line that every terminal takes is made of so many bytes. */
const LINE_BYTES = 57;

/** What to read at a time: whole lines, so that base64's padding comes at the very end only. */
export const TEXT_READ_BYTES = 4096 * LINE_BYTES;

/** `bytes` as base64 in lines. */
export function asText(bytes: Buffer): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += LINE_BYTES) {
    lines.push(`${bytes.toString('base64', at, Math.min(at + LINE_BYTES, bytes.length))}\n`);
  }
  return lines.join('');
}

/** How long `asText` makes so many bytes that come in pieces of whole lines. */
export function textLength(count: number): number {
  const rest = count % LINE_BYTES;
  const whole = (count - rest) / LINE_BYTES;
  return whole * ((LINE_BYTES / 3) * 4 + 1) + (rest > 0 ? 4 * Math.ceil(rest / 3) + 1 : 0);
}
