import type { FailureKind, FailureText } from '../failure.ts';
import type { Pod } from '../pods/pod.ts';
import { hostKeyAlias } from './host-entry.ts';
import { hostKeyChanged } from './host-key-failure.ts';
import type { LoginFacts } from './login-facts.ts';
import { deniedByJumpHost, keyUnusable, permissionDenied, tooManyKeys } from './login-failure.ts';
import { byHand } from './ssh-argv.ts';

/** What is left of an ssh that failed. */
export type SshEnd = {
  stderr: string;
  /** What came before the pod was ready (the gateway reports on stdout). Never a command's output. */
  stdout?: string;
  exitCode?: number | undefined;
  /** It was ended by us because it took too long. */
  timedOut?: boolean;
};

/** What was looked up after the failure, see `explainFailure`. */
export type Facts = {
  login?: LoginFacts;
  /** The pod's host keys on record, `ED25519 SHA256:…`. */
  recordedHostKeys?: string[];
};

type Case = { pod: Pod; end: SshEnd; facts: Facts; match: RegExpExecArray };
type Rule = [words: RegExp, text: (found: Case) => FailureText];

/**
 * What OpenSSH's words mean here, the most telling ones first. ssh's exit status proves nothing: 255 is also that of a
 * remote `exit 255`. The words are those of LC_ALL=C.
 */
const RULES: Rule[] = [
  [
    /Bad configuration option|terminating, \d+ bad configuration|no argument after keyword|extra arguments at end of line|Can't open user config file|Bad owner or permissions on/i,
    ({ pod, end }) => ({
      kind: 'config-rejected',
      happened: `ssh rejects our ssh_config: ${saidBy(end)}`,
      meaning: 'One faulty line stops ssh for every host in the file.',
      next: 'delete ~/.config/runpod-ssh/ssh_config (it is written anew), then connect again.',
      byHand: byHand(pod, 'ssh -G'),
    }),
  ],
  [
    /HOST IDENTIFICATION HAS CHANGED|Host key verification failed|Host key for \S+ has changed/,
    ({ pod, end, facts }) => hostKeyChanged(pod, hostKeyAlias(pod), end.stderr, facts.recordedHostKeys ?? []),
  ],
  [
    /^\s*container not found\s*$/m,
    ({ pod }) => ({
      kind: 'container-not-found',
      happened: `RunPod's gateway finds no running container for ${pod.user}.`,
      meaning:
        'The pod is stopped, still starting, or was re-created on another machine; then its string has changed.',
      next: 'see in the RunPod console that the pod runs, copy the SSH string from its Connect page, and connect with it.',
      byHand: byHand(pod),
    }),
  ],
  [/Too many authentication failures/, ({ pod, facts }) => tooManyKeys(pod, facts.login)],
  // ssh tries a public half as a private key too, and complains of it; that means nothing.
  [
    /Load key "(.+)(?<!\.pub)": bad permissions|Permissions \S+ for '(.+)(?<!\.pub)' are too open/,
    ({ pod, match }) => keyUnusable(pod, { path: match[1] ?? match[2] ?? '', state: 'too-open' }),
  ],
  [
    /Load key "(.+)(?<!\.pub)": (?:invalid format|error in libcrypto|unknown or unsupported key type)/,
    ({ pod, match }) => keyUnusable(pod, { path: match[1] ?? '', state: 'not-a-key' }),
  ],
  [
    /Load key "(.+)": Permission denied/,
    ({ pod, match }) => keyUnusable(pod, { path: match[1] ?? '', state: 'unreadable' }),
  ],
  [
    /agent refused operation/,
    ({ pod }) => ({
      kind: 'permission-denied',
      happened: 'The agent holds the key but refused to sign with it.',
      meaning: 'It may be locked, or have waited for a confirmation or a touch that did not come.',
      next: 'unlock the agent, or confirm or touch when it asks, then call again.',
      byHand: byHand(pod),
    }),
  ],
  // Only with the methods in brackets: a program on the pod says "Permission denied" too.
  [
    /^(?:(\S+): )?Permission denied \(([\w,@.-]+)\)\.?\s*$/m,
    ({ pod, match: [, login, methods = ''], facts }) =>
      login === undefined || login.toLowerCase() === `${pod.user}@${pod.host}`.toLowerCase()
        ? permissionDenied(pod, methods, facts.login)
        : deniedByJumpHost(pod, login, methods),
  ],
  [
    /Could not resolve hostname (\S+?): (.*)/,
    ({ pod, match }) => ({
      kind: 'name-not-found',
      happened: `The host name ${match[1]} was not found: ${match[2]?.trim()}.`,
      meaning: /temporary/i.test(match[2] ?? '')
        ? 'The name service did not answer: this machine may be offline.'
        : 'There is no such name, or this machine is offline.',
      next: "compare the host with the string on the pod's Connect page, and see that this machine is online.",
      byHand: byHand(pod),
    }),
  ],
  [
    /session request failed: Session open refused/,
    ({ pod }) => ({
      kind: 'session-refused',
      happened: 'The pod opens no further session on this connection.',
      meaning: "sshd allows ten at once (MaxSessions); the command wasn't started.",
      next: 'call again when one of the running calls has ended.',
      byHand: byHand(pod),
    }),
  ],
  [
    /(?:open failed: (.*)\s*\n)?stdio forwarding failed/,
    ({ pod, match }) => ({
      kind: /refused/i.test(match[1] ?? '') ? 'refused' : 'unreachable',
      happened: `The jump host can't reach ${where(pod)}${match[1] ? `: ${match[1].trim()}` : ''}.`,
      meaning: 'The ProxyJump of your own ssh configuration for this address was used.',
      next: 'see that the pod runs and compare the port with its Connect page; ports change whenever a pod restarts.',
      byHand: byHand(pod, 'ssh -v'),
    }),
  ],
  [
    /connect to (?:host|address) (\S+) port (\d+): Connection refused/,
    ({ pod, match }) => ({
      kind: 'refused',
      happened: `Nothing listens at ${met(pod, match)}: the connection was refused.`,
      meaning:
        'The pod is stopped or still starting (its sshd can take 90 seconds), has restarted with another port, or its image has no sshd.',
      next: "wait a minute if it was just started, else copy the current string from the pod's Connect page and connect with it.",
      byHand: byHand(pod),
    }),
  ],
  [
    /during banner exchange|banner exchange: .*timed out/,
    ({ pod }) => ({
      kind: 'timed-out',
      happened: `${where(pod)} takes connections but says nothing.`,
      meaning: 'The pod is hanging or just starting, or the network between is congested.',
      next: "try again in a minute; if it stays so, look at the pod's logs in the RunPod console.",
      byHand: byHand(pod),
    }),
  ],
  [
    /(?:connect to (?:host|address)|^Connection to) (\S+) port (\d+)(?:: (?:Connection|Operation))? timed out/m,
    ({ pod, match }) => noAnswer(pod, met(pod, match)),
  ],
  [
    /connect to (?:host|address) (\S+) port (\d+): (.*)/,
    ({ pod, match }) => ({
      kind: 'unreachable',
      happened: `There is no way to ${met(pod, match)}: ${match[3]?.trim()}.`,
      meaning: 'This machine is offline, or a firewall or VPN stands between.',
      next: 'see that this machine is online and that the address is right.',
      byHand: byHand(pod),
    }),
  ],
  [
    /Unable to negotiate with .*: (.*)/,
    ({ pod, match }) => ({
      kind: 'unexpected',
      happened: `ssh and the server at ${where(pod)} have no algorithm in common: ${match[1]?.trim()}.`,
      next: 'use a newer OpenSSH client, or a newer image for the pod.',
      byHand: byHand(pod, 'ssh -v'),
    }),
  ],
  [
    /Timeout, server \S+ not responding/,
    ({ pod }) => lost(pod, 'The pod has not answered for about 45 seconds; the connection was given up.'),
  ],
  [
    /Connection (?:closed|reset) by|closed by remote host|Connection reset|Broken pipe|Connection closed|kex_exchange_identification|ssh_exchange_identification|mux_client|Control socket connect|disconnect|Bad packet length|Corrupted MAC/i,
    ({ pod, end }) => lost(pod, `The connection to ${where(pod)} broke off: ${saidBy(end)}`),
  ],
];

