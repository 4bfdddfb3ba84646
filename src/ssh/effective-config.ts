import { runSsh } from './run-ssh.ts';

/** The options that ssh would use for a destination, by lower-case keyword, in ssh's order. */
export type EffectiveConfig = ReadonlyMap<string, readonly string[]>;

const TIMEOUT_MS = 10_000;

/**
 * Asks `ssh -G` what it makes of its configuration. ssh is the authority: nobody parses `Include`, `Match` and
 * the rest as it does. Connects to nothing, but runs what the user's `Match exec` names.
 * Answers with what ssh said instead when it rejects the configuration. Fails with `no-ssh`.
 */
export async function effectiveConfig(
  destination: string,
  {
    configFile,
    user,
    port,
    env,
  }: { configFile?: string; user?: string; port?: number; env: Record<string, string> },
): Promise<{ config: EffectiveConfig } | { rejected: string }> {
  const argv = ['-G'];
  if (configFile !== undefined) argv.push('-F', configFile);
  if (port !== undefined) argv.push('-p', String(port));
  if (user !== undefined) argv.push('-l', user);
  const { exitCode, stdout, stderr, timedOut } = await runSsh('ssh', [...argv, '--', destination], {
    env,
    timeoutMs: TIMEOUT_MS,
  });
  if (exitCode !== 0) return { rejected: timedOut ? 'ssh -G gave no answer' : stderr.trim() };
  return { config: parseEffectiveConfig(stdout) };
}

/** Reads the lines of `ssh -G`: a keyword in small letters, a blank, the value. */
export function parseEffectiveConfig(text: string): EffectiveConfig {
  const config = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const blank = line.indexOf(' ');
    if (blank < 1) continue;
    const keyword = line.slice(0, blank).toLowerCase();
    const values = config.get(keyword);
    if (values) values.push(line.slice(blank + 1));
    else config.set(keyword, [line.slice(blank + 1)]);
  }
  return config;
}
