import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type PracticePod, startPracticePod } from '../../fixtures/practice-pod.ts';
import {
  bothModes,
  makeHome,
  type PracticeServer,
  type RunningServer,
  serverEnvironment,
  startPracticeServer,
  startServer,
} from './practice-server.ts';

const exec = promisify(execFile);

let pod: PracticePod;
beforeAll(async () => {
  pod = await startPracticePod({ gpu: true });
});
afterAll(() => pod?.stop());

describe.each(bothModes)('connect, to a pod in %s mode', (mode) => {
  const pasted = (): string => (mode === 'direct' ? pod.directString : pod.proxyString);
  let server: PracticeServer;
  beforeEach(async () => {
    server = await startPracticeServer(mode, { pod, connect: false });
  });
  afterEach(() => server?.stop());

  it('says what was found, also of a gateway under another name than RunPod’s', async () => {
    const { text, isError, facts } = await server.call('connect', { ssh_string: pasted(), name: 'mine' });
    expect(isError).toBe(false);
    expect(facts).toMatchObject({
      name: 'mine',
      mode,
      gpus: ['NVIDIA GeForce RTX 4090'],
      hostname: (await server.run('hostname')).text,
    });
    expect(text).toMatch(mode === 'direct' ? /^mode: direct/m : /^mode: proxy.*SSH over exposed TCP/m);
    expect(text).toMatch(/^GPUs: NVIDIA GeForce RTX 4090$/m);
    expect(text).toMatch(/^tools: run_command, .*upload_file/m);
    expect(text).toContain(`saved in: ${server.home}/.config/runpod-ssh.json`);
    expect(text).toContain('by hand: ssh -F ~/.config/runpod-ssh/ssh_config mine');
  });

  it('is remembered by the next server, with the files private', async () => {
    await server.call('connect', { ssh_string: pasted(), name: 'mine' });
    const file = join(server.home, '.config/runpod-ssh.json');
    const saved: unknown = JSON.parse(await readFile(file, 'utf8'));
    expect(saved).toMatchObject({
      host: '127.0.0.1',
      port: mode === 'direct' ? pod.port : pod.gatewayPort,
      user: mode === 'direct' ? pod.user : pod.gatewayUser,
      ssh_key_path: pod.keyPath,
      mode,
      name: 'mine',
      pods: { mine: { host: '127.0.0.1', mode } },
    });
    for (const path of [file, join(server.home, '.config/runpod-ssh/ssh_config')]) {
      expect((await stat(path)).mode & 0o777).toBe(0o600);
    }
    const next = await server.another();
    expect((await next.run('echo back')).text).toBe('back');
  });

  it('can be repeated by hand while the server runs', async () => {
    await server.call('connect', { ssh_string: pasted(), name: 'mine' });
    const config = join(server.home, '.config/runpod-ssh/ssh_config');
    const long = server.run('sleep 1; echo over');
    const byHand = promisify(execFile)('ssh', ['-F', config, 'mine', 'echo by hand; exit'], {
      env: serverEnvironment(server.home),
    });
    if (mode === 'direct') {
      expect((await byHand).stdout).toBe('by hand\n');
    } else {
      // The gateway takes no command, only what is typed.
      byHand.child.stdin?.write('echo by $((1 + 1)) hands\nexit\n');
      expect((await byHand).stdout).toContain('by 2 hands');
    }
    expect((await long).text).toBe('over');
  });

  it('takes the name of a saved pod', async () => {
    await server.call('connect', { ssh_string: pasted(), name: 'first' });
    const other = mode === 'direct' ? pod.proxyString : pod.directString;
    const second = await server.call('connect', { ssh_string: other, name: 'second' });
    expect(second.isError).toBe(false);
    expect((await server.run('true')).facts.mode).not.toBe(mode);
    const again = await server.call('connect', { ssh_string: 'first' });
    expect(again.facts).toMatchObject({ name: 'first', mode });
    expect((await server.run('true')).facts.mode).toBe(mode);
    const unknown = await server.call('connect', { ssh_string: 'third' });
    expect(unknown.isError).toBe(true);
    expect(unknown.text).toMatch(/no saved pod named third\.\nSaved are: first, second\./);
  });

  it('takes the string in every form that people paste', async () => {
    const forms: [string, (text: string) => string][] = [
      ['in backticks', (text: string) => `\`${text}\``],
      ['behind a prompt', (text: string) => `$ ${text}`],
      ['in prose', (text: string) => `Please use this one:\n\n    ${text}\n`],
      ['with -i first', (text: string) => text.replace(/^ssh (.*) -i (\S+)$/, 'ssh -i $2 $1')],
      ['with -pPORT', (text: string) => text.replace('-p ', '-p')],
      ['quoted', (text: string) => text.replace(/-i (\S+)/, '-i "$1"')],
      ['as a URL', (text: string) => text.replace(/^ssh (\S+) -p (\d+) -i (\S+)$/, 'ssh -i $3 ssh://$1:$2')],
      [
        'as a Host block',
        (text: string) =>
          text.replace(
            /^ssh (\S+)@(\S+) -p (\d+) -i (\S+)$/,
            'Host pod\n  HostName $2\n  User $1\n  Port $3\n  IdentityFile $4',
          ),
      ],
      ['as JSON of runpodctl', (text: string) => JSON.stringify({ ssh_command: text })],
    ];
    for (const [name, form] of forms) {
      const { text, isError } = await server.call('connect', { ssh_string: form(pasted()) });
      expect(text, name).toMatch(/^Connected to /);
      expect(isError).toBe(false);
    }
    expect((await server.run('echo there')).text).toBe('there');
  });

  it('takes the agent’s keys when none is named, or the one named isn’t there', async () => {
    const socket = join(server.home, 'agent');
    const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' });
    try {
      await expect.poll(() => existsSync(socket)).toBe(true);
      const env = { ...serverEnvironment(server.home), SSH_AUTH_SOCK: socket };
      await exec('ssh-add', ['-q', pod.keyPath], { env });
      const withAgent = await server.another({ env });
      const without = await withAgent.call('connect', { ssh_string: pasted().replace(/ -i \S+/, '') });
      expect(without.text).toMatch(/No key was named \(-i\): your ssh agent and default keys were tried\./);
      expect(without.isError).toBe(false);
      const ssh_string = pasted().replace(/-i \S+/, '-i ~/.ssh/nokey');
      const missing = await withAgent.call('connect', { ssh_string });
      expect(missing.text).toMatch(
        /The key file \S+nokey isn't there: your ssh agent and default keys were tried/,
      );
      expect(missing.isError).toBe(false);
      // A .pub names that key of the agent.
      const named = await withAgent.call('connect', { ssh_string: pasted().replace(pod.keyPath, '$&.pub') });
      expect(named.isError).toBe(false);
    } finally {
      agent.kill();
    }
  });

  it('works from the original’s config file, without connect', async () => {
    await server.close();
    await mkdir(join(server.home, '.config'));
    await writeFile(
      join(server.home, '.config/runpod-ssh.json'),
      JSON.stringify({
        host: '127.0.0.1',
        port: mode === 'direct' ? pod.port : pod.gatewayPort,
        user: mode === 'direct' ? pod.user : pod.gatewayUser,
        ssh_key_path: pod.keyPath,
        mode,
      }),
    );
    const next = await server.another();
    expect((await next.run('echo plain')).text).toBe('plain');
  });

  it('leaves the pod that was there when the new one can’t be reached', async () => {
    await server.call('connect', { ssh_string: pasted(), name: 'good' });
    const before = await readFile(join(server.home, '.config/runpod-ssh.json'), 'utf8');
    const refused = pasted().replace(/-p \d+/, '-p 1');
    const { text, isError, facts } = await server.call('connect', { ssh_string: refused, name: 'bad' });
    expect(isError).toBe(true);
    expect(facts.failure).toBe('refused');
    expect(text).toMatch(/^Nothing listens at 127\.0\.0\.1:1: .*\n[\s\S]*\nNext: .*\nBy hand: ssh /);
    expect(await readFile(join(server.home, '.config/runpod-ssh.json'), 'utf8')).toBe(before);
    expect((await server.run('echo old')).text).toBe('old');
  });

  it('says which key was refused', async () => {
    const { text, isError, facts } = await server.call('connect', {
      ssh_string: pasted().replace(pod.keyPath, pod.otherKeyPath),
    });
    expect(isError).toBe(true);
    expect(facts.failure).toBe('permission-denied');
    expect(text).toContain(pod.otherKeyPath);
    expect(text).toMatch(/\nNext: [\s\S]*\nBy hand: ssh /);
  });

  it('says what to do about an unknown container, or a host that has no name', async () => {
    const { text, facts } =
      mode === 'proxy'
        ? await server.call('connect', {
            ssh_string: pasted().replace(pod.gatewayUser, 'nosuchpod-6441103b'),
          })
        : await server.call('connect', { ssh_string: pasted().replace('127.0.0.1', 'no-such-host.invalid') });
    expect(facts.failure).toBe(mode === 'proxy' ? 'container-not-found' : 'name-not-found');
    expect(text).toMatch(/\nNext: [\s\S]*\nBy hand: ssh /);
  });

  it('refuses what is no address of a pod, without trying it', async () => {
    const refused: [string, RegExp][] = [
      ['ssh -o ProxyCommand=id root@1.2.3.4', /-o/],
      ['ssh -L 80:x:80 root@1.2.3.4', /-L/],
      ['ssh -J jump root@1.2.3.4', /-J/],
      ['ssh -F /etc/passwd root@1.2.3.4', /-F/],
      ['ssh root@1.2.3.4 -p 70000', /70000/],
      ['ssh ssh.runpod.io', /user/],
      ['ssh -- -oProxyCommand=id', /./],
      ['hello', /./],
    ];
    for (const [ssh_string, words] of refused) {
      const { text, isError, facts } = await server.call('connect', { ssh_string });
      expect(isError, ssh_string).toBe(true);
      expect(facts.failure).toBe('bad-input');
      expect(text).toMatch(words);
      expect(text).toMatch(/\nNext: /);
    }
  });
});

