import { homedir } from 'node:os';
import { Failure } from './failure.ts';
import type { RequestId } from './first-answer.ts';
import { beginJobs, jobPrograms } from './jobs/programs.ts';
import { savePod } from './pods/saved.ts';
import { savedPodsReader } from './pods/saved-pods.ts';
import { serve } from './server.ts';
import { Connections } from './session/connections.ts';
import { sweepSockets } from './session/open-on-pod.ts';
import { PodConfig } from './ssh/pod-config.ts';
import { Channels } from './transfer/channels.ts';

/** How long ssh may take to end before we end without it; a client like Claude Code kills after half a second. */
const LEAVE_MS = 250;

/**
 * Wires everything up and serves the client on stdin and stdout, whose first requests may have been `answered`
 * already. The saved pod's connection is made meanwhile.
 */
export async function serveTools({ answered }: { answered: Set<RequestId> }): Promise<void> {
  const { env } = process;
  const homeDir = env.HOME || homedir();
  const config = new PodConfig({ homeDir, env });
  const connections = new Connections({ config, homeDir, env, programs: jobPrograms, onBegin: beginJobs });
  const saved = savedPodsReader({ homeDir, env });

  const pod = async () => {
    const { current, pods, warning } = await saved();
    if (current) return connections.to(current, pods);
    throw new Failure({
      kind: 'no-pod',
      happened: warning ?? 'No pod is connected yet.',
      next: "call connect with the ssh string from RunPod's Connect page (ask the user for it).",
    });
  };

  const leave = (): void => {
    setTimeout(() => process.exit(0), LEAVE_MS);
    void connections.closeAll().then(() => process.exit(0));
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, leave);
  process.stdin.on('end', leave);
  process.stdin.on('close', leave);
  process.stdout.on('error', leave);

  void sweepSockets(env, homeDir).catch(() => {});
  void pod().then(
    (connection) => connection.warm(),
    () => {},
  );
  await serve({
    answered,
    base: {
      pod,
      connections,
      channels: new Channels(connections),
      saved,
      save: (chosen) => savePod(chosen, { homeDir }),
      homeDir,
      workingDir: process.cwd(),
      env,
    },
  });
}
