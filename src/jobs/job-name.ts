import { Failure } from '../failure.ts';

/** `name`, if it can be a folder's and a tmux session's name and nobody's option; else Failure `bad-input`. */
export function checkedJobName(name: string): string {
  if (/^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/.test(name)) return name;
  throw new Failure({
    kind: 'bad-input',
    happened: `${JSON.stringify(name.slice(0, 80))} can't be a job's name.`,
    next: 'take 1 to 64 letters, digits, dots, underscores and hyphens, beginning with a letter or a digit.',
  });
}
