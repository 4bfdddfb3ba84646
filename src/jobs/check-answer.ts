import type { Mode } from '../pods/pod.ts';
import type { StreamPieces } from './byte-window.ts';
import { cursorText, type FollowedJob } from './follow-job.ts';
import { markFraming } from './framing.ts';
import { stateAsText, timesAsText } from './job-state.ts';
import { composeOutput } from './output-budget.ts';
import { readable } from './output-piece.ts';
import { noRoomRemark, signalOf } from './run-answer.ts';
import { asSeen } from './terminal-text.ts';

/** What check_job answers, as text and as facts. */
export function checkAnswer(
  name: string,
  seen: FollowedJob,
  {
    lines,
    maxChars,
    mode,
    sinceCursor,
  }: { lines: number; maxChars: number; mode: Mode; sinceCursor: boolean },
): { text: string; facts: Record<string, unknown> } {
  const { state, out, err, folder, tmux, matched, cursor } = seen;
  const code = state.kind === 'exited' || state.kind === 'stopped' ? state.code : null;
  const head = [`[job ${name}: ${stateAsText(state)}; ${timesAsText(state, seen)}]`];
  if (matched !== undefined) head.push(matched ? '[until: matched]' : '[until: not matched]');
  const { text, truncated } = sinceCursor
    ? composeOutput({
        stdout: out.pieces(),
        stderr: err.pieces(),
        maxChars,
        where: { stdout: `${folder}/out`, stderr: `${folder}/err` },
      })
    : lastLines(out.pieces(), err.pieces(), { lines, maxChars, folder });
  const foot = [`[cursor: ${cursorText(cursor)}]`];
  if (seen.noRoom) foot.push(noRoomRemark(seen.inMemory));
  if (tmux !== undefined && state.kind === 'running') foot.push(`[watch by hand: tmux attach -t ${tmux}]`);
  return {
    text: [...head, text, ...foot].join('\n'),
    facts: {
      job: name,
      status: state.kind === 'replaced' ? 'lost' : state.kind,
      exit_code: code,
      signal: code === null ? null : signalOf(code),
      started: seen.begun,
      ended: code === null ? null : seen.over,
      duration_s: durationOf(seen),
      stdout_bytes: cursor.out,
      stderr_bytes: cursor.err,
      cursor: cursorText(cursor),
      truncated,
      mode,
      ...(matched === undefined ? {} : { matched }),
    },
  };
}

/** In seconds; of a job that was lost nobody knows. */
function durationOf({ state, begun, over, now }: FollowedJob): number | null {
  if (state.kind === 'running') return now - begun;
  return state.kind === 'exited' || state.kind === 'stopped' ? over - begun : null;
}

/** The last lines of both streams as they look on a terminal, within the budget. */
function lastLines(
  stdout: StreamPieces,
  stderr: StreamPieces,
  { lines, maxChars, folder }: { lines: number; maxChars: number; folder: string },
): { text: string; truncated: boolean } {
  const [out, err] = [linesOf(stdout), linesOf(stderr)];
  const forErr = Math.min(
    err.length,
    out.length === 0 ? lines : Math.max(lines - out.length, Math.ceil(lines / 3)),
  );
  const forOut = Math.min(out.length, lines - Math.min(forErr, lines - 1));
  const parts: string[] = [];
  if (forOut > 0) parts.push(...out.slice(-forOut));
  if (forErr > 0) parts.push('[stderr]', ...err.slice(-forErr));
  const whole = parts.join('\n');
  const text = whole.length > maxChars ? whole.slice(-maxChars) : whole;
  const truncated = text !== whole || forOut < out.length || forErr < err.length;
  if (text === '') return { text: '(no output)', truncated: false };
  return {
    text: truncated ? `[… the last lines; the whole is on the pod: ${folder}/out …]\n${text}` : text,
    truncated,
  };
}

function linesOf({ head, tail, total }: StreamPieces): string[] {
  if (total === 0) return [];
  const shown = markFraming(asSeen(readable(tail ? Buffer.concat([head, tail]) : head))).replace(/\n$/, '');
  return shown.split('\n');
}
