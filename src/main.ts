#!/usr/bin/env node
import './node-version.ts';
import { setFlagsFromString } from 'node:v8';
import { type FirstAnswer, firstAnswer, isInitialized, listAnswer, type RequestId } from './first-answer.ts';
import { introduction } from './introduction.ts';
import { PeekedLines } from './peeked-lines.ts';

const { version } = introduction.serverInfo;
/** How long to wait for a client to ask for the tools, as nearly all do at once. */
const LIST_MS = 20;

const HELP = `runpod-ssh-mcp ${version}: an MCP server through which a coding agent works on a RunPod GPU pod.

Without arguments it serves MCP on stdin and stdout. Register it with Claude Code:
  claude mcp add --transport stdio --scope user runpod -- runpod-ssh-mcp

  --version   print the version
  --help      print this
`;

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

/** The client gets its first answers, which are constants, before the rest is loaded. */
async function serveUntilTheEnd(): Promise<void> {
  const { stdin, stdout } = process;
  // A client that is gone breaks the pipe; there is nobody left to tell.
  stdout.on('error', () => {});
  const answered = new Set<RequestId>();
  const answer = ({ id, line }: FirstAnswer): void => {
    answered.add(id);
    stdout.write(line);
  };
  const lines = new PeekedLines(stdin);
  const first = firstAnswer((await lines.next()) ?? '');
  if (first) {
    answer(first);
    let line = await lines.next(LIST_MS);
    if (line !== undefined && isInitialized(line)) line = await lines.next(LIST_MS);
    const list = listAnswer(line ?? '');
    if (list) answer(list);
  }
  if (!lines.giveBack()) return;
  staySmall();
  const { serveTools } = await import('./serve-tools.ts');
  await serveTools({ answered });
}

/**
 * A server that is left alone for days should not grow. V8 would double the room for young objects until it is 40 MB,
 * and never give it back; and it would compile everything anew that runs a thousand times: so only what runs far more
 * often, like the loops over the bytes of a file.
 */
function staySmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString('--interrupt-budget=700000');
}

main(process.argv.slice(2)).catch((error: unknown) => {
  stopWith(`runpod-ssh-mcp could not start: ${error instanceof Error ? error.message : String(error)}`);
});
