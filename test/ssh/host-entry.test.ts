import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Failure } from '../../src/failure.ts';
import type { Pod } from '../../src/pods/pod.ts';
import { literal } from '../../src/ssh/config-value.ts';
import { type EffectiveConfig, parseEffectiveConfig } from '../../src/ssh/effective-config.ts';
import { hostKeyAlias, renderHostEntry } from '../../src/ssh/host-entry.ts';
import { ownFiles } from '../../src/ssh/own-files.ts';
import type { UserSettings } from '../../src/ssh/user-config.ts';
import { run } from './on-loopback.ts';

const NOTHING: UserSettings = { certificateFiles: [], jumpHosts: [] };
const pod: Pod = { name: 'trainer', mode: 'direct', host: '213.173.108.12', port: 17445, user: 'root' };
const gateway: Pod = {
  name: 'trainer',
  mode: 'proxy',
  host: 'ssh.runpod.io',
  port: 22,
  user: '8y5rumuyb50m78-6441103b',
};
let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'entry-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function asSshReads(text: string, alias: string): Promise<EffectiveConfig> {
  const file = join(folder, `${Math.random()}`);
  await writeFile(file, text);
  const { stdout } = await run('ssh', ['-G', '-F', file, '--', alias]);
  return parseEffectiveConfig(stdout);
}

test('ssh reads back what was meant, and nothing of its own defaults stays where it matters', async () => {
  const files = ownFiles('/home/me');
  const entry = { pod, identityFile: '/home/me/.ssh/id_ed25519', settings: NOTHING };
  const config = await asSshReads(renderHostEntry(entry, files), pod.name);
  const found = Object.fromEntries([...config].map(([keyword, values]) => [keyword, values.join('|')]));
  expect(found).toMatchObject({
    hostname: '213.173.108.12',
    port: '17445',
    user: 'root',
    identityfile: '/home/me/.ssh/id_ed25519',
    identitiesonly: 'yes',
    hostkeyalias: 'runpod-trainer',
    userknownhostsfile: '/home/me/.config/runpod-ssh/known_hosts',
    globalknownhostsfile: '/dev/null',
    stricthostkeychecking: 'accept-new',
    batchmode: 'no',
    passwordauthentication: 'no',
    kbdinteractiveauthentication: 'no',
    serveraliveinterval: '15',
    connecttimeout: '20',
    forwardagent: 'no',
    forwardx11: 'no',
    controlmaster: 'false',
    requesttty: 'auto',
  });
});

test('without a key the agent and the default keys are tried', async () => {
  const config = await asSshReads(
    renderHostEntry({ pod, settings: NOTHING }, ownFiles('/home/me')),
    pod.name,
  );
  expect(config.get('identitiesonly')).toEqual(['no']);
  expect(config.get('identityfile')?.length).toBeGreaterThan(1);
});

test('a proxy entry gives a terminal, and its host key goes by the gateway, not by the pod', async () => {
  const config = await asSshReads(
    renderHostEntry({ pod: gateway, settings: NOTHING }, ownFiles('/home/me')),
    gateway.name,
  );
  expect(config.get('requesttty')).toEqual(['force']);
  expect(hostKeyAlias(gateway)).toBe('ssh.runpod.io');
  expect(hostKeyAlias({ ...gateway, host: 'SSH.RunPod.io' })).toBe('ssh.runpod.io');
  expect(hostKeyAlias({ ...gateway, host: 'gateway.example', port: 2222 })).toBe('[gateway.example]:2222');
});

