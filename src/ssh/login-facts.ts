import { userInfo } from 'node:os';
import { join } from 'node:path';
import { expandedKeyPath, isFile } from './identity-file.ts';
import { runSsh } from './run-ssh.ts';

/** What ssh had to log in with, looked up after it was turned away. */
export type LoginFacts = {
  /** The key that is named for the pod. */
  key?: KeyFacts;
  agent: AgentFacts;
  /** The default keys that are there; tried when no key is named. */
  defaultKeys: string[];
};

export type KeyFacts = {
  path: string;
  state: 'missing' | 'usable' | 'encrypted' | 'too-open' | 'unreadable' | 'not-a-key' | 'public-half';
  /** `SHA256:…` */
  fingerprint?: string;
};

export type AgentFacts = {
  state: 'none' | 'unreachable' | 'empty' | 'has-keys';
  /** Its keys' fingerprints, `SHA256:…`. */
  fingerprints: string[];
};

const TIMEOUT_MS = 5_000;
// ssh(1), option -i.
const DEFAULT_KEYS = ['id_rsa', 'id_ecdsa', 'id_ecdsa_sk', 'id_ed25519', 'id_ed25519_sk', 'id_dsa'];

/**
 * Looks at the named key, the agent and the default keys. Asks for no passphrase and changes nothing.
 * `identityAgent` is what the user's configuration names instead of the environment's agent.
 */
export async function loginFacts({
  keyPath,
  homeDir,
  identityAgent,
  env,
}: {
  keyPath?: string | undefined;
  homeDir: string;
  identityAgent?: string | undefined;
  env: Record<string, string>;
}): Promise<LoginFacts> {
  const [key, agent] = await Promise.all([
    keyPath === undefined ? undefined : keyFacts(expandedKeyPath(keyPath, homeDir), env),
    agentFacts(agentSocket(identityAgent, env), env),
  ]);
  // ssh goes by the account's home directory, whatever HOME says.
  const folder = join(userInfo().homedir, '.ssh');
  const defaultKeys = DEFAULT_KEYS.map((name) => join(folder, name)).filter(isFile);
  return key === undefined ? { agent, defaultKeys } : { key, agent, defaultKeys };
}

async function keyFacts(path: string, env: Record<string, string>): Promise<KeyFacts> {
  const fingerprint = await fingerprintOf(path, env);
  const known = fingerprint === undefined ? {} : { fingerprint };
  const isPublic = path.endsWith('.pub') || (!isFile(path) && isFile(`${path}.pub`));
  if (isPublic) return { path, state: fingerprint === undefined ? 'missing' : 'public-half', ...known };
  if (!isFile(path)) return { path, state: 'missing' };
  // An empty passphrase is tried, so that nothing is asked.
  const { exitCode, stderr } = await runSsh('ssh-keygen', ['-y', '-P', '', '-f', path], {
    env,
    timeoutMs: TIMEOUT_MS,
  });
  return { path, state: exitCode === 0 ? 'usable' : keyProblem(stderr), ...known };
}

/** What ssh-keygen's complaint about a key file comes to. */
export function keyProblem(stderr: string): KeyFacts['state'] {
  if (/incorrect passphrase|passphrase/i.test(stderr)) return 'encrypted';
  if (/UNPROTECTED PRIVATE KEY|bad permissions/i.test(stderr)) return 'too-open';
  if (/Permission denied/i.test(stderr)) return 'unreadable';
  return 'not-a-key';
}

async function fingerprintOf(path: string, env: Record<string, string>): Promise<string | undefined> {
  const { stdout } = await runSsh('ssh-keygen', ['-l', '-E', 'sha256', '-f', path], {
    env,
    timeoutMs: TIMEOUT_MS,
  });
  return fingerprints(stdout)[0];
}

/** ssh_config(5), IdentityAgent: a path, `none`, or the name of a variable after a `$`. */
function agentSocket(identityAgent: string | undefined, env: Record<string, string>): string | undefined {
  if (identityAgent === undefined) return env.SSH_AUTH_SOCK;
  if (identityAgent === 'none') return undefined;
  const variable = /^\$\{?(\w+)\}?$/.exec(identityAgent)?.[1];
  if (variable !== undefined) return env[variable];
  return identityAgent.replace(/^(~|%d)(?=\/)/, () => userInfo().homedir);
}

async function agentFacts(socket: string | undefined, env: Record<string, string>): Promise<AgentFacts> {
  if (socket === undefined) return { state: 'none', fingerprints: [] };
  const { exitCode, stdout } = await runSsh('ssh-add', ['-l', '-E', 'sha256'], {
    env: { ...env, SSH_AUTH_SOCK: socket },
    timeoutMs: TIMEOUT_MS,
  });
  // ssh-add(1): 1 if the command failed (`-l`: no identities), 2 if the agent can't be reached.
  if (exitCode === 1) return { state: 'empty', fingerprints: [] };
  if (exitCode !== 0) return { state: 'unreachable', fingerprints: [] };
  return { state: 'has-keys', fingerprints: fingerprints(stdout) };
}

function fingerprints(text: string): string[] {
  return text.match(/SHA256:[A-Za-z0-9+/]+/g) ?? [];
}
