import { statSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** A key's path as it is used: absolute, `~` expanded. */
export function expandedKeyPath(keyPath: string, homeDir: string = homedir()): string {
  const fromHome = /^(?:~|\$HOME|\$\{HOME\})\/(.*)$/s.exec(keyPath)?.[1];
  if (fromHome !== undefined) return join(homeDir, fromHome);
  return isAbsolute(keyPath) ? keyPath : join(homeDir, keyPath);
}

/**
 * The key file that ssh is to use, or undefined when none is named or it isn't there. Its public half alone is
 * enough: that selects the key in the agent.
 */
export function existingIdentityFile(keyPath: string | undefined, homeDir: string): string | undefined {
  if (keyPath === undefined) return undefined;
  const path = expandedKeyPath(keyPath, homeDir);
  return isFile(path) || isFile(`${path}.pub`) ? path : undefined;
}

export function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
