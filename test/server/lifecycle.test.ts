import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PracticePod, startPracticePod } from '../../fixtures/practice-pod.ts';
import {
  asAnswer,
  bothModes,
  builtServer,
  makeHome,
  type PracticeServer,
  serverEnvironment,
  sshPidsOf,
  sshProcessesOf,
  startPracticeServer,
} from './practice-server.ts';

/** A machine that is busy may be late; a server that is late is so every time. */
const onceAtLeast = { retry: 4 };

type Message = Record<string, unknown>;

/** The server with bare lines of JSON, as a client writes and reads them. */
class BareServer {
  readonly child: ChildProcessWithoutNullStreams;
  readonly lines: string[] = [];
  readonly exited: Promise<{ code: number | null; signal: string | null; at: number }>;
  stderr = '';
  #serial = 0;

  constructor(home: string) {
    this.child = spawn(process.execPath, [builtServer], { env: serverEnvironment(home) });
    createInterface({ input: this.child.stdout }).on('line', (line) => this.lines.push(line));
    this.child.stderr.on('data', (chunk) => {
      this.stderr += chunk;
    });
    this.child.stdin.on('error', () => {});
    this.exited = new Promise((resolve) => {
      this.child.on('exit', (code, signal) => resolve({ code, signal, at: performance.now() }));
    });
  }

  write(message: Message): void {
    this.child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  }

  async ask(method: string, params: Message): Promise<Message> {
    this.#serial += 1;
    const id = this.#serial;
    this.write({ id, method, params });
    const find = (): Message | undefined =>
      this.lines.map((line): Message => JSON.parse(line)).find((message) => message.id === id);
    await expect.poll(find, { timeout: 30_000, interval: 10 }).toBeDefined();
    return find() ?? {};
  }

  async initialize(): Promise<Message> {
    const answer = await this.ask('initialize', {
      protocolVersion: '2025-06-18',
      capabilities: {},
      clientInfo: { name: 'bare', version: '1' },
    });
    this.write({ method: 'notifications/initialized' });
    return answer;
  }

  async call(name: string, args: Message): Promise<ReturnType<typeof asAnswer>> {
    return asAnswer((await this.ask('tools/call', { name, arguments: args })).result);
  }
}

let pod: PracticePod;
beforeAll(async () => {
  pod = await startPracticePod();
});
afterAll(() => pod?.stop());

