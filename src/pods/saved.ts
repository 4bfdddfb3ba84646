import { checkedHost, checkedKeyPath, checkedPort, checkedUser } from './address-rules.ts';
import { shown } from './bad-input.ts';
import { isObject } from './json.ts';
import { GATEWAY_HOST, type Pod } from './pod.ts';
import { isPodName, nameFor } from './pod-name.ts';
import { completed, problemOf, readEntry, type Said } from './saved-entry.ts';
import { readSaved, savedFile } from './saved-file.ts';

export { savePod } from './save-pod.ts';

export type SavedPods = {
  /** The pod that calls go to which name none; missing while nothing says who logs in where. */
  current?: Pod;
  /** The pods saved by name, in the file's order. */
  pods: Pod[];
  /** What of the file or the environment was not used, and why. */
  warning?: string;
};

/** The variables that count where the file says nothing. */
export type Environment = {
  [name in 'RUNPOD_HOST' | 'RUNPOD_PORT' | 'RUNPOD_USER' | 'SSH_KEY_PATH']?: string | undefined;
};

const DEFAULT_KEY = '~/.ssh/id_ed25519';

/**
 * The saved pods and the current one: key by key from the file, else from the environment, else its default.
 * Of a file that is broken, or in which one of the current pod's keys is wrong, nothing counts for the current
 * pod but the environment; `warning` says where it is broken, and the file stays as it is. Never fails.
 */
export async function readPods({ homeDir, env }: { homeDir: string; env: Environment }): Promise<SavedPods> {
  const path = savedFile(homeDir);
  const file = await readSaved(path);
  const warnings: string[] = [];
  const warn = (what: string) => warnings.push(`${path}: ${what}`);
  if (file.problem !== undefined)
    warn(`${file.problem} The file is left as it is, and the environment is used.`);

  const entry = readEntry(file.content, homeDir);
  if (entry.problems.length > 0)
    warn(`${entry.problems.join(' ')} The environment is used for the current pod.`);
  const top = entry.problems.length > 0 ? {} : entry.said;
  const fromEnv = readEnvironment(env, homeDir);
  warnings.push(...fromEnv.problems);
  const whole = completed({ host: GATEWAY_HOST, keyPath: DEFAULT_KEY, ...fromEnv.said, ...top });

  const name: unknown = entry.problems.length > 0 ? undefined : file.content.name;
  if (name != null && !(typeof name === 'string' && isPodName(name)))
    warn('"name" can’t be the name of a pod.');
  const current = whole && {
    ...whole,
    name: typeof name === 'string' && isPodName(name) ? name : nameFor(whole),
  };

  const pods = podsIn(file.content.pods, homeDir, warn);
  return {
    ...(current ? { current } : {}),
    pods,
    ...(warnings.length > 0 ? { warning: warnings.join('\n') } : {}),
  };
}

/** The pod of that name, the current one before the others. */
export function findPod(name: string, saved: SavedPods): Pod | undefined {
  return saved.current?.name === name ? saved.current : saved.pods.find((pod) => pod.name === name);
}

function readEnvironment(env: Environment, homeDir: string): { said: Said; problems: string[] } {
  const said: Said = {};
  const problems: string[] = [];
  const read = (name: keyof Environment, take: (value: string) => void) => {
    const value = env[name];
    // An empty variable is as good as none.
    const problem = value ? problemOf(() => take(value)) : undefined;
    if (problem !== undefined) problems.push(`${name}: ${problem} It is not used.`);
  };
  read('RUNPOD_HOST', (value) => {
    said.host = checkedHost(value);
  });
  read('RUNPOD_PORT', (value) => {
    said.port = checkedPort(value);
  });
  read('RUNPOD_USER', (value) => {
    said.user = checkedUser(value);
  });
  read('SSH_KEY_PATH', (value) => {
    said.keyPath = checkedKeyPath(value, homeDir);
  });
  return { said, problems };
}

function podsIn(pods: unknown, homeDir: string, warn: (what: string) => void): Pod[] {
  if (pods === undefined || pods === null) return [];
  if (!isObject(pods)) {
    warn('"pods" must be an object with one entry for each name.');
    return [];
  }
  return Object.entries(pods).flatMap(([name, value]) => {
    const { said, problems } = isObject(value)
      ? readEntry(value, homeDir)
      : { said: {}, problems: ['It must be an object.'] };
    const whole = completed(said);
    if (!isPodName(name)) problems.push('That can’t be the name of a pod.');
    if (problems.length === 0 && !whole) problems.push('It has no host, or no user for the gateway.');
    if (problems.length === 0 && whole) return [{ ...whole, name }];
    warn(`The pod ${shown(name)} is not used. ${problems.join(' ')}`);
    return [];
  });
}
