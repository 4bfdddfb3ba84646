const PASSED_ON = [
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'TMPDIR',
  'XDG_RUNTIME_DIR',
  'SSH_AUTH_SOCK',
  'SSH_AGENT_PID',
  // Keys on a FIDO token need the provider's library on macOS (`SecurityKeyProvider` in ssh_config(5)).
  'SSH_SK_PROVIDER',
] as const;

const DEFAULT_PATH = '/usr/local/bin:/usr/bin:/bin';

/**
 * The environment of OpenSSH's programs, built from nothing: the server inherits API keys from its client, and
 * none of them may reach the pod (`SendEnv`) or a `ProxyCommand`. Messages are in English (`LC_ALL=C`), so that
 * they can be told apart, and there is nothing to prompt with: no DISPLAY, no askpass program.
 */
export function childEnvironment(inherited: NodeJS.ProcessEnv): Record<string, string> {
  const environment: Record<string, string> = {
    PATH: DEFAULT_PATH,
    LC_ALL: 'C',
    TERM: 'dumb',
    SSH_ASKPASS_REQUIRE: 'never',
  };
  for (const name of PASSED_ON) {
    const value = inherited[name];
    if (value) environment[name] = value;
  }
  return environment;
}
