import type { FailureText } from '../failure.ts';
import type { Pod } from '../pods/pod.ts';
import type { AgentFacts, KeyFacts, LoginFacts } from './login-facts.ts';
import { shellWord } from './shell-word.ts';
import { byHand } from './ssh-argv.ts';

/** ssh was turned away. Without facts only what holds in any case is said. */
export function permissionDenied(pod: Pod, methods: string, facts?: LoginFacts): FailureText {
  const key = facts?.key;
  const happened = `The ${serverOf(pod)} accepted no key of ours for ${pod.user}@${pod.host} (it takes: ${methods}).`;
  if (facts && key && key.state !== 'usable' && key.state !== 'public-half' && key.state !== 'missing') {
    const inAgent = key.fingerprint !== undefined && facts.agent.fingerprints.includes(key.fingerprint);
    if (!inAgent) return keyUnusable(pod, key, facts.agent);
  }
  return {
    kind: 'permission-denied',
    happened,
    meaning: [facts === undefined ? undefined : offered(facts), whereKeysBelong(pod)]
      .filter((part) => part !== undefined)
      .join(' '),
    next: nextAfterDenied(pod, key),
    byHand: byHand(pod, 'ssh -v'),
  };
}

/** A host on the way to the pod turned ssh away; `login` is `user@host` as ssh names it. */
export function deniedByJumpHost(pod: Pod, login: string, methods: string): FailureText {
  return {
    kind: 'permission-denied',
    happened: `The jump host ${login} accepted no key of ours (it takes: ${methods}).`,
    meaning: 'Your own ssh configuration leads to the pod through it; nothing can be typed for it here.',
    next: 'see that its key is in the agent or needs no passphrase.',
    byHand: byHand(pod, 'ssh -v'),
  };
}

/** The server gave up before the right key's turn came (sshd's MaxAuthTries, 6 by default). */
export function tooManyKeys(pod: Pod, facts?: LoginFacts): FailureText {
  const count = facts?.agent.fingerprints.length;
  return {
    kind: 'too-many-keys',
    happened: `The ${serverOf(pod)} hung up after too many keys that it doesn't know.`,
    meaning: `ssh offers every key of the agent${count ? ` (it holds ${count})` : ''} in turn, and a server looks at about six.`,
    next: 'connect again with the string and `-i <key file>` at its end: then only that key is offered. For a key that is only in the agent, name its public half (`-i ~/.ssh/key.pub`).',
    byHand: `${byHand(pod)} -o IdentitiesOnly=yes -i <key file>`,
  };
}

/** A key file that can't be used, whatever the server thinks of it. */
export function keyUnusable(pod: Pod, key: KeyFacts, agent?: AgentFacts): FailureText {
  const file = shellWord(key.path);
  switch (key.state) {
    case 'encrypted':
      return {
        kind: 'passphrase-needed',
        happened: `The key ${key.path} needs a passphrase, and nobody can be asked for it here.`,
        meaning: agent
          ? `${agentSentence(agent)} Once the agent holds the key, it works without questions.`
          : '',
        next:
          agent?.state === 'none' || agent?.state === 'unreachable'
            ? `start an agent in a terminal (eval "$(ssh-agent)"), run \`ssh-add ${file}\`, and start this server from there, so that it has SSH_AUTH_SOCK; or name a key without a passphrase.`
            : `run \`ssh-add ${file}\` in a terminal, then call again.`,
        byHand: `ssh-add ${file}`,
      };
    case 'too-open':
      return {
        kind: 'permission-denied',
        happened: `ssh does not use the key ${key.path}: others on this machine may read it.`,
        next: `run \`chmod 600 ${file}\`, then call again.`,
        byHand: `chmod 600 ${file}`,
      };
    case 'unreadable':
      return {
        kind: 'permission-denied',
        happened: `The key ${key.path} can't be read by this server.`,
        next: `see who owns it (ls -l ${file}), or name another key.`,
        byHand: byHand(pod, 'ssh -v'),
      };
    default:
      return {
        kind: 'permission-denied',
        happened: `${key.path} is no private key that ssh can read.`,
        meaning:
          'It may be damaged, or lack its last line break, or be in the format of another program (PuTTY).',
        next: 'name the right key file with `-i`, or see what `ssh-keygen -y -f` says of this one.',
        byHand: `ssh-keygen -y -f ${file}`,
      };
  }
}

function serverOf(pod: Pod): string {
  return pod.mode === 'proxy' ? 'gateway' : "pod's sshd";
}

/** What was offered, and what the agent had to say. */
function offered({ key, agent, defaultKeys }: LoginFacts): string {
  if (key?.state === 'usable')
    return `Offered was ${key.path} (${key.fingerprint ?? 'no fingerprint'}), nothing else.`;
  if (key?.state === 'public-half') {
    const held = key.fingerprint !== undefined && agent.fingerprints.includes(key.fingerprint);
    return held
      ? `Offered was the agent's key ${key.fingerprint} (${key.path}), nothing else.`
      : `${key.path} names the key ${key.fingerprint ?? ''}, which the agent doesn't hold. ${agentSentence(agent)}`;
  }
  if (key && key.state !== 'missing') return `Offered was ${key.path} by way of the agent, nothing else.`;
  const missing = key
    ? `The key ${key.path} isn't there, so agent and default keys were tried.`
    : 'No key is named for this pod, so agent and default keys were tried.';
  const defaults =
    defaultKeys.length > 0 ? `Default keys: ${defaultKeys.join(', ')}.` : 'There is no default key.';
  return `${missing} ${agentSentence(agent)} ${defaults}`;
}

function agentSentence({ state, fingerprints }: AgentFacts): string {
  switch (state) {
    case 'none':
      return 'This server knows of no agent (SSH_AUTH_SOCK is not in its environment).';
    case 'unreachable':
      return 'The agent that this server knows of (SSH_AUTH_SOCK) does not answer.';
    case 'empty':
      return 'The agent holds no key.';
    case 'has-keys':
      return `The agent holds ${fingerprints.join(', ')}.`;
  }
}

function whereKeysBelong(pod: Pod): string {
  return pod.mode === 'proxy'
    ? 'The gateway goes by the SSH public keys of your RunPod account.'
    : 'A pod takes over the SSH public keys of your RunPod account when it starts; one that was added later is not there.';
}

function nextAfterDenied(pod: Pod, key: KeyFacts | undefined): string {
  const publicHalf =
    key && key.state !== 'missing' ? `${key.path.replace(/\.pub$/, '')}.pub` : 'your public key';
  const place = 'Settings → SSH Public Keys in the RunPod console';
  return pod.mode === 'proxy'
    ? `see that ${publicHalf} is under ${place} (whole, one key a line), or connect again with another key (\`-i <key file>\`).`
    : `see that ${publicHalf} is under ${place} and restart the pod, or add it to ~/.ssh/authorized_keys in the pod's web terminal; or connect again with another key (\`-i <key file>\`).`;
}
