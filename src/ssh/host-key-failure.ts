import type { FailureText } from '../failure.ts';
import type { Pod } from '../pods/pod.ts';
import { SHOWN_FILES } from './own-files.ts';

/**
 * ssh met another host key than the recorded one (`recorded`: `ED25519 SHA256:…`) and stopped before anything was
 * sent. The record is never removed by us: whether the new key is right only a person can say.
 */
export function hostKeyChanged(pod: Pod, alias: string, stderr: string, recorded: string[]): FailureText {
  const met = /Host key for (\S+) has changed/.exec(stderr)?.[1] ?? alias;
  const presented = presentedKey(stderr);
  // A jump host's key stands in the user's own file.
  const file = met === alias ? SHOWN_FILES.knownHosts : (offendingFile(stderr) ?? '~/.ssh/known_hosts');
  const forget = `ssh-keygen -R '${met}' -f ${file}`;
  if (!/has changed|HAS CHANGED/.test(stderr)) {
    return {
      kind: 'host-key-changed',
      happened: `ssh does not accept the host key of ${met}.`,
      next: 'see what ssh says in a terminal.',
      byHand: `ssh -v -F ${SHOWN_FILES.sshConfig} ${pod.name}`,
    };
  }
  return {
    kind: 'host-key-changed',
    happened: `The host key of ${met} has changed. On record: ${recorded.join(', ') || 'see the file'}. Now: ${presented}.`,
    meaning: meaning(pod, met === alias),
    next:
      pod.mode === 'direct' && met === alias
        ? `if you have just re-created or restarted the pod, compare the new fingerprint with what \`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub\` says in its web terminal, then remove the old key with the command below and call again. If not, copy the current string from the pod's Connect page: the address may be another pod's now.`
        : 'find out from who runs that host whether the new fingerprint is right; only then remove the old key with the command below and call again.',
    byHand: forget,
  };
}

function meaning(pod: Pod, isPod: boolean): string {
  if (!isPod) return 'It is a jump host of your own ssh configuration. Nothing was sent.';
  return pod.mode === 'direct'
    ? 'A pod that was re-created has new keys; but an address can also have passed to a pod of somebody else. Nothing was sent.'
    : "RunPod's gateway is one host for all pods, and its key does not change with a pod. Nothing was sent.";
}

function presentedKey(stderr: string): string {
  const found = /fingerprint for the (\S+) key sent by the remote host is\s+(\S+?)\.?\s/.exec(stderr);
  return found ? `${found[1]} ${found[2]}` : 'unknown';
}

function offendingFile(stderr: string): string | undefined {
  return /^Offending \S+ key in (.+):\d+\s*$/m.exec(stderr)?.[1];
}
