const SECOND = 1_000_000_000n;

/** Nanoseconds since 1970 as decimal seconds, such as `1700000000.123456789` or `-1.500000000`. */
export function secondsText(ns: bigint): string {
  const size = ns < 0n ? -ns : ns;
  return `${ns < 0n ? '-' : ''}${size / SECOND}.${String(size % SECOND).padStart(9, '0')}`;
}

/** Reads decimal seconds, as `stat` writes them; 0 where it is no number. */
export function fromSeconds(text: string): bigint {
  const found = parts(text);
  if (!found) return 0n;
  const size = found.seconds * SECOND + found.ns;
  return found.negative ? -size : size;
}

/** Reads what `find -printf %T@` writes: before 1970 whole seconds downwards, and a fraction that goes up from there. */
export function fromFind(text: string): bigint {
  const found = parts(text);
  if (!found) return 0n;
  return (found.negative ? -found.seconds : found.seconds) * SECOND + found.ns;
}

/**
 * A time for Node's `utimes`, which takes it as a double: right to some hundred nanoseconds. As a string, since Node
 * takes a negative number for "now".
 */
export function nodeTime(ns: bigint): string {
  return secondsText(ns);
}

function parts(text: string): { negative: boolean; seconds: bigint; ns: bigint } | undefined {
  const found = /^(-?)(\d{1,15})(?:\.(\d{1,30}))?$/.exec(text);
  if (!found) return undefined;
  const [, sign = '', seconds = '0', fraction = ''] = found;
  return {
    negative: sign === '-',
    seconds: BigInt(seconds),
    ns: BigInt(fraction.slice(0, 9).padEnd(9, '0')),
  };
}
