import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { chmod, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { Failure } from '../failure.ts';
import { literal } from './config-value.ts';
import { effectiveConfig } from './effective-config.ts';
import { type HostEntry, hostKeyAlias, renderHostEntry } from './host-entry.ts';
import type { OwnFiles } from './own-files.ts';
import { byHand } from './ssh-argv.ts';

const HEADER = `# Written by runpod-ssh-mcp, anew whenever a pod changes: your own changes here are lost.
# ssh -F <this file> <name> opens a shell on the pod of that name.
`;

/**
 * Makes our ssh_config hold exactly these pods. ssh is asked what it reads in the new file before that takes the
 * place of the old one; a file that is right already is neither written nor checked.
 * Fails with `bad-input` or `config-rejected` (the old file stays), `config-unwritable`, `no-ssh`.
 */
export async function writeSshConfig(
  entries: readonly HostEntry[],
  files: OwnFiles,
  env: Record<string, string>,
): Promise<void> {
  const content = [HEADER, ...entries.map((entry) => renderHostEntry(entry, files))].join('\n');
  if (read(files.sshConfig) === content) return;
  const temporary = `${files.sshConfig}.${process.pid}.${randomBytes(4).toString('hex')}`;
  try {
    await mkdir(files.directory, { recursive: true, mode: 0o700 });
    await chmod(files.directory, 0o700);
    await writeFile(temporary, content, { mode: 0o600, flag: 'wx' });
    await Promise.all(entries.map((entry) => verify(entry, temporary, files, env)));
    await rename(temporary, files.sshConfig);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    if (error instanceof Failure) throw error;
    throw new Failure(
      {
        kind: 'config-unwritable',
        happened: `${files.sshConfig} could not be written: ${error instanceof Error ? error.message : String(error)}.`,
        next: `see that ${files.directory} belongs to you and that the disk has room.`,
      },
      { cause: error },
    );
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

async function verify(
  { pod, identityFile }: HostEntry,
  path: string,
  files: OwnFiles,
  env: Record<string, string>,
): Promise<void> {
  const answer = await effectiveConfig(pod.name, { configFile: path, env });
  if ('rejected' in answer) throw rejected(pod.name, answer.rejected);
  const expected: [keyword: string, value: string][] = [
    ['hostname', pod.host],
    ['port', String(pod.port)],
    ['user', pod.user],
    ['hostkeyalias', hostKeyAlias(pod)],
    ['userknownhostsfile', files.knownHosts],
    ['stricthostkeychecking', 'accept-new'],
  ];
  if (identityFile !== undefined) expected.push(['identityfile', identityFile]);
  for (const [keyword, value] of expected) {
    const found = answer.config.get(keyword) ?? [];
    if (found.length !== 1 || !isMeant(keyword, found[0] ?? '', value)) {
      throw rejected(
        pod.name,
        `${keyword} is read as ${JSON.stringify(found)}, not as ${JSON.stringify(value)}`,
      );
    }
  }
}

/**
 * ssh -G shows some values as they are written and others with their tokens expanded (UserKnownHostsFile in 9.2);
 * host names it turns into small letters.
 */
function isMeant(keyword: string, found: string, value: string): boolean {
  if (keyword === 'hostname') return found.toLowerCase() === value.toLowerCase();
  return found === value || found === literal(value);
}

function rejected(name: string, reason: string): Failure {
  return new Failure({
    kind: 'config-rejected',
    happened: `ssh does not read our entry for ${name} as it was meant: ${reason}`,
    meaning: 'The ssh_config is as it was before.',
    next: 'connect again with the plain string from RunPod, with a key file whose path has ordinary characters.',
    byHand: byHand({ name }, 'ssh -G'),
  });
}
