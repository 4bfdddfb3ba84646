import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import type { Progress } from '@modelcontextprotocol/sdk/types.js';
import { type PracticeOptions, type PracticePod, startPracticePod } from '../../fixtures/practice-pod.ts';
import type { Mode } from '../../src/pods/pod.ts';

export const builtServer = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
export const bothModes: Mode[] = ['direct', 'proxy'];

export type Answer = {
  text: string;
  isError: boolean;
  /** `_meta["runpod-ssh/result"]` */
  facts: Record<string, unknown>;
};

export type CallOptions = { signal?: AbortSignal; onprogress?: (note: Progress) => void };

/** The built server, driven over stdio by the SDK's client. */
export type RunningServer = {
  client: Client;
  pid: number;
  home: string;
  call(tool: string, args?: Record<string, unknown>, options?: CallOptions): Promise<Answer>;
  /** run_command, with further arguments. */
  run(command: string, more?: Record<string, unknown>, options?: CallOptions): Promise<Answer>;
  /** Ends the server as a client does. */
  close(): Promise<void>;
  /** kill -9. */
  kill(): Promise<void>;
};

/** A server that is connected to a pod. */
export type PracticeServer = RunningServer & {
  pod: PracticePod;
  /** The hop that the server's connections go through. */
  hop: PracticePod['hops']['direct'];
  /** What to paste for this mode. */
  pasted: string;
  /** Another server with the same home, as when a client starts anew or a second one comes. */
  another(options?: ServerOptions): Promise<RunningServer>;
  /** Ends the servers, the pod if it was started for this one, and removes the home. */
  stop(): Promise<void>;
};

/** An empty home directory for a server, short enough for control sockets in it. */
export async function makeHome(): Promise<{ home: string; remove: () => Promise<void> }> {
  const home = await mkdtemp('/var/tmp/home-');
  return { home, remove: () => rm(home, { recursive: true, force: true, maxRetries: 5 }) };
}

/** What a client gives the server, and nothing of ours. */
export function serverEnvironment(home: string): Record<string, string> {
  return { PATH: process.env.PATH ?? '/usr/bin:/bin', HOME: home };
}

export type ServerOptions = {
  env?: Record<string, string>;
  /** The server's working directory; default ours. */
  cwd?: string;
  /** Makes the client that the server is connected to; by default one that can do nothing beside calls. */
  makeClient?: () => Client;
};

/** Starts the built server in `home`. */
export async function startServer(
  home: string,
  { env, cwd, makeClient = () => new Client({ name: 'tests', version: '1' }) }: ServerOptions = {},
): Promise<RunningServer> {
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [builtServer],
    env: { ...serverEnvironment(home), ...env },
    ...(cwd === undefined ? {} : { cwd }),
    stderr: 'inherit',
  });
  const client = makeClient();
  await client.connect(transport);
  const { pid } = transport;
  if (pid === null) throw new Error('the server did not start');
  const call: RunningServer['call'] = async (tool, args = {}, options = {}) => {
    const result = await client.callTool({ name: tool, arguments: args }, undefined, {
      timeout: 120_000,
      ...options,
    });
    return asAnswer(result);
  };
  const gone = new Promise<void>((resolve) => {
    client.onclose = resolve;
  });
  return {
    client,
    pid,
    home,
    call,
    run: (command, more = {}, options = {}) => call('run_command', { command, ...more }, options),
    close: () => client.close(),
    kill: async () => {
      process.kill(pid, 'SIGKILL');
      await gone;
    },
  };
}

/** A server connected to a pod in `mode`; the pod is `pod`, or a new one with these options. */
export async function startPracticeServer(
  mode: Mode,
  options: PracticeOptions & { pod?: PracticePod; connect?: boolean; server?: ServerOptions } = {},
): Promise<PracticeServer> {
  const { pod: given, connect = true, server: serverOptions, ...podOptions } = options;
  const { home, remove } = await makeHome();
  const pod = given ?? (await startPracticePod(podOptions));
  const servers: RunningServer[] = [];
  const another = async (more?: ServerOptions): Promise<RunningServer> => {
    const server = await startServer(home, { ...serverOptions, ...more });
    servers.push(server);
    return server;
  };
  const stop = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.close()));
    if (given === undefined) await pod.stop();
    await remove();
  };
  try {
    const server = await another();
    const pasted = mode === 'direct' ? pod.directString : pod.proxyString;
    if (connect) {
      const answer = await server.call('connect', { ssh_string: pasted });
      if (answer.isError) throw new Error(answer.text);
    }
    return { ...server, pod, hop: pod.hops[mode], pasted, another, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The command lines of this machine's processes that work for a server in `home`: ssh and what it starts. */
export function sshProcessesOf(home: string): string[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const argv = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0');
      return argv.some((word) => word.includes(`${home}/`)) ? [`${name} ${argv.join(' ')}`] : [];
    } catch {
      // It ended while we looked.
      return [];
    }
  });
}

/** The same as pids. */
export function sshPidsOf(home: string): number[] {
  return sshProcessesOf(home).map((line) => Number.parseInt(line, 10));
}

export function asAnswer(result: unknown): Answer {
  if (!isRecord(result) || !Array.isArray(result.content)) throw new Error('a result without content');
  const [first]: unknown[] = result.content;
  if (!isRecord(first) || typeof first.text !== 'string') throw new Error('a result without text');
  const meta = isRecord(result._meta) ? result._meta['runpod-ssh/result'] : undefined;
  return { text: first.text, isError: result.isError === true, facts: isRecord(meta) ? meta : {} };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
