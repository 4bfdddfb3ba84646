import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeHome, type RunningServer, startServer } from './practice-server.ts';

describe('what the server says of itself', () => {
  let server: RunningServer;
  let remove: () => Promise<void>;
  beforeAll(async () => {
    const made = await makeHome();
    remove = made.remove;
    server = await startServer(made.home);
  });
  afterAll(async () => {
    await server?.close();
    await remove?.();
  });

  it('stays small for a model', async () => {
    const { tools } = await server.client.listTools();
    expect(JSON.stringify(tools).length).toBeLessThan(8_192);
    for (const { name, description = '' } of tools) {
      expect(description.length, name).toBeGreaterThan(40);
      expect(description.length, name).toBeLessThan(800);
    }
    const instructions = server.client.getInstructions() ?? '';
    expect(instructions.length).toBeLessThan(2_000);
    for (const tool of [
      'connect',
      'run_command',
      'start_background_job',
      'check_job',
      'stop_job',
      'list_jobs',
    ]) {
      expect(tools.map(({ name }) => name)).toContain(tool);
      expect(instructions).toContain(tool);
    }
  });

  it('has the names and parameters of the Python original', async () => {
    const { tools } = await server.client.listTools();
    const parameters = Object.fromEntries(
      tools.map(({ name, inputSchema }) => [name, Object.keys(inputSchema.properties ?? {})]),
    );
    expect(parameters.connect).toContain('ssh_string');
    expect(parameters.run_command).toEqual(expect.arrayContaining(['command', 'timeout']));
    expect(parameters.start_background_job).toEqual(expect.arrayContaining(['command', 'session_name']));
    expect(parameters.check_job).toEqual(expect.arrayContaining(['session_name', 'lines']));
  });

  it('marks what only reads, so that a client may call it in parallel', async () => {
    const { tools } = await server.client.listTools();
    const readOnly = tools.filter(({ annotations }) => annotations?.readOnlyHint).map(({ name }) => name);
    expect(readOnly).toEqual(expect.arrayContaining(['check_job', 'list_jobs']));
    expect(readOnly).not.toContain('run_command');
  });

  it.each([
    [
      'run_command',
      { command: 'true', cwd: '/' },
      /Unrecognized key: "cwd".*\nNext: run_command takes command, timeout, workdir/,
    ],
    ['run_command', {}, /arguments of run_command are not right: .*command/],
    ['run_command', { command: 'true', timeout: 601 }, /600/],
    ['run_command', { command: 'true', timeout: '5' }, /expected number/],
    ['run_command', { command: 'true', max_output_chars: 50_000 }, /40000/],
    ['check_job', { session_name: 'x', wait: -1 }, /wait/],
    ['no_such_tool', {}, /There is no tool no_such_tool.\nNext: take one of run_command, /],
  ])('refuses %s with %j, saying what it takes', async (tool, args, words) => {
    const { text, isError, facts } = await server.call(tool, args);
    expect(isError).toBe(true);
    expect(text).toMatch(words);
    expect(facts.failure).toBe('bad-input');
  });

  it('says how to begin when there is no pod', async () => {
    const { text, isError, facts } = await server.run('true');
    expect(isError).toBe(true);
    expect(facts.failure).toBe('no-pod');
    expect(text).toMatch(/No pod is connected yet.\nNext: call connect with the ssh string/);
  });
});
