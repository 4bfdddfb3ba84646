import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Failure } from '../../src/failure.ts';
import { decide } from '../../src/local/local-paths.ts';
import { loadLocalRules } from '../../src/local/local-rules.ts';
import { resolveLocal } from '../../src/local/resolve-local.ts';

let top: string;
let home: string;
let work: string;

beforeEach(() => {
  top = realpathSync(mkdtempSync(join(tmpdir(), 'local-')));
  home = join(top, 'home');
  work = join(home, 'work');
  mkdirSync(join(work, 'sub/deep'), { recursive: true });
  mkdirSync(join(home, '.ssh'));
  mkdirSync(join(top, 'elsewhere/inner'), { recursive: true });
  writeFileSync(join(work, 'file'), 'x');
  writeFileSync(join(home, '.ssh/config'), 'x');
});

afterEach(() => rmSync(top, { recursive: true, force: true }));

const link = (target: string, name: string) => symlinkSync(target, join(work, name));
const resolve = (path: string) => resolveLocal(path, work, home);
const real = async (path: string) => (await resolve(path)).realPath;
const failure = async (path: string) => {
  const error = await resolve(path).catch((thrown: unknown) => thrown);
  if (error instanceof Failure) return error;
  throw new Error(`${path} was resolved`);
};

describe('plain paths', () => {
  test.each([
    ['file', 'work/file'],
    ['./sub/../file', 'work/file'],
    ['~', ''],
    ['~/work//file', 'work/file'],
    ['sub/', 'work/sub'],
    ['new', 'work/new'],
    ['new/deeper/./x', 'work/new/deeper/x'],
    ['../../..//../../../../../..', undefined],
    ['...', 'work/...'],
    ['~/~', '~'],
    ['./~root', 'work/~root'],
    ['$HOME', 'work/$HOME'],
    ['a\nb "c" \u{1f600}', 'work/a\nb "c" \u{1f600}'],
  ])('%j', async (path, expected) => {
    expect(await real(path)).toBe(expected === undefined ? '/' : join(home, expected));
  });

  test('say whether they exist, and whether they were written as a folder', async () => {
    expect(await resolve('file')).toMatchObject({ exists: true, namesFolder: false });
    expect(await resolve('new')).toMatchObject({ exists: false, namesFolder: false });
    for (const path of ['sub/', '.', '..', 'sub/.', 'new/', '~/']) {
      expect(await resolve(path)).toMatchObject({ namesFolder: true });
    }
    expect(await resolve('~')).toMatchObject({ exists: true });
  });
});

describe('what is refused', () => {
  test.each([
    ['', 'bad-input'],
    ['a\0b', 'bad-input'],
    ['\ud800', 'bad-input'],
    ['~root/x', 'bad-input'],
    ['~root', 'bad-input'],
    ['new/../file', 'bad-input'],
    ['file/x', 'no-such-file'],
    ['file/..', 'no-such-file'],
    ['file/../file', 'no-such-file'],
    [`${'x'.repeat(300)}`, 'bad-input'],
  ])('%j', async (path, kind) => expect((await failure(path)).kind).toBe(kind));

  test.runIf(process.getuid?.() !== 0)('a folder that may not be entered', async () => {
    mkdirSync(join(work, 'closed'), { mode: 0 });
    expect((await failure('closed/x')).kind).toBe('no-permission');
  });
});

describe('symlinks', () => {
  test('a chain of links', async () => {
    link('../../elsewhere', 'a');
    link('a', 'b');
    link(join(work, 'b'), 'c');
    expect(await real('c')).toBe(join(top, 'elsewhere'));
    expect(await real('c/inner')).toBe(join(top, 'elsewhere/inner'));
    expect(await real('c/new/x')).toBe(join(top, 'elsewhere/new/x'));
  });

  test('".." after a link goes up from where it leads', async () => {
    link('../../elsewhere/inner', 'in');
    expect(await real('in/..')).toBe(join(top, 'elsewhere'));
    expect(await real('in/../../home/.ssh/config')).toBe(join(home, '.ssh/config'));
    expect(await real('in/../new')).toBe(join(top, 'elsewhere/new'));
  });

  test('a link to the parent, many times', async () => {
    link('..', 'up');
    expect(await real('up/work/up/work/up/work/file')).toBe(join(work, 'file'));
    link('.', 'same');
    expect(await real('same/same/same/file')).toBe(join(work, 'file'));
  });

  test('a dangling link means the place that it points to', async () => {
    link('../.ssh/authorized_keys', 'notes.txt');
    expect(await resolve('notes.txt')).toMatchObject({
      realPath: join(home, '.ssh/authorized_keys'),
      exists: false,
    });
    link('notes.txt', 'again');
    expect(await real('again')).toBe(join(home, '.ssh/authorized_keys'));
    link('../nowhere/far', 'lost');
    expect(await real('lost/x')).toBe(join(home, 'nowhere/far/x'));
    link('nowhere/../../.ssh', 'tricky');
    expect((await failure('tricky/config')).kind).toBe('bad-input');
  });

  test('a link in the middle of a path that is not there yet', async () => {
    link('../../elsewhere', 'out');
    expect(await real('sub/../out/a/b')).toBe(join(top, 'elsewhere/a/b'));
  });

  test('loops end', async () => {
    link('loop2', 'loop1');
    link('loop1', 'loop2');
    link('self/x', 'self');
    for (const path of ['loop1', 'loop2/x', 'self', 'self/..'])
      expect((await failure(path)).kind).toBe('bad-input');
  });

  test('links that grow the path end', async () => {
    link('grow/grow', 'grow');
    expect((await failure('grow')).kind).toBe('bad-input');
  });

  test('a link with slashes and dots at its end', async () => {
    link('sub/./', 'dotted');
    expect(await real('dotted//deep/')).toBe(join(work, 'sub/deep'));
    link('/', 'root');
    expect(await real(`root${work}/file`)).toBe(join(work, 'file'));
  });

  test.runIf(process.platform === 'linux')('the magic links of /proc', async () => {
    expect(await real(`/proc/self/root${home}/.ssh/config`)).toBe(join(home, '.ssh/config'));
    expect(await real('/proc/self/cwd')).toBe(process.cwd());
  });

  test('where the kernel can resolve a path, the answer is the same', async () => {
    link('sub', 's');
    link('../work/s/deep', 'd');
    link('..', 'up');
    link('../../elsewhere', 'e');
    const name = fc.constantFrom(
      '.',
      '..',
      'sub',
      'deep',
      's',
      'd',
      'up',
      'e',
      'inner',
      'work',
      'home',
      'file',
      '',
    );
    await fc.assert(
      fc.asyncProperty(fc.array(name, { maxLength: 8 }), async (names) => {
        const path = `./${names.join('/')}`;
        let expected: string;
        try {
          expected = realpathSync.native(`${work}/${path}`);
        } catch {
          return;
        }
        expect(await real(path)).toBe(expected);
      }),
      { numRuns: 300 },
    );
  });
});

