import { quoted } from './config-value.ts';
import { type OwnFiles, SHOWN_FILES } from './own-files.ts';

type Target = {
  /** The pod's name, an alias in our ssh_config. */
  name: string;
  files: Pick<OwnFiles, 'sshConfig'>;
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
      ...unattended(options.connectTimeoutMs),
      EscapeChar: 'none',
      // The socket is new and ours alone; `auto` would attach us to one that is there.
      ControlMaster: 'yes',
      ControlPath: controlPathValue(options.controlPath),
      ControlPersist: 'no',
    },
    options.command,
  );
}

/** `ssh -tt` without a command: the gateway takes none. Its stderr carries ssh's words only. */
export function terminalSession(options: Target & { connectTimeoutMs: number }): string[] {
  // Without `EscapeChar none` a line `~.` in the data ends the connection, also when stdin is a pipe.
  return ssh(options, ['-tt'], { ...unattended(options.connectTimeoutMs), EscapeChar: 'none' });
}

/** Runs `command` over a master. Without the master it fails with 255 and never connects by itself. */
export function throughMaster(options: Target & { controlPath: string; command: string }): string[] {
  return ssh(options, ['-T'], overMaster(options.controlPath), options.command);
}

/** The command with which a person reaches the same pod. */
export function byHand(pod: { name: string }, program: 'ssh' | 'sftp' | 'ssh -v' | 'ssh -G' = 'ssh'): string {
  return `${program} -F ${SHOWN_FILES.sshConfig} ${pod.name}`;
}

type Options = Record<string, string>;

function unattended(connectTimeoutMs: number): Options {
  return {
    BatchMode: 'yes',
    LogLevel: 'INFO',
    ConnectTimeout: String(Math.max(1, Math.ceil(connectTimeoutMs / 1000))),
  };
}

/**
 * When the master is gone or refuses, ssh quietly makes a new connection and may run a command twice: `ProxyCommand`
 * and `ProxyJump` lead it nowhere. `ProxyCommand` first, since the first of the two counts.
 */
function overMaster(controlPath: string): Options {
  return {
    BatchMode: 'yes',
    // ssh's words stand among the remote's: only errors then, of which a dead master may give none.
    LogLevel: 'ERROR',
    ControlMaster: 'no',
    ControlPath: controlPathValue(controlPath),
    ProxyCommand: 'false',
    ProxyJump: 'none',
  };
}

/** ssh takes the first value that it meets: each key stands here once, and before the file's. */
function ssh({ name, files }: Target, flags: string[], options: Options, command?: string): string[] {
  const settings = Object.entries(options).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
  const argv = [...flags, '-F', files.sshConfig, ...settings, '--', name];
  return command === undefined ? argv : [...argv, command];
}

function controlPathValue(path: string): string {
  return quoted(path.replaceAll('%', '%%'));
}
