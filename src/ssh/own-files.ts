import { join } from 'node:path';

/** The files of ours that OpenSSH reads and writes. The user's own `~/.ssh` is never written. */
export type OwnFiles = {
  directory: string;
  sshConfig: string;
  knownHosts: string;
};

export function ownFiles(homeDir: string): OwnFiles {
  const directory = join(homeDir, '.config', 'runpod-ssh');
  return {
    directory,
    sshConfig: join(directory, 'ssh_config'),
    knownHosts: join(directory, 'known_hosts'),
  };
}

/** Where a person finds them, as it is shown: `~` stands for the home directory. */
export const SHOWN_FILES: OwnFiles = ownFiles('~');
