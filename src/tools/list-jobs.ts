import * as z from 'zod';
import { stateAsText, timesAsText } from '../jobs/job-state.ts';
import { listJobs } from '../jobs/list-jobs.ts';
import { tool } from './tool.ts';

export const listJobsTool = tool({
  name: 'list_jobs',
  description:
    'Lists the jobs on the pod, newest first: name, status, exit code, times, command, last line of output. Also shows commands that outlived run_command.',
  schema: z.strictObject({}),
  annotations: { readOnlyHint: true, openWorldHint: true },
  async handle(_, context) {
    const jobs = await listJobs(await context.pod());
    if (jobs.length === 0) return { text: '(no jobs)', facts: { jobs } };
    const text = jobs
      .map(({ name, state, command, lastLine, ...times }) =>
        [
          `${name}: ${stateAsText(state)}; ${timesAsText(state, times)}`,
          `  $ ${command}`,
          ...(lastLine === '' ? [] : [`  > ${lastLine}`]),
        ].join('\n'),
      )
      .join('\n');
    return { text, facts: { jobs } };
  },
});
