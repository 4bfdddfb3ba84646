import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { expandBraces, matchesName } from '../../src/local/glob-pattern.ts';
import { matchLocalGlob } from '../../src/local/local-glob.ts';

let root: string;

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'glob-')));
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

const write = (...names: string[]) => {
  for (const name of names) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), '');
  }
};

const glob = async (pattern: string) =>
  (await matchLocalGlob(pattern, root, root)).map((path) => {
    const text = path.toString('latin1');
    return text.startsWith(`${root}/`) ? text.slice(root.length + 1) : text;
  });

describe('names', () => {
  test.each([
    ['*', 'a', true],
    ['*', '.a', false],
    ['.*', '.a', true],
    ['\\.*', '.a', true],
    ['?', '.', false],
    ['*.csv', 'x.csv', true],
    ['*.csv', 'x.csv.gz', false],
    ['a*b*c', 'aXbXbc', true],
    ['a*b*c', 'aXbXb', false],
    ['?', '\u{1f600}', true],
    ['?', '\u00e9', true],
    ['\u00e9*', 'e\u0301x', true],
    ['[abc]x', 'bx', true],
    ['[a-c]x', 'dx', false],
    ['[!a-c]x', 'dx', true],
    ['[^a-c]x', 'ax', false],
    ['[]]', ']', true],
    ['[!]]', 'a', true],
    ['[a-]', '-', true],
    ['[\\]]', ']', true],
    ['[', '[', true],
    ['[ab', '[ab', true],
    ['\\*', '*', true],
    ['\\*', 'a', false],
    ['a\\', 'a\\', true],
    ['', '', true],
    ['A', 'a', false],
  ])('%j matches %j: %s', (pattern, name, matches) => expect(matchesName(pattern, name)).toBe(matches));

  test('as bash matches them', () => {
    const pattern = fc.array(fc.constantFrom('a', 'b', '*', '?', '[ab]', '[!a]', '.', '[a-b]'), {
      maxLength: 6,
    });
    const name = fc.array(fc.constantFrom('a', 'b', 'c', '.'), { minLength: 1, maxLength: 6 });
    const cases = fc.sample(fc.tuple(pattern, name), 300).map(([p, n]) => [p.join(''), n.join('')] as const);
    const script =
      'while IFS= read -r p && IFS= read -r n; do case $n in $p) echo 1;; *) echo 0;; esac; done';
    const answers = execFileSync('bash', ['-c', script], {
      input: cases.map((c) => `${c.join('\n')}\n`).join(''),
    });
    for (const [i, answer] of answers.toString().trim().split('\n').entries()) {
      const [p = '', n = ''] = cases[i] ?? [];
      // `case` doesn't treat a leading dot as special; expanding names does.
      if (n.startsWith('.') && !p.startsWith('.')) expect(matchesName(p, n)).toBe(false);
      else expect([p, n, matchesName(p, n)]).toEqual([p, n, answer === '1']);
    }
  });

  test('many stars take little time', () => {
    expect(matchesName(`${'*a'.repeat(100)}b`, 'a'.repeat(255))).toBe(false);
  });
});

describe('braces', () => {
  test.each([
    ['a', ['a']],
    ['{a,b}', ['a', 'b']],
    ['x{a,b}y{c,d}', ['xayc', 'xayd', 'xbyc', 'xbyd']],
    ['{a,{b,c}d}', ['a', 'bd', 'cd']],
    ['{a}', ['{a}']],
    ['{}', ['{}']],
    ['{a,}', ['a', '']],
    ['{a,b', ['{a,b']],
    ['a,b}', ['a,b}']],
    ['{{a,b}}', ['{a}', '{b}']],
    ['{a,b}{', ['a{', 'b{']],
    ['\\{a,b}', ['\\{a,b}']],
    ['{a\\,b,c}', ['a\\,b', 'c']],
  ])('%j', (pattern, expanded) => expect(expandBraces(pattern)).toEqual(expanded));

  test('too many are refused', () => {
    expect(expandBraces('{a,b}'.repeat(9))).toHaveLength(512);
    expect(expandBraces('{a,b}'.repeat(10))).toBeUndefined();
    expect(expandBraces('{a,b}'.repeat(800))).toBeUndefined();
  });
});

describe('paths', () => {
  test('a path without wildcards is itself, or nothing', async () => {
    write('a');
    expect(await glob('a')).toEqual(['a']);
    expect(await glob('~/a')).toEqual(['a']);
    expect(await glob(join(root, 'a'))).toEqual(['a']);
    expect(await glob('none')).toEqual([]);
  });

  test('what exists as it is written wins over its reading as a pattern', async () => {
    write('[1].csv', '1.csv', '*', 'x');
    expect(await glob('[1].csv')).toEqual(['[1].csv']);
    expect(await glob('*')).toEqual(['*']);
    expect(await glob('\\[1].*')).toEqual(['[1].csv']);
  });

  test('wildcards in names and folders', async () => {
    write('a/1.csv', 'a/2.csv', 'a/x.txt', 'b/1.csv', 'c', '.h/1.csv');
    expect(await glob('*/1.csv')).toEqual(['a/1.csv', 'b/1.csv']);
    expect(await glob('a/[0-9].*')).toEqual(['a/1.csv', 'a/2.csv']);
    expect(await glob('{a,b}/*.csv')).toEqual(['a/1.csv', 'a/2.csv', 'b/1.csv']);
    expect(await glob('./a/../b/?.csv')).toEqual(['./a/../b/1.csv']);
    expect(await glob('.h/*')).toEqual(['.h/1.csv']);
    expect(await glob('*/')).toEqual(['a', 'b']);
    expect(await glob('none*/x')).toEqual([]);
    expect(await glob(`${root}/*`)).toEqual(['a', 'b', 'c']);
    expect(await glob('~/*')).toEqual(['a', 'b', 'c']);
  });

  test('any number of folders', async () => {
    write('x.py', 'a/x.py', 'a/b/x.py', 'a/b/y.py', '.h/x.py', 'a/.h/x.py');
    symlinkSync('..', join(root, 'a/up'));
    expect(await glob('**/x.py')).toEqual(['a/b/x.py', 'a/x.py', 'x.py']);
    expect(await glob('a/**/*.py')).toEqual(['a/b/x.py', 'a/b/y.py', 'a/x.py']);
    expect(await glob('**/**/y.py')).toEqual(['a/b/y.py']);
    expect(await glob('a/**')).toEqual(['a/b', 'a/up', 'a/x.py']);
  });

  test('a folder that is a link is entered by name or by a star', async () => {
    write('real/f');
    symlinkSync('real', join(root, 'link'));
    expect(await glob('l*/f')).toEqual(['link/f']);
    expect(await glob('link/*')).toEqual(['link/f']);
  });

  test('names that are no UTF-8 are matched byte by byte', async () => {
    writeFileSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xff, 0x61])]), '');
    expect(await glob('*')).toEqual(['\xffa']);
    expect(await glob('?a')).toEqual(['\xffa']);
  });

  test('wildcards in the working directory itself are no wildcards', async () => {
    write('[x]*/f1', 'x1/f2');
    const found = await matchLocalGlob('f*', join(root, '[x]*'), root);
    expect(found.map(String)).toEqual([join(root, '[x]*', 'f1')]);
  });

  test('a pattern that stands for too much is refused', async () => {
    await expect(glob('{a,b}'.repeat(12))).rejects.toMatchObject({ kind: 'bad-input' });
    await expect(glob(`${'{a,b}'.repeat(2000)}`)).rejects.toMatchObject({ kind: 'bad-input' });
  });
});
