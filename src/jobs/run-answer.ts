import type { Mode } from '../pods/pod.ts';
import { composeOutput } from './output-budget.ts';
import type { RunResult } from './run.ts';

/** What run_command answers, as text and as facts. */
export function runOutput(
  { end, job, out, err, keptIn, inMemory, noRoom }: RunResult,
  { maxChars, timeoutS, mode }: { maxChars: number; timeoutS: number; mode: Mode },
): { text: string; facts: Record<string, unknown> } {
  const last = lastLineOf(end, job, timeoutS);
  const where = keptIn === undefined ? undefined : { stdout: `${keptIn}/out`, stderr: `${keptIn}/err` };
  const { text, truncated } = composeOutput({
    stdout: out.pieces(),
    stderr: err.pieces(),
    maxChars,
    where,
    ...(last === undefined ? {} : { exitLine: last }),
  });
  const code = end.kind === 'exited' ? end.code : null;
  const remarks = [
    ...(inMemory ? ["[the pod's disk takes nothing more: this command's state lay in its memory]"] : []),
    ...(noRoom ? [noRoomRemark(inMemory)] : []),
  ];
  return {
    text: [text, ...remarks].join('\n'),
    facts: {
      status: end.kind,
      exit_code: code,
      signal: code === null ? null : signalOf(code),
      stdout_bytes: out.total ?? out.end,
      stderr_bytes: err.total ?? err.end,
      truncated,
      mode,
      job,
    },
  };
}

/** What is said when no more output can be kept on the pod. */
export function noRoomRemark(inMemory: boolean): string {
  const what = inMemory ? 'memory (/dev/shm)' : 'disk';
  return `[the pod's ${what} is full: of what the command prints some may be missing; the command itself sees "No space left on device"]`;
}

function lastLineOf(end: RunResult['end'], job: string, timeoutS: number): string | undefined {
  switch (end.kind) {
    case 'exited':
      return end.code === 0 ? undefined : `[exit_code: ${end.code}]`;
    case 'running':
      return `[still running after ${timeoutS} s as job ${job}: check_job("${job}") follows it, stop_job("${job}") ends it]`;
    case 'lost':
      return `[lost: what waited for the command on the pod is gone (killed, or out of memory), so its exit code is unknown; check_job("${job}") shows what it had printed]`;
    case 'lost-contact':
      return end.replaced
        ? `[lost contact: the pod's container was replaced while the command ran, which ends everything in it; what is shown is what had arrived]`
        : `[lost contact: ${end.reason}. The command may go on as job ${job}; when the pod can be reached again, check_job("${job}") tells how it went. It was not run twice]`;
  }
}

const SIGNALS: Record<number, string> = {
  1: 'HUP',
  2: 'INT',
  3: 'QUIT',
  6: 'ABRT',
  8: 'FPE',
  9: 'KILL',
  11: 'SEGV',
  13: 'PIPE',
  15: 'TERM',
};

/** The signal that a shell reports as 128 + its number. */
export function signalOf(code: number): string | null {
  return code > 128 ? (SIGNALS[code - 128] ?? null) : null;
}
