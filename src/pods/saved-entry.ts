import { Failure } from '../failure.ts';
import { checkedHost, checkedKeyPath, checkedPort, checkedUser } from './address-rules.ts';
import { badInput, shown } from './bad-input.ts';
import { type Address, type Mode, modeOfHost, type Pod } from './pod.ts';

/** The keys that the file has for a pod, as the Python original wrote them. */
export type Entry = { host: string; port: number; user: string; ssh_key_path: string; mode: Mode };

/** What of a pod is said in one place, all of it checked. `keyPath` is null where it says that none is used. */
export type Said = Partial<Omit<Address, 'keyPath'>> & { keyPath?: string | null; mode?: Mode };

/** A pod as it stands in the file. An empty key path says that no key was named, which is not the same as none. */
export function entryOf(pod: Pod): Entry {
  const { host, port, user, mode } = pod;
  return { host, port, user, ssh_key_path: pod.keyPath ?? '', mode };
}

/**
 * Reads the five keys where they are there. A file can have been written by anybody, so its values keep the
 * same rules as a pasted string; each that doesn't is in `problems`, in words, and not in `said`.
 */
export function readEntry(
  object: Record<string, unknown>,
  homeDir: string,
): { said: Said; problems: string[] } {
  const said: Said = {};
  const problems: string[] = [];
  const read = (key: keyof Entry, take: (value: string) => void) => {
    // As JSON.parse makes them own properties, `__proto__` among them.
    const value = Object.hasOwn(object, key) ? object[key] : undefined;
    if (value === undefined || value === null) return;
    if (typeof value !== 'string' && !(key === 'port' && typeof value === 'number')) {
      problems.push(`"${key}" must be ${key === 'port' ? 'a number' : 'a string'}.`);
      return;
    }
    const problem = problemOf(() => take(String(value)));
    if (problem !== undefined) problems.push(`"${key}": ${problem}`);
  };
  read('host', (value) => {
    if (value !== '') said.host = checkedHost(value);
  });
  read('port', (value) => {
    said.port = checkedPort(value);
  });
  read('user', (value) => {
    if (value !== '') said.user = checkedUser(value);
  });
  read('ssh_key_path', (value) => {
    said.keyPath = value === '' ? null : checkedKeyPath(value, homeDir);
  });
  read('mode', (value) => {
    if (value !== 'direct' && value !== 'proxy') {
      throw badInput(`The mode ${shown(value)} is neither "direct" nor "proxy".`);
    }
    said.mode = value;
  });
  return { said, problems };
}

/** The whole login: mode by host, port 22 and, in direct mode, root where nothing is said; undefined without host or user. */
export function completed(said: Said): (Address & { mode: Mode }) | undefined {
  const { host, keyPath } = said;
  if (host === undefined) return undefined;
  const mode = said.mode ?? modeOfHost(host);
  // The gateway finds the pod by the user; every pod has a root.
  const user = said.user ?? (mode === 'direct' ? 'root' : undefined);
  if (user === undefined) return undefined;
  return { host, port: said.port ?? 22, user, mode, ...(keyPath == null ? {} : { keyPath }) };
}

/** What the check says against a value; undefined if nothing. */
export function problemOf(check: () => void): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (error instanceof Failure) return error.text.happened;
    throw error;
  }
}
