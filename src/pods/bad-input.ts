import { Failure } from '../failure.ts';

const AS_IT_STANDS =
  'Paste the string from RunPod’s Connect page as it stands, for example: ssh root@213.173.108.12 -p 17445 -i ~/.ssh/id_ed25519';

/** The failure for something pasted or configured that is not taken: which word, and why. */
export function badInput(happened: string, next = AS_IT_STANDS): Failure {
  return new Failure({ kind: 'bad-input', happened, next });
}

/** A word as it can stand in a message: quoted, shortened, with nothing invisible in it. */
export function shown(word: string): string {
  const short = word.length > 60 ? `${word.slice(0, 60)}…` : word;
  return `"${short.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, codePoint)}"`;
}

function codePoint(character: string): string {
  return `<U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}>`;
}
