import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { base64Line } from '../../../src/session/request.ts';
import { type Link, PodPlace, shells, until, ways } from '../../session/pod-place.ts';
import { runOn, startRun } from './run-on.ts';

const ALL_BYTES = Buffer.from(Array.from({ length: 256 }, (_, value) => value));

describe.each(shells)('%s', (shell) => {
  describe.each(ways)('over %s', (way) => {
    let place: PodPlace;
    let link: Link;
    beforeAll(async () => {
      place = await PodPlace.make({ shell });
      writeFileSync(join(place.home, 'all-bytes'), ALL_BYTES);
      writeFileSync(join(place.home, 'large'), large());
      link = await place.open({ way });
    });
    afterAll(() => place.remove());

    const run = (command: string) => runOn(link.session, command);

    test('output and exit code come as they are', async () => {
      const cases: [command: string, out: string | Buffer, err: string | Buffer, code: number][] = [
        ['echo out; echo err >&2; exit 7', 'out\n', 'err\n', 7],
        ['true', '', '', 0],
        ['', '', '', 0],
        ['printf "no newline"; false', 'no newline', '', 1],
        ['printf "\\n\\n"; exit 255', '\n\n', '', 255],
        ['cat all-bytes; cat all-bytes all-bytes >&2', ALL_BYTES, Buffer.concat([ALL_BYTES, ALL_BYTES]), 0],
        ['cat large', large(), '', 0],
        ['cat large >&2; printf x', 'x', large(), 0],
        ['kill -s KILL $$', '', '', 137],
        ['kill -s TERM $$; sleep 9', '', '', 143],
        ["cat <<'E'\n$HOME `x` \\ %s 'é' \"q\"\nE", '$HOME `x` \\ %s \'é\' "q"\n', '', 0],
        [
          `echo "@$(echo ${link.session.id}) 1 . 0 0 0 exited 0 disk"`,
          `@${link.session.id} 1 . 0 0 0 exited 0 disk\n`,
          '',
          0,
        ],
      ];
      for (const [command, out, err, code] of cases) {
        const ran = await run(command);
        expect({ command, state: ran.state, code: ran.code }).toEqual({ command, state: 'exited', code });
        expect(ran.out.equals(Buffer.from(out))).toBe(true);
        if (code !== 143 && code !== 137) expect(ran.err.equals(Buffer.from(err))).toBe(true);
      }
    });

    test('in base64 too, which a way that is not clean needs', async () => {
      const other = await place.open({ way });
      other.session.wire.write(base64Line);
      const [bytes, much, none] = await Promise.all([
        runOn(other.session, 'cat all-bytes; cat all-bytes >&2; exit 3'),
        runOn(other.session, 'cat large', { headBytes: 1000, tailBytes: 2_000_000 }),
        runOn(other.session, 'true'),
      ]);
      expect(bytes).toMatchObject({ out: ALL_BYTES, err: ALL_BYTES, code: 3 });
      expect(much.out.equals(large())).toBe(true);
      expect(none).toMatchObject({ out: Buffer.alloc(0), code: 0 });
      other.session.close();
    });

    test('thirty calls at once, with 40 kB each: no frame gets into another', async () => {
      const calls = Array.from({ length: 30 }, (_, i) => {
        const line = `call ${i} @${link.session.id} 1 . 0 0 0 exited 0\n`;
        const times = Math.ceil(40_000 / line.length);
        const ran = run(
          `i=0; while [ $i -lt ${times} ]; do echo '${line.trim()}'; i=$((i + 1)); done; exit ${i}`,
        );
        return ran.then((it) => {
          expect({ i, state: it.state, code: it.code }).toEqual({ i, state: 'exited', code: i });
          expect(it.out.toString()).toBe(line.repeat(times));
        });
      });
      await Promise.all(calls);
    });

    test('a command has a session and a process group of its own, and no terminal', async () => {
      const { out } = await run('cat /proc/$$/stat');
      const [pid, , , , group, session, terminal] = out
        .toString()
        .replace(/\(.*\)/, 'name')
        .split(' ');
      expect({ group, session, terminal }).toEqual({ group: pid, session: pid, terminal: '0' });
    });

    test('its input is empty, and it inherits no descriptor of ours', async () => {
      expect((await run('cat; wc -c')).out.toString().trim()).toBe('0');
      const { out } = await run('ls /proc/self/fd');
      // What the test's own surroundings leave open is no affair of ours.
      const plain = spawnSync(place.shellPath, ['-c', 'ls /proc/self/fd'], { env: place.env });
      expect(numbers(out)).toEqual(numbers(plain.stdout));
    });

    test('its environment holds nothing of ours but unbuffered python', async () => {
      const { out } = await run('exec cat /proc/self/environ');
      const names = out
        .toString()
        .split('\0')
        .slice(0, -1)
        .map((entry) => entry.split('=', 1)[0] ?? '');
      const known = new Set([
        ...Object.keys(place.env),
        'PYTHONUNBUFFERED',
        'TERM',
        'PWD',
        'OLDPWD',
        'SHLVL',
        '_',
      ]);
      expect(names.filter((name) => !known.has(name) && !/^(LINES|COLUMNS)$/.test(name))).toEqual([]);
      expect(names).toContain('PYTHONUNBUFFERED');
    });

    // busybox has no `env --default-signal`; its sh leaves INT and QUIT ignored in what runs in the background.
    test.skipIf(shell === 'busybox')('no signal is ignored or blocked in it', async () => {
      const { out } = await run("grep -E '^Sig(Ign|Blk)' /proc/self/status");
      expect(out.toString()).toBe(`SigBlk:\t${'0'.repeat(16)}\nSigIgn:\t${'0'.repeat(16)}\n`);
    });

    test('it runs where it is told to', async () => {
      const odd = join(place.root, "a b $HOME 'c'\n-");
      await mkdir(odd);
      await mkdir(join(place.home, 'sub/-x'), { recursive: true });
      const cases = [
        ['', place.home],
        ['~', place.home],
        ['~/sub', join(place.home, 'sub')],
        ['sub/-x', join(place.home, 'sub/-x')],
        [odd, odd],
        ['/', '/'],
      ];
      for (const [workdir = '', folder] of cases) {
        const { out, code } = await runOn(link.session, 'pwd', { workdir });
        expect({ workdir, out: out.toString(), code }).toEqual({ workdir, out: `${folder}\n`, code: 0 });
      }
    });

    test('a folder that is not there: nothing runs, and nothing stays', async () => {
      const { state, name } = await runOn(link.session, 'touch ~/ran', { workdir: '/nowhere/at all' });
      expect(state).toBe('no-workdir');
      expect(existsSync(join(place.home, 'ran'))).toBe(false);
      expect(existsSync(join(link.session.description.disk, name))).toBe(false);
    });

    test('a poll brings what has been printed so far, and letting go ends the call alone', async () => {
      let heard = '';
      const { call, ran, name } = startRun(
        link.session,
        'echo begun; until [ -e ~/go ]; do sleep 0.02; done; echo done',
        {
          onFrame: ({ type, payload }) => {
            if (type === 'o') heard += payload;
          },
        },
      );
      await until(() => {
        if (heard === '') call.signal('USR1');
        return heard !== '';
      });
      expect(heard).toBe('begun\n');
      const letGo = setInterval(() => call.signal('USR2'), 50);
      const left = await ran.finally(() => clearInterval(letGo));
      expect(left).toMatchObject({ state: 'running', out: Buffer.from('begun\n') });
      writeFileSync(join(place.home, 'go'), '');
      const whole = await runOn(link.session, '', { name, how: 'follow' });
      expect(whole).toMatchObject({ state: 'exited', code: 0, out: Buffer.from('begun\ndone\n') });
    });

    test('at the end of the session nothing stays of what it had prepared', async () => {
      const other = await place.open({ way });
      for (let i = 0; i < 5; i++) {
        const { name } = await runOn(other.session, 'true');
        other.session.housekeep('rp_forget', [name]);
      }
      const ours = (): string[] =>
        readdirSync(other.session.description.disk).filter((name) => name.includes(other.session.id));
      await until(() => ours().length > 8);
      other.session.close();
      await until(() => ours().length === 0);
    });
  });
});

/** Bytes that are no text and longer than any pipe. */
function large(): Buffer {
  const bytes = Buffer.alloc(700_000);
  for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 7 + (i >> 8) * 13) & 0xff;
  return bytes;
}

function numbers(listed: Buffer): string[] {
  return listed
    .toString()
    .split('\n')
    .filter((name) => name !== '')
    .sort();
}