describe('rules of a machine', () => {
  const rulesFor = (given: { roots?: string[]; cwd?: string; localDirs?: string }) =>
    loadLocalRules({ roots: given.roots, cwd: given.cwd ?? work, homeDir: home, localDirs: given.localDirs });

  const why = async (path: string, rules: Awaited<ReturnType<typeof rulesFor>>) => {
    const decision = decide(await real(path), { ...rules, intent: 'write' });
    return decision.allowed ? 'allowed' : decision.why;
  };

  test('without roots the working directory is open', async () => {
    const rules = await rulesFor({});
    expect(await why('file', rules)).toBe('allowed');
    expect(await why('~/x', rules)).toBe('outside');
  });

  test('with roots they are, and the working directory is not', async () => {
    const rules = await rulesFor({ roots: [join(top, 'elsewhere')] });
    expect(await why('file', rules)).toBe('outside');
    expect(await why('../../elsewhere/x', rules)).toBe('allowed');
    expect(await why('file', await rulesFor({ roots: [] }))).toBe('outside');
  });

  test('a server started in / has nothing open', async () => {
    const rules = await rulesFor({ cwd: '/' });
    expect(rules.roots).toEqual([]);
    expect(await why('file', rules)).toBe('outside');
  });

  test('RUNPOD_LOCAL_DIRS adds folders, also through links and ~', async () => {
    symlinkSync(join(top, 'elsewhere'), join(home, 'data'));
    const rules = await rulesFor({ localDirs: '~/data' });
    expect(rules.extraDirs).toEqual([join(top, 'elsewhere')]);
    expect(await why('~/data/x', rules)).toBe('allowed');
    expect(await why('file', rules)).toBe('allowed');
  });

  test('a link out of a root leads outside, one into a protected place to nothing', async () => {
    const rules = await rulesFor({});
    link('../../elsewhere', 'out');
    link('../.ssh', 'keys');
    link('../.bashrc', 'settings');
    expect(await why('out/x', rules)).toBe('outside');
    expect(await why('keys/config', rules)).toBe('protected');
    expect(await why('settings', rules)).toBe('protected');
    expect(await why('../.ssh/../.ssh/new', rules)).toBe('protected');
  });

  test('a start-up file that is a link protects what it leads to', async () => {
    mkdirSync(join(work, 'dotfiles/secret'), { recursive: true });
    writeFileSync(join(work, 'dotfiles/bashrc'), 'x');
    symlinkSync('work/dotfiles/bashrc', join(home, '.bashrc'));
    symlinkSync('work/dotfiles/secret', join(home, '.aws'));
    symlinkSync('work/dotfiles/not-yet', join(home, '.zshrc'));
    const rules = await rulesFor({});
    expect(await why('dotfiles/bashrc', rules)).toBe('protected');
    expect(await why('dotfiles/secret/credentials', rules)).toBe('protected');
    expect(await why('dotfiles/not-yet', rules)).toBe('protected');
    expect(await why('dotfiles/README', rules)).toBe('allowed');
  });

  test('a home folder that is a link is protected by its real path', async () => {
    const alias = join(top, 'alias');
    symlinkSync(home, alias);
    const rules = await loadLocalRules({ roots: [top], cwd: work, homeDir: alias, localDirs: undefined });
    expect(await why('~/.npmrc', rules)).toBe('protected');
    expect(await why(join(alias, '.npmrc'), rules)).toBe('protected');
  });

  test('this very machine has rules', async () => {
    const rules = await loadLocalRules({
      roots: undefined,
      cwd: process.cwd(),
      homeDir: homedir(),
      localDirs: undefined,
    });
    expect(decide(join(realpathSync(homedir()), '.ssh/id_rsa'), { ...rules, intent: 'read' }).allowed).toBe(
      false,
    );
    expect(
      decide(join(realpathSync(process.cwd()), 'package.json'), { ...rules, intent: 'read' }).allowed,
    ).toBe(true);
  });
});
