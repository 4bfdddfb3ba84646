import { Failure } from '../failure.ts';
import { quoted } from './config-value.ts';
import { type OwnFiles, SHOWN_FILES } from './own-files.ts';

type Target = {
  /** The pod's name, an alias in our ssh_config. */
  name: string;
  files: Pick<OwnFiles, 'sshConfig'>;
};

type ThroughMaster = Target & {
  controlPath: string;
  /** Where ssh writes its own words, so that stderr has the remote's only. */
  logFile?: string | undefined;
};

/**
 * `ssh -T` that is the control master and runs `command` itself, in one process of ours: when the command's
 * output says that it runs, the login has succeeded and the socket is there; when we die, its stdin ends and it goes.
 * `connectTimeoutMs` covers TCP and key exchange, not the login. Its stderr carries ssh's words.
 */
export function masterSession(
  options: Target & { controlPath: string; command: string; connectTimeoutMs: number },
): string[] {
  return ssh(
    options,
    ['-T'],
    {
      ...unattended('INFO', options.connectTimeoutMs),
      EscapeChar: 'none',
      // The socket is new and ours alone; `auto` would attach us to one that is there.
      ControlMaster: 'yes',
      ControlPath: controlPathValue(options.controlPath),
      ControlPersist: 'no',
    },
    options.command,
  );
}

/** `ssh -T` with a connection of its own, for a pod that must not be multiplexed. */
export function plainSession(options: Target & { command: string; connectTimeoutMs: number }): string[] {
  return ssh(
    options,
    ['-T'],
    { ...unattended('INFO', options.connectTimeoutMs), EscapeChar: 'none' },
    options.command,
  );
}

/** `ssh -tt` without a command: the gateway takes none. Its stderr carries ssh's words only. */
export function terminalSession(options: Target & { connectTimeoutMs: number }): string[] {
  // Without `EscapeChar none` a line `~.` in the data ends the connection, also when stdin is a pipe.
  return ssh(options, ['-tt'], { ...unattended('INFO', options.connectTimeoutMs), EscapeChar: 'none' });
}

/** Runs `command` over a master. Without the master it fails with 255 and never connects by itself. */
export function throughMaster(options: ThroughMaster & { command: string }): string[] {
  const { controlPath, logFile, command } = options;
  // Without a log ssh's words stand among the remote's: only errors then, of which a dead master may give none.
  const level = logFile === undefined ? 'ERROR' : 'INFO';
  return ssh(options, ['-T', ...logTo(logFile)], overMaster(controlPath, level), command);
}

/** `sftp` that reads its batch from stdin, over a master. */
export function sftpThroughMaster(options: Target & { controlPath: string }): string[] {
  return [
    '-b',
    '-',
    ...configAndOptions(options, overMaster(options.controlPath, 'INFO')),
    '--',
    options.name,
  ];
}

export type ScpOptions = Target & {
  controlPath: string;
  direction: 'upload' | 'download';
  localPath: string;
  remotePath: string;
  /** `-O` asks for the old protocol; scp before 8.7 has no other and doesn't know the option. Default true. */
  legacyOption?: boolean;
};

/**
 * `scp -O` over a master, for pods without an SFTP server. The remote path is escaped: the pod's shell reads it.
 * Fails with `bad-input` on a line break in it, which the old protocol can't carry.
 */
export function scpThroughMaster(options: ScpOptions): string[] {
  const remote = `${options.name}:${escapedForShell(notAnOption(options.remotePath))}`;
  const local = localFile(options.localPath);
  return [
    ...(options.legacyOption === false ? [] : ['-O']),
    '-p',
    ...configAndOptions(options, overMaster(options.controlPath, 'INFO')),
    '--',
    ...(options.direction === 'upload' ? [local, remote] : [remote, local]),
  ];
}

/** The command with which a person reaches the same pod. */
export function byHand(pod: { name: string }, program: 'ssh' | 'sftp' | 'ssh -v' | 'ssh -G' = 'ssh'): string {
  return `${program} -F ${SHOWN_FILES.sshConfig} ${pod.name}`;
}

type Options = Record<string, string>;

function unattended(logLevel: 'INFO' | 'ERROR', connectTimeoutMs: number): Options {
  return {
    BatchMode: 'yes',
    LogLevel: logLevel,
    ConnectTimeout: String(Math.max(1, Math.ceil(connectTimeoutMs / 1000))),
  };
}

/**
 * When the master is gone or refuses, ssh quietly makes a new connection and may run a command twice: `ProxyCommand`
 * and `ProxyJump` lead it nowhere. `ProxyCommand` first, since the first of the two counts.
 */
function overMaster(controlPath: string, logLevel: 'INFO' | 'ERROR'): Options {
  return {
    BatchMode: 'yes',
    LogLevel: logLevel,
    ControlMaster: 'no',
    ControlPath: controlPathValue(controlPath),
    ProxyCommand: 'false',
    ProxyJump: 'none',
  };
}

function ssh(target: Target, flags: string[], options: Options, command?: string): string[] {
  const argv = [...flags, ...configAndOptions(target, options), '--', target.name];
  return command === undefined ? argv : [...argv, command];
}

/** ssh takes the first value that it meets: each key stands here once, and before the file's. */
function configAndOptions({ files }: Target, options: Options): string[] {
  return [
    '-F',
    files.sshConfig,
    ...Object.entries(options).flatMap(([key, value]) => ['-o', `${key}=${value}`]),
  ];
}

function logTo(file: string | undefined): string[] {
  return file === undefined ? [] : ['-E', file];
}

function controlPathValue(path: string): string {
  return quoted(path.replaceAll('%', '%%'));
}

function notAnOption(path: string): string {
  return path.startsWith('-') ? `./${path}` : path;
}

/** scp takes what stands before a colon for a host, unless a slash comes first. */
function localFile(path: string): string {
  return path.startsWith('/') ? path : `./${path}`;
}

/**
 * With backslashes, not quotes: scp matches the name that comes back against the path as it was given, as a glob, in
 * which a backslash escapes like in a shell and a quote is a quote.
 */
function escapedForShell(path: string): string {
  if (/[\r\n]/.test(path)) {
    throw new Failure({
      kind: 'bad-input',
      happened: `scp can't take a name with a line break in it: ${JSON.stringify(path)}.`,
      next: 'send it as a stream through ssh.',
    });
  }
  return path.replace(/[^A-Za-z0-9/._\u0080-\u{10ffff}-]/gu, '\\$&');
}
