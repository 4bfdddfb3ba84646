import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { childEnvironment } from '../../src/ssh/child-environment.ts';
import { askUserConfig, parseProxyJump, type UserSettings } from '../../src/ssh/user-config.ts';

const address = { host: '213.173.108.12', port: 17445, user: 'root' };
const env = childEnvironment({ PATH: process.env.PATH });
let folder = '';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'user-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function ask(text: string): Promise<UserSettings> {
  const configFile = join(folder, 'config');
  await writeFile(configFile, text);
  return askUserConfig(address, { env, configFile });
}

test('agent, jump host and certificate are taken over; nothing else leaks in', async () => {
  const settings = await ask(`
Host 213.173.*
  IdentityAgent ~/.1password/agent.sock
  CertificateFile "~/certs/a b-cert.pub"
Host *
  ControlPath /tmp/theirs
  SendEnv *
  ForwardAgent yes
  IdentityFile ~/other
  ServerAliveInterval 1
`);
  expect(settings).toEqual({
    identityAgent: expect.stringMatching(/\/.1password\/agent.sock$/),
    certificateFiles: ['~/certs/a b-cert.pub'],
    jumpHosts: [],
  });
});

test('a configuration that says nothing of the host gives nothing', async () => {
  expect(await ask('Host elsewhere\n  IdentityAgent /x\n')).toEqual({ certificateFiles: [], jumpHosts: [] });
});

test('`IdentityAgent none` is a wish, `SSH_AUTH_SOCK` is the default', async () => {
  expect((await ask('IdentityAgent none\n')).identityAgent).toBe('none');
  expect((await ask('IdentityAgent SSH_AUTH_SOCK\n')).identityAgent).toBeUndefined();
});

test('ssh decides which blocks count: Match and Include are its business', async () => {
  const included = join(folder, 'included');
  await writeFile(included, 'IdentityAgent /from/include\n');
  const settings = await ask(`Match host 213.* user root exec "test 1 = 1"\n  Include ${included}\n`);
  expect(settings.identityAgent).toBe('/from/include');
});

test('an alias for a jump host is followed to where it leads, and so is the jump before it', async () => {
  const { jumpHosts } = await ask(`
Host 213.173.*
  ProxyJump office
Host office
  HostName bastion.example
  Port 2200
  User me
  IdentityFile ~/.ssh/%u-office
  IdentitiesOnly yes
  ProxyJump admin@outer.example:2201
  UserKnownHostsFile ~/.ssh/office_hosts
  StrictHostKeyChecking yes
Host outer.example
  ProxyCommand nc -X connect -x proxy:3128 %h %p # kept
`);
  expect(jumpHosts).toMatchObject([
    {
      host: 'outer.example',
      port: 2201,
      user: 'admin',
      proxyCommand: 'nc -X connect -x proxy:3128 %h %p # kept',
      hostKeyMustBeKnown: false,
    },
    {
      host: 'bastion.example',
      port: 2200,
      user: 'me',
      identityFiles: ['~/.ssh/%u-office'],
      identitiesOnly: true,
      hostKeyMustBeKnown: true,
    },
  ]);
  expect(jumpHosts[1]?.knownHostsFiles).toEqual([expect.stringMatching(/\.ssh\/office_hosts$/)]);
});

test('of a list of jump hosts each leads to the next', async () => {
  const { jumpHosts } = await ask('Host 213.173.*\n  ProxyJump a.example,b.example:2222\n');
  expect(jumpHosts.map(({ host, port }) => `${host}:${port}`)).toEqual(['a.example:22', 'b.example:2222']);
});

test('jump hosts in a circle are told, not followed for ever', async () => {
  const { jumpHosts, problem } = await ask(
    'Host 213.173.*\n  ProxyJump a\nHost a\n  ProxyJump b\nHost b\n  ProxyJump a\n',
  );
  expect(jumpHosts).toEqual([]);
  expect(problem).toContain('circle');
});

test('a configuration that ssh itself rejects is told and not used', async () => {
  const settings = await ask('Host *\n  IdentityAgent /x\n  UseKeychian yes\n');
  expect(settings).toEqual({
    certificateFiles: [],
    jumpHosts: [],
    problem: expect.stringMatching(/usekeychian/i),
  });
});

test('an address that could be an option never reaches ssh', async () => {
  const marker = join(folder, 'ran');
  const hostile = { ...address, host: `-oProxyCommand=touch ${marker}` };
  await expect(askUserConfig(hostile, { env })).rejects.toMatchObject({ kind: 'bad-input' });
  await expect(readFile(marker)).rejects.toThrow();
});

test('ProxyJump is read as ssh prints it', () => {
  expect(parseProxyJump('none')).toEqual([]);
  expect(parseProxyJump('a')).toEqual([{ host: 'a' }]);
  expect(parseProxyJump('me@[::1]:22,ssh://you@b:23')).toEqual([
    { host: '::1', user: 'me', port: 22 },
    { host: 'b', user: 'you', port: 23 },
  ]);
});
