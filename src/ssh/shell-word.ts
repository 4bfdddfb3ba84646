/** Text as one word for a POSIX shell, always in single quotes. */
export function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** The same for people to read: quotes only where they are needed. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_./~:@%+,=-]+$/.test(text) ? text : shellQuoted(text);
}