describe('a changed host key', () => {
  it.each(bothModes)('is refused with both fingerprints, and how to accept it, in %s mode', async (mode) => {
    const server = await startPracticeServer(mode);
    try {
      await server.pod.changeHostKey();
      const { text, isError, facts } = await server.run('true');
      expect(isError).toBe(true);
      expect(facts.failure).toBe('host-key-changed');
      const prints = new Set(text.match(/SHA256:[A-Za-z0-9+/]{43}/g));
      expect(prints.size).toBe(2);
      const byHand = /By hand: (ssh-keygen .*)$/m.exec(text)?.[1];
      if (byHand === undefined) throw new Error(text);
      await exec('sh', ['-c', byHand], { env: serverEnvironment(server.home) });
      expect((await server.run('echo again')).text).toBe('again');
    } finally {
      await server.stop();
    }
  });
});

describe('the saved configuration', () => {
  let home: string;
  let remove: () => Promise<void>;
  const servers: RunningServer[] = [];
  beforeEach(async () => {
    ({ home, remove } = await makeHome());
    await mkdir(join(home, '.config'));
  });
  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => server.close()));
    await remove();
  });
  async function start(env: Record<string, string> = {}): Promise<RunningServer> {
    const server = await startServer(home, { env });
    servers.push(server);
    return server;
  }
  const file = (): string => join(home, '.config/runpod-ssh.json');
  const direct = (): Record<string, string> => ({
    RUNPOD_HOST: '127.0.0.1',
    RUNPOD_PORT: String(pod.port),
    RUNPOD_USER: pod.user,
    SSH_KEY_PATH: pod.keyPath,
  });

  it('may be the environment alone', async () => {
    const server = await start(direct());
    const { text, facts } = await server.run('echo env; printenv RUNPOD_HOST SSH_KEY_PATH');
    expect(text).toBe('env\n[exit_code: 1]');
    expect(facts.mode).toBe('direct');
  });

  it('is read anew at every call', async () => {
    const server = await start();
    expect((await server.run('true')).facts.failure).toBe('no-pod');
    const content = { host: '127.0.0.1', port: pod.port, user: pod.user, ssh_key_path: pod.keyPath };
    await writeFile(file(), JSON.stringify(content));
    expect((await server.run('echo direct')).facts.mode).toBe('direct');
    await writeFile(
      file(),
      JSON.stringify({ ...content, port: pod.gatewayPort, user: pod.gatewayUser, mode: 'proxy' }),
    );
    expect((await server.run('echo proxy')).facts.mode).toBe('proxy');
  });

  it('is named with line and column when it is broken, is left untouched, and the environment is used', async () => {
    const broken = '{\n  "host": "127.0.0.1",\n  "port": 22,,\n}\n';
    await writeFile(file(), broken);
    const without = await start();
    const { text, isError, facts } = await without.run('true');
    expect(isError).toBe(true);
    expect(facts.failure).toBe('no-pod');
    expect(text).toContain(`${file()}: It is no JSON from line 3, column 14 on.`);
    expect(await readFile(file(), 'utf8')).toBe(broken);
    const withEnvironment = await start(direct());
    expect((await withEnvironment.run('echo env')).text).toBe(
      `env\n[configuration: ${file()}: It is no JSON from line 3, column 14 on. The file is left as it is, and the environment is used.]`,
    );
    expect(await readFile(file(), 'utf8')).toBe(broken);
  });

  it('is kept aside when it is broken and connect replaces it', async () => {
    await writeFile(file(), '{"host": ');
    const server = await start();
    const { text, isError } = await server.call('connect', { ssh_string: pod.directString });
    expect(isError).toBe(false);
    const kept = /it is kept as (\S+)\.$/m.exec(text)?.[1];
    if (kept === undefined) throw new Error(text);
    expect(await readFile(kept, 'utf8')).toBe('{"host": ');
    expect(JSON.parse(await readFile(file(), 'utf8'))).toMatchObject({ host: '127.0.0.1' });
  });

  it('keeps what connect doesn’t know', async () => {
    await writeFile(
      file(),
      JSON.stringify({ mine: [1, 2], pods: { old: { host: 'h', user: 'u', note: 'x' } } }),
    );
    const server = await start();
    await server.call('connect', { ssh_string: pod.directString, name: 'new' });
    expect(JSON.parse(await readFile(file(), 'utf8'))).toMatchObject({
      mine: [1, 2],
      pods: { old: { host: 'h', user: 'u', note: 'x' }, new: { host: '127.0.0.1' } },
    });
  });
});
