import * as z from 'zod';
import { startJob } from '../jobs/start-job.ts';
import { tool } from './tool.ts';

export const startBackgroundJob = tool({
  name: 'start_background_job',
  description:
    'Starts a long command (training, download, server) on the pod as a named job and returns at once. It goes on through disconnects and when this server ends. Runs in a tmux session of that name where the pod has tmux, else detached. Follow it with check_job, end it with stop_job. A running job of the same name is an error unless replace is true.',
  schema: z.strictObject({
    command: z.string().min(1).describe('Shell command or script'),
    session_name: z.string().describe('Job name: letters, digits, . _ -'),
    workdir: z.string().optional().describe('Folder on the pod'),
    replace: z.boolean().default(false).describe('End a running job of that name first'),
  }),
  annotations: { readOnlyHint: false, destructiveHint: true, openWorldHint: true },
  async handle({ command, session_name: name, workdir, replace }, context) {
    const connection = await context.pod();
    const { tmux, inMemory } = await startJob(connection, {
      name,
      command,
      replace,
      ...(workdir === undefined ? {} : { workdir }),
    });
    const where =
      tmux === undefined
        ? 'detached, without a terminal (the pod has no tmux)'
        : `in the tmux session ${tmux} (a person can watch it: tmux attach -t ${tmux})`;
    const kept = inMemory ? " The pod's disk takes nothing more: its state and output lie in memory." : '';
    return {
      text: `Started job ${name} ${where}.${kept}\nFollow it with check_job("${name}"); wait for it with check_job("${name}", wait=600).`,
      facts: { job: name, status: 'running', tmux: tmux ?? null, mode: connection.pod.mode },
    };
  },
});
