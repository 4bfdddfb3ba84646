#!/usr/bin/env node
import './node-version.ts';
import { homedir } from 'node:os';
import { version } from '../package.json';
import { Failure } from './failure.ts';
import { beginJobs, jobPrograms } from './jobs/programs.ts';
import { readPods, savePod } from './pods/saved.ts';
import { serve } from './server.ts';
import { Connections } from './session/connections.ts';
import { sweepSockets } from './session/open-on-pod.ts';
import { PodConfig } from './ssh/pod-config.ts';

const HELP = `runpod-ssh-mcp ${version}: an MCP server through which a coding agent works on a RunPod pod.

Without arguments it serves MCP on stdin and stdout. Register it with Claude Code:
  claude mcp add --transport stdio --scope user runpod -- runpod-ssh-mcp

  --version   print the version
  --help      print this
`;

/** What the client is given until it has gone; a client like Claude Code kills after half a second. */
const LEAVE_MS = 280;

async function main(args: string[]): Promise<void> {
  const [first] = args;
  if (first === '--version') return void process.stdout.write(`${version}\n`);
  if (first === '--help' || first === '-h') return void process.stdout.write(HELP);
  if (first !== undefined) return stopWith(`runpod-ssh-mcp takes no argument ${first}; see --help.`);
  if (process.platform === 'win32') {
    return stopWith('runpod-ssh-mcp does not run on Windows itself; use it inside WSL.');
  }
  await serveUntilTheEnd();
}

function stopWith(sentence: string): void {
  process.stderr.write(`${sentence}\n`);
  process.exitCode = 1;
}

async function serveUntilTheEnd(): Promise<void> {
  const { env } = process;
  const homeDir = env.HOME || homedir();
  const config = new PodConfig({ homeDir, env });
  const connections = new Connections({ config, homeDir, env, programs: jobPrograms, onBegin: beginJobs });
  const saved = () => readPods({ homeDir, env });

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
    connections.closeAll();
    setTimeout(() => process.exit(0), LEAVE_MS).unref();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, leave);
  process.stdin.on('end', leave);
  process.stdin.on('close', leave);
  // A client that is gone breaks the pipe; there is nobody left to tell.
  process.stdout.on('error', leave);

  await serve(
    {
      version,
      base: {
        pod,
        connections,
        saved,
        save: (chosen) => savePod(chosen, { homeDir }),
        homeDir,
        workingDir: process.cwd(),
        env,
      },
    },
    () => {
      void sweepSockets(env, homeDir).catch(() => {});
      void pod().then(
        (connection) => connection.warm(),
        () => {},
      );
    },
  );
}

main(process.argv.slice(2)).catch((error: unknown) => {
  stopWith(`runpod-ssh-mcp could not start: ${error instanceof Error ? error.message : String(error)}`);
});
