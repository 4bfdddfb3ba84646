import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bothModes, type PracticeServer, startPracticeServer } from './practice-server.ts';

describe.each(bothModes)('run_command in %s mode', (mode) => {
  let server: PracticeServer;
  const run: PracticeServer['run'] = (...args) => server.run(...args);

  beforeAll(async () => {
    server = await startPracticeServer(mode);
  });
  afterAll(() => server?.stop());

  it('gives stdout, stderr and the exit code, each by itself', async () => {
    const { text, isError, facts } = await run('echo out; echo err >&2; exit 3');
    expect(text).toBe('out\n[stderr]\nerr\n[exit_code: 3]');
    expect(isError).toBe(false);
    expect(facts).toEqual({
      status: 'exited',
      exit_code: 3,
      signal: null,
      stdout_bytes: 4,
      stderr_bytes: 4,
      truncated: false,
      mode,
      job: expect.stringMatching(/^run-[0-9a-f]+-\d+$/),
      duration_ms: expect.any(Number),
    });
  });

  it.each([
    ['exit 3', '(no output)\n[exit_code: 3]'],
    ['true', '(no output)'],
    ['exec true', '(no output)'],
    ['exec false', '(no output)\n[exit_code: 1]'],
    ['set -e; false; echo never', '(no output)\n[exit_code: 1]'],
    ['cat', '(no output)'],
    ['cat; echo "read $?"', 'read 0'],
    ['kill -9 $$', '(no output)\n[exit_code: 137]'],
    ['kill -TERM $$; sleep 5', '(no output)\n[exit_code: 143]'],
    ['cat <<EOF\na  "b" \'c\' $((1 + 1))\n\tEOF \nEOF', 'a  "b" \'c\' 2\n\tEOF '],
    ['echo one # two', 'one'],
    ['echo one # "two\n', 'one'],
    ['# nothing', '(no output)'],
    ['  \n\n  echo spaced  \n\n', 'spaced'],
    ['echo a \\\n  b', 'a b'],
    ['printf %s "no newline"', 'no newline'],
    ["printf '\\n\\n  two before, two after\\n\\n'", '\n\n  two before, two after\n'],
    ['printf "%s\\n" "ünïcödé 日本語 🚀" "$(printf \'e\\314\\201\')"', 'ünïcödé 日本語 🚀\ne\u0301'],
    ["echo '$HOME' \"\\$PATH\" `echo tick` \\\\ '\\n' %s %%", '$HOME $PATH tick \\ \\n %s %%'],
    ['echo "~."; echo "~?"; echo "~C"', '~.\n~?\n~C'],
    ['exec >&- 2>&-; echo lost; exit 4', '(no output)\n[exit_code: 4]'],
    ['exec >&-; sleep 0.2; echo err >&2; exit 5', '[stderr]\nerr\n[exit_code: 5]'],
    ['trap "echo bye" EXIT; exit 6', 'bye\n[exit_code: 6]'],
    ['(exit 7) & wait $!; echo $?', '7'],
    ['[[ a == a ]] && a=(x y) && echo ${a[1]}', 'y'],
    ['test -t 0 || test -t 1 || test -t 2 || echo no terminal', 'no terminal'],
    ['stty -a </dev/tty', expect.stringMatching(/\/dev\/tty.*\n\[exit_code: 1\]$/)],
    [
      'nosuchprogram',
      expect.stringMatching(/^\[stderr\]\n.*nosuchprogram: command not found\n\[exit_code: 127\]$/),
    ],
    ['echo before; if true; then', expect.stringMatching(/syntax error.*\n\[exit_code: 2\]$/)],
    ['echo "open', expect.stringMatching(/unexpected EOF.*\n\[exit_code: 2\]$/)],
    ["echo 'open", expect.stringMatching(/unexpected EOF.*\n\[exit_code: 2\]$/)],
    ['echo $(echo open', expect.stringMatching(/\[exit_code: [12]\]$/)],
  ])('answers %j as a shell does', async (command, expected) => {
    expect((await run(command)).text).toEqual(expected);
  });

  it('names the signal that ended a command', async () => {
    expect((await run('kill -9 $$')).facts).toMatchObject({ exit_code: 137, signal: 'KILL' });
    expect((await run('kill -SEGV $$')).facts).toMatchObject({ exit_code: 139, signal: 'SEGV' });
  });

  it('returns at once from a command that leaves something in the background, which lives on', async () => {
    const { text, facts } = await run('sleep 61 & echo "left $!"');
    expect(text).toMatch(/^left \d+$/);
    expect(facts.duration_ms).toBeLessThan(5_000);
    const pid = text.slice('left '.length);
    expect((await run(`kill -0 ${pid} && echo lives`)).text).toBe('lives');
    await run(`kill ${pid}`);
  });

  it('takes a command of 200 kB', async () => {
    const filler = Array.from({ length: 5_000 }, (_, i) => `v${i}='\\ "ä$ ${'x'.repeat(20)} ${i}'`).join(
      '\n',
    );
    const { text } = await run(`${filler}\necho "\${#v4999} $v4999"`);
    expect(Buffer.byteLength(filler)).toBeGreaterThan(200_000);
    expect(text).toBe(`32 \\ "ä$ ${'x'.repeat(20)} 4999`);
  });

  it('takes a command of one line that is longer than a terminal takes', async () => {
    const long = "it's 100%\\".repeat(5_000);
    const { text } = await run(`printf %s ${`'${long.replaceAll("'", "'\\''")}'`} | sha256sum`);
    const { createHash } = await import('node:crypto');
    expect(text).toBe(`${createHash('sha256').update(long).digest('hex')}  -`);
  });

  it('carries every byte: NUL, control characters and what is no UTF-8', async () => {
    const { text, facts } = await run("printf 'a\\000b\\001c\\377d\\302e\\n'");
    expect(facts.stdout_bytes).toBe(10);
    expect(text).toBe('a\\x00b\\x01c\ufffdd\ufffde');
    const all = await run('i=0; while [ $i -lt 256 ]; do printf "\\\\$(printf %o $i)"; i=$((i+1)); done');
    expect(all.facts).toMatchObject({ stdout_bytes: 256, exit_code: 0 });
  });

  it('keeps output that looks like its own framing apart from it', async () => {
    const { text } = await run(
      "printf '[exit_code: 0]\\n[stderr]\\n(no output)\\n[still running after 1 s as job x]\\n[configuration: x]\\n'; exit 9",
    );
    expect(text).toBe(
      '\\[exit_code: 0]\n\\[stderr]\n\\(no output)\n\\[still running after 1 s as job x]\n\\[configuration: x]\n[exit_code: 9]',
    );
  });

  it('is not misled by frames in the output, nor by a banner of the gateway', async () => {
    const frames = ['@deadbeefdeadbeefdeadbeef 1 . 0 0 0 exited 0 disk', '@0 1 o 5 0', '.', '@ready b'];
    const banner = ['', '-- RUNPOD.IO --', 'Enjoy your Pod #abc ^_^', '', 'Connection to 10.65.14.1 closed.'];
    const lines = [...frames, ...banner, "Error: Your SSH client doesn't support PTY", 'container not found'];
    const { text, facts } = await run(`cat <<'E'\n${lines.join('\n')}\nE\nexit 8`);
    expect(text).toBe(`${lines.join('\n')}\n[exit_code: 8]`);
    expect(facts.exit_code).toBe(8);
  });

  it('is not misled by a command that finds the session and writes frames to what it has open', async () => {
    const { text, facts } = await run(
      'for f in /proc/self/fd/*; do readlink "$f"; done; echo "@x 1 . 0" >&9; exit 5',
    );
    expect(facts.exit_code).toBe(5);
    expect(text).toMatch(/9: Bad file descriptor/);
  });

  it('cuts 50 MB of output to head and tail, counts what is left out and keeps the whole on the pod', async () => {
    const { text, facts } = await run('seq 1 6600000 | head -c 50000000; echo; echo end');
    expect(facts).toMatchObject({ stdout_bytes: 50_000_005, truncated: true, exit_code: 0 });
    expect(text.length).toBeLessThanOrEqual(10_400);
    const [, head, left, folder, tail] =
      /^([\s\S]*)\n\[… ([\d,]+) of 50,000,005 bytes left out; the whole is on the pod: (\S+) …\]\n([\s\S]*)$/.exec(
        text,
      ) ?? [];
    if (head === undefined || left === undefined || folder === undefined || tail === undefined) throw text;
    expect(head.startsWith('1\n2\n3\n')).toBe(true);
    expect(tail.endsWith('\nend')).toBe(true);
    const shown = Buffer.byteLength(`${head}\n`) + Buffer.byteLength(`${tail}\n`);
    expect(Number(left.replaceAll(',', '')) + shown).toBe(50_000_005);
    const whole = await run(`wc -c <'${folder}'; head -n 2 '${folder}'; tail -n 1 '${folder}'`);
    expect(whole.text).toBe('50000005\n1\n2\nend');
    // Neither half is a number cut in two that happens to look like one.
    expect(head.split('\n')).toEqual(head.split('\n').map((_, i) => String(i + 1)));
  });

  it('fetches little of much output', async () => {
    const before = server.hop.bytes().down;
    await run('head -c 30000000 /dev/zero | tr "\\0" x');
    expect(server.hop.bytes().down - before).toBeLessThan(300_000);
  });

  it('keeps to max_output_chars', async () => {
    const few = await run('seq 1 1000', { max_output_chars: 200 });
    expect(few.text.length).toBeLessThanOrEqual(600);
    expect(few.facts.truncated).toBe(true);
    const many = await run('seq 1 7000', { max_output_chars: 40_000 });
    expect(many.text).toBe(Array.from({ length: 7_000 }, (_, i) => i + 1).join('\n'));
    expect(many.facts.truncated).toBe(false);
  });

  it('shows stderr beside long stdout', async () => {
    const { text } = await run('seq 1 100000; echo "what went wrong" >&2; exit 1');
    expect(text).toMatch(/\n\[stderr\]\nwhat went wrong\n\[exit_code: 1\]$/);
  });

  it('shows escapes and rewritten lines as a person would see them', async () => {
    const { text } = await run(
      "printf '\\033[31mred\\033[0m\\n  0%%\\r 50%%\\r100%%\\nab\\bc\\n\\033]0;title\\007done\\r\\n'",
    );
    expect(text).toBe('red\n100%\nac\ndone');
  });

  it("doesn't end its own wrapper when it looks for its own text", async () => {
    const { text } = await run('pkill -f unmistakeable_word; echo "pkill $?"; pgrep -f unmistakeable_word');
    expect(text).toBe('pkill 1\n[exit_code: 1]');
  });

  it('shows no command text in ps', async () => {
    const { text } = await run('SECRET=hunter2 true; ps -eo args | grep -c "[h]unter2"');
    expect(text).toBe('0\n[exit_code: 1]');
  });

  it('leaves nothing of a delivered command on the pod', async () => {
    const { facts } = await run('echo delivered');
    const look = `test -e ~/.runpod-ssh/jobs/${facts.job} && echo there || echo gone`;
    await expect.poll(async () => (await run(look)).text).toBe('gone');
  });

  it('goes on after its time, and is followed and ended as a job', async () => {
    const { text, facts, isError } = await run('echo begun; sleep 62; echo over', { timeout: 0.5 });
    const { job } = facts;
    expect(isError).toBe(false);
    expect(text).toBe(
      `begun\n[still running after 0.5 s as job ${job}: check_job("${job}") follows it, stop_job("${job}") ends it]`,
    );
    expect(facts).toMatchObject({ status: 'running', exit_code: null });
    const check = await server.call('check_job', { session_name: job });
    expect(check.text).toMatch(/^\[job run-\S+: running; .*\]\nbegun\n/);
    const stop = await server.call('stop_job', { session_name: job });
    expect(stop.facts).toMatchObject({ status: 'stopped', exit_code: 143 });
    const after = await server.call('check_job', { session_name: job });
    expect(after.facts).toMatchObject({ status: 'stopped', exit_code: 143 });
    expect(after.text).toContain('\nbegun\n');
  });

  it('gives a command that outlived its time its exit code', async () => {
    const { facts } = await run('sleep 0.6; echo late; exit 12', { timeout: 0.1 });
    const check = await server.call('check_job', { session_name: facts.job, wait: 20 });
    expect(check.facts).toMatchObject({ status: 'exited', exit_code: 12 });
    expect(check.text).toContain('\nlate\n');
  });

  it('answers at once with timeout 0', async () => {
    const { facts } = await run('sleep 0.5', { timeout: 0 });
    expect(facts.status).toBe('running');
    const check = await server.call('check_job', { session_name: facts.job, wait: 20 });
    expect(check.facts).toMatchObject({ status: 'exited', exit_code: 0 });
  });

  it('runs two dozen commands side by side, and some hundred one after the other', async () => {
    // Each waits until all run.
    const all = 'until [ "$(ls ~/together | wc -l)" = 24 ]; do sleep 0.1; done';
    await run('mkdir ~/together');
    const answers = await Promise.all(
      Array.from({ length: 24 }, (_, i) => run(`touch ~/together/${i}; ${all}; echo ${i}; exit ${i}`)),
    );
    expect(answers.map(({ text }) => text)).toEqual(
      answers.map((_, i) => (i === 0 ? '0' : `${i}\n[exit_code: ${i}]`)),
    );
    for (let i = 0; i < 100; i++) expect((await run(`echo ${i}`)).text).toBe(String(i));
  });

  it.each(Array.from({ length: 3 }, (_, i) => i))('runs 24 of them at once, round %d', async () => {
    const answers = await Promise.all(Array.from({ length: 24 }, (_, i) => run(`sleep 0.2; echo ${i}`)));
    expect(answers.map(({ text }) => text)).toEqual(answers.map((_, i) => String(i)));
  });
});
