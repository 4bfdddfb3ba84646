import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { canMakeNamespaces } from '../../fixtures/namespaces.ts';
import { bothModes, type PracticeServer, startPracticeServer } from './practice-server.ts';

const environment = {
  RUNPOD_POD_ID: 'abc123',
  QUOTES: `it's "quoted" \`tick\``,
  DOLLARS: '$HOME ${PATH} $(id) 100%',
  BACKSLASH: 'C:\\new\\0',
  NEWLINES: '\n first\n\nthird = 3\n',
  EMPTY: '',
  BLANKS: '  a  b  ',
  EQUALS: 'a=b=c',
  UNICODE: 'ü 日本',
  GLOB: '*',
  i: 'lower case',
};
const showAll = `for n in ${Object.keys(environment).join(' ')}; do printf '%s=%s.\\n' "$n" "$(printenv "$n"; printf .)"; done`;
const shownAll = Object.entries(environment).map(([name, value]) => `${name}=${value}\n..\n`);

describe.each(bothModes)('the surroundings of a command in %s mode', (mode) => {
  let server: PracticeServer;
  const run: PracticeServer['run'] = (...args) => server.run(...args);

  beforeAll(async () => {
    server = await startPracticeServer(mode, { environment });
  });
  afterAll(() => server?.stop());

  it("has the environment of the pod's first process, whatever its values are", async () => {
    expect(`${(await run(showAll)).text}\n`).toBe(shownAll.join(''));
  });

  it('has the same environment in a job', async () => {
    for (const start of [`${showAll} >~/seen`, `sh -c ${quoted(showAll)} >~/seen`]) {
      await server.call('start_background_job', { command: start, session_name: 'seen' });
      await server.call('check_job', { session_name: 'seen', wait: 30 });
      expect(`${(await run('cat ~/seen')).text}\n`).toBe(shownAll.join(''));
    }
  });

  it('has none of our own variables, and none of the machine that the server runs on', async () => {
    const { text } = await run('env; set | grep _rp_; export -p | grep _rp_');
    expect(text).not.toMatch(/_rp_|SSH_ASKPASS|RUNPOD_HOST|npm_|VITEST/);
  });

  it('has PATH, HOME, USER-independent tools and unbuffered python', async () => {
    const { text } = await run('echo "$HOME"; command -v ls; echo "$PYTHONUNBUFFERED"');
    expect(text).toBe(`${server.pod.home}\n/usr/bin/ls\n1`);
  });

  it('is the home directory', async () => {
    expect((await run('pwd; echo "$PWD"')).text).toBe(`${server.pod.home}\n${server.pod.home}`);
  });

  it.each(['with blanks', "it's", '$HOME', 'a*b', '-n', 'ünïcödé', '"', 'back\\slash', 'two\nlines', '~'])(
    'is the workdir %j, absolute, relative or from home',
    async (name) => {
      const folder = join(server.pod.home, 'work', name);
      await mkdir(folder, { recursive: true });
      for (const workdir of [folder, `~/work/${name}`, `work/${name}`, `work/../work/${name}/`]) {
        expect((await run('pwd -P', { workdir })).text).toBe(folder);
      }
    },
  );

  it('is home for ~ and nothing else', async () => {
    for (const workdir of ['~', '~/', '', '.', './']) {
      expect((await run('pwd -P', { workdir })).text).toBe(server.pod.home);
    }
  });

  it.each(['/no/such', '~/nosuch', 'nosuch', '~nobody', '/etc/passwd', '-', '--'])(
    'is an error before anything runs where the workdir is %j',
    async (workdir) => {
      const { text, isError, facts } = await run('touch ~/ran', { workdir });
      expect(isError).toBe(true);
      expect(facts.failure).toBe('no-such-workdir');
      expect(text).toContain(`There is no folder ${workdir} on the pod`);
      expect((await run('ls ~/ran')).facts.exit_code).not.toBe(0);
      const job = await server.call('start_background_job', {
        command: 'touch ~/ran',
        session_name: 'w',
        workdir,
      });
      expect(job.facts.failure).toBe('no-such-workdir');
    },
  );

  it('shows what python prints when it is printed', async () => {
    const { facts } = await run('python3 -c "import time; print(1); time.sleep(63)"', { timeout: 0.2 });
    const seen = await server.call('check_job', { session_name: facts.job, wait: 20, until: '^1$' });
    expect(seen.facts.matched).toBe(true);
    await server.call('stop_job', { session_name: facts.job });
  });

  it('lets INT through: python sees a KeyboardInterrupt', async () => {
    const program = [
      'import time',
      'print("ready")',
      'try: time.sleep(64)',
      'except KeyboardInterrupt: print("interrupted"); raise SystemExit(7)',
    ];
    const { facts } = await run(`python3 - <<'E'\n${program.join('\n')}\nE`, { timeout: 0.2 });
    await server.call('check_job', { session_name: facts.job, wait: 20, until: 'ready' });
    const stopped = await server.call('stop_job', { session_name: facts.job, signal: 'INT' });
    expect(stopped.facts).toMatchObject({ signal: 'INT', exit_code: 7 });
    const { text } = await server.call('check_job', { session_name: facts.job });
    expect(text).toContain('\nready\ninterrupted\n');
  });

  it('has no signal ignored or blocked', async () => {
    const { text } = await run("grep -E '^Sig(Ign|Blk)' /proc/self/status");
    expect(text).toBe('SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000');
  });

  it('has no open files but its own three streams', async () => {
    const { text } = await run('ls /proc/$$/fd; :');
    // bash holds its script at 255.
    expect(text).toMatch(/^0\n1\n2(\n255)?$/);
  });

  it('is a process group and session of its own', async () => {
    const { text } = await run('ps -o pid=,pgid=,sid= -p $$');
    const [pid, group, session] = text.trim().split(/ +/);
    expect([group, session]).toEqual([pid, pid]);
  });
});

describe.runIf(canMakeNamespaces()).each(bothModes)(
  'the environment where PID 1 keeps its own to itself, in %s mode',
  (mode) => {
    let server: PracticeServer;
    beforeAll(async () => {
      server = await startPracticeServer(mode, {
        environment: { ONLY_IN_INIT: 'hidden' },
        rpEnvironment: `export RUNPOD_POD_ID="xyz"\nexport QUOTES="it's "quoted" $HOME \\n"\nexport _="/usr/bin/printenv"\nexport LAST='single'`,
      });
      await server.run('mount --bind /dev/null /proc/1/environ');
    });
    afterAll(() => server?.stop());

    it('is what /etc/rp_environment says, taken as it is meant', async () => {
      const fresh = await server.another();
      const { text } = await fresh.run('printenv RUNPOD_POD_ID QUOTES LAST');
      expect(text).toBe(`xyz\nit's "quoted" $HOME \\n\nsingle`);
    });

    it('is complete as soon as that file is there, also if it appears later', async () => {
      await server.run('mv /etc/rp_environment /etc/later');
      const fresh = await server.another();
      expect((await fresh.run('printenv LAST')).facts.exit_code).toBe(1);
      await fresh.run('mv /etc/later /etc/rp_environment');
      expect((await fresh.run('printenv LAST')).text).toBe('single');
    });
  },
);

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
