import type { PodConnection } from '../session/pod-connection.ts';
import { readable } from './output-piece.ts';
import { run } from './run.ts';

export type PodSurvey = {
  hostname: string;
  user: string;
  gpus: string[];
  tools: string[];
  missing: string[];
};

const TOOLS = ['bash', 'tmux', 'python3', 'git', 'tar', 'rsync'];
/** A driver that hangs must not hold up the answer. */
const SURVEY_MS = 15_000;

/** What a freshly reached pod is. Throws Failure. */
export async function surveyPod(connection: PodConnection, signal?: AbortSignal): Promise<PodSurvey> {
  const command = [
    'echo "user $(id -un)"',
    `for t in ${TOOLS.join(' ')}; do command -v "$t" >/dev/null 2>&1 && echo "tool $t"; done`,
    'nvidia-smi --query-gpu=name --format=csv,noheader 2>/dev/null | sed "s/^/gpu /"',
  ].join('\n');
  const result = await run(connection, {
    command,
    timeoutMs: SURVEY_MS,
    headBytes: 10_000,
    tailBytes: 1_000,
    ...(signal ? { signal } : {}),
  });
  const lines = readable(result.out.pieces().head).split('\n');
  const all = (key: string): string[] =>
    lines.filter((line) => line.startsWith(`${key} `)).map((line) => line.slice(key.length + 1).trim());
  const tools = all('tool');
  const { description } = await connection.session();
  return {
    hostname: description.hostname,
    user: all('user')[0] ?? '',
    gpus: all('gpu'),
    tools,
    missing: TOOLS.filter((tool) => !tools.includes(tool)),
  };
}
