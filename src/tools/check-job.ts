import * as z from 'zod';
import { checkAnswer } from '../jobs/check-answer.ts';
import { followJob } from '../jobs/follow-job.ts';
import { progressNotes } from '../jobs/progress-notes.ts';
import { tool } from './tool.ts';

export const checkJob = tool({
  name: 'check_job',
  description:
    "Shows a job's status (running, exited with code, stopped, lost), its times and its latest output; works for start_background_job and for commands that outlived run_command, also long after they ended. wait: blocks up to that many seconds until the job ends or, with until, until new output matches that regular expression: use it instead of polling. cursor: pass the one from the last answer to get only what is new.",
  schema: z.strictObject({
    session_name: z.string().describe('Job name'),
    lines: z.number().int().min(1).max(2000).default(50).describe('Last lines to show'),
    wait: z.number().min(0).max(600).default(0).describe('Seconds to wait'),
    until: z.string().max(500).optional().describe('Regular expression to wait for'),
    cursor: z.string().max(60).optional(),
    max_output_chars: z.number().int().min(100).max(40_000).default(10_000),
  }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  async handle({ session_name: name, lines, wait, until, cursor, max_output_chars: maxChars }, context) {
    const connection = await context.pod();
    const notes = progressNotes(context.progress);
    try {
      const seen = await followJob(connection, name, {
        waitMs: wait * 1000,
        maxChars,
        onProgress: notes.latest,
        signal: context.signal,
        ...(until === undefined ? {} : { until }),
        ...(cursor === undefined ? {} : { cursor }),
      });
      return checkAnswer(name, seen, {
        lines,
        maxChars,
        mode: connection.pod.mode,
        sinceCursor: cursor !== undefined,
      });
    } finally {
      notes.end();
    }
  },
});