describe('a server', () => {
  it('answers initialize and lists its tools before it starts any ssh', async () => {
    const { home, remove } = await makeHome();
    const server = new BareServer(home);
    // A pod that never answers.
    pod.hops.direct.freeze();
    try {
      const begun = performance.now();
      const { result } = await server.initialize();
      expect(result).toMatchObject({ serverInfo: { name: 'runpod-ssh-mcp' }, capabilities: { tools: {} } });
      await server.ask('tools/list', {});
      expect(performance.now() - begun).toBeLessThan(3_000);
      expect(sshProcessesOf(home)).toEqual([]);
    } finally {
      pod.hops.direct.dropFrozen();
      pod.hops.direct.thaw();
      server.child.kill('SIGKILL');
      await server.exited;
      await remove();
    }
  });

  it('writes nothing but the protocol to stdout, and lives through lines that are none', async () => {
    const { home, remove } = await makeHome();
    const server = new BareServer(home);
    await server.initialize();
    server.child.stdin.write('this is no JSON\n{"jsonrpc":"2.0"}\n\n');
    await server.call('connect', { ssh_string: pod.directString });
    const { text } = await server.call('run_command', { command: 'echo hello; echo oops >&2' });
    expect(text).toBe('hello\n[stderr]\noops');
    for (const line of server.lines) expect(JSON.parse(line)).toMatchObject({ jsonrpc: '2.0' });
    server.child.stdin.end();
    expect((await server.exited).code).toBe(0);
    await remove();
  });

  it('answers every request once, in whatever pieces and order they come', async () => {
    const { home, remove } = await makeHome();
    const clientInfo = { name: 'bare', version: '1' };
    const initialize = {
      id: 'a',
      method: 'initialize',
      params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo },
    };
    const [initialized, list, listAgain, ping] = [
      { method: 'notifications/initialized' },
      { id: 1, method: 'tools/list' },
      { id: 2, method: 'tools/list', params: {} },
      { id: 3, method: 'ping' },
    ];
    const lists = new Set<string>();
    for (const pieces of [
      [[initialize, initialized, list, listAgain, ping]],
      [[initialize], [initialized], [list], [listAgain, ping]],
      [[initialize, initialized], [ping, list], [listAgain]],
      [[initialize, list], [initialized, ping], [listAgain]],
    ]) {
      const server = new BareServer(home);
      for (const piece of pieces) {
        const before = server.lines.length;
        server.child.stdin.write(
          piece.map((message) => `${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`).join(''),
        );
        const requests = piece.filter((message) => 'id' in message).length;
        await expect.poll(() => server.lines.length, { interval: 5 }).toBe(before + requests);
      }
      const answers = server.lines.map((line): Message => JSON.parse(line));
      expect(answers.map(({ id }) => String(id)).sort()).toEqual(['1', '2', '3', 'a']);
      for (const { id, result } of answers) if (id === 1 || id === 2) lists.add(JSON.stringify(result));
      server.child.stdin.end();
      expect((await server.exited).code).toBe(0);
    }
    // Whoever answers, main.ts or the SDK, says the same.
    expect(lists.size).toBe(1);
    await remove();
  });

  it('answers what came at once with the end of its input, and ends', async () => {
    const { home, remove } = await makeHome();
    const server = new BareServer(home);
    server.child.stdin.end(
      '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}\n' +
        '{"jsonrpc":"2.0","method":"notifications/initialized"}\n{"jsonrpc":"2.0","id":2,"method":"tools/list"}\n',
    );
    expect((await server.exited).code).toBe(0);
    await expect.poll(() => server.lines.length).toBe(2);
    await remove();
  });

  it('answers --version and --help, and refuses other arguments', async () => {
    const { stdout, code } = await output(['--version']);
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect(code).toBe(0);
    expect((await output(['--help'])).stdout).toContain('claude mcp add');
    const wrong = await output(['serve']);
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toMatch(/serve/);
  });
});

