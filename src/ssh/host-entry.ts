import SSHConfig, { LineType } from 'ssh-config';
import { Failure } from '../failure.ts';
import { checkedHost, checkedPort, checkedUser } from '../pods/address-rules.ts';
import { GATEWAY_HOST, type Pod } from '../pods/pod.ts';
import { isPodName } from '../pods/pod-name.ts';
import { escaped, literal, quoted } from './config-value.ts';
import type { OwnFiles } from './own-files.ts';
import { shellQuoted } from './shell-word.ts';
import type { JumpHost, UserSettings } from './user-config.ts';

export type HostEntry = {
  pod: Pod;
  /** The key's absolute path, if one is named and is there. Without it the agent and the default keys are tried. */
  identityFile?: string;
  /** What the user's own config says for this address. */
  settings: UserSettings;
};

type Line = SSHConfig[number];

/** The name under which the pod's host key is kept. RunPod's gateway is one host, whatever the pod. */
export function hostKeyAlias(pod: Pod): string {
  if (pod.mode === 'direct') return `runpod-${pod.name}`;
  const host = pod.host.toLowerCase();
  return host === GATEWAY_HOST ? GATEWAY_HOST : `[${host}]:${pod.port}`;
}

/**
 * The pod's `Host` blocks: its own, complete, and one for each jump host on the way to it.
 * Fails with `bad-input` for an address that ssh could take for something else, and with `config-rejected` for
 * a path that can't be written.
 */
export function renderHostEntry({ pod, identityFile, settings }: HostEntry, files: OwnFiles): string {
  if (!isPodName(pod.name)) {
    throw new Failure({
      kind: 'bad-input',
      happened: `${JSON.stringify(pod.name)} can't be the name of a pod.`,
      next: 'connect again, with a name of letters, digits, ".", "_" and "-".',
    });
  }
  const jumpAliases = settings.jumpHosts.map((_, index) => jumpAlias(pod.name, index));
  const config = new SSHConfig();
  config.push(
    section(pod.name, [
      // `HostName` takes the token %h.
      free('HostName', literal(checkedHost(pod.host))),
      plain('Port', String(checkedPort(pod.port))),
      free('User', checkedUser(pod.user)),
      ...(identityFile === undefined
        ? []
        : [free('IdentityFile', literal(identityFile)), plain('IdentitiesOnly', 'yes')]),
      ...agentAndCertificates(settings),
      ...through(jumpAliases.at(-1), files),
      free('HostKeyAlias', hostKeyAlias(pod)),
      free('UserKnownHostsFile', literal(files.knownHosts)),
      plain('GlobalKnownHostsFile', '/dev/null'),
      ...SAFE_CONNECTION,
      // The gateway gives a terminal and nothing else.
      ...(pod.mode === 'proxy' ? [plain('RequestTTY', 'force')] : []),
    ]),
  );
  settings.jumpHosts.forEach((jump, index) => {
    const before = index > 0 ? jumpAliases[index - 1] : undefined;
    config.push(jumpSection(jumpAlias(pod.name, index), jump, before, files));
  });
  return config.toString();
}

/** A `+` is in no pod's name, so that no jump host can be taken for a pod. */
function jumpAlias(podName: string, index: number): string {
  return `jump+${podName}+${index + 1}`;
}

function jumpSection(alias: string, jump: JumpHost, before: string | undefined, files: OwnFiles): Line {
  return section(alias, [
    free('HostName', literal(jump.host)),
    plain('Port', String(checkedPort(jump.port))),
    free('User', jump.user),
    ...jump.identityFiles.map((path) => free('IdentityFile', path)),
    plain('IdentitiesOnly', jump.identitiesOnly ? 'yes' : 'no'),
    ...agentAndCertificates(jump),
    ...(before === undefined && jump.proxyCommand !== undefined
      ? [plain('ProxyCommand', onOneLine(jump.proxyCommand))]
      : through(before, files)),
    ...(jump.hostKeyAlias === undefined ? [] : [free('HostKeyAlias', jump.hostKeyAlias)]),
    // Ours first: that is the one to which ssh adds a new key. ssh -G shows the others with their tokens expanded.
    plain(
      'UserKnownHostsFile',
      [files.knownHosts, ...jump.knownHostsFiles].map((path) => quoted(literal(path))).join(' '),
    ),
    ...(jump.hostKeyMustBeKnown ? [plain('StrictHostKeyChecking', 'yes')] : []),
    ...SAFE_CONNECTION,
  ]);
}

/** The user's own values are written as they are: their tokens and variables mean what they mean at home. */
function agentAndCertificates(settings: { identityAgent?: string; certificateFiles: string[] }): Line[] {
  return [
    ...(settings.identityAgent === undefined ? [] : [free('IdentityAgent', settings.identityAgent)]),
    ...settings.certificateFiles.map((path) => free('CertificateFile', path)),
  ];
}

/**
 * ssh builds the jump's command line from the path of this file without quoting it (seen in 9.2), for a shell:
 * where that path needs quotes, we write the command line ourselves.
 */
function through(alias: string | undefined, files: OwnFiles): Line[] {
  if (alias === undefined) return [];
  if (/^[A-Za-z0-9/._+,@-]+$/.test(files.sshConfig)) return [plain('ProxyJump', alias)];
  const path = shellQuoted(onOneLine(files.sshConfig).replaceAll('%', '%%'));
  return [plain('ProxyCommand', `ssh -F ${path} -W '[%h]:%p' -- ${alias}`)];
}

/** `ProxyCommand` takes the rest of its line as it stands. */
function onOneLine(command: string): string {
  escaped(command);
  return command;
}

/** BatchMode isn't here: a person who uses the file in a terminal may type a passphrase. */
const SAFE_CONNECTION: Line[] = [
  plain('StrictHostKeyChecking', 'accept-new'),
  plain('HashKnownHosts', 'no'),
  plain('UpdateHostKeys', 'no'),
  plain('CheckHostIP', 'no'),
  plain('PreferredAuthentications', 'publickey'),
  plain('PasswordAuthentication', 'no'),
  plain('KbdInteractiveAuthentication', 'no'),
  plain('ConnectTimeout', '20'),
  plain('ServerAliveInterval', '15'),
  plain('ServerAliveCountMax', '3'),
  plain('ForwardAgent', 'no'),
  plain('ForwardX11', 'no'),
  plain('PermitLocalCommand', 'no'),
  plain('ControlMaster', 'no'),
  plain('ControlPath', 'none'),
];

function section(alias: string, lines: Line[]): Line {
  const config = new SSHConfig();
  config.push(...lines);
  return { ...plain('Host', alias), before: '', config };
}

function free(param: string, value: string): Line & { type: LineType.DIRECTIVE } {
  return { ...plain(param, escaped(value)), quoted: true };
}

/** A value of our own choice, or one that is quoted already; `stringify` puts it out as it is. */
function plain(param: string, value: string): Line & { type: LineType.DIRECTIVE } {
  return { type: LineType.DIRECTIVE, before: '  ', after: '\n', param, separator: ' ', value };
}