test('any path without control characters comes through ssh’s parser whole', async () => {
  const character = fc.oneof(
    fc.constantFrom(...' "\'\\%#$~=,;*?!&|<>(){}[]`é中😀ab/'),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }),
  );
  const path = fc
    .array(character, { minLength: 1, maxLength: 25 })
    .map((characters) => `/${characters.join('')}x`)
    .filter((text) => !/\p{Cc}/u.test(text) && !text.includes('${'));
  await fc.assert(
    fc.asyncProperty(path, path, async (key, home) => {
      const files = ownFiles(home);
      const text = renderHostEntry({ pod, identityFile: key, settings: NOTHING }, files);
      const config = await asSshReads(text, pod.name);
      expect([key, literal(key)]).toContain(config.get('identityfile')?.join());
      expect([files.knownHosts, literal(files.knownHosts)]).toContain(
        config.get('userknownhostsfile')?.join(),
      );
      expect(config.get('proxycommand')).toBeUndefined();
    }),
    { numRuns: 150 },
  );
});

describe('a value that would become something else is refused', () => {
  const refused: [string, Partial<Pod>][] = [
    ['a line break in the host', { host: 'a\nProxyCommand touch /tmp/x' }],
    ['an option for a host', { host: '-oProxyCommand=x' }],
    ['a token in the host', { host: '%h.example' }],
    ['a blank in the user', { user: 'root ProxyCommand' }],
    ['an option for a user', { user: '-l' }],
    ['a pattern for a name', { name: '*' }],
    ['two names', { name: 'a b' }],
    ['an option for a name', { name: '-x' }],
    ['port 0', { port: 0 }],
    ['a port with a fraction', { port: 22.5 }],
  ];
  test.each(refused)('%s', (_, change) => {
    const attempt = () =>
      renderHostEntry({ pod: { ...pod, ...change }, settings: NOTHING }, ownFiles('/home/me'));
    expect(attempt).toThrow(Failure);
  });

  test.each(['/k\nProxyCommand x', '/k\r', '/k\u0000', '/k\u0085', '/k${HOME}'])('the key path %j', (key) => {
    const attempt = () =>
      renderHostEntry({ pod, identityFile: key, settings: NOTHING }, ownFiles('/home/me'));
    expect(attempt).toThrow(Failure);
  });
});

test('a jump host gets a name that no pod can have, and ssh finds it in the same file', async () => {
  const jump = {
    host: 'bastion.example',
    port: 2200,
    user: 'me',
    identityFiles: ['~/.ssh/bastion'],
    identitiesOnly: true,
    certificateFiles: [],
    hostKeyMustBeKnown: true,
    knownHostsFiles: ['/home/me/.ssh/known_hosts'],
  };
  const settings = { certificateFiles: [], jumpHosts: [{ ...jump, host: 'outer.example' }, jump] };
  const text = renderHostEntry({ pod, settings }, ownFiles('/home/me'));
  const toPod = await asSshReads(text, pod.name);
  const alias = toPod.get('proxyjump')?.[0] ?? '';
  expect(alias).toBe('jump+trainer+2');
  const nearer = await asSshReads(text, alias);
  expect(nearer.get('hostname')).toEqual(['bastion.example']);
  expect(nearer.get('stricthostkeychecking')).toEqual(['true']);
  expect(nearer.get('identityfile')).toEqual(['~/.ssh/bastion']);
  expect(nearer.get('userknownhostsfile')).toEqual([
    '/home/me/.config/runpod-ssh/known_hosts /home/me/.ssh/known_hosts',
  ]);
  expect(nearer.get('proxyjump')).toEqual(['jump+trainer+1']);
  const first = await asSshReads(text, 'jump+trainer+1');
  expect(first.get('hostname')).toEqual(['outer.example']);
  expect(first.get('proxyjump')).toBeUndefined();
});

test('an alias of one pod is no pattern for another', async () => {
  const files = ownFiles('/home/me');
  const text = ['a', 'a.b', 'ab']
    .map((name, index) =>
      renderHostEntry({ pod: { ...pod, name, port: index + 1 }, settings: NOTHING }, files),
    )
    .join('\n');
  await mkdir(folder, { recursive: true });
  for (const [index, name] of ['a', 'a.b', 'ab'].entries()) {
    expect((await asSshReads(text, name)).get('port')).toEqual([String(index + 1)]);
  }
});
