import { Failure } from '../failure.ts';

/** The failure of a program of OpenSSH that can't be started at all. */
export function noSsh(program: string, code: string | undefined, reason: string | undefined): Failure {
  if (code !== 'ENOENT') {
    return new Failure({
      kind: 'no-ssh',
      happened: `${program} could not be started: ${reason ?? code ?? 'no reason was given'}.`,
      meaning: 'Everything here goes through the OpenSSH programs of this machine.',
      next: `see whether \`${program}\` starts in a terminal.`,
      byHand: 'ssh -V',
    });
  }
  return new Failure({
    kind: 'no-ssh',
    happened: `The program \`${program}\` is not on the PATH of this server.`,
    meaning: 'Everything here goes through the OpenSSH programs of this machine.',
    next: 'install the OpenSSH client (Debian and Ubuntu: apt-get install openssh-client; Fedora: dnf install openssh-clients), or give this server a PATH that has it.',
    byHand: `command -v ${program}`,
  });
}
