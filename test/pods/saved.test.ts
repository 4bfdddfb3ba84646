import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Failure } from '../../src/failure.ts';
import type { Pod } from '../../src/pods/pod.ts';
import { findPod, readPods, savePod } from '../../src/pods/saved.ts';

let homeDir: string;
let path: string;

beforeEach(async () => {
  homeDir = await mkdtemp(join(tmpdir(), 'saved-'));
  path = join(homeDir, '.config', 'runpod-ssh.json');
});
afterEach(async () => {
  await rm(homeDir, { recursive: true, force: true });
});

async function write(content: unknown): Promise<void> {
  await mkdir(join(homeDir, '.config'), { recursive: true });
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
}
async function content(): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(path, 'utf8'));
}

const FIVE = { host: '1.2.3.4', port: 17445, user: 'root', ssh_key_path: '/keys/a', mode: 'direct' };
const POD: Pod = {
  name: 'a',
  host: '1.2.3.4',
  port: 17445,
  user: 'root',
  keyPath: '/keys/a',
  mode: 'direct',
};
const GATEWAY: Pod = { name: 'b', host: 'ssh.runpod.io', port: 22, user: 'b-12345678', mode: 'proxy' };

describe('readPods', () => {
  it('reads a file that the original wrote', async () => {
    await write(FIVE);
    expect(await readPods({ homeDir, env: { RUNPOD_HOST: 'other', RUNPOD_USER: 'x' } })).toEqual({
      current: { ...POD, name: 'pod-1.2.3.4-17445' },
      pods: [],
    });
  });

  it('takes the mode from the host where it is missing', async () => {
    await write({ host: 'ssh.runpod.io', user: 'abc-12345678' });
    const { current } = await readPods({ homeDir, env: {} });
    expect(current).toEqual({
      name: 'abc',
      host: 'ssh.runpod.io',
      port: 22,
      user: 'abc-12345678',
      keyPath: '~/.ssh/id_ed25519',
      mode: 'proxy',
    });
    await write({ host: '1.2.3.4' });
    expect((await readPods({ homeDir, env: {} })).current).toMatchObject({ mode: 'direct', user: 'root' });
  });

  it('takes each missing key from the environment', async () => {
    const env = { RUNPOD_HOST: '5.6.7.8', RUNPOD_PORT: '99', RUNPOD_USER: 'bob', SSH_KEY_PATH: '$HOME/k' };
    expect((await readPods({ homeDir, env })).current).toEqual({
      name: 'pod-5.6.7.8-99',
      host: '5.6.7.8',
      port: 99,
      user: 'bob',
      keyPath: '~/k',
      mode: 'direct',
    });
    await write({ port: '1234', mode: 'proxy' });
    expect((await readPods({ homeDir, env })).current).toMatchObject({
      host: '5.6.7.8',
      port: 1234,
      mode: 'proxy',
    });
  });

  it('has no current pod while nobody says who logs in at the gateway', async () => {
    expect(await readPods({ homeDir, env: {} })).toEqual({ pods: [] });
    expect(await readPods({ homeDir, env: { RUNPOD_USER: '' } })).toEqual({ pods: [] });
    expect((await readPods({ homeDir, env: { RUNPOD_USER: 'a-12345678' } })).current?.host).toBe(
      'ssh.runpod.io',
    );
  });

  it.each<[string, string, string]>([
    ['breaks off', '{\n  "host": "1.2.3.4",\n', 'line 3, column 1'],
    ['is no object', '[1]', 'not an object'],
    ['is empty', '', 'line 1, column 1'],
    ['has a host of the wrong type', '{"host": 5}', '"host" must be a string'],
    ['has a port of the wrong type', '{"port": true}', '"port" must be a number'],
    ['has a host that is an option', '{"host": "-oProxyCommand=x"}', '-oProxyCommand=x'],
    ['has a line break in the user', '{"host": "1.2.3.4", "user": "a\\nProxyCommand x"}', '"user"'],
    ['has a port out of range', '{"host": "1.2.3.4", "port": 65536}', '65536'],
    ['has an unknown mode', '{"host": "1.2.3.4", "mode": "magic"}', '"magic"'],
    ['has a key path that ssh would expand', '{"host": "1.2.3.4", "ssh_key_path": "%d/x"}', '%d/x'],
  ])('uses the environment and says why if the file %s', async (_, text, said) => {
    await write(text);
    const { current, warning } = await readPods({ homeDir, env: { RUNPOD_HOST: '9.9.9.9' } });
    expect(current).toMatchObject({ host: '9.9.9.9', user: 'root', port: 22 });
    expect(warning).toContain(said);
    expect(warning).toContain(path);
    expect(await readFile(path, 'utf8')).toBe(text);
  });

  it('warns of a file that can’t be read', async () => {
    await mkdir(path, { recursive: true });
    expect((await readPods({ homeDir, env: {} })).warning).toContain('can’t be read');
  });

  it('does not use a variable that breaks the rules', async () => {
    const env = { RUNPOD_HOST: '-oProxyCommand=x', RUNPOD_PORT: 'abc', RUNPOD_USER: 'a-12345678' };
    const { current, warning } = await readPods({ homeDir, env });
    expect(current).toMatchObject({ host: 'ssh.runpod.io', port: 22 });
    expect(warning).toContain('RUNPOD_HOST');
    expect(warning).toContain('RUNPOD_PORT');
  });

  it('drops a saved pod that is wrong, with a warning, and keeps the others', async () => {
    const wrong = { '-x': FIVE, y: { ...FIVE, host: 'a b' }, z: 5, w: { host: 'ssh.runpod.io' } };
    await write({ ...FIVE, name: 'a', pods: { ...wrong, a: FIVE } });
    const { current, pods, warning } = await readPods({ homeDir, env: {} });
    expect(current).toEqual(POD);
    expect(pods).toEqual([POD]);
    for (const name of ['-x', 'y', 'z', 'w']) expect(warning).toContain(`"${name}"`);
  });

  it('is not misled by __proto__', async () => {
    await write(
      '{"__proto__": {"host": "9.9.9.9", "user": "evil"}, "pods": {"__proto__": {"host": "8.8.8.8"}}}',
    );
    const { current, pods } = await readPods({ homeDir, env: {} });
    expect(current).toBeUndefined();
    expect(pods.map(({ name }) => name)).toEqual(['__proto__']);
  });
});

