import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Mode } from '../../src/pods/pod.ts';
import { type Answer, bothModes, type PracticeServer, startPracticeServer } from './practice-server.ts';

const kinds: { mode: Mode; tmux: boolean }[] = [
  ...bothModes.map((mode) => ({ mode, tmux: true })),
  // Without tmux the mode makes less of a difference; other-pods.test.ts has the proxy too.
  { mode: 'direct', tmux: false },
];

describe.each(kinds)('jobs in $mode mode, tmux on the pod: $tmux', ({ mode, tmux }) => {
  let server: PracticeServer;
  const run: PracticeServer['run'] = (...args) => server.run(...args);
  const start = (session_name: string, command: string, more: object = {}): Promise<Answer> =>
    server.call('start_background_job', { session_name, command, ...more });
  const check = (session_name: unknown, more: object = {}): Promise<Answer> =>
    server.call('check_job', { session_name, ...more });
  const stop = (session_name: string, more: object = {}): Promise<Answer> =>
    server.call('stop_job', { session_name, ...more });

  beforeAll(async () => {
    server = await startPracticeServer(mode, { tmux });
  });
  afterAll(() => server?.stop());

  it('run, are waited for, and tell how they ended', async () => {
    const started = await start('plain', 'echo one; sleep 0.3; echo two; exit 5');
    expect(started.facts).toEqual({ job: 'plain', status: 'running', tmux: tmux ? 'plain' : null, mode });
    expect(started.text).toContain(
      tmux
        ? 'in the tmux session plain (a person can watch it: tmux attach -t plain)'
        : 'the pod has no tmux',
    );
    const { text, facts } = await check('plain', { wait: 30 });
    expect(facts).toMatchObject({ status: 'exited', exit_code: 5, signal: null, mode, truncated: false });
    expect(text).toMatch(
      /^\[job plain: exited with code 5; started \S+ \S+ UTC, ended \S+ \S+ UTC, ran \d s\]\none\ntwo\n\[cursor: \d+\.\d+\]$/,
    );
    const { started: begun, ended, duration_s } = facts;
    expect(Number(ended) - Number(begun)).toBe(duration_s);
    expect(Math.abs(Number(begun) - Date.now() / 1000)).toBeLessThan(60);
  });

  it('show nothing where nothing was printed', async () => {
    await start('silent', 'sleep 0.1');
    const { text } = await check('silent', { wait: 30 });
    expect(text).toMatch(/\]\n\(no output\)\n\[cursor: /);
  });

  it.runIf(tmux)('run on a terminal, which a person can watch', async () => {
    await start('watched', 'tty; tput cols; echo watch me; sleep 91');
    await check('watched', { wait: 20, until: 'watch me' });
    expect((await run('tmux capture-pane -p -t watched')).text).toMatch(/^\/dev\/pts\/\d+\n\d+\nwatch me/);
    expect((await check('watched')).text).toContain('[watch by hand: tmux attach -t watched]');
    await stop('watched');
    expect((await run('tmux has-session -t watched')).facts.exit_code).not.toBe(0);
  });

  it.each([
    ['quotes', `echo "it's" 'a "b"' \\\\ \\$HOME`, `it's a "b" \\ $HOME`],
    ['newlines', 'echo one\nfor i in 1 2\ndo echo "i $i"\ndone', 'one\ni 1\ni 2'],
    ['heredoc', 'cat <<\'E\'\n  $x `y` "z"\nE', '  $x `y` "z"'],
    ['unicode', 'echo "ü 日本 🚀"', 'ü 日本 🚀'],
    ['comment', 'echo a # b', 'a'],
    ['semicolons', 'echo a;; echo b', /syntax error/],
    ['open', 'echo "open', /unexpected EOF/],
    ['percent', "printf '%s\\n' '100% %% #{pane_id}'", '100% %% #{pane_id}'],
    ['long', `: '${'y'.repeat(150_000)}'; echo long`, 'long'],
  ])('take any command: %s', async (name, command, printed) => {
    await start(name, command);
    const { text } = await check(name, { wait: 30 });
    if (typeof printed === 'string') expect(text.split('\n').slice(1, -1).join('\n')).toBe(printed);
    else expect(text).toMatch(printed);
  });

  it.each(['a', 'A.b-c_d', '0', '_x', 'x'.repeat(64), 'v1.2', 'exit_code', 'out'])(
    'take the name %j',
    async (name) => {
      expect((await start(name, `echo "I am ${name}"; exit 3`)).isError).toBe(false);
      const { text, facts } = await check(name, { wait: 30 });
      expect(facts).toMatchObject({ status: 'exited', exit_code: 3 });
      expect(text).toContain(`\nI am ${name}\n`);
    },
  );

  it.each([
    '',
    '-x',
    '..',
    '.',
    '.hidden',
    'a b',
    'a/b',
    'a:b',
    "a'b",
    'a\nb',
    '$(id)',
    'ü',
    'x'.repeat(65),
    '*',
  ])('refuse the name %j', async (name) => {
    for (const answer of [await start(name, 'touch ~/ran'), await check(name), await stop(name)]) {
      expect(answer.isError).toBe(true);
      expect(answer.facts.failure).toBe('bad-input');
    }
    expect((await run('ls ~/ran')).facts.exit_code).not.toBe(0);
  });

  it('are never replaced silently while they run', async () => {
    await start('busy', 'echo first; sleep 92');
    await check('busy', { wait: 20, until: 'first' });
    const second = await start('busy', 'echo second');
    expect(second.isError).toBe(true);
    expect(second.facts.failure).toBe('name-taken');
    expect(second.text).toMatch(
      /^A job named busy is running on the pod\.\n.*left alone.*\nNext: .*check_job\("busy"\).*stop_job\("busy"\).*replace/,
    );
    const { text, facts } = await check('busy');
    expect(facts.status).toBe('running');
    expect(text).toContain('\nfirst\n');
  });

  it('are stopped first by replace', async () => {
    const replaced = await start('busy', 'echo third; exit 6', { replace: true });
    expect(replaced.isError).toBe(false);
    const { text, facts } = await check('busy', { wait: 30 });
    expect(facts).toMatchObject({ status: 'exited', exit_code: 6 });
    expect(text).toContain('\nthird\n');
    expect(text).not.toContain('first');
    expect(await server.pod.processes()).not.toContain('sleep 92');
  });

  it('give their name free when they have ended', async () => {
    expect((await start('busy', 'echo fourth')).isError).toBe(false);
    expect((await check('busy', { wait: 30 })).text).toContain('\nfourth\n');
  });

  it('are one job and one clear error when two servers start the same name at once', async () => {
    const other = await server.another();
    await other.run('true');
    for (let round = 0; round < 3; round++) {
      const name = `race-${round}`;
      const command = `echo ran >>~/${name}; sleep 93`;
      const answers = await Promise.all(
        [server, other, server, other].map((one) =>
          one.call('start_background_job', { session_name: name, command }),
        ),
      );
      expect(answers.map(({ facts }) => facts.failure ?? 'started').sort()).toEqual([
        'name-taken',
        'name-taken',
        'name-taken',
        'started',
      ]);
      await stop(name);
      expect((await run(`cat ~/${name}`)).text).toBe('ran');
    }
    await other.close();
  });

  it('are waited for until their output matches', async () => {
    await start('until', 'for i in 1 2 3; do echo "epoch $i"; sleep 0.3; done; sleep 94');
    const { text, facts } = await check('until', { wait: 30, until: 'epoch [3-9]' });
    expect(facts).toMatchObject({ status: 'running', matched: true });
    expect(text).toMatch(/^\[job until: running; .*\]\n\[until: matched\]\nepoch 1\nepoch 2\nepoch 3\n/);
    const again = await check('until', { wait: 0.5, until: 'never' });
    expect(again.facts).toMatchObject({ status: 'running', matched: false });
    await stop('until');
    const over = await check('until', { wait: 30, until: 'never' });
    expect(over.facts).toMatchObject({ status: 'stopped', matched: false });
    const wrong = await check('until', { until: '(' });
    expect(wrong.facts.failure).toBe('bad-input');
  });

  it('give with a cursor what is new since, and nothing twice', async () => {
    const go = (n: number): string => `until [ -e ~/go${n} ]; do sleep 0.05; done`;
    await start('cursor', `echo one; ${go(1)}; echo two; printf half; ${go(2)}; echo ' done'; ${go(3)}`);
    const first = await check('cursor', { wait: 20, until: 'one' });
    await run('touch ~/go1');
    const second = await check('cursor', { wait: 20, until: 'half', cursor: first.facts.cursor });
    expect(body(second)).toBe('two\nhalf');
    const none = await check('cursor', { cursor: second.facts.cursor });
    expect(body(none)).toBe('(no output)');
    await run('touch ~/go2');
    const third = await check('cursor', { wait: 20, until: 'done', cursor: none.facts.cursor });
    expect(body(third)).toBe(' done');
    await run('touch ~/go3');
    const end = await check('cursor', { wait: 20, cursor: third.facts.cursor });
    expect(end.facts).toMatchObject({ status: 'exited', exit_code: 0 });
    expect(body(end)).toBe('(no output)');
    expect((await check('cursor', { cursor: 'x' })).facts.failure).toBe('bad-input');
  });

  it('are shown by their last lines, of all that was printed from the beginning', async () => {
    await start('lines', 'seq 1 3000');
    const { text, facts } = await check('lines', { wait: 30, lines: 3 });
    expect(text).toMatch(/\n2998\n2999\n3000\n\[cursor: /);
    expect(text).not.toContain('2997');
    const folder = /the whole is on the pod: (\S+)/.exec(text)?.[1];
    expect(
      (await run(`tr -d '\\r' <${folder} | head -n 3000 | sha256sum; seq 1 3000 | sha256sum`)).text,
    ).toMatch(/^(\w+) {2}-\n\1 {2}-$/);
    expect(facts.truncated).toBe(true);
    expect((await check('lines', { lines: 2000 })).text).toContain('\n1001\n1002\n');
  });

  it('stay within the budget', async () => {
    await start('wide', 'for i in 1 2 3 4 5; do head -c 20000 /dev/zero | tr "\\0" $i; echo; done');
    const { text, facts } = await check('wide', { wait: 30 });
    expect(text.length).toBeLessThan(10_500);
    expect(facts.truncated).toBe(true);
  });

  it('show progress bars as they ended, and no escapes', async () => {
    await start(
      'bar',
      `printf '\\033[1mload\\033[0m\\n'; for i in 10 50 100; do printf '\\r%3d%%' $i; done; echo; echo end`,
    );
    const { text } = await check('bar', { wait: 30 });
    expect(body({ text })).toBe('load\n100%\nend');
  });

  it('are listed, the newest first', async () => {
    await start('listed', 'echo "a line"; echo "last line"; sleep 95');
    await check('listed', { wait: 20, until: 'last' });
    const { text, facts } = await server.call('list_jobs');
    expect(text).toMatch(
      /^listed: running; started .* UTC, running for \d+ s\n {2}\$ echo "a line"; echo "last line"; sleep 95\n {2}> last line\n/,
    );
    expect(text).toMatch(
      /\nplain: exited with code 5; started .*, ended .*, ran \d s\n {2}\$ echo one; .*\n {2}> two$/,
    );
    expect(facts.jobs).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ name: 'plain', state: { kind: 'exited', code: 5 } }),
      ]),
    );
    await stop('listed');
  });

  it('are ended with their children, which may ignore TERM', async () => {
    await start(
      'stubborn',
      `bash -c "trap '' TERM; echo ready; while :; do sleep 96; done" & wait; echo over`,
    );
    await check('stubborn', { wait: 20, until: 'ready' });
    const { text, facts } = await stop('stubborn', { grace: 1 });
    expect(facts).toMatchObject({ status: 'stopped' });
    expect(text).toMatch(/its whole process group/);
    expect((await server.pod.processes()).filter((line) => /sleep 96|ready/.test(line))).toEqual([]);
    const seen = await check('stubborn');
    expect(seen.facts).toMatchObject({ status: 'stopped' });
    expect(seen.text).toContain('\nready\n');
  });

  it('are ended by the signal that is named', async () => {
    await start('signalled', `trap 'echo got INT; exit 4' INT; echo ready; while :; do sleep 0.1; done`);
    await check('signalled', { wait: 20, until: 'ready' });
    const { facts } = await stop('signalled', { signal: 'SIGINT' });
    expect(facts).toMatchObject({ status: 'stopped', exit_code: 4, signal: 'INT' });
    expect((await check('signalled')).text).toContain('\ngot INT\n');
    expect((await stop('signalled')).text).toMatch(/had ended before, with code 4/);
    expect((await stop('signalled', { signal: 'FUNNY' })).facts.failure).toBe('bad-input');
  });

  it('are told apart from names that no job has', async () => {
    for (const answer of [await check('nothing'), await stop('nothing')]) {
      expect(answer.facts.failure).toBe('no-such-job');
      expect(answer.text).toMatch(/has no job named nothing\.\n[\s\S]*Next: list_jobs/);
    }
  });

  it.runIf(tmux)('are hung up when their terminal goes, and told so', async () => {
    await start('orphan', 'echo seen; sleep 97');
    await check('orphan', { wait: 20, until: 'seen' });
    await run('tmux kill-server');
    const { text, facts } = await check('orphan', { wait: 20 });
    expect(facts).toMatchObject({ status: 'exited', exit_code: 129, signal: 'HUP' });
    expect(text).toContain('\nseen\n');
    expect(await server.pod.processes()).not.toContain('sleep 97');
    expect((await check('plain')).text).toContain('\none\ntwo\n');
    expect((await start('orphan', 'echo again')).isError).toBe(false);
    expect((await check('orphan', { wait: 20 })).text).toContain('\nagain\n');
  });

  it.runIf(tmux)('can be worked by a person at their terminal', async () => {
    await start('asks', 'read -r answer; echo "got $answer"; sleep 97');
    await run('tmux send-keys -t asks hello Enter');
    expect((await check('asks', { wait: 20, until: 'got hello' })).facts.matched).toBe(true);
    await run('tmux send-keys -t asks C-c');
    expect((await check('asks', { wait: 20 })).facts).toMatchObject({ status: 'exited', exit_code: 130 });
  });

  it('have no signal ignored', async () => {
    await start('signals', "grep -E '^Sig(Ign|Blk)' /proc/self/status");
    expect(body(await check('signals', { wait: 20 }))).toBe(
      'SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000',
    );
  });

  it('are found by another server, and in the other mode', async () => {
    await start('shared', 'echo here; sleep 98');
    const other = await startPracticeServer(mode === 'direct' ? 'proxy' : 'direct', { pod: server.pod });
    const { facts } = await other.call('check_job', { session_name: 'shared', wait: 20, until: 'here' });
    expect(facts.status).toBe('running');
    expect((await other.call('stop_job', { session_name: 'shared' })).facts.status).toBe('stopped');
    expect((await check('shared')).facts.status).toBe('stopped');
    await other.stop();
  });

  it('are lost when the container is restarted, and said to be, with when', async () => {
    await start('doomed', 'echo alive; sleep 99');
    await check('doomed', { wait: 20, until: 'alive' });
    await server.pod.restartContainer();
    const { text, facts } = await check('doomed');
    expect(facts).toMatchObject({ status: 'lost', exit_code: null });
    expect(text).toMatch(
      /^\[job doomed: lost: the pod's container was replaced at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/,
    );
    expect(text).toContain('\nalive\n');
    const at = /replaced at (\S+) (\S+) UTC/.exec(text);
    expect(Math.abs(Date.parse(`${at?.[1]}T${at?.[2]}Z`) - Date.now())).toBeLessThan(60_000);
    expect((await server.call('list_jobs')).text).toMatch(/^doomed: lost: the pod's container was replaced/m);
    expect((await stop('doomed')).text).toMatch(/Nothing of job doomed runs any more/);
    expect((await start('doomed', 'echo new life')).isError).toBe(false);
    expect((await check('doomed', { wait: 20 })).text).toContain('\nnew life\n');
  });
});

function body({ text }: { text: string }): string {
  return text
    .split('\n')
    .filter((line) => !/^\[(job|until:|cursor:|watch)/.test(line))
    .join('\n');
}