describe.each(bothModes)('a server in %s mode', (mode) => {
  const pasted = (): string => (mode === 'direct' ? pod.directString : pod.proxyString);

  it.each(['stdin', 'SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'ends within 300 ms on %s, in the middle of a command, and leaves nothing behind',
    onceAtLeast,
    async (how) => {
      const { home, remove } = await makeHome();
      const server = new BareServer(home);
      await server.initialize();
      await server.call('connect', { ssh_string: pasted() });
      server.write({
        id: 99,
        method: 'tools/call',
        params: { name: 'run_command', arguments: { command: 'echo begun; sleep 41' } },
      });
      await expect.poll(() => pod.processes()).toContain('sleep 41');
      const asked = performance.now();
      if (how === 'stdin') server.child.stdin.end();
      else server.child.kill(how);
      const { at, code } = await server.exited;
      expect(code).toBe(0);
      expect(at - asked).toBeLessThan(300);
      await expect.poll(() => sshProcessesOf(home), { timeout: 2_000 }).toEqual([]);
      const files = readdirSync(home, { recursive: true, encoding: 'utf8' }).sort();
      expect(files).toEqual([
        '.config',
        '.config/runpod-ssh',
        '.config/runpod-ssh.json',
        '.config/runpod-ssh/known_hosts',
        '.config/runpod-ssh/ssh_config',
        '.runpod-ssh-ctl',
      ]);
      // What it had started on the pod goes on; what it had for itself there goes.
      const left = await pod.processes();
      expect(left).toContain('sleep 41');
      const next = new BareServer(home);
      await next.initialize();
      await expect
        .poll(
          async () =>
            (await next.call('run_command', { command: 'pkill -f "sleep 4[1]"; pgrep -f "sleep 4[1]"' }))
              .text,
        )
        .toMatch(/^\(no output\)\n\[exit_code: 1\]$/);
      next.child.stdin.end();
      await next.exited;
      await expect.poll(() => pod.processes()).toEqual([]);
      expect(server.stderr).toBe('');
      await remove();
    },
  );

  it('ends within 300 ms while it connects to a pod that is silent', onceAtLeast, async () => {
    const { home, remove } = await makeHome();
    const server = new BareServer(home);
    await server.initialize();
    const hop = pod.hops[mode];
    hop.freeze();
    try {
      server.write({
        id: 98,
        method: 'tools/call',
        params: { name: 'connect', arguments: { ssh_string: pasted() } },
      });
      await expect.poll(() => sshProcessesOf(home).length).toBeGreaterThan(0);
      const asked = performance.now();
      server.child.kill('SIGTERM');
      const { at } = await server.exited;
      expect(at - asked).toBeLessThan(300);
      await expect.poll(() => sshProcessesOf(home), { timeout: 3_000 }).toEqual([]);
      expect(readdirSync(join(home, '.runpod-ssh-ctl'))).toEqual([]);
    } finally {
      hop.dropFrozen();
      hop.thaw();
      await remove();
    }
  });

  it('goes on with the next call when its ssh was killed', async () => {
    const server = await startPracticeServer(mode, { pod });
    for (const pid of sshPidsOf(server.home)) process.kill(pid, 'SIGKILL');
    expect((await server.run('echo back')).text).toBe('back');
    await server.stop();
  });

  it('goes on with a command when its ssh was killed under it', async () => {
    const server = await startPracticeServer(mode, { pod });
    const answer = server.run('for i in 1 2 3 4; do echo $i; sleep 0.3; done; exit 8');
    await expect.poll(() => pod.processes()).toContain('sleep 0.3');
    for (const pid of sshPidsOf(server.home)) process.kill(pid, 'SIGKILL');
    expect((await answer).text).toBe('1\n2\n3\n4\n[exit_code: 8]');
    await server.stop();
  });
});

describe('two servers', () => {
  let first: PracticeServer;
  beforeAll(async () => {
    first = await startPracticeServer('direct', { pod });
  });
  afterAll(() => first?.stop());

  it.each(bothModes)("don't disturb each other, the other one in %s mode", async (mode) => {
    const second = await startPracticeServer(mode, { pod });
    const third = await first.another();
    const all = [first, second, third];
    const answers = all.map((server, i) => server.run(`sleep 0.5; echo ${i}; exit ${i}`));
    await second.run('true');
    expect((await Promise.all(answers)).map(({ facts }) => facts.exit_code)).toEqual([0, 1, 2]);
    const long = first.run('sleep 1; echo still here');
    await second.stop();
    await third.kill();
    expect((await long).text).toBe('still here');
    expect((await first.run('echo fine')).text).toBe('fine');
  });

  it('may change their pod without the other one losing its own command', async () => {
    const other = await first.another();
    const long = first.run('sleep 1; echo done');
    const { isError } = await other.call('connect', { ssh_string: pod.proxyString });
    expect(isError).toBe(false);
    expect((await long).text).toBe('done');
    // Both see what is current now.
    expect((await first.run('echo x')).facts.mode).toBe('proxy');
    await first.call('connect', { ssh_string: pod.directString });
    expect((await other.run('echo x')).facts.mode).toBe('direct');
    await other.close();
  });
});

async function output(args: string[]): Promise<{ stdout: string; stderr: string; code: number | null }> {
  const child = spawn(process.execPath, [builtServer, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { stdout, stderr, code };
}
