/** What can be said of a job; never guessed. */
export type JobState =
  | { kind: 'running' }
  | { kind: 'exited'; code: number }
  /** Ended by stop_job; `code` is what was left of it. */
  | { kind: 'stopped'; code: number }
  /** The container was replaced at that time (seconds since 1970), which ended everything in it. */
  | { kind: 'replaced'; at: number }
  /** What waited for it is gone, and left no exit code. */
  | { kind: 'lost' };

/** Reads the state and the word behind it as job.sh gives them. */
export function parseJobState(state: string | undefined, code: string | undefined): JobState {
  switch (state) {
    case 'running':
      return { kind: 'running' };
    case 'exited':
    case 'stopped':
      return { kind: state, code: Number(code) };
    case 'replaced':
      return { kind: 'replaced', at: Number(code) };
    default:
      return { kind: 'lost' };
  }
}

/** `started 12:00:01 UTC, ran 3 min 4 s` and the like, from seconds since 1970. */
export function timesAsText(
  state: JobState,
  { begun, over, now }: { begun: number; over: number; now: number },
): string {
  const started = `started ${clock(begun)}`;
  if (state.kind === 'running') return `${started}, running for ${duration(now - begun)}`;
  if (state.kind === 'exited' || state.kind === 'stopped') {
    return `${started}, ended ${clock(over)}, ran ${duration(over - begun)}`;
  }
  return started;
}

export function stateAsText(state: JobState): string {
  switch (state.kind) {
    case 'running':
      return 'running';
    case 'exited':
      return `exited with code ${state.code}`;
    case 'stopped':
      return `stopped (code ${state.code})`;
    case 'replaced':
      return `lost: the pod's container was replaced at ${clock(state.at)}, which ended everything in it`;
    case 'lost':
      return 'lost: what waited for it on the pod was killed, so its exit code is unknown';
  }
}

/** `2026-11-22 08:01:29 UTC` */
export function clock(seconds: number): string {
  return new Date(seconds * 1000)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, ' UTC');
}

/** `3 d 4 h`, `5 min 6 s` */
export function duration(seconds: number): string {
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [Math.floor(seconds) % 60, 's'],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return '0 s';
  return parts
    .slice(first, first + 2)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(' ');
}
