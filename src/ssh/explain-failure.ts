import { Failure, type FailureKind } from '../failure.ts';
import type { Pod } from '../pods/pod.ts';
import { diagnose, type Facts, type SshEnd } from './diagnose.ts';
import { hostKeyAlias } from './host-entry.ts';
import { recordedFingerprints } from './known-hosts.ts';
import { loginFacts } from './login-facts.ts';
import type { PodConfig } from './pod-config.ts';

/**
 * The failure of an ssh. Where its words alone don't tell enough (a changed host key, a login that was turned away)
 * the known_hosts, the key and the agent are looked at first.
 */
export async function explainFailure(end: SshEnd, pod: Pod, config: PodConfig): Promise<Failure> {
  const first = diagnose(end, pod);
  const { identityAgent, problem } = await config.settings(pod);
  const text = diagnose(end, pod, await factsFor(first.kind, pod, config, identityAgent));
  if (problem === undefined) return new Failure(text);
  const note = `Your own ssh configuration could not be read, so its agent and jump hosts were not used: ${problem}`;
  return new Failure({ ...text, meaning: text.meaning ? `${text.meaning} ${note}` : note });
}

async function factsFor(
  kind: FailureKind,
  pod: Pod,
  { env, files, homeDir }: PodConfig,
  identityAgent: string | undefined,
): Promise<Facts> {
  switch (kind) {
    case 'host-key-changed':
      return { recordedHostKeys: await recordedFingerprints(files.knownHosts, hostKeyAlias(pod)) };
    case 'permission-denied':
    case 'too-many-keys':
      return { login: await loginFacts({ keyPath: pod.keyPath, homeDir, identityAgent, env }) };
    default:
      return {};
  }
}
