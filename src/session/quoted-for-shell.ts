/** `text` as one word of a POSIX shell. For text of our own; what comes from outside travels encoded. */
export function quotedForShell(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