describe('savePod', () => {
  it('makes the pod the current one and saves it by name, and reads it back', async () => {
    await savePod(GATEWAY, { homeDir });
    await savePod(POD, { homeDir });
    expect(await content()).toEqual({
      ...FIVE,
      name: 'a',
      pods: {
        a: FIVE,
        b: { host: 'ssh.runpod.io', port: 22, user: 'b-12345678', ssh_key_path: '', mode: 'proxy' },
      },
    });
    const env = { SSH_KEY_PATH: '/not/used' };
    const saved = await readPods({ homeDir, env });
    expect(saved).toEqual({ current: POD, pods: [GATEWAY, POD] });
    expect(findPod('b', saved)).toEqual(GATEWAY);
    expect(findPod('a', saved)).toEqual(POD);
    expect(findPod('c', saved)).toBeUndefined();
  });

  it('remembers that no key was named', async () => {
    await savePod(GATEWAY, { homeDir });
    expect((await readPods({ homeDir, env: { SSH_KEY_PATH: '/k' } })).current).toEqual(GATEWAY);
  });

  it('keeps what it doesn’t know', async () => {
    await write({ x: [1], ...FIVE, pods: { b: { color: 'red' }, c: { host: 5, note: 'mine' } }, y: null });
    await savePod(GATEWAY, { homeDir });
    expect(await content()).toMatchObject({
      x: [1],
      y: null,
      pods: { b: { color: 'red', user: 'b-12345678' }, c: { host: 5, note: 'mine' } },
    });
  });

  it('writes a file and a folder that are nobody else’s business', async () => {
    await savePod(POD, { homeDir });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(join(homeDir, '.config'))).mode & 0o777).toBe(0o700);
    await chmod(path, 0o644);
    await savePod(POD, { homeDir });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(join(homeDir, '.config'))).toEqual(['runpod-ssh.json']);
  });

  it('replaces the file whole, so that one who has it open keeps the old one', async () => {
    await savePod(POD, { homeDir });
    const { ino } = await stat(path);
    await savePod(GATEWAY, { homeDir });
    expect((await stat(path)).ino).not.toBe(ino);
  });

  it.each(['dotfiles/runpod.json', 'not/there/yet.json'])('writes through a link to %s', async (target) => {
    await mkdir(join(homeDir, 'dotfiles'));
    await mkdir(join(homeDir, '.config'));
    await symlink(join('..', target), path);
    await savePod(POD, { homeDir });
    expect(JSON.parse(await readFile(join(homeDir, target), 'utf8'))).toMatchObject({ name: 'a' });
    expect(await readdir(join(homeDir, '.config'))).toEqual(['runpod-ssh.json']);
    expect((await readPods({ homeDir, env: {} })).current).toEqual(POD);
  });

  it.each(['{ broken', '[]', '{"port": {"a": 1}, "pods": {"b": {"x": 1}}}', '{"pods": [1]}'])(
    'keeps a copy of the broken file %s',
    async (text) => {
      await write(text);
      const { keptBroken = '' } = await savePod(POD, { homeDir });
      expect(keptBroken).toMatch(/runpod-ssh\.json\.broken-[0-9TZ-]+$/);
      expect(await readFile(keptBroken, 'utf8')).toBe(text);
      expect((await stat(keptBroken)).mode & 0o777).toBe(0o600);
      expect((await readPods({ homeDir, env: {} })).current).toEqual(POD);
    },
  );

  it('loses no pod when several are saved at once', async () => {
    const names = Array.from({ length: 12 }, (_, n) => `pod${n}`);
    await Promise.all(names.map((name) => savePod({ ...POD, name }, { homeDir })));
    const { pods } = await readPods({ homeDir, env: {} });
    expect(pods.map(({ name }) => name).sort()).toEqual(names.sort());
  });

  it('stays readable while several processes save at once', async () => {
    const program = `
      import { savePod } from ${JSON.stringify(fileURLToPath(new URL('../../src/pods/saved.ts', import.meta.url)))};
      const [homeDir, name] = process.argv.slice(2);
      for (let n = 0; n < 20; n += 1) {
        await savePod({ ...${JSON.stringify(POD)}, name: name + n }, { homeDir });
      }`;
    const script = join(homeDir, 'save.mts');
    await writeFile(script, program);
    const tsx = fileURLToPath(import.meta.resolve('tsx/cli'));
    let running = true;
    const writers = Promise.all(
      ['x', 'y'].map((name) => promisify(execFile)(process.execPath, [tsx, script, homeDir, name])),
    ).finally(() => {
      running = false;
    });
    while (running) {
      expect((await readPods({ homeDir, env: {} })).warning).toBeUndefined();
    }
    await writers;
    const { current, pods } = await readPods({ homeDir, env: {} });
    expect(['x19', 'y19']).toContain(current?.name);
    expect(pods.length).toBeGreaterThanOrEqual(20);
  });

  it('takes __proto__ for a name like any other', async () => {
    await savePod({ ...POD, name: '__proto__' }, { homeDir });
    expect((await readPods({ homeDir, env: {} })).pods).toEqual([{ ...POD, name: '__proto__' }]);
  });

  it('says what is in the way if it can’t write', async () => {
    await writeFile(join(homeDir, '.config'), 'a file');
    const failure = await savePod(POD, { homeDir }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(Failure);
    expect(failure).toMatchObject({ kind: 'config-unwritable' });
  });

  it('writes no value that could be an option or a config line', async () => {
    const wrong: Partial<Pod>[] = [
      { host: '-oProxyCommand=x' },
      { user: 'a\nb' },
      { port: 0 },
      { name: '../x' },
    ];
    for (const part of wrong) {
      await expect(savePod({ ...POD, ...part }, { homeDir })).rejects.toMatchObject({ kind: 'bad-input' });
    }
    await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
