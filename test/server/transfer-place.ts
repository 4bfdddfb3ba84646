import { execFileSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { PracticeOptions, PracticePod } from '../../fixtures/practice-pod.ts';
import type { Mode } from '../../src/pods/pod.ts';
import {
  type Answer,
  type CallOptions,
  type PracticeServer,
  type RunningServer,
  type ServerOptions,
  startPracticeServer,
} from './practice-server.ts';

type More = Record<string, unknown>;

/** A server in a working directory of its own, connected to a pod. */
export type TransferPlace = PracticeServer & {
  /** The server's working directory, which is open to the agent. */
  work: string;
  /** Where relative paths on the pod begin: the same path on the host. */
  podHome: string;
  upload(local: string, remote: string, more?: More, options?: CallOptions): Promise<Answer>;
  download(remote: string, local: string, more?: More, options?: CallOptions): Promise<Answer>;
};

export async function startTransferPlace(
  mode: Mode,
  { pod, server, ...options }: PracticeOptions & { pod?: PracticePod; server?: ServerOptions } = {},
): Promise<TransferPlace> {
  const work = await mkdtemp('/var/tmp/work-');
  const removeWork = () => rm(work, { recursive: true, force: true, maxRetries: 5 });
  try {
    const started = await startPracticeServer(mode, {
      ...options,
      ...(pod ? { pod } : {}),
      server: { cwd: work, ...server },
    });
    const stop = async (): Promise<void> => {
      await started.stop();
      await removeWork();
    };
    return { ...started, ...transfersOf(started), work, podHome: started.pod.home, stop };
  } catch (error) {
    await removeWork();
    throw error;
  }
}

export function transfersOf(server: RunningServer): Pick<TransferPlace, 'upload' | 'download'> {
  const patient = { timeout: 300_000 };
  return {
    upload: (local, remote, more = {}, options = {}) =>
      server.call(
        'upload_file',
        { local_path: local, remote_path: remote, ...more },
        { ...patient, ...options },
      ),
    download: (remote, local, more = {}, options = {}) =>
      server.call(
        'download_file',
        { remote_path: remote, local_path: local, ...more },
        { ...patient, ...options },
      ),
  };
}

/** The answer, if it is none of a failure. */
export function succeeded(answer: Answer): Answer {
  if (answer.isError) throw new Error(answer.text);
  return answer;
}

/** The paths of our temporary files and folders below these, the server's own folder on the pod left out. */
export function leftoversIn(...folders: string[]): string[] {
  return execFileSync('find', [...folders, '-name', '.runpod-ssh-*'], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line !== '');
}

/** Whether a file on its way to somewhere below `folder` has come in part: a block of it is listed beside it. */
export function hasBlocks(folder: string): boolean {
  const lists = leftoversIn(folder).map((path) => join(path, 'done'));
  return lists.some((list) => existsSync(list) && statSync(list).size > 0);
}

/** A file of so many random bytes, which no compression makes smaller. */
export async function randomFile(path: string, bytes: number): Promise<Buffer> {
  execFileSync('/bin/sh', ['-c', 'head -c "$1" /dev/urandom >"$0"', path, String(bytes)]);
  return readFile(path);
}

/** Makes files with these contents, and the folders that they are in. */
export async function makeFiles(folder: string, files: Record<string, string | Buffer>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content);
  }
}

/** What is below a folder, with modes, times to the second and contents, in one text to compare. */
export function treeFacts(folder: string): string {
  const program =
    'cd "$0" && find . -mindepth 1 -printf "%P %y %m %Ts %l\\n" | sort && find . -type f -exec sha256sum {} + | sort';
  return execFileSync('/bin/sh', ['-c', program, folder], { encoding: 'utf8', maxBuffer: 2 ** 28 });
}
