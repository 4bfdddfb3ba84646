import { Failure } from '../failure.ts';

/**
 * What stands between the double quotes of a value in ssh_config(5): `\` and `"` escaped. The quotes are needed
 * whatever the value: a blank in a bare one makes ssh reject the whole file for every host.
 * Fails with `config-rejected` on control characters: a line break would begin another directive.
 */
export function escaped(value: string): string {
  if (/\p{Cc}/u.test(value)) throw notWritable(value, 'it has a control character in it');
  return value.replace(/[\\"]/g, '\\$&');
}

export function quoted(value: string): string {
  return `"${escaped(value)}"`;
}

/**
 * A value in which ssh expands `%` tokens, as it must be written to be taken character by character. A literal
 * `${` can't be written at all (ssh looks up an environment variable): fails with `config-rejected`.
 */
export function literal(value: string): string {
  if (value.includes('${')) throw notWritable(value, 'ssh would read ${…} as a variable');
  return value.replaceAll('%', '%%');
}

function notWritable(value: string, why: string): Failure {
  return new Failure({
    kind: 'config-rejected',
    happened: `${JSON.stringify(value)} can't stand in an ssh_config: ${why}.`,
    next: 'use a path or name without it.',
  });
}
