import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PracticeOptions } from '../../fixtures/practice-pod.ts';
import type { Mode } from '../../src/pods/pod.ts';
import { expectWhole, numberedLines } from './numbered-lines.ts';
import { bothModes, type PracticeServer, sshProcessesOf, startPracticeServer } from './practice-server.ts';

type Kind = { kind: string; mode: Mode; options: PracticeOptions };

const shells: Kind[] = [
  ...(['busybox', 'fish'] as const).flatMap((shell) => bothModes.map((mode) => ({ shell, mode }))),
  { shell: 'dash', mode: 'direct' } as const,
  { shell: 'zsh', mode: 'proxy' } as const,
  { shell: 'tcsh', mode: 'proxy' } as const,
].map(({ shell, mode }) => ({ kind: `${shell} for a login shell`, mode, options: { shell } }));
const gateways: Kind[] = (['cooked', 'seven-bit', 'newlines'] as const).map((gatewayTerminal) => ({
  kind: `a gateway whose terminal is ${gatewayTerminal}`,
  mode: 'proxy',
  options: { gatewayTerminal },
}));
const others: Kind[] = [
  {
    kind: 'a banner that takes three seconds, and a workdir with blanks',
    mode: 'proxy',
    options: { slowBannerMs: 3_000, workdir: '/var/tmp/a workdir of tests' },
  },
  { kind: 'a gateway that cuts what is idle for a second', mode: 'proxy', options: { gatewayIdleMs: 1_000 } },
  { kind: 'no tmux and dash', mode: 'proxy', options: { shell: 'dash', tmux: false } },
];

/** Characters whose UTF-8 has every byte that UTF-8 can have, and what shells and terminals stumble over. */
const manyCharacters = [
  ...Array.from({ length: 0x7e - 0x20 + 1 }, (_, i) => String.fromCodePoint(0x20 + i)),
  ...Array.from({ length: 0x700 }, (_, i) => String.fromCodePoint(0xa0 + i)),
  ...Array.from({ length: 0x800 }, (_, i) => String.fromCodePoint(0x3000 + 16 * i)),
  ...Array.from({ length: 0x300 }, (_, i) => String.fromCodePoint(0x10000 + 1024 * i)),
]
  .join('')
  .replace(/[^\p{L}\p{N}\p{P}\p{S} ]/gu, '')
  .replace(/.{1,70}/gu, 'x$&x\n');

describe.each([...shells, ...gateways, ...others])('a pod with $kind, in $mode mode', ({ mode, options }) => {
  let server: PracticeServer;
  const run: PracticeServer['run'] = (...args) => server.run(...args);

  beforeAll(async () => {
    server = await startPracticeServer(mode, options);
  });
  afterAll(async () => {
    await server?.stop();
    if (options.workdir !== undefined) await rm(options.workdir, { recursive: true, force: true });
  });

  it('runs commands, byte for byte', async () => {
    expect((await run('echo out; echo err >&2; exit 3')).text).toBe('out\n[stderr]\nerr\n[exit_code: 3]');
    expect((await run('kill -9 $$')).facts).toMatchObject({ exit_code: 137, signal: 'KILL' });
    expect((await run('pwd')).text).toBe(server.pod.home);
    expect((await run('cat; set -e; false; echo never')).text).toBe('(no output)\n[exit_code: 1]');
    const copied = await run(`cat <<'E'\n${manyCharacters}E`, { max_output_chars: 40_000 });
    expect(copied.text).toBe(manyCharacters.replace(/\n$/, ''));
    const all = await run(
      'i=1; while [ $i -lt 256 ]; do printf "\\\\$(printf %o $i)"; i=$((i + 1)); done | md5sum',
    );
    expect(all.text).toBe('2a43f79ceb44831d96f6e456839744e4  -');
    const raw = await run("printf 'a\\001\\003\\004\\021\\023\\032\\177b\\r\\nc\\300\\n\\n'");
    expect(raw.text).toBe('a\\x01\\x03\\x04\\x11\\x13\\x1a\\x7fb\nc\ufffd\n');
    expect(raw.facts.stdout_bytes).toBe(15);
  });

  // What a login shell is matters until the session is open.
  const further = it.skipIf(['fish', 'zsh', 'tcsh'].includes(options.shell ?? ''));

  further('takes long commands and long output', async () => {
    const filler = `: '${'x'.repeat(5_000)} %~. \\n'\n`.repeat(10);
    expect((await run(`${filler}echo done`)).text).toBe('done');
    const { text, facts } = await run('seq 1 300000; echo end');
    expect(facts).toMatchObject({ stdout_bytes: 1_988_899, truncated: true, exit_code: 0 });
    expect(text).toMatch(/^1\n2\n[\s\S]*\n300000\nend$/);
  });

  further('lets what outlives its time go on, and ends it', async () => {
    const { facts } = await run('echo begun; sleep 51', { timeout: 0.3 });
    expect(facts.status).toBe('running');
    // busybox sh has what runs in the background ignore INT, and no program to undo that.
    const [signal, code] = options.shell === 'busybox' ? ['TERM', 143] : ['INT', 130];
    const stopped = await server.call('stop_job', { session_name: facts.job, signal });
    expect(stopped.facts).toMatchObject({ status: 'stopped', exit_code: code });
    const check = await server.call('check_job', { session_name: facts.job });
    expect(check.text).toContain('\nbegun\n');
  });

  it('runs jobs', async () => {
    await server.call('start_background_job', {
      command: "echo \"it's\" begun; sleep 0.3\necho 'ü' over; exit 9",
      session_name: 'job',
    });
    const { text, facts } = await server.call('check_job', { session_name: 'job', wait: 30 });
    expect(facts).toMatchObject({ status: 'exited', exit_code: 9 });
    expect(text).toContain("\nit's begun\nü over\n");
    if (options.gatewayIdleMs !== undefined) await expect.poll(() => server.hop.connections()).toBe(0);
    await server.call('start_background_job', { command: 'echo up; sleep 52', session_name: 'long' });
    await server.call('check_job', { session_name: 'long', wait: 20, until: 'up' });
    const again = await server.call('start_background_job', { command: 'true', session_name: 'long' });
    expect(again.facts.failure).toBe('name-taken');
    const stopped = await server.call('stop_job', { session_name: 'long' });
    expect(stopped.facts).toMatchObject({ status: 'stopped', exit_code: 143 });
    const { text: list } = await server.call('list_jobs');
    expect(list).toMatch(/^long: stopped.*\n.*\n {2}> up$/m);
    expect(list).toMatch(/^job: exited with code 9.*\n.*\n {2}> ü over$/m);
  });

  further('survives a cut', async () => {
    const { command, lines } = numberedLines('cut', 1.5);
    const answer = run(command);
    await delay(500);
    server.hop.reset();
    await expectWhole(server, 'cut', lines, await answer);
  });

  further('ends what is cancelled', async () => {
    const controller = new AbortController();
    const answer = run('sleep 53; true', {}, { signal: controller.signal });
    await expect.poll(() => server.pod.processes()).toContain('sleep 53');
    controller.abort();
    await expect(answer).rejects.toThrow();
    await expect.poll(() => server.pod.processes()).not.toContain('sleep 53');
  });

  it('has nothing left over at the end', async () => {
    await server.close();
    await expect.poll(() => sshProcessesOf(server.home)).toEqual([]);
    await expect.poll(() => server.pod.processes()).toEqual([]);
  });
});
