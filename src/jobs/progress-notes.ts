import { lastLine } from './terminal-text.ts';

const FIRST_MS = 2_000;
const LEAST_MS = 1_000;
const MOST_MS = 10_000;

/**
 * Turns what a job prints into progress notes: the first after 2 s, then at most one a second, at least one
 * every 10 s.
 */
export function progressNotes(send: (note: { message: string }) => void): {
  latest: (output: Uint8Array) => void;
  end: () => void;
} {
  const begun = Date.now();
  let sentAt = begun + FIRST_MS - LEAST_MS;
  let message = '';
  let sent: string | undefined;
  const note = (now: number): void => {
    sentAt = now;
    sent = message;
    const seconds = Math.round((now - begun) / 1000);
    send({ message: message === '' ? `running for ${seconds} s, no output yet` : message });
  };
  const timer = setInterval(() => {
    const now = Date.now();
    const due = sent === undefined ? FIRST_MS - LEAST_MS + LEAST_MS : MOST_MS;
    if (sent === undefined ? now - begun >= due : now - sentAt >= due - LEAST_MS) note(now);
  }, LEAST_MS);
  timer.unref();
  return {
    latest: (output) => {
      message = lastLine(new TextDecoder().decode(output)) || message;
      const now = Date.now();
      if (now - begun >= FIRST_MS && now - sentAt >= LEAST_MS && message !== sent) note(now);
    },
    end: () => clearInterval(timer),
  };
}