/**
 * What a failed ssh means, in words that the agent and the person behind it can act on. Pure: what needs looking
 * up comes as `facts`; `explainFailure` does both.
 */
export function diagnose(end: SshEnd, pod: Pod, facts: Facts = {}): FailureText {
  const heard = `${end.stderr}\n${end.stdout ?? ''}`;
  for (const [words, text] of RULES) {
    const match = words.exec(heard);
    if (match) return text({ pod, end, facts, match });
  }
  const said = saidBy(end);
  if (end.timedOut) return noAnswer(pod);
  return {
    kind: 'unexpected',
    happened: said
      ? `ssh failed: ${said}`
      : `ssh ended with ${end.exitCode === undefined ? 'a signal' : `status ${end.exitCode}`} and no word of why.`,
    next: 'see what ssh says in a terminal.',
    byHand: byHand(pod, 'ssh -v'),
  };
}

function noAnswer(pod: Pod, place = where(pod)): FailureText {
  return {
    kind: 'timed-out',
    happened: `${place} did not answer in time.`,
    meaning:
      'The address may be out of date, or a firewall drops the packets. If your agent asks for a confirmation or a touch, it may have waited for that.',
    next: 'see that the pod runs, copy the current string from its Connect page and connect with it.',
    byHand: byHand(pod),
  };
}

function lost(pod: Pod, happened: string): FailureText {
  const kind: FailureKind = 'connection-lost';
  return {
    kind,
    happened,
    meaning:
      'The network failed, or the pod was stopped or is just starting. What runs on the pod as a job goes on.',
    next: 'call again; if it stays so, see in the RunPod console that the pod runs.',
    byHand: byHand(pod),
  };
}

/** The place that ssh speaks of: the pod, or a jump host of the user's on the way to it. */
function met(pod: Pod, [, host = '', port = '']: RegExpExecArray): string {
  const isPod = host.toLowerCase() === pod.host.toLowerCase() && Number(port) === pod.port;
  return isPod ? where(pod) : `${host}:${port}, the jump host of your own ssh configuration`;
}

function where(pod: Pod): string {
  return pod.host.includes(':') ? `[${pod.host}]:${pod.port}` : `${pod.host}:${pod.port}`;
}

const NOISE = /^(?:Warning: Permanently added|Connection to \S+ closed\.|Pseudo-terminal will not be)/;

/** ssh's last words on one line, without what it always says and without control characters. */
function saidBy({ stderr }: SshEnd): string {
  const lines = stderr
    .replace(/[^\P{Cc}\n]/gu, '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !NOISE.test(line));
  return lines.slice(-3).join(' / ').slice(-400);
}
