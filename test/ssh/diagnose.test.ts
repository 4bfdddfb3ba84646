import { describe, expect, test } from 'vitest';
import { type FailureKind, failureAsText } from '../../src/failure.ts';
import type { Pod } from '../../src/pods/pod.ts';
import { diagnose, type SshEnd } from '../../src/ssh/diagnose.ts';

const pod: Pod = { name: 'trainer', mode: 'direct', host: '213.173.108.12', port: 17445, user: 'root' };
const gateway: Pod = { ...pod, mode: 'proxy', host: 'ssh.runpod.io', port: 22, user: 'abc-64410065' };

/** Words of OpenSSH 8.2 to 10 on Linux and macOS that a test on loopback doesn't bring about. */
const WORDS: [FailureKind, string][] = [
  ['timed-out', 'ssh: connect to host 213.173.108.12 port 17445: Connection timed out\r\n'],
  ['timed-out', 'ssh: connect to host 213.173.108.12 port 17445: Operation timed out\r\n'],
  ['timed-out', 'Connection to 213.173.108.12 port 17445 timed out\r\n'],
  ['timed-out', 'ssh_exchange_identification: Connection timed out during banner exchange\r\n'],
  ['unreachable', 'ssh: connect to host 213.173.108.12 port 17445: No route to host\r\n'],
  ['unreachable', 'ssh: connect to host 213.173.108.12 port 17445: Host is down\r\n'],
  ['unreachable', "ssh: connect to host 213.173.108.12 port 17445: Can't assign requested address\r\n"],
  [
    'name-not-found',
    'ssh: Could not resolve hostname x.io: nodename nor servname provided, or not known\r\n',
  ],
  ['name-not-found', 'ssh: Could not resolve hostname x.io: Temporary failure in name resolution\r\n'],
  [
    'too-many-keys',
    'Received disconnect from 1.2.3.4 port 22:2: Too many authentication failures\r\nDisconnected from 1.2.3.4 port 22\r\n',
  ],
  [
    'permission-denied',
    'root@213.173.108.12: Permission denied (publickey,password,keyboard-interactive).\r\n',
  ],
  ['permission-denied', 'Permission denied (publickey).\r\n'],
  [
    'permission-denied',
    'sign_and_send_pubkey: signing failed for ED25519 "/k" from agent: agent refused operation\r\nroot@213.173.108.12: Permission denied (publickey).\r\n',
  ],
  [
    'connection-lost',
    'kex_exchange_identification: read: Connection reset by peer\r\nConnection reset by 1.2.3.4 port 22\r\n',
  ],
  [
    'connection-lost',
    'Connection to ssh.runpod.io closed by remote host.\r\nConnection to ssh.runpod.io closed.\r\n',
  ],
  ['connection-lost', 'client_loop: send disconnect: Broken pipe\r\n'],
  ['connection-lost', 'Timeout, server 213.173.108.12 not responding.\r\n'],
  // Over a master that has died, where ssh has no other way to connect.
  ['connection-lost', 'kex_exchange_identification: Connection closed by remote host\r\n'],
  ['connection-lost', 'mux_client_hello_exchange: write packet: Broken pipe\r\n'],
  ['session-refused', 'mux_client_request_session: session request failed: Session open refused by peer\r\n'],
  [
    'config-rejected',
    '/c: line 3: Bad configuration option: usekeychain\r\n/c: terminating, 1 bad configuration options\r\n',
  ],
  ['config-rejected', '/c line 4: keyword IdentityFile extra arguments at end of line\r\n'],
  ['config-rejected', '/c line 4: no argument after keyword "user"\r\n'],
  [
    'unexpected',
    'Unable to negotiate with 1.2.3.4 port 22: no matching host key type found. Their offer: ssh-rsa\r\n',
  ],
];

test.each(WORDS)('%s: %j', (kind, stderr) => {
  expect(diagnose({ stderr, exitCode: 255 }, pod).kind).toBe(kind);
});

describe('every failure', () => {
  test.each(WORDS)('says what to do and shows a command: %s', (_, stderr) => {
    const text = diagnose({ stderr, exitCode: 255 }, pod);
    expect(failureAsText(text)).toMatch(/^Next: .+\nBy hand: .+$/m);
    expect(failureAsText(text)).not.toMatch(/undefined|\r/);
  });
});

test('the gateway’s own words are understood on stdout', () => {
  const end: SshEnd = {
    stderr: 'Connection to ssh.runpod.io closed.\r\n',
    stdout: '\r\ncontainer not found\r\n',
    exitCode: 0,
  };
  expect(diagnose(end, gateway)).toMatchObject({
    kind: 'container-not-found',
    next: expect.stringContaining('copy the SSH string'),
  });
});

test('what a program on the pod says is not taken for ssh’s', () => {
  const end = { stderr: 'sh: 1: /root/x: Permission denied\n', exitCode: 126 };
  expect(diagnose(end, pod).kind).toBe('unexpected');
});

test('silence is told apart from a word that is not known', () => {
  expect(diagnose({ stderr: '', exitCode: undefined, timedOut: true }, pod).kind).toBe('timed-out');
  expect(diagnose({ stderr: 'brand new words\u001b[31m\r\n', exitCode: 255 }, pod).happened).toBe(
    'ssh failed: brand new words[31m',
  );
  expect(diagnose({ stderr: '', exitCode: 255 }, pod).happened).toContain('status 255');
});

test('a jump host that forwards nothing is told apart from a pod that opens no session', () => {
  const stderr =
    'channel 0: open failed: administratively prohibited: open failed\r\nstdio forwarding failed\r\nConnection closed by UNKNOWN port 65535\r\n';
  expect(diagnose({ stderr, exitCode: 255 }, pod)).toMatchObject({
    kind: 'unreachable',
    happened: expect.stringContaining('administratively prohibited'),
  });
  const ofMaster =
    'channel 3: open failed: connect failed: open failed\r\nConnection reset by 1.2.3.4 port 22\r\n';
  expect(diagnose({ stderr: ofMaster, exitCode: 255 }, pod).kind).toBe('connection-lost');
});

test('a jump host is named where ssh speaks of one', () => {
  const stderr =
    'ssh: connect to host bastion.example port 2200: Connection refused\r\nConnection closed by UNKNOWN port 65535\r\n';
  expect(diagnose({ stderr, exitCode: 255 }, pod).happened).toContain('bastion.example:2200, the jump host');
});
