/** What can go wrong, in the words that a handler or a test tells cases apart by. */
export type FailureKind =
  | 'bad-input'
  | 'no-pod'
  | 'config-unwritable'
  | 'config-rejected'
  | 'refused'
  | 'timed-out'
  | 'name-not-found'
  | 'unreachable'
  | 'host-key-changed'
  | 'permission-denied'
  | 'too-many-keys'
  | 'passphrase-needed'
  | 'container-not-found'
  | 'session-refused'
  | 'connection-lost'
  | 'lost-contact'
  | 'no-ssh'
  | 'needs-terminal'
  | 'no-such-workdir'
  | 'no-such-file'
  | 'no-permission'
  | 'no-space'
  | 'name-taken'
  | 'no-such-job'
  | 'not-allowed'
  | 'transfer-failed'
  | 'not-an-image'
  | 'image-too-large'
  | 'cancelled'
  | 'unexpected';

export type FailureText = {
  kind: FailureKind;
  /** What happened, as a sentence. */
  happened: string;
  /** What it means here. */
  meaning?: string;
  /** What to do next. */
  next: string;
  /** The command that does or shows the same in a terminal. */
  byHand?: string;
};

/** A failure that the agent and the person behind it can act on. */
export class Failure extends Error {
  readonly kind: FailureKind;
  readonly text: FailureText;

  constructor(text: FailureText, options?: { cause?: unknown }) {
    super(text.happened, options);
    this.name = 'Failure';
    this.kind = text.kind;
    this.text = text;
  }
}

/** The failure as the agent reads it: what happened, what it means, the next step, the command by hand. */
export function failureAsText({ happened, meaning, next, byHand }: FailureText): string {
  const lines = [happened];
  if (meaning) lines.push(meaning);
  lines.push(`Next: ${next}`);
  if (byHand) lines.push(`By hand: ${byHand}`);
  return lines.join('\n');
}
