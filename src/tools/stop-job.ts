import * as z from 'zod';
import { stopJob } from '../jobs/stop-job.ts';
import { tool } from './tool.ts';

export const stopJobTool = tool({
  name: 'stop_job',
  description:
    "Ends a job or a command that is still running: sends the signal to its whole process group, and KILL when it hasn't ended after grace seconds. Its output and exit code stay readable with check_job.",
  schema: z.strictObject({
    session_name: z.string().describe('Job name'),
    signal: z.string().default('TERM').describe('TERM, INT, HUP, KILL, …'),
    grace: z.number().min(0).max(300).default(5).describe('Seconds until KILL'),
  }),
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: true },
  async handle({ session_name: name, signal, grace }, context) {
    const connection = await context.pod();
    const { ended, text } = await stopJob(connection, name, { signal, graceS: grace });
    return { text, facts: { job: name, ...ended, mode: connection.pod.mode } };
  },
});
