import * as z from 'zod';
import { progressNotes } from '../jobs/progress-notes.ts';
import { run } from '../jobs/run.ts';
import { runOutput } from '../jobs/run-answer.ts';
import { tool } from './tool.ts';

export const runCommand = tool({
  name: 'run_command',
  description:
    "Runs a shell command on the pod (bash, in the home directory or workdir, with the pod's environment, no stdin) and returns stdout, stderr and the exit code. A command that outlives timeout is not killed: it goes on as a job whose name the answer gives. Survives dropped connections; never runs twice. Long output is cut to head and tail, the whole stays on the pod. For work of more than some minutes use start_background_job.",
  schema: z.strictObject({
    command: z.string().min(1).describe('Shell command or script, several lines allowed'),
    timeout: z.number().min(0).max(600).default(45).describe('Seconds to wait for its end'),
    workdir: z.string().optional().describe('Folder on the pod'),
    max_output_chars: z.number().int().min(100).max(40_000).default(10_000),
  }),
  annotations: { readOnlyHint: false, destructiveHint: true, openWorldHint: true },
  async handle({ command, timeout, workdir, max_output_chars: maxChars }, context) {
    const begun = Date.now();
    const connection = await context.pod();
    const notes = progressNotes(context.progress);
    try {
      const result = await run(connection, {
        command,
        timeoutMs: timeout * 1000,
        headBytes: maxChars,
        tailBytes: maxChars,
        signal: context.signal,
        onProgress: notes.latest,
        ...(workdir === undefined ? {} : { workdir }),
      });
      const { text, facts } = runOutput(result, { maxChars, timeoutS: timeout, mode: connection.pod.mode });
      return { text, facts: { ...facts, duration_ms: Date.now() - begun } };
    } finally {
      notes.end();
    }
  },
});
